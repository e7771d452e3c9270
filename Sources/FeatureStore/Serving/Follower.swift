internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// Keeps memory up to date: asks every 10 ms how far the logs are, and reads what came since.
actor Follower {
    private let pool: Pool
    private let memory: OnlineMemory
    private var following: Task<Void, Never>?
    private var isReading = false
    /// Who waits for the next reading, and all who weren't answered yet.
    private var waiting: [Int] = []
    private var turns: [Int: CheckedContinuation<Void, any Error>] = [:]
    private var numbers = 0
    /// The primary of the standby that is followed.
    private let primary: Pool?
    private var beating: Task<Void, Never>?

    /// How old memory may be without a word: ten times as long as it is asked.
    static let moment = Duration.milliseconds(100)

    /// News of more rows than this isn't read: what is in memory is asked for again.
    private static let mostRows = SourceTable.shortStretch

    /// - Parameter primary: where `pool` is a standby's.
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

    /// Follows the logs from now on, as long as there is somebody who holds it.
    func start() {
        guard following == nil else { return }
        beat()
        following = Task.detached { [weak self] in
            while !Task.isCancelled {
                // PostgreSQL may be away; it is asked again.
                try? await self?.catchUp()
                try? await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    /// Has the primary commit something twice a second, so that a standby that is up to date can be told from one that isn't although nothing happens.
    /// It changes no table, and waits for no disk.
    private func beat() {
        guard let primary else { return }
        beating = Task.detached {
            while !Task.isCancelled {
                try? await primary.run { _ = try $0.execute("select set_config('synchronous_commit', 'off', true), pg_logical_emit_message(true, 'firn', '')") }
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Sees to it that memory isn't older than a moment, or says that it is: a database that does not answer within three seconds is away.
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
    /// - Throws: why that can't be read, or that the task's deadline has passed: others go on waiting.
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
            // What is read just now may have begun too early.
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
                        let (heads, reading) = try memory.clock.reading { try Heads(known.keys.sorted(), connection) }
                        var news: [Int: (generation: Int, delta: EntityTable.Delta)] = [:]
                        for (table, generation, group) in tables {
                            guard let after = known[group.source.name] ?? nil, let upTo = heads.cuts[group.source.name], upTo > after, upTo - after <= Follower.mostRows
                            else { continue }
                            news[table] = (generation, try Follower.delta(group, after: after, upTo: upTo, connection))
                        }
                        memory.apply(heads, news, reading)
                    }
                })
        } catch {
            memory.lose()
            return .failure(error)
        }
    }

    static func delta(_ group: Plan.Group, after: Int64, upTo: Int64, _ connection: Connection) throws -> EntityTable.Delta {
        let table = SourceTable(group.source), keys = group.keys.map(\.column)
        let rows = try table.news(group.columns.sorted(), keys: keys, after: after, upTo: upTo, connection)
        // An import may bring a version that one stands before which memory never had, since no window reached it.
        let evicts =
            try !group.source.id.isEmpty
            && connection.execute(
                "select exists (select from firn.batches b where kind = 'import' and \(table.offsets(after: after, upTo: upTo)))"
            ).single().bool(0)
        return EntityTable.Delta(after: after, upTo: upTo, rows: rows, evicts: evicts)
    }
}

extension SourceTable {
    /// The rows of a stretch of the log, with what they say of facts under other keys.
    func news(_ names: [String], keys: [String], after: Int64, upTo: Int64, _ connection: Connection) throws -> SourceRows {
        let rows = try read(names, after: after, upTo: upTo, allVersions: false, connection)
        guard rows.count > 0, hasFacts else { return rows }
        let all = try read(names, after: after, upTo: upTo, allVersions: true, connection)
        return rows.followed(by: all.retractions(of: source, keys: keys, after: after))
    }
}

extension RowLoader {
    /// Reads entities that memory lacks: their rows as far as windows reach them from now on, and since when each has any. One round trip for all.
    /// Nil where there are more than `mostRows`.
    static func load(_ missing: [OnlineMemory.Missing], _ connection: Connection, mostRows: Int = RowLoader.mostRows) throws -> [(rows: SourceRows, foundFrom: [Int64])?] {
        let queries = missing.flatMap { missing -> [SQL] in
            let group = missing.group
            let spine = Spine(
                columns: Dictionary(uniqueKeysWithValues: zip(group.keys.map(\.spine), missing.keyColumns)),
                instants: Array(repeating: missing.now, count: missing.keys.count))
            let loader = RowLoader(spine: spine, cuts: [group.source.name: missing.cut], wantsChanges: true, connection: connection)
            return ["\(loader.query(group)) limit \(Int64(mostRows) + 1)", loader.firstKnownQuery(group)]
        }
        let answers = try connection.pipeline(queries)
        return missing.enumerated().map { place, missing in
            let group = missing.group
            guard answers[2 * place].count <= mostRows else { return nil }
            var rows = SourceTable(group.source).rows(group.columns.sorted(), of: answers[2 * place])
            if !group.source.id.isEmpty, !group.source.isStatic { rows = rows.followed(by: rows.retractions(of: group.source, keys: group.keys.map(\.column), after: 0)) }
            let first = RowLoader.firstKnown(answers[2 * place + 1])
            // Without keys all are one entity.
            return (rows, group.keys.isEmpty ? Array(repeating: first[0], count: missing.keys.count) : first)
        }
    }
}
