import FeatureStore
import Foundation
import Postgres

/// What the commands take from the environment: which database, and who asks. Nothing else reads it.
enum Environment {
    /// The address of a database of the user's own.
    static let databaseURL = variable("FIRN_DATABASE_URL")

    /// A hot standby of it, which lookups are answered from.
    static let replicaURL = variable("FIRN_REPLICA_URL")

    private static let path = variable("PATH") ?? ""
    private static let directory = FileManager.default.currentDirectoryPath

    static var actor: String { variable("FIRN_ACTOR") ?? NSUserName() }

    private static let variables = ProcessInfo.processInfo.environment

    /// Where this machine's copies of segments are.
    static let cacheDirectory =
        variable("FIRN_CACHE_DIR") ?? variable("XDG_CACHE_HOME").map { $0 + "/firn" } ?? NSHomeDirectory()
        + "/.cache/firn"

    /// How large they may grow together, in bytes.
    static func cacheLimit() throws -> Int {
        guard let gib = Double(variable("FIRN_CACHE_GIB") ?? "10"), (0...1e6).contains(gib) else {
            throw Failure("FIRN_CACHE_GIB isn't a number of GiB (10 without it; 0 makes no copies)")
        }
        return Int(gib * Double(1 << 30))
    }

    /// A variable that is set, and to something.
    static func variable(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }

    static func cache() throws -> SegmentCache {
        SegmentCache(directory: cacheDirectory, maximumBytes: try cacheLimit())
    }

    /// The project's cluster, found upwards from here; nil where there is none.
    static func cluster() -> Cluster? { Cluster.find(from: directory, path: path) }

    /// The cluster that `init` makes here.
    static func newCluster() -> Cluster { Cluster(directory: directory + "/.firn", path: path) }

    /// The URI of the database to work on; the embedded cluster is started if it sleeps.
    ///
    /// - Parameter creating: makes a cluster where there is none, as `init`, `apply` and `serve` do.
    static func uri(creating: Bool = false) throws -> String {
        if let databaseURL { return databaseURL }
        guard let cluster = cluster() ?? (creating ? newCluster() : nil) else {
            throw Failure("there is no .firn here or above (run firn init to make one, or set FIRN_DATABASE_URL)")
        }
        try cluster.start()
        return cluster.uri
    }

    /// The store to work on, its schema brought up to date where `creating`.
    /// - Parameter actor: in whose name it writes down what it does.
    static func store(creating: Bool = false, connections: Int = 2, _ actor: ActorOption? = nil) async throws -> Store {
        let store = try store(at: uri(creating: creating), connections: connections, actor: actor?.actor)
        if creating { _ = try await store.migrate() }
        return store
    }

    /// The database is away, or still starting.
    struct DatabaseAway: Error { var message: String }

    /// The store that a server works on, and what has to be done before it can be asked: it throws `DatabaseAway` where
    /// that may be tried again.
    ///
    /// - Parameters:
    ///   - memory: what lookups are answered from.
    ///   - asOwner: it acts as its user, instead of the servers' role.
    ///   - reportDamage: takes what is said of what is kept and isn't what it was.
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
                    // Not where it is there and lets nobody in. A pooler lets in though the database is away, and then
                    // cuts off.
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
