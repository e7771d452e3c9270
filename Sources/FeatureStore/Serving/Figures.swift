internal import FeatureLanguage
internal import Foundation
internal import Postgres
public import ServingMemory
internal import StoreRecord
public import StoreRows
internal import Synchronization

/// How a store is doing, for monitoring. Nothing here asks the database.
public struct Figures: Sendable {
    /// How memory is doing, and how well it keeps up with the database.
    public struct Memory: Sendable {
        /// What memory holds, and how many lookups it could answer.
        public var counts: OnlineMemory.Counts
        /// The most bytes that entities may take up; beyond that, the least recently used are evicted.
        public var maximumBytes: Int
        /// How many values of each set and feature memory has served, by status.
        public var tallies: [OnlineMemory.Tally]
        /// How long ago the database last answered.
        public var silence: Duration
        /// How far the database was behind its primary then; zero where it is the primary.
        public var lag: Duration
        /// How far apart this machine's clock and the database's are, at least.
        public var disagreement: Duration
    }

    /// How busy a pool of connections is.
    public struct Connections: Sendable {
        /// `general`, `push` or `lookup`.
        public var name: String
        /// Connections in use.
        public var busy: Int
        /// Connections that are open and unused.
        public var idle: Int
        /// Callers that are waiting for a connection.
        public var waiting: Int
    }

    /// Nil where lookups aren't answered from memory.
    public var memory: Memory?
    /// How long ago the newest batch of each followed source was committed, sorted by source.
    public var ages: [(source: String, age: Duration)] = []
    /// The pools of connections, `general` and `push` first.
    public var pools: [Connections] = []
    /// What became of pushes, for each source that got any, sorted by source.
    public var pushes: [PushFigures] = []
    /// What became of receipts.
    public var receipts: Receipts.Counts
}

extension StoreServing {
    /// Collects the figures from what this process knows.
    public func figures() async -> Figures {
        var figures = Figures(receipts: receipts.counts)
        var pools = [("general", pool), ("push", pushes.pool)]
        if let online {
            let memory = online.memory
            figures.memory = Figures.Memory(
                counts: memory.counts, maximumBytes: memory.maximumBytes, tallies: memory.tallies,
                silence: memory.silence, lag: memory.lag,
                disagreement: memory.clock.disagreement)
            if let now = memory.clock.now() {
                figures.ages = memory.newestCommits.sorted { $0.key < $1.key }.map {
                    ($0, .microseconds(max(0, now - $1)))
                }
            }
            pools.append(("lookup", online.pool))
        }
        for (name, pool) in pools {
            let load = pool.load
            figures.pools.append(
                Figures.Connections(name: name, busy: load.busy, idle: load.idle, waiting: load.waiting))
        }
        figures.pushes = pushes.figures()
        return figures
    }

    /// Whether lookups here are as good as promised.
    public enum Readiness: Sendable, Hashable {
        case ready
        /// The database is away or a standby is far behind: what memory has is served as stale.
        case stale(age: Duration)
        /// Lookups are served, but nothing can be written: the SQLSTATE says why.
        case readOnly(code: String)
        /// This machine's clock and the database's are more than a second apart.
        case disagrees(by: Duration)
        /// The database hasn't been heard from yet.
        case unknown
    }

    /// Whether the store can serve, by what is known already: it doesn't ask the database, which may hang. `keepWatch`
    /// does.
    ///
    /// - Throws: what keeps it from serving at all.
    public func readiness() throws -> Readiness {
        guard let seen = watch.seen else { return .unknown }
        guard let memory = online?.memory else {
            try seen.reading.get()
            return seen.unwritable.map { .readOnly(code: $0) } ?? .ready
        }
        if memory.isAway || memory.silence > Watch.mostSilence {
            if memory.counts.entities > 0 { return .stale(age: memory.silence) }
            try seen.reading.get()
            return .unknown
        }
        // While the logs are still heard of, all connections may just have been in use.
        if case .failure(let error) = seen.reading,
            !((error as? PostgresError).map { $0.isConnectionLost || $0.isTimeout } ?? false)
        {
            throw error
        }
        let disagreement = memory.clock.disagreement
        if disagreement > .seconds(1) { return .disagrees(by: disagreement) }
        if memory.lag > MemoryState.mostLag { return .stale(age: memory.lag) }
        return seen.unwritable.map { .readOnly(code: $0) } ?? .ready
    }

    /// Checks every second whether the database can be read, and every few seconds whether it can be written, until it
    /// is cancelled.
    public func keepWatch() async {
        await online?.follower.start()
        while !Task.isCancelled {
            let reading: Result<Void, any Error>
            do {
                try await Deadline.within(.seconds(5)) { _ = try await self.reading { $1.catalog.sets.count } }
                reading = .success(())
            } catch is CancellationError {
                return
            } catch {
                reading = .failure(error)
            }
            await watch.look(reading)
            try? await Task.sleep(for: .seconds(1))
        }
    }
}

/// What was last seen of the database.
final class Watch: Sendable {
    struct Seen: Sendable {
        var reading: Result<Void, any Error>
        /// Why nothing can be written, as an SQLSTATE; nil where it can, or nobody can tell.
        var unwritable: String?
    }

    private let pool: Pool
    private let state = Mutex<(seen: Seen?, nextWriting: ContinuousClock.Instant)>((nil, .now))

    /// A database that hasn't been heard from for this long hangs.
    static let mostSilence = Duration.seconds(3)
    private static let pause = Duration.seconds(5)

    init(pool: Pool) {
        self.pool = pool
    }

    func close() { pool.close() }

    var seen: Seen? { state.withLock { $0.seen } }

    private enum Written {
        case taken
        case refused(code: String)
    }

    fileprivate func look(_ reading: Result<Void, any Error>) async {
        var unwritable = seen?.unwritable
        if case .success = reading, state.withLock({ $0.nextWriting <= .now }) {
            if let written = await write() {
                unwritable = if case .refused(let code) = written { code } else { nil }
                state.withLock { $0.nextWriting = .now + Watch.pause }
            }
        }
        state.withLock { $0.seen = Seen(reading: reading, unwritable: unwritable) }
    }

    /// Has a file grow by a page and shrink again, which is what fails when a disk is full. It changes no table of
    /// ours. Nil where nobody can tell.
    private func write() async -> Written? {
        do {
            try await Deadline.within(.seconds(5)) {
                try await pool.run { connection in
                    // Whoever runs a database makes it read-only when it has no room.
                    guard
                        try connection.execute("select current_setting('transaction_read_only') = 'off'").first?.bool(0)
                            ?? true
                    else {
                        throw PostgresError(code: "25006", message: "the database takes no writes")
                    }
                    try connection.transaction {
                        connection.later(
                            "create temp table if not exists firn_can_write (number bigint) on commit delete rows")
                        try connection.execute(prepared: "insert into pg_temp.firn_can_write values (1)")
                    }
                }
            }
            return .taken
        } catch let error as PostgresError where !error.isConnectionLost && !error.isTimeout {
            return .refused(code: error.code)
        } catch {
            // Reading shows whether it is away, or hangs.
            return nil
        }
    }
}
