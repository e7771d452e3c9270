internal import Foundation

/// The user that PostgreSQL's programs run as: the caller or, since they refuse root, an unprivileged user.
struct ServerUser {
    let name: String
    let uid: uid_t
    let gid: gid_t
    /// Whether this is somebody other than the caller (who is root).
    let isAnother: Bool

    static func current() throws(PostgresError) -> ServerUser {
        guard geteuid() == 0 else {
            return ServerUser(name: name(of: geteuid()) ?? "", uid: geteuid(), gid: getegid(), isAnother: false)
        }
        for name in ["postgres", "nobody"] {
            if let entry = unsafe getpwnam(name) {
                return unsafe ServerUser(
                    name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid, isAnother: true)
            }
        }
        throw PostgresError(
            code: "58000",
            message: "PostgreSQL doesn't run as root, and this machine has neither a user postgres nor nobody",
            advice: "run firn as an ordinary user")
    }

    static func name(of uid: uid_t) -> String? {
        guard let entry = unsafe getpwuid(uid) else { return nil }
        return unsafe String(cString: entry.pointee.pw_name)
    }

    /// The command line that runs a program as this user.
    func command(_ command: [String]) throws(PostgresError) -> [String] {
        guard isAnother else { return command }
        #if os(Linux)
            for setpriv in ["/usr/bin/setpriv", "/bin/setpriv"]
            where FileManager.default.isExecutableFile(atPath: setpriv) {
                return [setpriv, "--reuid=\(uid)", "--regid=\(gid)", "--clear-groups", "--"] + command
            }
            throw PostgresError(
                code: "58000", message: "setpriv, which lets PostgreSQL run as another user than root, is missing",
                advice: "install util-linux")
        #else
            return ["/usr/bin/sudo", "-n", "-u", name] + command
        #endif
    }

    /// Whether the user can enter a directory.
    func canEnter(_ directory: String) throws(PostgresError) -> Bool {
        guard isAnother else { return true }
        let command = try command(["/bin/sh", "-c", "cd \"$1\"", "sh", directory])
        do { return try Child.run(command).status == 0 } catch { return false }
    }

    /// Creates a directory that only this user (and root) can enter, or checks that an existing one is like that.
    func makePrivate(_ directory: String) throws(PostgresError) {
        if unsafe mkdir(directory, 0o700) == 0 {
            if isAnother, unsafe chown(directory, uid, gid) != 0 {
                throw fault(directory, "can't be given to user \(name)")
            }
            return
        }
        var status = stat()
        guard errno == EEXIST, unsafe lstat(directory, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw fault(directory, "can't be made")
        }
        guard status.st_uid == uid, status.st_mode & 0o077 == 0 else {
            throw fault(directory, "belongs to somebody else or is open to others")
        }
    }

    private func fault(_ directory: String, _ what: String) -> PostgresError {
        PostgresError(code: "58030", message: "\(directory) \(what)", advice: "remove it or make it yours")
    }
}
