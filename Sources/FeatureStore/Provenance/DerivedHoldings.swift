internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// Current values as tables.
enum ValuesHolding: Holding {
    static let tables = ["firn_cache.current_values", "firn_values.*"]

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        done.erasure.values = try clear(gone, whom.catalog)
    }

    static func verify(_ work: inout HistoryWork) throws {
        guard let catalog = work.catalog else { return }
        work.progress("current values", 0)
        try CurrentValues.check(
            catalog, atMost: work.sampleOfEntities, work.training, &work.check, work.connection)
    }

    /// Empties the tables of sets that read rows that are gone. Returns every set whose table is empty, including those
    /// left so by an earlier erasure that was interrupted.
    private static func clear(_ gone: GoneRows, _ catalog: Catalog) throws -> [String] {
        let connection = gone.connection
        let kept = try connection.execute(
            "select set_name, cuts = '{}' from firn_cache.current_values order by set_name"
        ).map { try (name: $0.text(0), isEmpty: $0.bool(1)) }
        return try kept.filter { name, isEmpty in
            if isEmpty { return true }
            guard let set = try? catalog.set(named: name).served else { return false }
            let plan = Plan(set, in: catalog)
            guard plan.sources.contains(where: gone.sources.contains) else { return false }
            try CurrentValues(set, plan, connection).clear()
            return true
        }.map(\.name)
    }
}

/// What is kept of snapshots for speed: their rows and statistics.
enum ResultHolding: Holding {
    static let tables = ["firn_cache.results", "firn_cache.statistics"]
    static let vacuumed = tables

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        let ids = Parameter.array(.text, done.snapshots.map { .text($0.id) })
        for table in tables {
            try gone.connection.execute("delete from \(SQL(raw: table)) where snapshot = any(\(ids))")
        }
    }
}

/// Online state: what is kept of entities for servers.
enum OnlineHolding: Holding {
    static let tables = ["firn_cache.online_sets", "firn_cache.online_tables", "firn_cache.online_entities"]
    static let vacuumed = ["firn_cache.online_entities"]

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        let sources = Parameter.array(.text, gone.sources.map { .text($0) })
        try gone.connection.execute("delete from firn_cache.online_tables where source = any(\(sources))")
    }

    static func verify(_ work: inout HistoryWork) throws {
        guard let catalog = work.catalog else { return }
        work.progress("online state", 0)
        try OnlineWork.check(catalog, atMost: work.sampleOfEntities, &work.check, work.connection)
    }
}
