internal import Foundation

/// A program run to its end.
///
/// This uses posix_spawn because Foundation's Process on Linux also waits for everything that the program started: for
/// `pg_ctl start` that is the server itself.
struct Child {
    var status: Int32
    var text: String

    /// - Parameters:
    ///   - command: the program's path and its arguments. It runs in `/`, since its user may have no access to the
    ///     caller's directory.
    ///   - keepsOutput: whether to read its output; false for a program whose own children outlive it and hold its
    ///     output open.
    static func run(_ command: [String], keepsOutput: Bool = true) throws(PostgresError) -> Child {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw fault(command) }
        defer { for end in ends where end >= 0 { close(end) } }
        let pid = try spawn(command, output: keepsOutput ? ends[1] : nil)
        close(ends[1])
        ends[1] = -1
        let handle = FileHandle(fileDescriptor: ends[0], closeOnDealloc: false)
        let data = keepsOutput ? (try? handle.readToEnd()) ?? Data() : Data()
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0 {
            guard errno == EINTR else { throw fault(command) }
        }
        let code = status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + status & 0x7F
        return Child(status: code, text: String(decoding: data, as: UTF8.self))
    }

    private static func spawn(_ command: [String], output: Int32?) throws(PostgresError) -> pid_t {
        // A server outlives us: it must not hold open what our caller passed to us, since the caller may wait for it to
        // close.
        for descriptor in Int32(3)..<1024 where fcntl(descriptor, F_GETFD) >= 0 {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        }
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
        #else
            var actions = unsafe posix_spawn_file_actions_t()
        #endif
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for stream in [STDOUT_FILENO, STDERR_FILENO] {
            if let output {
                unsafe posix_spawn_file_actions_adddup2(&actions, output, stream)
            } else {
                unsafe posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_WRONLY, 0)
            }
        }
        // The shell changes the directory: posix_spawn's own way isn't available everywhere.
        let command = ["/bin/sh", "-c", "cd / && exec \"$@\"", "sh"] + command
        var arguments = unsafe command.map { unsafe strdup($0) }
        unsafe arguments.append(nil)
        defer { unsafe arguments.forEach { unsafe free($0) } }
        var pid: pid_t = 0
        guard unsafe posix_spawn(&pid, command[0], &actions, nil, arguments, environ) == 0 else { throw fault(command) }
        return pid
    }

    private static func fault(_ command: [String]) -> PostgresError {
        PostgresError(code: "58000", message: "\(command[0]) can't be run")
    }
}
