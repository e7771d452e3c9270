internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import Tables

/// Writes the rows of one batch, and at the very end the batch itself: rows first, then the log's lock, the batch, and the commit.
///
/// A source with `id` takes its rows through a staging table, so that duplicates are found before anything is written for good: decided
/// first without the lock, and again under it where the log has moved on or the clock would decide otherwise.
final class BatchWriter {
    private let log: BatchLog
    private let table: SourceTable
    private let connection: Connection
    private let knownNow: Bool
    private let batch: Int64
    private var digest = RowsDigest(salt: RowsDigest.randomSalt())
    /// Whether the digest was made without some of the rows, which may count after all.
    private var digestLacksRows = false
    private(set) var count = 0

    private var source: Source { log.source }
    private var hasID: Bool { !source.id.isEmpty }

    /// Inside a transaction, which the caller commits.
    ///
    /// - Parameter knownNow: rows are known from their commit on, whatever they say: pushes, and imports that ask for it.
    init(_ source: Source, _ connection: Connection, knownNow: Bool) throws {
        self.connection = connection
        self.knownNow = knownNow
        log = BatchLog(source: source, connection: connection)
        table = SourceTable(source)
        batch = try log.nextBatch()
        guard hasID else { return }
        try connection.execute("create temp table if not exists \(staging) (like \(table.name)) on commit delete rows")
    }

    /// One for each shape of the source's table, so that a session makes it once.
    private var staging: SQL { "pg_temp.\(identifier: SourceTable.name("staging", [source.name] + source.columns.map(\.name)))" }

    /// Adds rows; what `next` throws takes back the batch.
    ///
    /// - Parameter next: more rows; nil at the end.
    func write(_ next: () throws -> Table?) throws {
        let target = hasID ? staging : table.name
        try explaining {
            try connection.copyIn("copy \(target) (\(table.columns)) from stdin (format binary)") { writer in
                while let rows = try next() {
                    let knownAt = knownNow ? nil : imported(rows)
                    try table.write(rows, knownAt: knownAt, batch: batch, first: count + 1, to: &writer)
                    digest.add(source.columns.map { rows[$0.name]! }, positions: (count + 1)..<(count + 1 + rows.rowCount), knownAt: knownAt)
                    count += rows.rowCount
                }
            }
        }
    }

    /// What an index can't hold, in the words of whoever sent the row.
    private func explaining(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as PostgresError where error.code == "54000" {
            throw StoreError(.invalidRequest, "an id or key of some row of \(source.name) is too long to be found again", advice: "ids and keys have some 2,700 bytes in all")
        }
    }

    private func imported(_ rows: Table) -> [Int64] {
        let columns = Dictionary(uniqueKeysWithValues: zip(rows.names, rows.columns))
        guard let eventTime = source.eventTime, case .timestamp(let times)? = columns[eventTime]?.values else {
            return Array(repeating: SourceRows.unknown, count: rows.rowCount)
        }
        return source.knownAt(eventTimes: times, columns: columns)
    }

    struct Written: Sendable {
        var accepted: Int
        var duplicates: Int
        var lastOffset: Int64
    }

    /// Decides duplicates, takes the lock and writes the batch. Nothing but the commit may follow.
    ///
    /// - Parameter check: under the lock, with the log's last offset; what it throws takes back the batch.
    /// - Throws: `conflictingRow` where a static source's id is taken by another row.
    func finish(
        _ entry: (BatchLog.Entry.Kind, actor: String), idempotencyKey: String? = nil, requestDigest: [UInt8]? = nil, fileDigest: [UInt8]? = nil,
        beforeLock: () throws -> Void = {}, check: (Int64) throws -> Void = { _ in }
    ) throws -> Written {
        guard count > 0 else { return Written(accepted: 0, duplicates: 0, lastOffset: try log.head().offset) }
        var head = BatchLog.Head(offset: 0, hash: [])
        var duplicates: [Int] = []
        var knownAt: Int64?
        if hasID {
            let seen = try log.head()
            duplicates = try decide(knownAt: knownNow ? log.clock() : nil)
            try connection.execute("savepoint rows")
            try moveRows(without: duplicates)
            try digestAgain(without: duplicates)
            try beforeLock()
            try log.lock()
            head = try log.head()
            try check(head.offset)
            knownAt = knownNow && !source.isStatic ? try log.clock() : nil
            if head.offset != seen.offset || knownNow {
                let again = try decide(knownAt: knownAt)
                if again != duplicates {
                    duplicates = again
                    try connection.execute("rollback to savepoint rows")
                    try moveRows(without: duplicates)
                    try digestAgain(without: duplicates)
                }
            }
        } else {
            try beforeLock()
            try log.lock()
            head = try log.head()
            try check(head.offset)
            knownAt = knownNow ? try log.clock() : nil
        }
        let entry = BatchLog.Entry(
            batch: batch, count: count, duplicates: duplicates.count, kind: entry.0, actor: entry.actor, idempotencyKey: idempotencyKey, requestDigest: requestDigest,
            fileDigest: fileDigest, rows: digest)
        let end = try log.append(entry, knownAt: knownAt, after: head)
        return Written(accepted: count - duplicates.count, duplicates: duplicates.count, lastOffset: end.offset)
    }

    // MARK: Duplicates

    private var ids: SQL { SQL.joined(source.id.map { "\(identifier: $0)" }, by: ", ") }

    /// The positions of the duplicates, ascending.
    private func decide(knownAt: Int64?) throws -> [Int] {
        // Only ids with another version, committed or in this batch, can have duplicates; mostly there are none.
        let sameID = SQL.joined(source.id.map { "t.\(identifier: $0) = s.\(identifier: $0)" }, by: " and ")
        let again: SQL = """
            select \(ids) from \(staging) group by \(ids) having count(*) > 1
            union select \(ids) from \(staging) s where exists (select from \(table.name) t where \(sameID))
            """
        let names = source.columns.map(\.name)
        let known: Parameter = knownAt.map { .timestamp($0) } ?? .null(.timestamp)
        func isAgain(_ alias: String) -> SQL {
            let ids = SQL.joined(source.id.map { "\(SQL(stringLiteral: alias)).\(identifier: $0)" }, by: ", ")
            return "(\(ids)) in (select * from again)"
        }
        let committed = try table.read(names, where: isAgain("r"), with: "with again as materialized (\(again)) ", connection)
        let offset = Int64.max / 2
        let declared = SQL.joined(names.map { "\(identifier: $0)" }, by: ", ")
        let time: SQL = source.eventTime.map { "\(identifier: $0)" } ?? "null::timestamptz"
        let staged = try table.rows(
            source.columns,
            "with again as materialized (\(again)) select \(declared), \(offset) + firn_position, coalesce(\(known), firn_known_at), \(time) from \(staging) s where \(isAgain("s"))",
            connection)
        guard staged.count > 0 else { return [] }
        let found = Duplicates(committed.followed(by: staged), of: source, committed: committed.count)
        if let row = found.conflict {
            let position = staged.offsets[row - committed.count] - offset
            throw StoreError(
                .conflictingRow, "row \(position) says something else of an id that is taken, and \(source.name) is a static source", advice: "its rows are facts for all time")
        }
        return staged.offsets.indices.filter { found.isDuplicate[committed.count + $0] }.map { Int(staged.offsets[$0] - offset) }
    }

    private func moveRows(without duplicates: [Int]) throws {
        try explaining {
            try connection.execute("insert into \(table.name) (\(table.columns)) select \(table.columns) from \(staging) s where \(isKept(duplicates))")
        }
    }

    /// Over `s`, the staged rows. An anti-join, since there may be as many duplicates as rows.
    private func isKept(_ duplicates: [Int]) -> SQL {
        duplicates.isEmpty ? "true" : "not exists (select from unnest(\(positions(duplicates))) d where d = s.firn_position)"
    }

    private func positions(_ duplicates: [Int]) -> Parameter { .array(.int64, duplicates.map { .int64(Int64($0)) }) }

    /// The digest covers the rows that are kept.
    private func digestAgain(without duplicates: [Int]) throws {
        guard !duplicates.isEmpty || digestLacksRows else { return }
        digestLacksRows = !duplicates.isEmpty
        digest = RowsDigest(salt: digest.salt)
        let declared = SQL.joined(source.columns.map { "\(identifier: $0.name)" }, by: ", ")
        let rows = try table.rows(
            source.columns, "select \(declared), firn_position, firn_known_at, null::timestamptz from \(staging) s where \(isKept(duplicates))", connection)
        digest.add(source.columns.map { rows.columns[$0.name]! }, positions: rows.offsets.map { Int($0) }, knownAt: knownNow ? nil : rows.knownAt)
    }
}
