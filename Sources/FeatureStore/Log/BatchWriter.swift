internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import Tables

/// Writes the rows of a batch, or of several that are committed together, and at the very end the batches themselves: rows first, then the log's
/// lock, the batches, and the commit.
///
/// A source with `id` takes its rows through a staging table, so that duplicates are found before anything is written for good: decided
/// first without the lock, and again under it where the log has moved on or the clock would decide otherwise.
final class BatchWriter {
    private let log: BatchLog
    private let table: SourceTable
    private let connection: Connection
    private let knownNow: Bool
    private var batches: [Batch]

    private struct Batch {
        /// Ascending, in their order in the log.
        let number: Int64
        var count = 0
        var digest = RowsDigest(salt: RowsDigest.randomSalt())
        /// Whether the digest was made without some of the rows, which may count after all.
        var digestLacksRows = false
    }

    /// A row on its way: its batch's place among those written together, and its position in it.
    private struct Place: Hashable {
        var batch: Int
        var position: Int
    }

    /// How many rows came.
    var count: Int { batches.reduce(0) { $0 + $1.count } }

    private var source: Source { log.source }
    private var hasID: Bool { !source.id.isEmpty }

    /// Inside a transaction, which the caller commits.
    ///
    /// - Parameters:
    ///   - knownNow: rows are known from their commit on, whatever they say: pushes, and imports that ask for it.
    ///   - batches: how many are written.
    init(_ source: Source, _ connection: Connection, knownNow: Bool, batches: Int = 1) throws {
        self.connection = connection
        self.knownNow = knownNow
        log = BatchLog(source: source, connection: connection)
        table = SourceTable(source)
        self.batches = try log.nextBatches(batches).map { Batch(number: $0) }
        guard hasID else { return }
        try connection.execute("create temp table if not exists \(staging) (like \(table.name)) on commit delete rows")
    }

    /// One for each shape of the source's table, so that a session makes it once.
    private var staging: SQL { "pg_temp.\(identifier: SourceTable.name("staging", [source.name] + source.columns.map(\.name)))" }

    /// Adds rows; what `next` throws takes back all.
    ///
    /// - Parameter next: more rows, and the place of their batch; nil at the end.
    func write(_ next: () throws -> (batch: Int, rows: Table)?) throws {
        let target = hasID ? staging : table.name
        try explaining {
            try connection.copyIn("copy \(target) (\(table.columns)) from stdin (format binary)") { writer in
                while let (place, rows) = try next() {
                    let knownAt = knownNow ? nil : imported(rows), first = batches[place].count + 1
                    try table.write(rows, knownAt: knownAt, batch: batches[place].number, first: first, to: &writer)
                    batches[place].digest.add(source.columns.map { rows[$0.name]! }, positions: first..<(first + rows.rowCount), knownAt: knownAt)
                    batches[place].count += rows.rowCount
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

    /// Decides duplicates, takes the lock and writes the batches. Nothing but the commit may follow.
    ///
    /// - Parameters:
    ///   - origins: of each batch. One without rows leaves no trace.
    ///   - check: under the lock, with the log's last offset; what it throws takes back everything.
    /// - Throws: `conflictingRow` where a static source's id is taken by another row.
    func finish(
        _ kind: BatchLog.Entry.Kind, _ origins: [BatchLog.Origin], beforeLock: () throws -> Void = {}, check: (Int64) throws -> Void = { _ in }
    ) throws -> [Written] {
        guard count > 0 else {
            let end = try log.head().offset
            return batches.map { _ in Written(accepted: 0, duplicates: 0, lastOffset: end) }
        }
        var duplicates: [Place] = []
        var state: BatchLog.State
        if hasID {
            let seen = try log.state()
            duplicates = try decide(knownAt: knownNow ? seen.clock : nil)
            try connection.execute("savepoint rows")
            try moveRows(without: duplicates)
            try digestAgain(without: duplicates)
            try beforeLock()
            try log.lock()
            state = try log.state()
            try check(state.head.offset)
            if state.head.offset != seen.head.offset || knownNow {
                let again = try decide(knownAt: knownNow && !source.isStatic ? state.clock : nil)
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
            state = try log.state()
            try check(state.head.offset)
        }
        let dropped = duplicates.reduce(into: [:]) { $0[$1.batch, default: 0] += 1 }
        let entries = zip(batches, origins).enumerated().map { place, batch in
            BatchLog.Entry(batch: batch.0.number, count: batch.0.count, duplicates: dropped[place] ?? 0, kind: kind, origin: batch.1, rows: batch.0.digest)
        }
        let ends = try log.append(entries, knownAt: knownNow && !source.isStatic ? state.clock : nil, at: state)
        return zip(entries, ends).map { Written(accepted: $0.count - $0.duplicates, duplicates: $0.duplicates, lastOffset: $1) }
    }

    // MARK: Duplicates

    private var ids: SQL { SQL.joined(source.id.map { "\(identifier: $0)" }, by: ", ") }

    /// The duplicates, in the order of the rows.
    private func decide(knownAt: Int64?) throws -> [Place] {
        // Only ids with another version, committed or in these batches, can have duplicates; mostly there are none.
        let sameID = SQL.joined(source.id.map { "t.\(identifier: $0) = s.\(identifier: $0)" }, by: " and ")
        let twice: SQL = "select \(ids) from \(staging) group by \(ids) having count(*) > 1"
        // The second time these rows are in the table themselves.
        let own: Parameter = .array(.int64, batches.map { .int64($0.number) })
        let committedToo: SQL = "select \(ids) from \(staging) s where exists (select from \(table.name) t where \(sameID) and t.firn_batch <> all(\(own)))"
        guard try connection.execute(prepared: "select exists (\(twice)) or exists (\(committedToo))").first!.bool(0) else { return [] }
        let again: SQL = "\(twice) union \(committedToo)"
        let names = source.columns.map(\.name)
        let known: Parameter = knownAt.map { .timestamp($0) } ?? .null(.timestamp)
        func isAgain(_ alias: String) -> SQL {
            let ids = SQL.joined(source.id.map { "\(SQL(stringLiteral: alias)).\(identifier: $0)" }, by: ", ")
            return "(\(ids)) in (select * from again)"
        }
        let committed = try table.read(names, where: isAgain("r"), with: "with again as materialized (\(again)) ", connection)
        // Beyond every offset there is: the batch above, the position in it below.
        let offset = Int64.max / 2, first = batches[0].number
        let declared = SQL.joined(names.map { "\(identifier: $0)" }, by: ", ")
        let time: SQL = source.eventTime.map { "\(identifier: $0)" } ?? "null::timestamptz"
        let staged = try table.rows(
            source.columns,
            "with again as materialized (\(again)) select \(declared), \(offset) + ((firn_batch - \(first)) << 32) + firn_position, coalesce(\(known), firn_known_at), \(time) from \(staging) s where \(isAgain("s"))",
            connection)
        guard staged.count > 0 else { return [] }
        let found = Duplicates(committed.followed(by: staged), of: source, committed: committed.count)
        if let row = found.conflict {
            let position = (staged.offsets[row - committed.count] - offset) & 0xFFFF_FFFF
            throw StoreError(
                .conflictingRow, "row \(position) says something else of an id that is taken, and \(source.name) is a static source", advice: "its rows are facts for all time")
        }
        let places = Dictionary(uniqueKeysWithValues: batches.enumerated().map { ($1.number, $0) })
        return staged.offsets.indices.filter { found.isDuplicate[committed.count + $0] }.map { row in
            let place = staged.offsets[row] - offset
            return Place(batch: places[first + place >> 32]!, position: Int(place & 0xFFFF_FFFF))
        }
    }

    private func moveRows(without duplicates: [Place]) throws {
        try explaining {
            try connection.execute("insert into \(table.name) (\(table.columns)) select \(table.columns) from \(staging) s where \(isKept(duplicates))")
        }
    }

    /// Over `s`, the staged rows. An anti-join, since there may be as many duplicates as rows.
    private func isKept(_ duplicates: [Place]) -> SQL {
        guard !duplicates.isEmpty else { return "true" }
        let numbers: Parameter = .array(.int64, duplicates.map { .int64(batches[$0.batch].number) }), positions: Parameter = .array(.int64, duplicates.map { .int64(Int64($0.position)) })
        return "not exists (select from unnest(\(numbers), \(positions)) d(batch, position) where d.batch = s.firn_batch and d.position = s.firn_position)"
    }

    /// The digests cover the rows that are kept.
    private func digestAgain(without duplicates: [Place]) throws {
        let lacking = Set(duplicates.map(\.batch))
        let declared = SQL.joined(source.columns.map { "\(identifier: $0.name)" }, by: ", ")
        for place in batches.indices where lacking.contains(place) || batches[place].digestLacksRows {
            batches[place].digestLacksRows = lacking.contains(place)
            batches[place].digest = RowsDigest(salt: batches[place].digest.salt)
            let rows = try table.rows(
                source.columns,
                "select \(declared), firn_position, firn_known_at, null::timestamptz from \(staging) s where firn_batch = \(batches[place].number) and \(isKept(duplicates))",
                connection)
            batches[place].digest.add(source.columns.map { rows.columns[$0.name]! }, positions: rows.offsets.map { Int($0) }, knownAt: knownNow ? nil : rows.knownAt)
        }
    }
}
