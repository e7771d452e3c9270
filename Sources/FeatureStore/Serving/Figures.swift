internal import FeatureLanguage
internal import Foundation
internal import Postgres
public import ServingMemory
internal import StoreRecord
public import StoreRows
internal import Synchronization

/// What a store says of how it is, for those who watch it. Nothing here asks the database.
public struct Figures: Sendable {
    public struct Memory: Sendable {
        public var counts: OnlineMemory.Counts
        public var maximumBytes: Int
        public var tallies: [OnlineMemory.Tally]
        /// How long ago the database was heard of.
        public var silence: Duration
        /// How far it was behind its primary then.
        public var lag: Duration
        /// How far this machine's clock and the database's are apart, at least.
        public var disagreement: Duration
    }

    public struct Connections: Sendable {
        public var name: String
        public var busy: Int
        public var idle: Int
        public var waiting: Int
    }

    public var memory: Memory?
    /// How long ago each source's newest batch was committed, of those that are followed.
    public var ages: [(source: String, age: Duration)] = []
    public var pools: [Connections] = []
    public var pushes: [PushFigures] = []
    public var receipts: Receipts.Counts
}

extension StoreServing {
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

    /// Whether lookups here are what they promise to be.
    public enum Readiness: Sendable, Hashable {
        case ready
        /// The database is away or a standby is far behind: what memory has is served as stale.
        case stale(age: Duration)
        /// Lookups are served, but nothing can be written: why, as SQLSTATE has it.
        case readOnly(code: String)
        /// This machine's clock and the database's are further apart than a second.
        case disagrees(by: Duration)
        /// The database wasn't heard of yet.
        case unknown
    }

    /// Whether it can serve, by what is known: nothing here asks the database, which may hang. `keepWatch` looks.
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
        // Where the logs are heard of, all connections may only have been in use.
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

    /// Looks every second whether the database can be read, and now and then whether it can be written, until it is
    /// cancelled.
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

/// What was seen of the database last.
final class Watch: Sendable {
    struct Seen: Sendable {
        var reading: Result<Void, any Error>
        /// Why nothing can be written, as SQLSTATE has it; nil where it can, or nobody can tell.
        var unwritable: String?
    }

    private let pool: Pool
    private let state = Mutex<(seen: Seen?, nextWriting: ContinuousClock.Instant)>((nil, .now))

    /// A database that wasn't heard of for so long hangs.
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

    /// Has a file grow by a page, and shrink again: that is what fails where a disk is full. It changes no table of
    /// ours. Nil where nobody can tell.
    private func write() async -> Written? {
        do {
            try await Deadline.within(.seconds(5)) {
                try await pool.run { connection in
                    // So a database is told to be that has no room, by whoever runs it.
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
            // That it is away, or hangs, is seen by reading.
            return nil
        }
    }
}
