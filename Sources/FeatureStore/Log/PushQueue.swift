internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import Synchronization
internal import Tables

/// A queue for each source that rows are pushed to.
final class PushQueues: Sendable {
    let pool: Pool
    private let queues = Mutex<[String: PushQueue]>([:])

    init(pool: Pool) {
        self.pool = pool
    }

    func queue(of source: String) -> PushQueue {
        queues.withLock { queues in
            if let queue = queues[source] { return queue }
            let queue = PushQueue(pool: pool)
            queues[source] = queue
            return queue
        }
    }

    func figures() async -> [Figures.Pushes] {
        var figures: [Figures.Pushes] = []
        for (source, queue) in queues.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { figures.append(await queue.figures(source)) }
        return figures
    }
}

/// Rows pushed to one source, on their way into its log: requests that come while a commit is under way share the next. Each is a batch of its own.
actor PushQueue {
    struct Request: Sendable {
        var source: Source
        var rows: Table
        /// Of its body.
        var bytes: Int
        var origin: BatchLog.Origin
    }

    private struct Waiting {
        var request: Request
        var since = ContinuousClock.now
        var sender: CheckedContinuation<Store.Pushed, any Error>
    }

    private let pool: Pool
    private var waiting: [Waiting] = []
    private var waitingBytes = 0
    private var isWriting = false
    private var done = Figures.Pushes(source: "")

    /// What may wait: more is refused at once.
    private static let mostRequests = 10_000
    private static let mostBytes = 256 << 20
    /// What shares a commit.
    private static let mostTogether = 1000
    private static let mostBytesTogether = 32 << 20

    init(pool: Pool) {
        self.pool = pool
    }

    func figures(_ source: String) -> Figures.Pushes {
        var figures = done
        (figures.source, figures.waiting) = (source, waiting.count)
        return figures
    }

    /// Returns after the commit.
    func push(_ request: Request) async throws -> Store.Pushed {
        guard waiting.count < PushQueue.mostRequests, waitingBytes < PushQueue.mostBytes else {
            throw StoreError(.overloaded, "\(waiting.count) pushes to \(request.source.name) wait already", advice: "nothing of this one was taken: send it again in a second")
        }
        return try await withCheckedThrowingContinuation { sender in
            waiting.append(Waiting(request: request, sender: sender))
            waitingBytes += request.bytes
            guard !isWriting else { return }
            isWriting = true
            Task { await write() }
        }
    }

    private func write() async {
        while !waiting.isEmpty {
            let group = next()
            await write(group)
        }
        isWriting = false
    }

    /// Takes what goes together: of one shape of the source, and no Idempotency-Key twice, since the second one's answer hangs on the first.
    private func next() -> [Waiting] {
        var group: [Waiting] = [], bytes = 0, keys: Set<String> = []
        for request in waiting {
            guard group.count < PushQueue.mostTogether, bytes < PushQueue.mostBytesTogether, request.request.source == waiting[0].request.source,
                request.request.origin.idempotencyKey.map({ keys.insert($0).inserted }) ?? true
            else { break }
            group.append(request)
            bytes += request.request.bytes
        }
        waiting.removeFirst(group.count)
        waitingBytes -= bytes
        return group
    }

    private func write(_ group: [Waiting]) async {
        do {
            let requests = group.map(\.request)
            let pushed = try await pool.run { try PushQueue.write(requests, $0) }
            done.commits += 1
            for (waiting, pushed) in zip(group, pushed) {
                done.requests += 1
                done.rows += waiting.request.rows.rowCount
                done.waited += .now - waiting.since
                waiting.sender.resume(returning: pushed)
            }
        } catch {
            // One that can't be taken is no reason to refuse the others. A connection that was lost is.
            if group.count == 1 || (error as? PostgresError)?.isConnectionLost ?? false {
                for waiting in group { waiting.sender.resume(throwing: error) }
            } else {
                for waiting in group { await write([waiting]) }
            }
        }
    }

    private static func write(_ requests: [Request], _ connection: Connection) throws -> [Store.Pushed] {
        let source = requests[0].source
        return try connection.transaction {
            var answers = try earlierAnswers(requests, connection)
            let fresh = requests.indices.filter { answers[$0] == nil }
            if !fresh.isEmpty {
                let writer = try BatchWriter(source, connection, knownNow: !source.isStatic, batches: fresh.count)
                var place = 0
                try writer.write {
                    guard place < fresh.count else { return nil }
                    defer { place += 1 }
                    return (place, requests[fresh[place]].rows)
                }
                for (request, written) in zip(fresh, try writer.finish(.push, fresh.map { requests[$0].origin })) {
                    answers[request] = Store.Pushed(accepted: written.accepted, duplicates: written.duplicates, lastOffset: written.lastOffset)
                }
            }
            return requests.indices.map { answers[$0]! }
        }
    }

    /// The first answers to Idempotency-Keys that were used in the last seven days, by request.
    private static func earlierAnswers(_ requests: [Request], _ connection: Connection) throws -> [Int: Store.Pushed] {
        let keyed = requests.indices.filter { requests[$0].origin.idempotencyKey != nil }
        guard !keyed.isEmpty else { return [:] }
        let source = requests[0].source.name
        // Two requests with one key follow each other; locks are taken in one order.
        for lock in Set(keyed.map { Lock.log(of: "key " + source + " " + requests[$0].origin.idempotencyKey!) }).sorted() {
            try connection.execute("select pg_advisory_xact_lock(\(Lock.space)::int, \(lock)::int)")
        }
        var answers: [Int: Store.Pushed] = [:]
        for request in keyed {
            let rows = try connection.execute(
                """
                select request_digest, count, duplicates, base_offset + count from firn.batches
                where source = \(source) and idempotency_key = \(requests[request].origin.idempotencyKey) and committed_at > now() - interval '7 days'
                order by base_offset desc limit 1
                """)
            guard let row = rows.first else { continue }
            guard row.bytes(0) == requests[request].origin.requestDigest else {
                throw StoreError(.idempotencyConflict, "the Idempotency-Key was used with another body", advice: "a key belongs to one request")
            }
            answers[request] = Store.Pushed(accepted: Int(row.int64(1) - row.int64(2)), duplicates: Int(row.int64(2)), lastOffset: row.int64(3))
        }
        return answers
    }
}
