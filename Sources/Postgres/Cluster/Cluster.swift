internal import Foundation

/// Firn's own PostgreSQL, in a project's `.firn` directory.
///
///     .firn/lock               held while a command creates, starts or stops the cluster
///     .firn/cluster/data       the data; `cluster` links to /var/lib/firn/… if its user can't enter the project
///     .firn/cluster/log        the server's log
///     /tmp/firn-<16 digits>    the socket, in a private directory: a socket's path has at most 107 bytes
///
/// It listens only on a unix socket, with peer authentication and a map for the user who started it. It stays up
/// between commands until `stop`.
public struct Cluster: Sendable {
    /// The `.firn` directory.
    public let directory: String
    private let path: String
    /// Trades safety for speed; for test clusters, which nobody misses.
    private let isThrowaway: Bool

    /// - Parameters:
    ///   - directory: the `.firn` directory, which need not exist yet.
    ///   - path: where to look for programs first, in the form of `PATH`.
    public init(directory: String, path: String, isThrowaway: Bool = false) {
        self.directory = URL(fileURLWithPath: directory).standardizedFileURL.path
        self.path = path
        self.isThrowaway = isThrowaway
    }

    /// The nearest `.firn` from a directory upwards, as Git finds `.git`; nil if there is none.
    public static func find(from directory: String, path: String) -> Cluster? {
        var place = URL(fileURLWithPath: directory).standardizedFileURL
        while true {
            let candidate = place.appendingPathComponent(".firn").path
            if FileManager.default.fileExists(atPath: candidate) { return Cluster(directory: candidate, path: path) }
            if place.path == "/" { return nil }
            place.deleteLastPathComponent()
        }
    }

    /// The address for psql, libpq and `FIRN_DATABASE_URL`.
    ///
    /// It asks for a server that runs as the right user, so that nobody else can pass for it by taking the socket's
    /// path first.
    public var uri: String {
        let user = (try? ServerUser.current().name).map { "&requirepeer=\($0)" } ?? ""
        return "postgresql://firn@/firn?host=\(socketDirectory.replacing("/", with: "%2F"))\(user)"
    }

    /// Whether the cluster was created, running or not.
    public var exists: Bool { FileManager.default.fileExists(atPath: data + "/PG_VERSION") }

    private var home: String { directory + "/cluster" }
    private var data: String { home + "/data" }
    private var log: String { home + "/log" }

    private var socketDirectory: String { "/tmp/firn-\(identity)" }

    /// 16 digits that stand for the directory (FNV-1a).
    private var identity: String {
        let hash = directory.utf8.reduce(UInt64(0xCBF2_9CE4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    // MARK: Start and stop

    /// Creates the cluster if there is none, and starts it if it isn't running. Two simultaneous callers don't collide.
    public func start() throws {
        if exists, (try? Connection(uri: uri)) != nil { return }
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        try withLock {
            // Somebody else may have been quicker.
            if exists, (try? Connection(uri: uri)) != nil { return }
            let user = try ServerUser.current()
            if !exists { try create(user) }
            // A killed command may have left a server without its database.
            if !isRunning { try launch(user) }
            try createDatabase()
        }
    }

    /// Stops the server; false if it wasn't running.
    @discardableResult
    public func stop(immediately: Bool = false) throws -> Bool {
        guard exists else { return false }
        return try withLock {
            guard let pid = postmaster, isAlive(pid) else { return false }
            let user = try ServerUser.current()
            let programs = try ServerPrograms.find(major: major, path: path)
            let child = try Child.run(
                user.command([
                    programs.directory + "/pg_ctl", "stop", "-D", real(data), "-m", immediately ? "immediate" : "fast",
                    "-w", "-t", "60",
                ]))
            guard child.status == 0 else { throw fault("PostgreSQL doesn't stop", child.text) }
            try? FileManager.default.removeItem(atPath: socketDirectory)
            return true
        }
    }

    /// Whether a server is running on the data directory.
    public var isRunning: Bool { postmaster.map(isAlive) ?? false }

    private func withLock<T>(_ body: () throws -> T) throws -> T {
        let descriptor = unsafe open(directory + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw PostgresError(
                code: "58030", message: "\(directory)/lock can't be written", advice: "is the directory yours?")
        }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                throw PostgresError(code: "58030", message: "\(directory)/lock can't be locked")
            }
        }
        return try body()
    }

    private func create(_ user: ServerUser) throws {
        let programs = try ServerPrograms.find(path: path)
        if !FileManager.default.fileExists(atPath: home) {
            // A link whose target is gone.
            try? FileManager.default.removeItem(atPath: home)
            if try user.canEnter(directory) {
                try user.makePrivate(home)
            } else {
                // Perhaps only root can enter the project: then the cluster lives where its user can go.
                try FileManager.default.createDirectory(
                    atPath: "/var/lib/firn", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
                let elsewhere = "/var/lib/firn/\(identity)"
                try user.makePrivate(elsewhere)
                try FileManager.default.createSymbolicLink(atPath: home, withDestinationPath: elsewhere)
            }
        }
        // Created under another name, so that one whose creation was killed doesn't pass for a cluster.
        let unfinished = real(home) + "/data.new"
        try? FileManager.default.removeItem(atPath: unfinished)
        let child = try Child.run(
            user.command(
                [
                    programs.directory + "/initdb", "-D", unfinished, "-U", "firn", "-A", "peer", "-E", "UTF8",
                    "--locale=C", "--no-instructions",
                ] + (isThrowaway ? ["--no-sync"] : [])))
        guard child.status == 0 else { throw fault("PostgreSQL can't create its cluster", child.text) }
        try configure(user, unfinished)
        try? FileManager.default.removeItem(atPath: real(home) + "/data")
        try FileManager.default.moveItem(atPath: unfinished, toPath: real(home) + "/data")
    }

    private func configure(_ user: ServerUser, _ data: String) throws {
        try append("local all all peer map=firn\n", to: data + "/pg_hba.conf", replacing: true)
        let caller = ServerUser.name(of: geteuid()) ?? user.name
        let users = Set([caller, user.name]).sorted()
        try append(users.map { "firn \"\($0)\" firn\n" }.joined(), to: data + "/pg_ident.conf", replacing: true)
        var settings = """

            # Firn's own settings
            listen_addresses = ''
            unix_socket_permissions = 0700
            timezone = 'UTC'
            log_timezone = 'UTC'
            max_connections = 100
            shared_buffers = 128MB
            max_wal_size = 2GB

            """
        if isThrowaway { settings += "fsync = off\nfull_page_writes = off\nmax_connections = 1000\n" }
        try append(settings, to: data + "/postgresql.conf", replacing: false)
    }

    /// Written as the caller, who may be root: the files still belong to the server's user.
    private func append(_ text: String, to file: String, replacing: Bool) throws {
        guard let handle = FileHandle(forUpdatingAtPath: file) else {
            throw fault("PostgreSQL's \(file) can't be written", "")
        }
        if replacing { try handle.truncate(atOffset: 0) } else { try handle.seekToEnd() }
        try handle.write(contentsOf: Data(text.utf8))
        try handle.close()
    }

    private func launch(_ user: ServerUser) throws {
        let programs = try ServerPrograms.find(major: major, path: path)
        try user.makePrivate(socketDirectory)
        let command = try user.command([
            programs.directory + "/pg_ctl", "start", "-D", real(data), "-l", real(home) + "/log", "-w", "-t", "60",
            "-s", "-o", "-k \(socketDirectory)",
        ])
        // A postmaster killed with SIGKILL may stay a zombie for a while if its parent reaps slowly, and its lock file
        // stays with it.
        for attempt in 0..<20 {
            if attempt > 0 { Thread.sleep(forTimeInterval: 0.5) }
            if let pid = postmaster, isZombie(pid) {
                try? FileManager.default.removeItem(atPath: data + "/postmaster.pid")
            }
            if try Child.run(command, keepsOutput: false).status == 0 { return }
            guard let pid = postmaster, isZombie(pid) || lastLog.contains("lock file") else { break }
        }
        throw fault("PostgreSQL doesn't start", lastLog)
    }

    private func createDatabase() throws {
        let connection = try Connection(uri: uri.replacing("@/firn?", with: "@/postgres?"))
        if try connection.execute("select 1 from pg_database where datname = 'firn'").count == 0 {
            try connection.run(script: "create database firn")
        }
        // The user is called firn too: what people create without naming a schema would land among the store's own
        // tables.
        let settings = try connection.execute(
            "select from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase where d.datname = 'firn' and s.setrole = 0"
        )
        if settings.count == 0 { try connection.run(script: "alter database firn set search_path = public") }
    }

    // MARK: What is there

    private var major: Int? {
        (try? String(contentsOfFile: data + "/PG_VERSION", encoding: .utf8)).flatMap { Int($0.prefix { $0.isNumber }) }
    }

    /// The process that postmaster.pid names, if the file is about this directory and not about one that it was copied
    /// from.
    private var postmaster: pid_t? {
        guard
            let lines = (try? String(contentsOfFile: data + "/postmaster.pid", encoding: .utf8))?.split(
                separator: "\n"), lines.count > 1,
            real(String(lines[1])) == real(data)
        else { return nil }
        return pid_t(lines[0])
    }

    /// Whether the process is alive and is PostgreSQL: after a power loss the number may belong to anything.
    private func isAlive(_ pid: pid_t) -> Bool {
        guard kill(pid, 0) == 0 || errno == EPERM, !isZombie(pid) else { return false }
        guard let command = try? String(contentsOfFile: "/proc/\(pid)/comm", encoding: .utf8) else { return true }
        return command.hasPrefix("postgres") || command.hasPrefix("postmaster")
    }

    private func isZombie(_ pid: pid_t) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = status.lastIndex(of: ")")
        else { return false }
        return status[end...].dropFirst(2).first == "Z"
    }

    private var lastLog: String {
        guard let text = try? String(contentsOfFile: log, encoding: .utf8) else { return "" }
        return text.split(separator: "\n").suffix(3).joined(separator: "\n")
    }

    /// The path with links resolved: the server's user may not be able to follow them.
    private func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }

    private func fault(_ message: String, _ reason: String) -> PostgresError {
        let reason = reason.trimmingCharacters(in: .whitespacesAndNewlines)
        return PostgresError(
            code: "58000", message: reason.isEmpty ? message : "\(message): \(reason)", advice: "its log is \(log)")
    }
}
