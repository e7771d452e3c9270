internal import Dispatch

/// Some connections to one database, opened when they are needed and handed out one at a time.
///
/// A connection that was lost is forgotten, and the next use opens another: when PostgreSQL comes back, so does the pool.
public actor Pool {
    private let uri: String
    private let size: Int
    private let settings: Connection.Settings
    private var idle: [Session] = []
    private var open = 0
    private var waiting: [CheckedContinuation<Session, Never>] = []

    public init(uri: String, size: Int = 8, _ settings: Connection.Settings = Connection.Settings()) {
        self.uri = uri
        self.size = size
        self.settings = settings
    }

    /// How many connections are in use and idle, and how many callers wait for one.
    public var load: (busy: Int, idle: Int, waiting: Int) { (open - idle.count, idle.count, waiting.count) }

    /// Runs `body` with a connection of its own, off the cooperative threads. Cancelling the task cancels its statement.
    public func run<T: Sendable>(_ body: @escaping @Sendable (Connection) throws -> T) async throws -> T {
        let session = await take()
        defer { give(session) }
        return try await session.run(body)
    }

    private func take() async -> Session {
        if let session = idle.popLast() { return session }
        if open < size {
            open += 1
            return Session(uri: uri, settings)
        }
        return await withCheckedContinuation { waiting.append($0) }
    }

    private func give(_ session: Session) {
        if waiting.isEmpty { idle.append(session) } else { waiting.removeFirst().resume(returning: session) }
    }
}

/// A connection and the thread its calls run on.
actor Session {
    private let uri: String
    private let settings: Connection.Settings
    private var connection: Connection?
    private nonisolated let executor = QueueExecutor()

    init(uri: String, _ settings: Connection.Settings) {
        self.uri = uri
        self.settings = settings
    }

    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    func run<T: Sendable>(_ body: @Sendable (Connection) throws -> T) async throws -> T {
        try Task.checkCancellation()
        let connection = try usable()
        let canceller = connection.canceller()
        // `body` blocks this session's thread only, so the handler runs beside it, and so do all others. A closure that doesn't name the
        // actor would leave its thread for those that all tasks share.
        return try await withTaskCancellationHandler {
            defer { canceller?.end() }
            return try perform(body, connection)
        } onCancel: {
            canceller?.cancel()
        }
    }

    private func perform<T>(_ body: (Connection) throws -> T, _ connection: Connection) throws -> T {
        try Task.checkCancellation()
        return try body(connection)
    }

    private func usable() throws -> Connection {
        if let connection, connection.isUsable { return connection }
        let opened = try Connection(uri: uri, settings)
        connection = opened
        return opened
    }
}

/// Runs an actor's jobs on a queue of its own, where they may block.
final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "firn.postgres")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
