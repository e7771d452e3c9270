internal import FeatureLanguage
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import StoreRows

/// What an erasure took away; of whom, nothing.
public struct Erasure: Sendable {
    public var entity: String
    /// By source.
    public var rows: [String: Int] = [:]
    public var batches = 0
    /// Rows of kept spines, and the snapshots that read something of what is gone.
    public var spineRows = 0
    public var snapshots: [String] = []
    public var receipts = 0
    /// Sets whose current values were computed again, and stretches of sealed rows that were sealed again.
    public var values: [String] = []
    public var runs = 0
    /// The ledger's entry of it; nil where there was nothing to erase.
    public var entry: Int64?

    public var isEmpty: Bool { rows.isEmpty && spineRows == 0 && receipts == 0 }
}

extension StoreProvenance {
    /// Erases an entity: its rows in every source, through `join` too, its rows in kept spines, receipts of lookups,
    /// and all that was derived of them.
    ///
    /// Facts that belong to it by their newest version go with all their versions; of others its versions go. The
    /// batches touched get new salted digests, and the ledger says what went, but not whose it was. All of it is one
    /// transaction; segments and current values are made again after it, and where that is interrupted, the same
    /// erasure again, or `materialize`, ends it. The database's user has to own the tables.
    ///
    /// - Parameters:
    ///   - keys: a value for each of the entity's keys.
    ///   - reason: it stands in the ledger for ever, so it must not hold the keys.
    ///   - isTried: does it, counts, and takes it back.
    public func erase(_ entity: String, _ keys: [String: LookupRequest.Value], reason: String, isTried: Bool = false)
        async throws -> Erasure
    {
        try checkReason(reason)
        let actor = actor
        let (erasure, sources) = try await withCatalog { connection, _ in
            do {
                return try connection.transaction {
                    // Nothing is registered meanwhile: what is read of the registry now is all there is.
                    try connection.execute(Lock.statement(Lock.registry))
                    let whom = try ErasedEntity(entity, keys, reason, Registry(connection).load())
                    let erasure = try ErasureWork(whom: whom, connection: connection).run(actor)
                    if isTried { throw TakenBack(erasure: erasure) }
                    return (erasure, whom.sources)
                }
            } catch let taken as TakenBack {
                return (taken.erasure, [])
            }
        }
        if !isTried { try await tidy(sources, erasure) }
        return erasure
    }

    /// Makes again what was derived of rows that are gone, and has PostgreSQL forget what its pages and statistics
    /// still hold.
    private func tidy(_ sources: [String], _ erasure: Erasure) async throws {
        // Also what an erasure before this one, which was interrupted, took apart.
        let isSealed = try await withCatalog { connection, _ in
            try connection.execute(
                "select exists (select from firn_cache.runs where source = any(\(.array(.text, sources.map { .text($0) }))))"
            ).single().bool(0)
        }
        if erasure.runs > 0 || isSealed { _ = try await log.materialize(.init(sources: sources)) }
        var kept: [String] = []
        for set in erasure.values { kept.append(try await serving.refreshValues(of: set).table) }
        let cache = training.cache, valueTables = kept
        try await withCatalog { connection, _ in
            try cache?.evictUnlisted(of: StoreContext.identity(connection), connection)
            let tables =
                sources.map { SQL.quoted("firn_source") + "." + SQL.quoted($0) }
                + Holdings.all.flatMap { $0.vacuumed }
            let mayForget = try connection.execute("select rolsuper from pg_roles where rolname = current_user")
                .single().bool(0)
            for table in tables + valueTables {
                try connection.execute("vacuum (analyze) \(SQL(raw: table))")
                // Of a table without rows, and of what its indexes compute, PostgreSQL keeps the statistics that it
                // had.
                guard mayForget, try connection.execute("select from \(SQL(raw: table)) limit 1").count == 0 else {
                    continue
                }
                try connection.execute(
                    """
                    with t as (select \(table)::regclass as own union select inhrelid from pg_inherits where inhparent = \(table)::regclass)
                    delete from pg_statistic where starelid in (select own from t union select indexrelid from pg_index where indrelid in (select own from t))
                    """)
            }
        }
    }
}

private struct TakenBack: Error { var erasure: Erasure }

/// One erasure, inside a transaction: marks an entity's rows, and has each holding let go of them.
private struct ErasureWork {
    let whom: ErasedEntity
    let connection: Connection

    func run(_ actor: String) throws -> Erasure {
        let sources = whom.sources
        // Whoever makes something of these rows just now ends first, and others begin after it: segments, online state,
        // current values.
        let making =
            sources.flatMap { [Lock.segments(of: $0), Lock.online(of: $0)] }
            + whom.catalog.sets.keys.map { Lock.segments(of: $0.description) }
        for lock in Set(making).sorted() { try connection.execute(Lock.statement(lock)) }
        // Nobody writes to these sources, or to the ledger, until it is done.
        for name in sources {
            try connection.execute("lock table firn_source.\(identifier: name) in share row exclusive mode")
        }
        let ledger = Ledger(connection: connection, actor: actor)
        try ledger.lock()
        try connection.execute(
            "create temp table firn_gone (source text, firn_batch bigint, firn_position integer) on commit drop")
        var done = ErasedSoFar(erasure: Erasure(entity: whom.entity.name))
        for carrier in whom.carriers {
            let rows = try SourceHolding.mark(carrier, of: whom, connection)
            if rows > 0 { done.erasure.rows[carrier.source.name] = rows }
        }
        let gone = GoneRows(Set(done.erasure.rows.keys), connection)
        // What follows from rows goes before they do: it is found by them.
        for holding in Holdings.all.reversed() { try holding.erase(gone, of: whom, &done) }
        if done.erasure.isEmpty { return done.erasure }
        let record = ErasureRecord(
            reason: whom.reason, rows: done.erasure.rows, batches: done.batches.sorted { $0.batch < $1.batch },
            snapshots: done.snapshots, spines: done.spines, receipts: done.erasure.receipts, runs: done.runs)
        let subject = "entity \(whom.entity.name)"
        done.erasure.entry = try ledger.append(kind: "erase", subject: subject, body: canonicalJSON(record)).number
        return done.erasure
    }
}
