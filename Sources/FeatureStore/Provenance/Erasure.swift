internal import FeatureLanguage
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import StoreRows

/// What an erasure removed, without saying whose it was.
public struct Erasure: Sendable {
    /// The name of the kind of entity, such as `customer`.
    public var entity: String
    /// How many rows went, by source; sources that lost none are absent.
    public var rows: [String: Int] = [:]
    /// How many batches lost rows, and have new digests.
    public var batches = 0
    /// How many rows of kept spines lost something.
    public var spineRows = 0
    /// Ids of the snapshots that have or read something that is gone, the oldest first.
    public var snapshots: [String] = []
    /// How many receipts of lookups went.
    public var receipts = 0
    /// Sets whose current values were emptied, and then computed again.
    public var values: [String] = []
    /// How many stretches of sealed rows were dropped, and then sealed again.
    public var runs = 0
    /// The number of its ledger entry, which doesn't exist after a trial; nil where there was nothing to erase.
    public var entry: Int64?

    /// Whether there was nothing to erase: no rows in sources or kept spines, and no receipts.
    public var isEmpty: Bool { rows.isEmpty && spineRows == 0 && receipts == 0 }
}

extension StoreProvenance {
    /// Erases an entity: its rows in every source, through `join` too, its rows in kept spines, receipts of lookups,
    /// and everything that was derived from them.
    ///
    /// A fact whose newest version belongs to it goes with all its versions; any other fact loses only the entity's
    /// versions. The batches touched get new salted digests, and the ledger says what went, but not whose it was. All
    /// of this is one transaction. Segments and current values are made again after it; if that is interrupted, the
    /// same erasure again, or `materialize`, completes it. The database's user has to own the tables.
    ///
    /// - Parameters:
    ///   - entity: the name of the entity.
    ///   - keys: a value for each of the entity's keys.
    ///   - reason: stays in the ledger forever, so it must not contain the keys.
    ///   - isTried: carries it out, counts, and rolls it back.
    public func erase(_ entity: String, _ keys: [String: LookupRequest.Value], reason: String, isTried: Bool = false)
        async throws -> Erasure
    {
        try checkReason(reason)
        let actor = actor
        let (erasure, sources) = try await withCatalog { connection, _ in
            do {
                return try connection.transaction {
                    // Nothing is registered meanwhile: what the registry says now is all there is.
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

    /// Makes again what was derived from rows that are gone, and has PostgreSQL forget what its pages and statistics
    /// still hold.
    private func tidy(_ sources: [String], _ erasure: Erasure) async throws {
        // Also what an earlier erasure took apart before it was interrupted.
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
                // PostgreSQL keeps the old statistics of a table that is empty now, and of what its indexes compute.
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
        // Work on segments, online state or current values that is under way for these rows ends first, and new work
        // begins after this.
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
        // What follows from rows goes before they do, since it is found through them.
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
