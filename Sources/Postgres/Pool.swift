internal import Dispatch
internal import Synchronization

/// Some connections to one database, opened when needed and lent to one caller at a time.
///
/// A lost connection is dropped and the next use opens another, so when PostgreSQL comes back, so does the pool. It
/// isn't an actor: a caller that computes for long on other threads would hold it up for everyone.
public final class Pool: Sendable {
    private struct State {
        var idle: [Session] = []
        var open = 0
        var waiting: [(id: Int, turn: CheckedContinuation<Session, any Error>)] = []
        var numbers = 0
        var isClosed = false
    }

    private let uri: String
    private let size: Int
    private let settings: Connection.Settings
    private let state = Mutex(State())

    /// Opens no connection yet.
    ///
    /// - Parameters:
    ///   - uri: `postgresql://…`, as libpq reads it.
    ///   - size: the most connections open at once.
    public init(uri: String, size: Int = 8, _ settings: Connection.Settings = Connection.Settings()) {
        self.uri = uri
        self.size = size
        self.settings = settings
    }

    /// How many connections are in use, how many are idle, and how many callers wait for one.
    public var load: (busy: Int, idle: Int, waiting: Int) {
        state.withLock { ($0.open - $0.idle.count, $0.idle.count, $0.waiting.count) }
    }

    /// Runs `body` with a connection to itself, off the cooperative threads. Cancelling the task cancels the running
    /// statement, and the task's deadline applies.
    public func run<T: Sendable>(_ body: @escaping @Sendable (Connection) throws -> T) async throws -> T {
        let deadline = Deadline.earlier(Deadline.current, settings.deadline.map { .now + $0 })
        let session = try await take(until: deadline)
        defer { give(session) }
        return try await session.run(until: deadline, body)
    }

    /// Closes idle connections now, and those in use as soon as they are returned. Callers that wait or come later get
    /// an error.
    public func close() {
        let (idle, waiting) = state.withLock { state in
            defer { (state.isClosed, state.idle, state.waiting) = (true, [], []) }
            return (state.idle, state.waiting)
        }
        for waiting in waiting { waiting.turn.resume(throwing: PostgresError.closed) }
        // Outside the lock: each one says goodbye to the server.
        withExtendedLifetime(idle) {}
    }

    private func take(until deadline: ContinuousClock.Instant?) async throws -> Session {
        let session = try state.withLock { state throws(PostgresError) -> Session? in
            guard !state.isClosed else { throw .closed }
            if let session = state.idle.popLast() { return session }
            guard state.open < size else { return nil }
            state.open += 1
            return Session(uri: uri, settings)
        }
        return if let session { session } else { try await wait(until: deadline) }
    }

    private func wait(until deadline: ContinuousClock.Instant?) async throws -> Session {
        let id = state.withLock { state in
            state.numbers += 1
            return state.numbers
        }
        let timer = deadline.map { deadline in
            Task.detached { [weak self] in
                try await Task.sleep(until: deadline, clock: .continuous)
                self?.refuse(id, PostgresError.noConnection)
            }
        }
        defer { timer?.cancel() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { turn in
                let (session, isClosed) = state.withLock { state -> (Session?, Bool) in
                    if let session = state.idle.popLast() { return (session, false) }
                    if !state.isClosed { state.waiting.append((id, turn)) }
                    return (nil, state.isClosed)
                }
                if let session {
                    turn.resume(returning: session)
                } else if isClosed {
                    turn.resume(throwing: PostgresError.closed)
                } else if Task.isCancelled {
                    refuse(id, CancellationError())
                }
            }
        } onCancel: {
            refuse(id, CancellationError())
        }
    }

    /// Takes a caller that was cancelled, or has waited long enough, out of the line.
    private func refuse(_ id: Int, _ error: any Error) {
        let turn = state.withLock { state in
            state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).turn }
        }
        turn?.resume(throwing: error)
    }

    private func give(_ session: Session) {
        let turn = state.withLock { state -> CheckedContinuation<Session, any Error>? in
            if !state.waiting.isEmpty { return state.waiting.removeFirst().turn }
            if !state.isClosed { state.idle.append(session) }
            return nil
        }
        turn?.resume(returning: session)
    }
}

/// A connection and the thread that its calls run on.
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

    func run<T: Sendable>(until deadline: ContinuousClock.Instant?, _ body: @Sendable (Connection) throws -> T)
        async throws -> T
    {
        try Task.checkCancellation()
        let connection = try usable(until: deadline)
        connection.deadline = deadline
        connection.cancelled.clear()
        defer { if connection.isGivenUp { self.connection = nil } }
        let canceller = connection.canceller(), cancelled = connection.cancelled
        // `body` blocks only this session's thread, so the handler runs beside it, and so does everything else. A
        // closure that doesn't mention the actor would leave its thread for the ones that all tasks share.
        do {
            return try await withTaskCancellationHandler {
                defer { canceller?.end(isGivenUp: connection.isGivenUp) }
                return try perform(body, connection)
            } onCancel: {
                cancelled.begin()
                canceller?.cancel()
            }
        } catch let error as PostgresError where error.isTimeout && Task.isCancelled {
            throw CancellationError()
        }
    }

    private func perform<T>(_ body: (Connection) throws -> T, _ connection: Connection) throws -> T {
        try Task.checkCancellation()
        return try body(connection)
    }

    private func usable(until deadline: ContinuousClock.Instant?) throws -> Connection {
        if let connection, connection.isUsable { return connection }
        let opened = try Connection(uri: uri, settings, until: deadline)
        connection = opened
        return opened
    }
}

/// Runs an actor's jobs on its own queue, where they may block.
final class QueueExecutor: SerialExecutor {
    private let queue = DispatchQueue(label: "firn.postgres")

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { unsafe job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
