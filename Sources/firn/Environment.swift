import FeatureStore
import Foundation
import Postgres

/// What the commands take from the environment: which database to use and who is asking. Nothing else reads it.
enum Environment {
    /// The address of the user's own database; nil means the embedded cluster.
    static let databaseURL = variable("FIRN_DATABASE_URL")

    /// The address of a hot standby of that database, for answering lookups.
    static let replicaURL = variable("FIRN_REPLICA_URL")

    private static let path = variable("PATH") ?? ""
    private static let directory = FileManager.default.currentDirectoryPath

    static var actor: String { variable("FIRN_ACTOR") ?? NSUserName() }

    private static let variables = ProcessInfo.processInfo.environment

    /// Where this machine keeps its copies of segments.
    static let cacheDirectory =
        variable("FIRN_CACHE_DIR") ?? variable("XDG_CACHE_HOME").map { $0 + "/firn" } ?? NSHomeDirectory()
        + "/.cache/firn"

    /// How large those copies may grow in total, in bytes.
    static func cacheLimit() throws -> Int {
        guard let gib = Double(variable("FIRN_CACHE_GIB") ?? "10"), (0...1e6).contains(gib) else {
            throw Failure("FIRN_CACHE_GIB isn't a number of GiB (10 without it; 0 makes no copies)")
        }
        return Int(gib * Double(1 << 30))
    }

    /// The value of a variable; nil if it is unset or empty.
    static func variable(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

    static func cache() throws -> SegmentCache {
        SegmentCache(directory: cacheDirectory, maximumBytes: try cacheLimit())
    }

    /// The project's cluster, found by searching from the current directory upwards; nil if there is none.
    static func cluster() -> Cluster? { Cluster.find(from: directory, path: path) }

    /// The cluster that `init` creates in the current directory.
    static func newCluster() -> Cluster { Cluster(directory: directory + "/.firn", path: path) }

    /// The URI of the database to work on. Starts the embedded cluster if it isn't running.
    ///
    /// - Parameter creating: creates a cluster if there is none, as `init`, `apply` and `serve` do.
    static func uri(creating: Bool = false) throws -> String {
        if let databaseURL { return databaseURL }
        guard let cluster = cluster() ?? (creating ? newCluster() : nil) else {
            throw Failure("there is no .firn here or above (run firn init to make one, or set FIRN_DATABASE_URL)")
        }
        try cluster.start()
        return cluster.uri
    }

    /// The store to work on, with its schema brought up to date if `creating`.
    /// - Parameter actor: the name under which the store records what it does.
    static func store(creating: Bool = false, connections: Int = 2, _ actor: ActorOption? = nil) async throws -> Store {
        let store = try store(at: uri(creating: creating), connections: connections, actor: actor?.actor)
        if creating { _ = try await store.migrate() }
        return store
    }

    /// The database is away or still starting.
    struct DatabaseAway: Error { var message: String }

    /// The store that a server works on, and what has to be done before it can answer: `prepare` throws `DatabaseAway`
    /// if it is worth trying again.
    ///
    /// - Parameters:
    ///   - memory: what lookups are answered from.
    ///   - asOwner: lets the store act as its database user instead of the servers' role.
    ///   - reportDamage: receives a message for any kept data that turns out to be damaged.
    static func served(
        connections: Int, memory: OnlineMemory, asOwner: Bool, reportDamage: @escaping @Sendable (String) -> Void
    ) throws -> (store: Store, prepare: @Sendable () async throws -> Void) {
        let uri = try uri(creating: true)
        let store = try store(
            at: uri, connections: connections, memory: memory, isServer: !asOwner, replica: replicaURL,
            reportDamage: reportDamage)
        let owner = try Environment.store(at: uri, connections: 1)
        return (
            store,
            {
                do {
                    try await owner.checkConnections()
                    _ = try await owner.migrate()
                    if !asOwner { try await owner.checkServerRole() }
                } catch let error as PostgresError
                    where error.isConnectionLost && (!error.isUnreachable || Connection.isAway(uri))
                {
                    // Excludes a database that is there but refuses connections. A pooler accepts connections even if
                    // the database is away, and then drops them.
                    guard replicaURL != nil else { throw DatabaseAway(message: error.message) }
                    Terminal.note("the database is away; lookups are answered from its standby")
                }
            }
        )
    }

    private static func store(
        at uri: String, connections: Int, actor: String? = nil, memory: OnlineMemory? = nil, isServer: Bool = false,
        replica: String? = nil,
        reportDamage: @escaping @Sendable (String) -> Void = { Terminal.note("warning: \($0)") }
    ) throws -> Store {
        try Store(
            uri: uri, actor: actor ?? Environment.actor, connections: connections, cache: cache(),
            threads: ProcessInfo.processInfo.activeProcessorCount,
            temporaryDirectory: FileManager.default.temporaryDirectory.path, memory: memory, isServer: isServer,
            replica: replica, reportDamage: reportDamage)
    }
}
