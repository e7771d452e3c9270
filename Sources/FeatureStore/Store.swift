internal import Postgres
internal import Synchronization
public import ServingMemory
public import StoreRecord
public import StoreRows

/// The feature store on one PostgreSQL database, in parts: what is registered, the logs of rows, training sets,
/// lookups, and the proof of all of it.
///
/// Holds no state but connections and what the registry last said, so any number of stores may work on one database.
/// Opens connections as they are needed: a program that reads the catalog opens one.
public final class Store: Sendable {
    let context: StoreContext
    private let memory: OnlineMemory?
    private let made = Mutex<LiveState?>(nil)

    /// What works in the background for lookups and pushes, made when one of them is first asked for: reading the
    /// catalog needs none of it.
    private var live: LiveState {
        made.withLock { made in
            if let made { return made }
            let live = LiveState(context, memory)
            made = live
            return live
        }
    }

    /// Whether anything was asked for that works in the background.
    package var isLive: Bool { made.withLock { $0 != nil } }

    /// Definitions, models, pointers, life cycles, tokens; what they were and how they compare.
    public var catalog: StoreCatalog { StoreCatalog(context: context) }
    /// Rows: imports, pushes, exports, and the segments that they are sealed into.
    public var log: StoreLog { StoreLog(context: context) { self.live.pushes } }
    /// Training sets: made, fetched, proven, compared.
    public var training: StoreTraining { StoreTraining(context: context, cache: cache) }
    /// Lookups, what is kept for them, and why a value is what it is.
    public var serving: StoreServing { StoreServing(context: context, training: training) { self.live } }
    /// The ledger, lineage, erasure, and verification.
    public var provenance: StoreProvenance {
        StoreProvenance(context: context, log: log, training: training, serving: serving)
    }

    /// Names the database and how to work on it; opens no connection yet.
    ///
    /// - Parameters:
    ///   - uri: `postgresql://…`, version 14 or newer, migrated with `migrate()`.
    ///   - actor: the name under which the ledger records what is done.
    ///   - connections: the most in the general pool; lookups and pushes open a few more of their own.
    ///   - cache: keeps segments on this machine; nil reads them from the database each time.
    ///   - threads: how many threads compute at once.
    ///   - temporaryDirectory: where rows are put aside while they are sealed or bundled.
    ///   - memory: answers lookups at now; with nil, each lookup asks the database.
    ///   - isServer: whether connections act as the role of this store's servers, which can't change what is recorded.
    ///   - replica: a hot standby of the database, from which lookups are answered.
    ///   - reportDamage: called with a sentence when something kept for speed is damaged and rows are read instead.
    public init(
        uri: String, actor: String, connections: Int = 8, cache: SegmentCache? = nil, threads: Int = 2,
        temporaryDirectory: String = "/tmp", memory: OnlineMemory? = nil,
        isServer: Bool = false, replica: String? = nil, reportDamage: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        context = StoreContext(
            uri: uri, actor: actor, connections: connections, threads: threads, temporaryDirectory: temporaryDirectory,
            isServer: isServer, replica: replica,
            reportDamage: reportDamage)
        self.cache = cache
        self.memory = memory
    }

    /// The name under which this task's actions are recorded: that of the enclosing `acting(as:_:)`, else the store's
    /// own.
    public var actor: String { context.actor }
    /// This machine's copies of segments; nil where none are kept.
    public let cache: SegmentCache?
    /// Where rows are put aside while they are sealed or bundled.
    public var temporaryDirectory: String { context.temporaryDirectory }

    /// Ends all background work and closes all connections, waiting up to 5 s for lookups that are still to be logged.
    /// Whatever needs the database fails from then on (`PostgresError.isClosed`); what memory knows is still served, as
    /// stale.
    public func close() async {
        await made.withLock { $0 }?.close()
        context.close()
    }

    /// Runs `body` on behalf of somebody: what it does goes into the ledger under that name.
    public func acting<T>(as actor: String, _ body: () async throws -> T) async rethrows -> T {
        try await StoreContext.$caller.withValue(actor, operation: body)
    }

    /// Brings the schema to this version's and admits servers; returns the names of the migrations it applied.
    public func migrate() async throws -> [String] {
        try await context.pool.run { try Migrator($0).migrate() }
    }

    /// Checks what stands between this program and the database. Comes before anything else, since a pooler in the
    /// wrong mode can break anything.
    ///
    /// - Throws: `unsupported`.
    public func checkConnections() async throws { try await Store.check(Pooler.found(context.uri)) }

    /// Tries whether servers can act as their role in this store's database. Call it on a store that isn't a server's.
    ///
    /// - Throws: `notMigrated` with what has to be done.
    public func checkServerRole() async throws {
        let fault = try await context.pool.run { try ServerRole.fault($0) }
        if let fault {
            throw StoreError(.notMigrated, "servers can't act as their role in this database", advice: fault.remedy)
        }
    }

    static func check(_ pooler: Pooler) throws {
        switch pooler {
        case .none, .session: return
        case .transaction:
            throw StoreError(
                .unsupported,
                "a pooler such as PgBouncer stands between in transaction mode, in which statements of one connection go to several sessions",
                advice: "set pool_mode = session for this database, or name PostgreSQL itself")
        case .tooSmall:
            throw StoreError(
                .unsupported, "a pooler stands between, and didn't give three connections within 10 s",
                advice: "give it as many as firn serve uses: --connections, and 13 more")
        }
    }
}
