internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import ServingMemory
internal import StoreRows

/// Keeps memory up to date: asks every 10 ms how far the logs are, and reads what came since.
actor Follower {
    private let pool: Pool
    private let memory: OnlineMemory
    private var following: Task<Void, Never>?
    private var isReading = false
    /// Callers that wait for the next reading, and all that haven't been answered yet.
    private var waiting: [Int] = []
    private var turns: [Int: CheckedContinuation<Void, any Error>] = [:]
    private var numbers = 0
    /// The primary of the standby that is followed; nil where a primary is followed.
    private let primary: Pool?
    private var beating: Task<Void, Never>?

    /// If more rows than this have come to a source, they aren't read: its entities leave memory, and are read again as
    /// lookups ask for them.
    private static let mostRows = SourceTable.shortStretch

    /// - Parameter primary: the primary, where `pool` is a standby's.
    init(pool: Pool, memory: OnlineMemory, primary: Pool? = nil) {
        self.pool = pool
        self.memory = memory
        self.primary = primary
    }

    deinit {
        following?.cancel()
        beating?.cancel()
    }

    func stop() {
        following?.cancel()
        beating?.cancel()
        pool.close()
        primary?.close()
    }

    /// Follows the logs from now on, for as long as somebody holds the follower.
    func start() {
        guard following == nil else { return }
        beat()
        following = Task.detached { [weak self] in
            while !Task.isCancelled {
                // PostgreSQL may be away; the next round asks again.
                try? await self?.catchUp()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    /// Has the primary commit something twice a second, so that a standby that is up to date can be told from one that
    /// lags even if nothing happens. It changes no table, and waits for no disk.
    private func beat() {
        guard let primary else { return }
        beating = Task.detached {
            while !Task.isCancelled {
                try? await primary.run {
                    _ = try $0.execute(
                        "select set_config('synchronous_commit', 'off', true), pg_logical_emit_message(true, 'firn', '')"
                    )
                }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Returns once memory is no older than a moment, or the database counts as away, since it hasn't answered within
    /// three seconds.
    nonisolated func hear() async throws {
        if memory.isFresh { return }
        Task.detached { [self] in try await catchUp() }
        let started = ContinuousClock.now
        while !memory.isFresh {
            if ContinuousClock.now - started > .seconds(3) { memory.lose() }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Returns once memory has everything that was committed before the call.
    ///
    /// - Throws: why that can't be read, or that the task's deadline has passed; others go on waiting.
    func catchUp() async throws {
        numbers += 1
        let id = numbers
        let timer = Deadline.current.map { deadline in
            Task.detached { [weak self] in
                try await Task.sleep(until: deadline, clock: .continuous)
                await self?.answer([id], with: .failure(PostgresError.tooSlow))
            }
        }
        defer { timer?.cancel() }
        try await withCheckedThrowingContinuation { turn in
            turns[id] = turn
            // The reading under way may have begun too early.
            waiting.append(id)
            guard !isReading else { return }
            isReading = true
            Task.detached { [self] in await readOn() }
        }
    }

    /// Reads until nobody waits.
    private func readOn() async {
        while !waiting.isEmpty {
            let ids = waiting
            waiting = []
            answer(ids, with: await read())
        }
        isReading = false
    }

    private func answer(_ ids: [Int], with result: Result<Void, any Error>) {
        for id in ids { turns.removeValue(forKey: id)?.resume(with: result) }
    }

    private func read() async -> Result<Void, any Error> {
        let memory = memory
        do {
            return .success(
                try await pool.run { connection in
                    let (known, tables) = memory.followed()
                    try connection.transaction(.repeatableReadOnly) {
                        let (heads, reading) = try memory.clock.reading { try Heads(known.followed, connection) }
                        var news: [Int: TableNews] = [:]
                        for kind in tables {
                            let source = kind.group.source.name
                            guard let after = known[source], let upTo = heads.cuts[source], upTo > after,
                                upTo - after <= Follower.mostRows
                            else { continue }
                            news[kind.table] = TableNews(
                                generation: kind.generation,
                                delta: try Follower.delta(kind.group, after: after, upTo: upTo, connection))
                        }
                        memory.hear(heads, news, reading)
                    }
                })
        } catch {
            memory.lose()
            return .failure(error)
        }
    }

    static func delta(_ group: Plan.Group, after: Int64, upTo: Int64, _ connection: Connection) throws
        -> EntityTable.Delta
    {
        let table = SourceTable(group.source), keys = group.keys.map(\.column)
        let rows = try table.news(group.columns.sorted(), keys: keys, after: after, upTo: upTo, connection)
        // An import may bring a version that is already superseded by one memory never had, since no window reached it.
        let evicts =
            try !group.source.id.isEmpty
            && connection.execute(
                "select exists (select from firn.batches b where kind = 'import' and \(table.offsets(after: after, upTo: upTo)))"
            ).single().bool(0)
        return EntityTable.Delta(after: after, upTo: upTo, rows: rows, evicts: evicts)
    }
}
