public import FeatureLanguage
internal import Postgres
internal import Synchronization

/// The feature store on one PostgreSQL database: registry, log, training and lookups.
///
/// Holds no state but connections and what the registry said last, so any number of stores may work on one database.
public final class Store: Sendable {
    let pool: Pool
    let uri: String
    private let own: String
    /// For whom a task acts.
    @TaskLocal static var caller: String?
    /// Who does what is written down: whoever this task acts for, else the store's own.
    public var actor: String { Store.caller ?? own }
    private let registry = RegistryCache()
    /// The latest *now* of an answer: none goes behind it.
    let lastNow = LatestInstant()
    /// This machine's copies of segments.
    public let cache: SegmentCache?
    /// How many threads compute at once.
    let threads: Int
    /// Where rows are put aside while they are sealed.
    public let temporaryDirectory: String
    /// What lookups are answered from; nil where each asks the database.
    let online: Online?

    /// - Parameters:
    ///   - uri: `postgresql://…`, version 14 or newer, migrated with `migrate()`.
    ///   - actor: a name for the ledger.
    ///   - connections: the most it opens.
    ///   - cache: keeps segments on this machine; nil reads them from the database each time.
    ///   - threads: how many compute at once.
    ///   - temporaryDirectory: room for the rows of a source while they are sealed.
    ///   - memory: answers lookups at now; without it each asks the database.
    public init(
        uri: String, actor: String, connections: Int = 8, cache: SegmentCache? = nil, threads: Int = 2, temporaryDirectory: String = "/tmp", memory: OnlineMemory? = nil
    ) {
        online = memory.map { memory in Online(memory: memory, follower: Follower(pool: Pool(uri: uri, size: 1), memory: memory), pool: Pool(uri: uri, size: 4)) }
        pool = Pool(uri: uri, size: connections)
        self.uri = uri
        own = actor
        self.cache = cache
        self.threads = threads
        self.temporaryDirectory = temporaryDirectory
    }

    /// Runs `body` with a connection and what is registered now.
    ///
    /// - Throws: `notMigrated` where the schema isn't this version's.
    func withCatalog<T: Sendable>(_ body: @escaping @Sendable (Connection, Catalog) throws -> T) async throws -> T {
        let registry = registry
        return try await pool.run { connection in
            try body(connection, registry.catalog(connection))
        }
    }

    /// Brings the schema to this version's; gives the names of the migrations it applied.
    public func migrate() async throws -> [String] {
        try await pool.run { try Migrator($0).migrate() }
    }

    /// Runs `body` with what is registered, as it was known last: asks the database only where that lacks a name.
    public func withKnownCatalog<T: Sendable>(_ body: @Sendable (Catalog) throws -> T) async throws -> T {
        if let known = registry.known {
            do { return try body(known) } catch is UnknownName {}
        }
        return try body(try await catalog())
    }

    /// Everything registered.
    public func catalog() async throws -> Catalog {
        try await withCatalog { _, catalog in catalog }
    }
}

/// The latest of the instants it was shown.
final class LatestInstant: Sendable {
    private let latest = Mutex(Int64.min)

    func advance(to instant: Int64) -> Int64 {
        latest.withLock { latest in
            latest = max(latest, instant)
            return latest
        }
    }
}
