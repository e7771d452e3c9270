internal import FeatureLanguage
internal import Foundation
internal import Postgres

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

    public struct Pushes: Sendable {
        public var source: String
        public var requests = 0, rows = 0, commits = 0, waiting = 0
        /// From when they came until they were committed, all together.
        public var waited = Duration.zero
    }

    public var memory: Memory?
    /// How long ago each source's newest batch was committed, of those that are followed.
    public var ages: [(source: String, age: Duration)] = []
    public var pools: [Connections] = []
    public var pushes: [Pushes] = []
    public var receipts: Receipts.Counts
}

extension Store {
    public func figures() async -> Figures {
        var figures = Figures(receipts: receipts.counts)
        var pools = [("general", pool), ("push", pushes.pool)]
        if let online {
            let memory = online.memory
            figures.memory = Figures.Memory(
                counts: memory.counts, maximumBytes: memory.maximumBytes, tallies: memory.tallies, silence: memory.silence, lag: memory.lag,
                disagreement: memory.clock.disagreement)
            if let now = memory.clock.now() {
                figures.ages = memory.newestCommits.sorted { $0.key < $1.key }.map { ($0, .microseconds(max(0, now - $1))) }
            }
            pools.append(("lookup", online.pool))
        }
        for (name, pool) in pools {
            let load = await pool.load
            figures.pools.append(Figures.Connections(name: name, busy: load.busy, idle: load.idle, waiting: load.waiting))
        }
        figures.pushes = pushes.figures()
        return figures
    }

    /// Whether lookups here are what they promise to be.
    public enum Readiness: Sendable, Hashable {
        case ready
        /// The database is away or a standby is far behind: what memory has is served as stale.
        case stale(age: Duration)
        /// This machine's clock and the database's are further apart than a second.
        case disagrees(by: Duration)
    }

    /// - Throws: what keeps it from serving at all.
    public func readiness() async throws -> Readiness {
        guard let memory = online?.memory else {
            _ = try await catalog()
            return .ready
        }
        await online?.follower.start()
        do {
            try await online?.follower.catchUp()
            _ = try await reading { $1.catalog }
        } catch let error as PostgresError where error.isConnectionLost {
            guard memory.counts.entities > 0 else { throw error }
            return .stale(age: memory.silence)
        }
        let disagreement = memory.clock.disagreement
        if disagreement > .seconds(1) { return .disagrees(by: disagreement) }
        return memory.lag > OnlineMemory.mostLag ? .stale(age: memory.lag) : .ready
    }
}
