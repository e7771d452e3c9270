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
    /// Connections for lookups that ask the database: a standby's, where there is one.
    private let readPool: Pool
    private let hasReplica: Bool
    /// Lookups on their way into their log.
    public let receipts: Receipts
    /// Rows that are pushed, on their way into the logs.
    let pushes: PushQueues
    /// What lookups are answered from; nil where each asks the database.
    let online: Online?
    /// Hears of what is kept and isn't what it was: rows are read instead, and it is made again.
    let reportDamage: @Sendable (String) -> Void
    /// Whether the database can be read and written, as it was seen last.
    let watch: Watch

    /// - Parameters:
    ///   - uri: `postgresql://…`, version 14 or newer, migrated with `migrate()`.
    ///   - actor: a name for the ledger.
    ///   - connections: the most it opens.
    ///   - cache: keeps segments on this machine; nil reads them from the database each time.
    ///   - threads: how many compute at once.
    ///   - temporaryDirectory: room for the rows of a source while they are sealed.
    ///   - memory: answers lookups at now; without it each asks the database.
    ///   - isServer: its connections act as the role of this store's servers, which can't change what is true.
    ///   - replica: a hot standby of the database, which lookups are answered from.
    ///   - reportDamage: hears of what is kept for speed and isn't what it was, of which the rows are read instead.
    public init(
        uri: String, actor: String, connections: Int = 8, cache: SegmentCache? = nil, threads: Int = 2, temporaryDirectory: String = "/tmp", memory: OnlineMemory? = nil,
        isServer: Bool = false, replica: String? = nil, reportDamage: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        let role = isServer ? ServerRole.name : nil
        let settings = Connection.Settings(role: role), quick = Store.quick(role), read = replica ?? uri
        if replica != nil { memory?.followStandby() }
        online = memory.map { memory in
            let primary = replica == nil ? nil : Pool(uri: uri, size: 1, quick)
            return Online(
                memory: memory, follower: Follower(pool: Pool(uri: read, size: 1, quick), memory: memory, primary: primary), pool: Pool(uri: read, size: 4, quick),
                kept: KeptEntities(reportDamage: reportDamage))
        }
        pool = Pool(uri: uri, size: connections, settings)
        readPool = replica == nil ? pool : Pool(uri: read, size: connections, settings)
        hasReplica = replica != nil
        let pushing = Connection.Settings(role: role, statementTimeout: PushQueue.statementTimeout, readsByIndex: true)
        pushes = PushQueues(pool: Pool(uri: uri, size: min(connections, 4), pushing), memory: memory)
        receipts = Receipts(pool: Pool(uri: uri, size: 1, quick))
        self.reportDamage = reportDamage
        watch = Watch(pool: Pool(uri: uri, size: 1, quick))
        self.uri = uri
        own = actor
        self.cache = cache
        self.threads = threads
        self.temporaryDirectory = temporaryDirectory
    }

    /// Which store a database is, for copies elsewhere.
    static func identity(_ connection: Connection) throws -> String {
        let rows = try connection.execute("select id::text from firn.store")
        guard rows.count == 1, let row = rows.first else {
            throw StoreError(.damaged, "firn.store has \(rows.count) rows, and not the one that says which store this is", advice: "restore the database from a backup")
        }
        return row.text(0)
    }

    /// Connections whose statements are short. The database gives one up first; what it doesn't answer at all is given up here.
    private static func quick(_ role: SQL?) -> Connection.Settings {
        Connection.Settings(role: role, statementTimeout: .seconds(10), deadline: .seconds(12), readsByIndex: true)
    }

    /// Runs `body` with a connection and what is registered now.
    ///
    /// - Throws: `notMigrated` where the schema isn't this version's.
    func withCatalog<T: Sendable>(_ body: @escaping @Sendable (Connection, Catalog) throws -> T) async throws -> T {
        try await withRegistry { try body($0, $1.catalog) }
    }

    /// The same, with what was decided about it.
    func withRegistry<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T) async throws -> T {
        let registry = registry
        return try await pool.run { connection in
            try body(connection, registry.read(connection))
        }
    }

    /// The same for lookups: on the standby, where there is one.
    func reading<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T) async throws -> T {
        let registry = registry
        do {
            return try await readPool.run { try body($0, registry.read($0)) }
        } catch let error as PostgresError where hasReplica && (error.code == "42P01" || error.code == "42703") {
            throw StoreError(.behind, "the standby doesn't have what was registered yet", advice: "ask again")
        }
    }

    /// Brings the schema to this version's, and admits servers; gives the names of the migrations it applied.
    public func migrate() async throws -> [String] {
        try await pool.run { try Migrator($0).migrate() }
    }

    /// Looks what stands between this program and the database: before anything else, since it can go wrong in any way.
    ///
    /// - Throws: `unsupported`.
    public func checkConnections() async throws { try await Store.check(Pooler.found(uri)) }

    /// Whether servers can act as their role in this store's database, by trying. Asked of a store that isn't one.
    ///
    /// - Throws: `notMigrated` with what has to be done.
    public func checkServerRole() async throws {
        let fault = try await pool.run { try ServerRole.fault($0) }
        if let fault { throw StoreError(.notMigrated, "servers can't act as their role in this database", advice: fault.remedy) }
    }

    static func check(_ pooler: Pooler) throws {
        switch pooler {
        case .none, .session: return
        case .transaction:
            throw StoreError(
                .unsupported, "a pooler such as PgBouncer stands between in transaction mode, in which statements of one connection go to several sessions",
                advice: "set pool_mode = session for this database, or name PostgreSQL itself")
        case .tooSmall:
            throw StoreError(
                .unsupported, "a pooler stands between, and didn't give three connections within 10 s", advice: "give it as many as firn serve uses: --connections, and 13 more")
        }
    }

    /// Runs `body` with what is registered and where pointers point, as it was known last: asks the database only where something came since, or a name is unknown.
    public func withKnownCatalog<T: Sendable>(_ body: @escaping @Sendable (Catalog, Governance) throws -> T) async throws -> T {
        if let known = registry.known, let online, online.memory.governed <= known.entry {
            do { return try body(known.catalog, known.governance) } catch is UnknownName {}
        }
        return try await reading { try body($1.catalog, $1.governance) }
    }

    /// What is registered, as it was known last.
    var knownCatalog: Catalog? { registry.known?.catalog }

    /// Everything registered.
    public func catalog() async throws -> Catalog {
        do {
            return try await withCatalog { _, catalog in catalog }
        } catch let error as PostgresError where hasReplica && error.isConnectionLost {
            return try await reading { $1.catalog }
        }
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
