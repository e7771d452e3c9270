internal import Postgres
internal import Synchronization
public import ServingMemory
public import StoreRecord
public import StoreRows

/// The feature store on one PostgreSQL database, by its parts: what is registered, the logs of rows, training sets,
/// lookups, and the proof of all of it.
///
/// Holds no state but connections and what the registry said last, so any number of stores may work on one database.
/// Opens connections as they are needed: a program that reads the catalog opens one.
public final class Store: Sendable {
    let context: StoreContext
    private let memory: OnlineMemory?
    private let made = Mutex<LiveState?>(nil)

    /// What lookups and pushes have at work beside each of them, made when one of them is asked for first: who reads
    /// the catalog needs none of it.
    private var live: LiveState {
        made.withLock { made in
            if let made { return made }
            let live = LiveState(context, memory)
            made = live
            return live
        }
    }

    /// Whether anything was asked of it that has something at work beside.
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

    /// Who does what is written down: whoever this task acts for, else the store's own.
    public var actor: String { context.actor }
    /// This machine's copies of segments.
    public let cache: SegmentCache?
    /// Where rows are put aside while they are sealed.
    public var temporaryDirectory: String { context.temporaryDirectory }

    /// Ends what goes on in the background, once the lookups that are to be logged are, and closes all connections.
    /// What needs the database fails from then on (`PostgresError.isClosed`); what memory knows it goes on to say, as
    /// stale.
    public func close() async {
        await made.withLock { $0 }?.close()
        context.close()
    }

    /// Runs `body` for somebody: what it does goes into the ledger under that name.
    public func acting<T>(as actor: String, _ body: () async throws -> T) async rethrows -> T {
        try await StoreContext.$caller.withValue(actor, operation: body)
    }

    /// Brings the schema to this version's, and admits servers; gives the names of the migrations it applied.
    public func migrate() async throws -> [String] {
        try await context.pool.run { try Migrator($0).migrate() }
    }

    /// Looks what stands between this program and the database: before anything else, since it can go wrong in any way.
    ///
    /// - Throws: `unsupported`.
    public func checkConnections() async throws { try await Store.check(Pooler.found(context.uri)) }

    /// Whether servers can act as their role in this store's database, by trying. Asked of a store that isn't one.
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
