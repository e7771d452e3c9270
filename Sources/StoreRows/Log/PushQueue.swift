package import FeatureEngine
internal import FeatureLanguage
package import Postgres
internal import StoreRecord
internal import Synchronization
internal import Tables

/// A queue for each source that rows are pushed to.
package final class PushQueues: Sendable {
    /// Called with what was committed here before its sender hears of it: the source, the rows if they are all that
    /// follows the ones before, and where the log ends.
    package typealias Committed = @Sendable (_ source: String, _ rows: CommittedRows?, _ end: Int64) -> Void

    package let pool: Pool
    let committed: Committed
    private let queues = Mutex<[String: PushQueue]>([:])

    package init(pool: Pool, committed: @escaping Committed) {
        self.pool = pool
        self.committed = committed
    }

    func queue(of source: String) -> PushQueue {
        queues.withLock { queues in
            if let queue = queues[source] { return queue }
            let queue = PushQueue(pool: pool, committed: committed)
            queues[source] = queue
            return queue
        }
    }

    package func figures() -> [PushFigures] { queues.withLock { $0 }.sorted { $0.key < $1.key }.map { $1.figures($0) } }
}

/// Rows pushed to one source, on their way into its log: requests that arrive while a commit is under way share the
/// next one. Each becomes a batch of its own.
///
/// One connection writes group after group on its own thread while there are any: between two groups it waits for
/// nobody.
package final class PushQueue: Sendable {
    struct Request: Sendable {
        var source: Source
        var rows: Table
        /// The size of its body or of what its rows take up, whichever is larger.
        var bytes: Int
        var origin: BatchLog.Origin
    }

    private struct Waiting {
        var request: Request
        var since = ContinuousClock.now
        var sender: @Sendable (Result<StoreLog.Pushed, any Error>) -> Void
    }

    private struct State {
        var waiting: [Waiting] = []
        var bytes = 0
        var isWriting = false
        /// For future batches, ascending.
        var numbers: [Int64] = []
        var done = PushFigures(source: "")
    }

    private let pool: Pool
    private let committed: PushQueues.Committed
    private let state = Mutex(State())

    /// How much may wait: anything beyond is refused at once.
    private static let mostRequests = 10_000
    private static let mostBytes = 256 << 20
    /// How long a commit may take. The database gives up a little earlier.
    private static let deadline = Duration.seconds(30)
    package static let statementTimeout = Duration.seconds(25)
    /// How much may share a commit.
    private static let mostTogether = 1000
    private static let mostBytesTogether = 32 << 20

    init(pool: Pool, committed: @escaping PushQueues.Committed) {
        self.pool = pool
        self.committed = committed
    }

    func figures(_ source: String) -> PushFigures {
        state.withLock { state in
            var figures = state.done
            (figures.source, figures.waiting) = (source, state.waiting.count)
            return figures
        }
    }

    /// - Parameter sender: called after the commit, on any thread.
    func push(_ request: Request, _ sender: @escaping @Sendable (Result<StoreLog.Pushed, any Error>) -> Void) {
        let (isTaken, isFirst) = state.withLock { state in
            guard state.waiting.count < PushQueue.mostRequests, state.bytes < PushQueue.mostBytes else {
                return (false, false)
            }
            state.waiting.append(Waiting(request: request, sender: sender))
            state.bytes += request.bytes
            defer { state.isWriting = true }
            return (true, !state.isWriting)
        }
        if !isTaken {
            sender(
                .failure(
                    StoreError(
                        .overloaded, "too many pushes to \(request.source.name) wait already",
                        advice: "nothing of this one was taken: send it again in a second")))
        }
        // Detached, since it also serves everyone who comes later: the first caller's deadline isn't theirs.
        if isFirst { Task.detached { [self] in await write() } }
    }

    /// Writes until nothing is waiting.
    private func write() async {
        do {
            try await pool.run { [self] connection in
                while let group = next() { try connection.within(PushQueue.deadline) { try write(group, connection) } }
            }
        } catch {
            // The connection was lost, or hangs. The requests whose rows it had are lost with it, and those that wait
            // would only wait for the same.
            let lost = state.withLock { state in
                defer { (state.waiting, state.bytes, state.isWriting) = ([], 0, false) }
                return state.waiting
            }
            for waiting in lost { waiting.sender(.failure(error)) }
        }
    }

    /// Takes what goes together: one shape of the source, and no Idempotency-Key twice, since the second answer depends
    /// on the first. Nil ends the writing.
    private func next() -> [Waiting]? {
        state.withLock { state in
            var group: [Waiting] = [], bytes = 0, keys: Set<String> = []
            for request in state.waiting {
                guard group.count < PushQueue.mostTogether, bytes < PushQueue.mostBytesTogether,
                    request.request.source == state.waiting[0].request.source,
                    request.request.origin.idempotencyKey.map({ keys.insert($0).inserted }) ?? true
                else { break }
                group.append(request)
                bytes += request.request.bytes
            }
            state.waiting.removeFirst(group.count)
            state.bytes -= bytes
            if group.isEmpty { state.isWriting = false }
            return group.isEmpty ? nil : group
        }
    }

    /// - Throws: if the connection was lost or takes too long; all other errors go to the senders.
    private func write(_ group: [Waiting], _ connection: Connection) throws {
        do {
            let pushed = try write(group.map(\.request), connection)
            state.withLock { state in
                state.done.commits += 1
                state.done.requests += group.count
                for waiting in group {
                    state.done.rows += waiting.request.rows.rowCount
                    state.done.waited += .now - waiting.since
                }
            }
            for (waiting, pushed) in zip(group, pushed) { waiting.sender(.success(pushed)) }
        } catch {
            if let error = error as? PostgresError, error.isConnectionLost || error.isTimeout {
                for waiting in group { waiting.sender(.failure(error)) }
                throw error
            }
            // One request that can't be taken is no reason to refuse the others.
            if group.count > 1 {
                for (place, waiting) in group.enumerated() {
                    do {
                        try write([waiting], connection)
                    } catch {
                        for waiting in group[(place + 1)...] { waiting.sender(.failure(error)) }
                        throw error
                    }
                }
            } else {
                group[0].sender(.failure(error))
            }
        }
    }

    private func write(_ requests: [Request], _ connection: Connection) throws -> [StoreLog.Pushed] {
        let source = requests[0].source, numbers = try numbers(requests.count, connection)
        let (answers, news) = try BatchWriter.explaining(source) {
            try connection.transaction { try write(requests, numbers, connection) }
        }
        // Before anybody is told, so that the next lookup here sees it.
        if let end = answers.map(\.lastOffset).max() { committed(source.name, news, end) }
        return answers
    }

    /// Inside a transaction. Returns the rows that may be taken over once committed; nil if they have to be read.
    private func write(_ requests: [Request], _ numbers: [Int64], _ connection: Connection) throws -> (
        [StoreLog.Pushed], CommittedRows?
    ) {
        let source = requests[0].source
        var answers = try PushQueue.earlierAnswers(requests, connection), news: CommittedRows?
        let fresh = requests.indices.filter { answers[$0] == nil }
        if !fresh.isEmpty {
            let writer = try BatchWriter(
                source, connection, knownNow: !source.isStatic, numbers: Array(numbers.prefix(fresh.count)))
            try writer.write(fresh.map { requests[$0].rows })
            let written = try writer.finish(.push, fresh.map { requests[$0].origin })
            for (request, written) in zip(fresh, written) {
                answers[request] = StoreLog.Pushed(
                    accepted: written.accepted, duplicates: written.duplicates, lastOffset: written.lastOffset)
            }
            if writer.areFirstVersions, let knownAt = writer.knownAt, let first = written.first {
                news = CommittedRows(
                    source: source, after: first.lastOffset - Int64(requests[fresh[0]].rows.rowCount),
                    rows: fresh.map { requests[$0].rows }, knownAt: knownAt)
            }
        }
        return (requests.indices.map { answers[$0]! }, news)
    }

    /// Numbers for batches, fetched many at a time.
    private func numbers(_ count: Int, _ connection: Connection) throws -> [Int64] {
        if state.withLock({ $0.numbers.count }) < count {
            let more = try BatchLog.numbers(max(count, PushQueue.mostTogether), connection)
            state.withLock { $0.numbers = more }
        }
        return state.withLock { state in
            defer { state.numbers.removeFirst(count) }
            return Array(state.numbers.prefix(count))
        }
    }

    /// The first answers to Idempotency-Keys used in the last seven days, by request.
    private static func earlierAnswers(_ requests: [Request], _ connection: Connection) throws -> [Int: StoreLog.Pushed]
    {
        let keyed = requests.indices.filter { requests[$0].origin.idempotencyKey != nil }
        guard !keyed.isEmpty else { return [:] }
        let source = requests[0].source.name
        // Two requests with one key run one after the other; locks are taken in a fixed order.
        for lock in Set(keyed.map { Lock.log(of: "key " + source + " " + requests[$0].origin.idempotencyKey!) })
            .sorted()
        {
            try connection.execute(Lock.statement(lock))
        }
        var answers: [Int: StoreLog.Pushed] = [:]
        for request in keyed {
            let rows = try connection.execute(
                """
                select request_digest, count, duplicates, base_offset + count from firn.batches
                where source = \(source) and idempotency_key = \(requests[request].origin.idempotencyKey) and committed_at > now() - interval '7 days'
                order by base_offset desc limit 1
                """)
            guard let row = rows.first else { continue }
            guard try row.bytes(0) == requests[request].origin.requestDigest else {
                throw StoreError(
                    .idempotencyConflict, "the Idempotency-Key was used with another body",
                    advice: "a key belongs to one request")
            }
            answers[request] = try StoreLog.Pushed(
                accepted: Int(row.int64(1) &- row.int64(2)), duplicates: Int(row.int64(2)), lastOffset: row.int64(3))
        }
        return answers
    }
}
