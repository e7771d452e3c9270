internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import StoreRows

/// Logs of rows: the sources' tables, and the chains of their batches.
enum SourceHolding: Holding {
    static let tables = ["firn_source.*", "firn.batches"]
    static let vacuumed = ["firn.batches"]

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        for carrier in whom.carriers where gone.sources.contains(carrier.source.name) {
            done.batches += try delete(carrier.source, gone.connection)
        }
        done.erasure.batches = done.batches.count
    }

    static func verify(_ work: inout HistoryWork) throws {
        guard let catalog = work.catalog else { return }
        let connection = work.connection, progress = work.progress
        guard let erasures = try? Erasures(connection) else {
            work.check.faults.append("what was erased can't be read any more")
            work.isOver = true
            return
        }
        for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
            try Task.checkCancellation()
            let log = LogCheck(source: source, erasures: erasures, connection: connection)
            try work.noting { work in
                if try log.hasTable(&work.check) { try log.run(&work.check) { progress(source.name, $0) } }
            }
        }
        // What can't be read any more has been noted above; nothing can be computed from it.
        work.isOver = work.check.faults.contains { $0.hasSuffix(LogCheck.unreadable) }
    }

    /// Marks the entity's rows in a source; returns how many there are.
    static func mark(_ carrier: (source: Source, columns: [[String]]), of whom: ErasedEntity, _ connection: Connection)
        throws -> Int
    {
        let table = SourceTable(carrier.source)
        let matches = carrier.columns.map { columns in
            table.equal(columns, to: whom.parameters.map { "\($0)" })
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

    /// Deletes a source's marked rows, and gives the batches they came with new salts and digests.
    private static func delete(_ source: Source, _ connection: Connection) throws -> [ErasureRecord.Batch] {
        let touched = try connection.execute(
            """
            select \(BatchLog.columns), (select count(*) from firn_gone g where g.source = b.source and g.firn_batch = b.batch) from firn.batches b
            where b.source = \(source.name) and b.batch in (select firn_batch from firn_gone where source = \(source.name)) order by b.base_offset
            """
        ).map { try (batch: BatchLog.Recorded($0), rows: Int($0.int64(BatchLog.Recorded.width))) }
        try connection.unguarded("firn_source.\(identifier: source.name)") {
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
        // A body's digest isn't salted, and an idempotency key may identify somebody.
        try connection.unguarded("firn.batches") {
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
}

extension Connection {
    /// Runs a statement that a table's guard would refuse, with the guard disabled meanwhile.
    func unguarded(_ table: SQL, _ statement: () -> SQL) throws {
        try execute("alter table \(table) disable trigger firn_guard")
        try execute(statement())
        try execute("alter table \(table) enable always trigger firn_guard")
    }
}

/// Checks a source's chain of batches, and their rows.
private struct LogCheck {
    let source: Source
    let erasures: Erasures
    let connection: Connection

    /// How the fault of a source with unreadable rows ends.
    static let unreadable = "can't be read"

    /// Whether its table is there, with the columns that were registered.
    func hasTable(_ check: inout HistoryCheck) throws -> Bool {
        var types: [String: String] = [:]
        for row in try connection.execute(
            """
            select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
            where a.attrelid = to_regclass(\("firn_source." + SQL.quoted(source.name))) and a.attnum > 0 and not a.attisdropped
            """
        ).map({ $0 }) {
            try types[row.text(0)] = row.text(1)
        }
        if types.isEmpty {
            check.faults.append("the table of \(source.name) is gone: its rows \(LogCheck.unreadable)")
            return false
        }
        let declared = source.columns.map {
            ($0.name, $0.type == .timestamp ? "timestamp with time zone" : $0.type.rules.sqlName)
        }
        let own = [
            ("firn_batch", "bigint"), ("firn_position", "integer"), ("firn_known_at", "timestamp with time zone"),
        ]
        guard let wrong = (own + declared).first(where: { types[$0.0] != $0.1 }) else { return true }
        check.faults.append(
            "the table of \(source.name) has another column '\(wrong.0)' than was registered: its rows \(LogCheck.unreadable)"
        )
        return false
    }

    /// A batch, and how many of its rows have to be there.
    private typealias Batch = (recorded: BatchLog.Recorded, kept: Int)

    func run(_ check: inout HistoryCheck, progress: (Int) -> Void) throws {
        var previous: [UInt8] = [], end: Int64 = 0, version = 1, batches: [Batch] = []
        for row in try connection.execute(
            "select \(BatchLog.columns) from firn.batches b where b.source = \(source.name) order by b.base_offset"
        ).map({ $0 }) {
            check.batches += 1
            let batch = try BatchLog.Recorded(row), computed = batch.computedHash(source.name),
                erased = erasures.batches[batch.number]
            // Where rows were erased, salt and digest are new, and the ledger vouches for them.
            let isWhole =
                erased.map { $0.seal == ErasureRecord.seal(hash: batch.hash, now: computed) }
                ?? (computed == batch.hash)
            // A batch of an older form after one of a newer form would hide what the older form doesn't cover.
            guard batch.baseOffset == end, batch.previous == previous, isWhole, batch.version >= version else {
                check.faults.append(
                    "the batch of \(source.name) at offset \(end) isn't what it was when it was written")
                return
            }
            (previous, version) = (batch.hash, batch.version)
            end &+= batch.count
            batches.append((batch, Int(batch.count &- batch.duplicates) &- (erased?.rows ?? 0)))
        }
        check.logHeads[source.name] = previous.hexadecimal
        try checkRows(batches, &check, progress)
    }

    /// Reads the rows in the order of the log, and compares each batch's with its digest.
    private func checkRows(_ batches: [Batch], _ check: inout HistoryCheck, _ progress: (Int) -> Void) throws {
        let strays = try connection.execute(
            "select exists (select from \(SourceTable(source).name) r where not exists (select from firn.batches b where b.batch = r.firn_batch and b.source = \(source.name)))"
        ).single().bool(0)
        if strays { check.faults.append("\(source.name) has rows that came with no batch") }
        var place = 0, total = 0, fault: String?
        try SourceTable(source).digests(
            of: batches.map { ($0.recorded.number, $0.recorded.salt, $0.recorded.knownAt != nil) }, areAll: true,
            connection, progress: progress
        ) {
            rows, digest in
            if fault == nil, rows != batches[place].kept || digest != batches[place].recorded.digest {
                fault =
                    "rows of \(source.name) in batch \(batches[place].recorded.number) aren't what they were when they were written"
            }
            (place, total) = (place + 1, total + rows)
        }
        check.rows += total
        if let fault { check.faults.append(fault) }
    }
}
