public import FeatureLanguage
internal import Postgres
internal import ServingMemory
public import StoreRecord
internal import StoreRows

/// Lookups, what is kept for them, and why a value is what it is.
public struct StoreServing: StorePart {
    package let context: StoreContext
    let training: StoreTraining
    private let made: @Sendable () -> LiveState
    var live: LiveState { made() }

    init(context: StoreContext, training: StoreTraining, live: @escaping @Sendable () -> LiveState) {
        self.context = context
        self.training = training
        made = live
    }

    var online: Online? { live.online }
    var pushes: PushQueues { live.pushes }
    var watch: Watch { live.watch }
    /// Lookups on their way into the lookup log.
    public var receipts: Receipts { live.receipts }

    /// Runs `body` with what is registered and decided, as it was last known: asks the database only if something has
    /// come since, or a name is unknown.
    public func withKnownCatalog<T: Sendable>(_ body: @escaping @Sendable (Catalog, Governance) throws -> T)
        async throws -> T
    {
        if let known = context.known, let online, online.memory.governed <= known.entry {
            do { return try body(known.catalog, known.governance) } catch is UnknownName {}
        }
        return try await reading { try body($1.catalog, $1.governance) }
    }
}

/// What outlives single calls: pushes that share commits, lookups that are logged, memory that follows the logs, and
/// the watch over the database.
final class LiveState: Sendable {
    let pushes: PushQueues
    let receipts: Receipts
    /// What lookups are answered from; nil where each asks the database.
    let online: Online?
    /// Whether the database can be read and written, as last seen.
    let watch: Watch

    init(_ context: StoreContext, _ memory: OnlineMemory?) {
        let read = context.replica ?? context.uri, quick = context.quick
        if context.replica != nil { memory?.followStandby() }
        online = memory.map { memory in
            let primary = context.replica == nil ? nil : Pool(uri: context.uri, size: 1, quick)
            return Online(
                memory: memory,
                follower: Follower(pool: Pool(uri: read, size: 1, quick), memory: memory, primary: primary),
                pool: Pool(uri: read, size: 4, quick),
                kept: KeptEntities(reportDamage: context.reportDamage))
        }
        let pushing = Connection.Settings(
            role: context.role, statementTimeout: PushQueue.statementTimeout, readsByIndex: true)
        pushes = PushQueues(pool: Pool(uri: context.uri, size: min(context.connections, 4), pushing)) {
            source, rows, end in
            // Memory takes rows that directly follow what it has; the rest it is owed.
            if let memory, !(rows.map { memory.take($0) } ?? false) { memory.owe([source: end]) }
        }
        receipts = Receipts(pool: Pool(uri: context.uri, size: 1, quick))
        watch = Watch(pool: Pool(uri: context.uri, size: 1, quick))
    }

    func close() async {
        await receipts.flush(atMost: .seconds(5))
        await online?.follower.stop()
        online?.pool.close()
        pushes.pool.close()
        receipts.close()
        watch.close()
    }
}
