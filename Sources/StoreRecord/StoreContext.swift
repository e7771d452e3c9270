package import FeatureLanguage
package import Postgres
internal import Synchronization

/// What every part of a store works with: its database, who acts, and what the registry said last.
package final class StoreContext: Sendable {
    package let uri: String
    package let pool: Pool
    /// Connections for lookups that ask the database: the standby's, if there is one.
    private let readPool: Pool
    /// The address of the standby that answers lookups; nil if the primary does.
    package let replica: String?
    /// The role that connections act as; nil keeps the user's own.
    package let role: SQL?
    package let connections: Int
    private let own: String
    /// On whose behalf a task acts.
    @TaskLocal package static var caller: String?
    private let registry = RegistryCache()
    /// The latest *now* of any answer; no later answer goes behind it.
    package let lastNow = LatestInstant()
    /// How many threads compute at once.
    package let threads: Int
    package let temporaryDirectory: String
    /// Called when kept data is found damaged: its rows are read instead, and it is made again.
    package let reportDamage: @Sendable (String) -> Void

    package init(
        uri: String, actor: String, connections: Int, threads: Int, temporaryDirectory: String, isServer: Bool,
        replica: String?,
        reportDamage: @escaping @Sendable (String) -> Void
    ) {
        role = isServer ? ServerRole.name : nil
        let settings = Connection.Settings(role: role)
        pool = Pool(uri: uri, size: connections, settings)
        readPool = replica.map { Pool(uri: $0, size: connections, settings) } ?? pool
        self.uri = uri
        self.replica = replica
        self.connections = connections
        own = actor
        self.threads = threads
        self.temporaryDirectory = temporaryDirectory
        self.reportDamage = reportDamage
    }

    package func close() {
        pool.close()
        readPool.close()
    }

    /// The name under which actions are recorded: the one this task acts for, otherwise the store's own.
    package var actor: String { StoreContext.caller ?? own }

    /// Settings for connections whose statements are short. The database gives up first; if it doesn't respond at all,
    /// we do.
    package var quick: Connection.Settings {
        Connection.Settings(role: role, statementTimeout: .seconds(10), deadline: .seconds(12), readsByIndex: true)
    }

    /// Which store a database is, for copies kept elsewhere.
    package static func identity(_ connection: Connection) throws -> String {
        let rows = try connection.execute("select id::text from firn.store")
        guard rows.count == 1, let row = rows.first else {
            throw StoreError(
                .damaged, "firn.store has \(rows.count) rows, and not the one that says which store this is",
                advice: "restore the database from a backup")
        }
        return try row.text(0)
    }

    /// What was registered when it was last read; nil before the first read.
    package var known: RegistryCache.Known? { registry.known }

    /// Runs `body` with a connection and what is registered and decided.
    ///
    /// - Throws: `notMigrated` or `migrationChanged` if the schema isn't this version's.
    package func withRegistry<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T)
        async throws -> T
    {
        let registry = registry
        return try await pool.run { connection in
            try body(connection, registry.read(connection))
        }
    }

    /// Like `withRegistry`, but on the standby if there is one: for lookups.
    package func reading<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T)
        async throws -> T
    {
        let registry = registry
        do {
            return try await readPool.run { try body($0, registry.read($0)) }
        } catch let error as PostgresError where replica != nil && (error.code == "42P01" || error.code == "42703") {
            throw StoreError(.behind, "the standby doesn't have what was registered yet", advice: "ask again")
        }
    }

    /// Everything registered; if the primary is away, as its standby has it.
    package func catalog() async throws -> Catalog {
        do {
            return try await withRegistry { $1.catalog }
        } catch let error as PostgresError where replica != nil && error.isConnectionLost {
            return try await reading { $1.catalog }
        }
    }
}

/// A part of a store: what it does is in extensions, next to what it is about.
package protocol StorePart: Sendable {
    var context: StoreContext { get }
}

extension StorePart {
    package var pool: Pool { context.pool }
    package var actor: String { context.actor }
    package var threads: Int { context.threads }
    package var temporaryDirectory: String { context.temporaryDirectory }
    package var reportDamage: @Sendable (String) -> Void { context.reportDamage }

    package func withCatalog<T: Sendable>(_ body: @escaping @Sendable (Connection, Catalog) throws -> T) async throws
        -> T
    {
        try await context.withRegistry { try body($0, $1.catalog) }
    }
    package func withRegistry<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T)
        async throws -> T
    { try await context.withRegistry(body) }
    package func reading<T: Sendable>(_ body: @escaping @Sendable (Connection, RegistryCache.Known) throws -> T)
        async throws -> T
    { try await context.reading(body) }
}

/// The latest of the instants it has seen.
package final class LatestInstant: Sendable {
    private let latest = Mutex(Int64.min)

    package func advance(to instant: Int64) -> Int64 {
        latest.withLock { latest in
            latest = max(latest, instant)
            return latest
        }
    }
}
