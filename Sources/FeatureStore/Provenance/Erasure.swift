internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import StoreRows
internal import Tables

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
                    let work = try ErasureWork(entity, keys, reason, Registry(connection).load(), connection),
                        erasure = try work.run(actor)
                    if isTried { throw TakenBack(erasure: erasure) }
                    return (erasure, work.sources)
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
                + [
                    "firn.batches", "firn.spines", "firn_log.lookups", "firn_cache.bodies", "firn_cache.results",
                    "firn_cache.statistics", "firn_cache.online_entities",
                ]
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

/// One erasure, inside a transaction.
private struct ErasureWork {
    private let entity: Entity
    /// A value for each of its keys: as columns of one row, and to bind.
    private let key: [Column]
    private let parameters: [Parameter]
    private let reason: String
    private let catalog: Catalog
    private let connection: Connection
    /// Sources that may have rows of it, each with the columns that carry its keys, in their order: by their names, or
    /// as a `join` says.
    private let carriers: [(source: Source, columns: [[String]])]

    var sources: [String] { carriers.map(\.source.name) }

    init(
        _ name: String, _ given: [String: LookupRequest.Value], _ reason: String, _ catalog: Catalog,
        _ connection: Connection
    ) throws {
        guard let entity = catalog.entities[name] else {
            throw StoreError(
                .notFound, "unknown entity '\(name.prefix(80))'",
                advice: nearestName(to: name, among: Array(catalog.entities.keys)).map { "did you mean \($0)?" })
        }
        guard !entity.keys.isEmpty else {
            throw StoreError(
                .invalidRequest, "\(name) has no keys: it is one global series",
                advice: "erase the entity whose rows it is made of")
        }
        if let unknown = given.keys.sorted().first(where: { key in !entity.keys.contains { $0.name == key } }) {
            throw StoreError(
                .invalidRequest, "\(name) has no key '\(unknown.prefix(63))'",
                advice: "its keys are \(entity.keys.text)")
        }
        var columns: [Column] = [], parameters: [Parameter] = []
        for key in entity.keys {
            guard let value = given[key.name] else {
                throw StoreError(
                    .invalidRequest, "the key '\(key.name)' is missing", advice: "\(name) has \(entity.keys.text)")
            }
            guard let literal = value.literal(as: key.type), literal != .null else {
                throw StoreError(.invalidRequest, "the value of '\(key.name)' is not \(key.type.phrase)")
            }
            // A short number may stand in any sentence by chance.
            if case .string(let text) = literal, text.utf8.count > 3, reason.contains(text) {
                throw StoreError(
                    .invalidRequest, "the reason holds the value of '\(key.name)'",
                    advice: "it stands in the ledger for ever; refer to the request by its number")
            }
            columns.append(Column(repeating: literal, type: key.type, count: 1))
            parameters.append(literal.parameter(key.type))
        }
        key = columns
        self.parameters = parameters
        self.entity = entity
        self.reason = reason
        self.catalog = catalog
        self.connection = connection
        var carriers: [(source: Source, columns: [[String]])] = []
        for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
            var lists = [entity.keys.map(\.name)]
            for function in catalog.functions.values
            where function.source?.name == source.name && ErasureWork.holds(function.entity, entity) {
                lists.append(entity.keys.map { function.sourceColumn(of: $0.name) })
            }
            let whole = lists.filter { columns in
                zip(columns, entity.keys).allSatisfy { source.column($0)?.type == $1.type }
            }
            let columns = Set(whole).sorted { $0.lexicographicallyPrecedes($1) }
            if !columns.isEmpty { carriers.append((source, columns)) }
        }
        self.carriers = carriers
    }

    /// Whether an entity's keys include all of another's.
    private static func holds(_ entity: Entity, _ other: Entity) -> Bool {
        other.keys.allSatisfy { entity.keys.contains($0) }
    }

    func run(_ actor: String) throws -> Erasure {
        var erasure = Erasure(entity: entity.name)
        // Whoever makes something of these rows just now ends first, and others begin after it: segments, online state,
        // current values.
        let making =
            sources.flatMap { [Lock.segments(of: $0), Lock.online(of: $0)] }
            + catalog.sets.keys.map { Lock.segments(of: $0.description) }
        for lock in Set(making).sorted() { try connection.execute(Lock.statement(lock)) }
        // Nobody writes to these sources, or to the ledger, until it is done.
        for name in sources {
            try connection.execute("lock table firn_source.\(identifier: name) in share row exclusive mode")
        }
        let ledger = Ledger(connection: connection, actor: actor)
        try ledger.lock()
        try connection.execute(
            "create temp table firn_gone (source text, firn_batch bigint, firn_position integer) on commit drop")
        for carrier in carriers { erasure.rows[carrier.source.name] = try mark(carrier) }
        erasure.rows = erasure.rows.filter { $0.value > 0 }
        let gone = GoneRows(Set(erasure.rows.keys), connection)
        let (snapshots, spines) = try readers(gone)
        (erasure.snapshots, erasure.spineRows) = (
            snapshots.filter { !$0.blocks.isEmpty }.map(\.id), spines.reduce(0) { $0 + $1.record.rows }
        )
        erasure.receipts = try deleteReceipts(gone)
        let runs = try deleteSegments(gone)
        erasure.runs = runs.count
        erasure.values = try clearValues(gone)
        for table in ["firn_cache.results", "firn_cache.statistics"] as [SQL] {
            try connection.execute(
                "delete from \(table) where snapshot = any(\(.array(.text, snapshots.map { .text($0.id) })))")
        }
        try connection.execute(
            "delete from firn_cache.online_tables where source = any(\(.array(.text, gone.sources.map { .text($0) })))")
        var batches: [ErasureRecord.Batch] = []
        for carrier in carriers where gone.sources.contains(carrier.source.name) {
            batches += try delete(carrier.source)
        }
        erasure.batches = batches.count
        for spine in spines { try replace(spine) }
        if erasure.isEmpty { return erasure }
        let record = ErasureRecord(
            reason: reason, rows: erasure.rows, batches: batches.sorted { $0.batch < $1.batch }, snapshots: snapshots,
            spines: spines.map(\.record), receipts: erasure.receipts,
            runs: runs)
        erasure.entry = try ledger.append(kind: "erase", subject: "entity \(entity.name)", body: canonicalJSON(record))
            .number
        return erasure
    }

    // MARK: Rows

    /// Marks a source's rows of the entity; gives how many there are.
    private func mark(_ carrier: (source: Source, columns: [[String]])) throws -> Int {
        let table = SourceTable(carrier.source)
        let matches = carrier.columns.map { columns in
            table.equal(columns, to: parameters.map { "\($0)" })
        }
        let match: SQL = "(\(SQL.joined(matches.map { "(\($0))" }, by: " or ")))"
        var rows: SQL = "select r.firn_batch, r.firn_position from \(table.name) r where \(match)"
        if !carrier.source.id.isEmpty {
            rows = """
                \(rows) union select r.firn_batch, r.firn_position from \(table.name) r where (\(table.indexedIDs)) in (
                    select \(table.indexed(carrier.source.id, of: "newest")) from (select distinct on (\(table.ids)) \(table.ids), coalesce(\(match), false) as is_its from \(table.rows)
                        where (\(table.indexedIDs)) in (select \(table.indexedIDs) from \(table.name) r where \(match))
                        order by \(table.ids), coalesce(b.known_at, r.firn_known_at) desc nulls last, b.base_offset + r.firn_position desc) newest where is_its)
                """
        }
        try connection.execute(
            "insert into firn_gone select \(carrier.source.name), firn_batch, firn_position from (\(rows)) gone")
        return Int(
            try connection.execute("select count(*) from firn_gone where source = \(carrier.source.name)").single()
                .int64(0))
    }

    /// Takes a source's rows away, and gives the batches they came with new digests.
    private func delete(_ source: Source) throws -> [ErasureRecord.Batch] {
        let touched = try connection.execute(
            """
            select \(BatchLog.columns), (select count(*) from firn_gone g where g.source = b.source and g.firn_batch = b.batch) from firn.batches b
            where b.source = \(source.name) and b.batch in (select firn_batch from firn_gone where source = \(source.name)) order by b.base_offset
            """
        ).map { try (batch: BatchLog.Recorded($0), rows: Int($0.int64(BatchLog.Recorded.width))) }
        try unguarded("firn_source.\(identifier: source.name)") {
            """
            delete from firn_source.\(identifier: source.name) r using firn_gone g
            where g.source = \(source.name) and r.firn_batch = g.firn_batch and r.firn_position = g.firn_position
            """
        }
        let salts = touched.map { _ in RowsDigest.randomSalt() }
        var digests: [[UInt8]] = []
        try SourceTable(source).digests(
            of: zip(touched, salts).map { (batch: $0.batch.number, salt: $1, isPushed: $0.batch.knownAt != nil) },
            areAll: false, connection
        ) {
            digests.append($1)
        }
        let (numbers, newSalts, newDigests): (Parameter, Parameter, Parameter) = (
            .array(.int64, touched.map { .int64($0.batch.number) }), .array(.bytes, salts.map { .bytes($0) }),
            .array(.bytes, digests.map { .bytes($0) })
        )
        // A body's digest isn't salted, and a key may be somebody's.
        try unguarded("firn.batches") {
            """
            update firn.batches b set salt = n.salt, rows_digest = n.digest, request_digest = null, idempotency_key = null
            from unnest(\(numbers), \(newSalts), \(newDigests)) n(batch, salt, digest) where b.batch = n.batch
            """
        }
        return touched.indices.map { index in
            var batch = touched[index].batch
            (batch.salt, batch.digest, batch.requestDigest, batch.idempotencyKey) = (
                salts[index], digests[index], nil, nil
            )
            return ErasureRecord.Batch(
                batch: batch.number, rows: touched[index].rows,
                seal: ErasureRecord.seal(hash: batch.hash, now: batch.computedHash(source.name)))
        }
    }

    /// Runs a statement that a table's guard refuses to everybody else.
    private func unguarded(_ table: SQL, _ statement: () -> SQL) throws {
        try connection.execute("alter table \(table) disable trigger firn_guard")
        try connection.execute(statement())
        try connection.execute("alter table \(table) enable always trigger firn_guard")
    }

    // MARK: Who read them

    /// Rows of a spine: those of the entity itself, and those that read rows that are gone.
    private struct Readers {
        var own: [Int] = []
        var all: [Int] = []

        init(
            _ spine: Spine, _ plan: Plan, _ own: [[String]], _ key: [Column], _ cuts: [String: Int64], _ gone: GoneRows
        ) throws {
            let wanted = EntityKey(key, 0)
            var isOwn = Array(repeating: false, count: spine.instants.count), isReader = isOwn
            for columns in own {
                let parts = columns.map { spine.columns[$0]! }
                for row in isOwn.indices where EntityKey(parts, row) == wanted { isOwn[row] = true }
            }
            for group in plan.groups where gone.sources.contains(group.source.name) {
                let cut = cuts[group.source.name] ?? 0, tuples = try gone.tuples(group.source, group.keys.map(\.column))
                let parts = group.keys.map { spine.columns[$0.spine]! }
                for row in isReader.indices {
                    if let key = EntityKey(parts, row), let first = tuples[key], first <= cut { isReader[row] = true }
                }
            }
            for row in isOwn.indices {
                if isOwn[row] { self.own.append(row) }
                if isOwn[row] || isReader[row] { all.append(row) }
            }
        }
    }

    /// The spine's columns that carry the entity's keys in a set, in their order: those of its features, and whatever
    /// columns have the keys' names.
    private func carriers(in set: FeatureSet) -> [[String]] {
        let columns = set.keys + set.requests
        let named = entity.keys.allSatisfy(columns.contains) ? [entity.keys.map(\.name)] : []
        let lists =
            named
            + (set.features + set.labels).filter { ErasureWork.holds($0.function.entity, entity) }.map { entry in
                entity.keys.map { key in entry.keys.first { $0.key.name == key.name }!.column }
            }
        return Array(Set(lists))
    }

    /// Rows of a spine that have the entity's keys in columns of their names, though the set doesn't read them: these
    /// only pass through.
    private func passing(_ file: SpineFile) throws -> [Int] {
        var rows = Array(0..<file.rowCount)
        for (index, definition) in entity.keys.enumerated() {
            // What is bytes is no key.
            guard let texts = (try? file.texts(of: definition.name)) ?? nil else { return [] }
            rows = rows.filter {
                !texts.isNull($0) && Literal(incoming: texts[$0].plainText, as: definition.type) == key[index][0]
            }
        }
        return rows
    }

    private struct ChangedSpine {
        var record: ErasureRecord.Spine
        var pieces: [[UInt8]]
    }

    /// A kept spine and what is found in it; several snapshots may have it.
    private struct FoundSpine {
        /// One of the snapshots.
        var manifest: Manifest
        /// The entity's rows, of which only instants stay; and rows of others in which its keys pass through, of which
        /// stays what sets read.
        var own: Set<Int> = []
        var passing: Set<Int> = []
        var instants: Set<String> = []
        var read: Set<String> = []
    }

    /// The snapshots that have or read rows that are gone, and kept spines without the entity's rows.
    private func readers(_ gone: GoneRows) throws -> ([ErasureRecord.Snapshot], [ChangedSpine]) {
        let erasures = try Erasures(connection), blockRows = FeatureEngine.Digest.blockRows
        var readers: [(id: String, address: String, blocks: Set<Int>)] = [], spines: [String: FoundSpine] = [:]
        for row in try connection.execute("select manifest from firn.snapshots order by entry").map({ $0 }) {
            try Task.checkCancellation()
            let manifest = try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0)))
            let set = try catalog.set(named: manifest.set.description), plan = Plan(set, in: catalog)
            let (file, _) = try KeptSpine(manifest, erasures).read(plan, connection),
                address = erasures.spine(of: manifest.id, first: manifest.spine.digest)
            var spine = spines[address] ?? FoundSpine(manifest: manifest)
            spine.instants.insert(manifest.spine.timestamp)
            spine.read.formUnion([manifest.spine.timestamp] + (plan.keys + plan.requests).map(\.name))
            spine.passing.formUnion(try passing(file))
            let found = try Readers(file.spine, plan, carriers(in: set), key, manifest.cuts, gone)
            spine.own.formUnion(found.own)
            readers.append((manifest.id, address, Swift.Set(found.all.map { $0 / blockRows })))
            spines[address] = spine
        }
        var changed: [ChangedSpine] = [], addresses: [String: String] = [:]
        for (address, spine) in spines.sorted(by: { $0.key < $1.key })
        where !spine.own.isEmpty || !spine.passing.isEmpty {
            let plan = Plan(try catalog.set(named: spine.manifest.set.description), in: catalog)
            let file = try KeptSpine(spine.manifest, erasures).read(plan, connection).0
                .erasing(spine.own, keeping: spine.instants).erasing(
                    spine.passing.subtracting(spine.own), keeping: spine.read)
            let hash = TextHash(), pieces = try file.archive { hash.add($0) }
            let record = ErasureRecord.Spine(
                from: address, to: hash.finish(), rows: spine.own.union(spine.passing).count)
            changed.append(ChangedSpine(record: record, pieces: pieces))
            addresses[address] = record.to
        }
        // Rows that go from a spine go from all snapshots that have it.
        let snapshots = readers.compactMap { reader -> ErasureRecord.Snapshot? in
            let blocks = reader.blocks.union(spines[reader.address]!.own.map { $0 / blockRows })
            return blocks.isEmpty && addresses[reader.address] == nil
                ? nil : ErasureRecord.Snapshot(id: reader.id, blocks: blocks.sorted(), spine: addresses[reader.address])
        }
        return (snapshots, changed)
    }

    private func replace(_ spine: ChangedSpine) throws {
        try unguarded("firn.spines") { "delete from firn.spines where digest = \(spine.record.from)" }
        for (index, piece) in spine.pieces.enumerated() {
            try connection.execute(
                "insert into firn.spines values (\(spine.record.to), \(index)::int, \(piece)) on conflict do nothing")
        }
    }

    /// What receipts asked for, and the columns of it that carry the entity's keys.
    private struct Asked {
        var plan: Plan
        var own: [[String]]
    }

    /// Receipts that asked for the entity, or whose values came of rows that are gone: they can't be computed again.
    private func deleteReceipts(_ gone: GoneRows) throws -> Int {
        var after = LoggedLookup.first, count = 0, sets: [LookupRequest.Target: Asked] = [:]
        while true {
            let rows = try LoggedLookup.page(after: after, connection)
            var deleted: [Parameter] = []
            for row in rows.map({ $0 }) {
                try Task.checkCancellation()
                let logged = try LoggedLookup(row)
                after = logged.receipt
                let asked: Asked
                if let known = sets[logged.target] {
                    asked = known
                } else {
                    let set = try logged.target.resolve(catalog).served
                    asked = Asked(plan: Plan(set, in: catalog), own: carriers(in: set))
                    sets[logged.target] = asked
                }
                guard !asked.own.isEmpty || asked.plan.sources.contains(where: gone.sources.contains),
                    let read = logged.read(asked.plan)
                else { continue }
                if try !Readers(read.0, asked.plan, asked.own, key, logged.cuts, gone).all.isEmpty {
                    deleted.append(.text(logged.receipt))
                }
            }
            if !deleted.isEmpty {
                try connection.execute(
                    "delete from firn_log.lookups where receipt = any(\(.array(.text, deleted))::uuid[])")
            }
            count += deleted.count
            if rows.count < LoggedLookup.pageRows { return count }
        }
    }

    // MARK: What was derived

    /// Forgets runs from the first that holds a row that is gone: runs follow each other, so what comes after is sealed
    /// again too.
    private func deleteSegments(_ gone: GoneRows) throws -> [ErasureRecord.Run] {
        var runs: [ErasureRecord.Run] = []
        for source in gone.sources.sorted() {
            let first = try connection.execute(
                "select min(b.base_offset) from firn_gone g join firn.batches b on b.batch = g.firn_batch where g.source = \(source)"
            ).single().int64(0)
            for row in try connection.execute(
                "delete from firn_cache.runs where source = \(source) and up_to > \(first) returning array_to_json(keys)::text, after_offset, up_to"
            ).map({ $0 }) {
                let keys = try JSONDecoder().decode([String].self, from: Data(row.bytes(0)))
                try runs.append(ErasureRecord.Run(source: source, keys: keys, after: row.int64(1), upTo: row.int64(2)))
            }
        }
        if !runs.isEmpty { try SegmentList.deleteUnlisted(connection) }
        return runs.sorted {
            ($0.source, $0.keys.joined(separator: ","), $0.after) < (
                $1.source, $1.keys.joined(separator: ","), $1.after
            )
        }
    }

    /// Empties the tables of sets that read rows that are gone; gives those that are empty, of an earlier erasure that
    /// was interrupted too.
    private func clearValues(_ gone: GoneRows) throws -> [String] {
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

/// The rows that are marked, by the keys under which groups read them.
private final class GoneRows {
    let sources: Set<String>
    private let connection: Connection
    private var known: [String: [EntityKey: Int64]] = [:]

    init(_ sources: Set<String>, _ connection: Connection) {
        self.sources = sources
        self.connection = connection
    }

    /// The values that some columns have in rows that are gone, each with the first offset of such a row.
    func tuples(_ source: Source, _ columns: [String]) throws -> [EntityKey: Int64] {
        let name = ([source.name] + columns).joined(separator: "\u{0}")
        if let known = known[name] { return known }
        var builders = columns.map { ColumnBuilder(source.column($0)!.type) }, offsets: [Int64] = []
        let list = SQL.joined(columns.map { "r.\(identifier: $0), " }, by: ""),
            places = SQL.joined((0..<columns.count).map { SQL(raw: String($0 + 1)) }, by: ", ")
        let table = SourceTable(source),
            gone: SQL =
                "firn_gone g on g.source = \(source.name) and g.firn_batch = r.firn_batch and g.firn_position = r.firn_position"
        var query: SQL = "select \(list)min(b.base_offset + r.firn_position) from \(table.rows) join \(gone)"
        if !source.id.isEmpty {
            // A version that is gone had replaced others of its fact, which stand longer now, whosever they are.
            query = """
                select \(list)min(f.first) from \(table.name) r join (select \(table.ids), min(b.base_offset + r.firn_position) as first from \(table.rows) join \(gone)
                    group by \(table.ids)) f on \(table.equal(source.id, to: source.id.map { "f.\(identifier: $0)" }))
                """
        }
        try connection.stream("\(query)\(columns.isEmpty ? "" : " group by \(places)" as SQL)") { row in
            for index in builders.indices { builders[index].append(&row) }
            offsets.append(row.int64() ?? .max)
        }
        let parts = builders.indices.map { builders[$0].finish() }
        var tuples: [EntityKey: Int64] = [:]
        for row in offsets.indices { if let key = EntityKey(parts, row) { tuples[key] = offsets[row] } }
        known[name] = tuples
        return tuples
    }
}

extension Literal {
    /// Its text; empty if it is no text.
    fileprivate var plainText: String { if case .string(let text) = self { text } else { "" } }
}
