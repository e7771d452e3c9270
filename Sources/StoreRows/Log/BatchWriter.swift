internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

/// Writes the rows of a batch, or of several that are committed together, and at the very end the batches themselves:
/// first the rows, then the log's lock, the batches, and the commit.
///
/// A source with an `id` takes its rows through a staging table, so that duplicates are found before anything is
/// written for good. They are decided first without the lock, and again under it if the log has moved on or the clock
/// would decide otherwise.
final class BatchWriter {
    private let log: BatchLog
    private let table: SourceTable
    private let connection: Connection
    private let knownNow: Bool
    private var batches: [Batch]

    private struct Batch {
        /// Ascending, in the order that the batches have in the log.
        let number: Int64
        var count = 0
        var digest = RowsDigest(salt: RowsDigest.randomSalt())
        /// Whether the digest was made without some of the rows, which may count after all.
        var digestLacksRows = false
    }

    /// How long after they happened rows were known; nil if nobody asks.
    private var delays: DelaySample?

    /// A row on its way: its batch's place among those written together, and its position in that batch.
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
    ///   - knownNow: whether rows count as known from their commit on, whatever they say: so for pushes, and for
    ///     imports that ask for it.
    ///   - numbers: the numbers of the batches to write, ascending.
    ///   - wantsDelay: whether `medianDelay` will be asked for.
    init(_ source: Source, _ connection: Connection, knownNow: Bool, numbers: [Int64], wantsDelay: Bool = false) throws
    {
        delays = wantsDelay ? DelaySample() : nil
        self.connection = connection
        self.knownNow = knownNow
        log = BatchLog(source: source, connection: connection)
        table = SourceTable(source)
        batches = numbers.map { Batch(number: $0) }
        guard hasID else { return }
        connection.later("create temp table if not exists \(staging) (like \(table.name)) on commit delete rows")
    }

    /// One for each shape of the source's table, so that a session creates it only once.
    private var staging: SQL {
        "pg_temp.\(identifier: SourceTable.name("staging", [source.name] + source.columns.map(\.name)))"
    }

    /// Where rows go first.
    private var target: SQL { hasID ? staging : table.name }

    /// Adds rows; if `next` throws, none of them are kept.
    ///
    /// - Parameter next: more rows; nil at the end.
    func write(_ next: () throws -> Table?) throws {
        try connection.copyIn("copy \(target) (\(table.columns)) from stdin (format binary)") { writer in
            while let rows = try next() { try copy(rows, of: 0, to: &writer) }
        }
    }

    /// Adds the rows of each batch: few of them in one statement, which is sent with the next one.
    func write(_ tables: [Table]) throws {
        // PostgreSQL has no arrays of lists.
        guard tables.reduce(0, { $0 + $1.rowCount }) <= BatchWriter.fewRows,
            !source.columns.contains(where: \.type.isPacked)
        else {
            return try connection.copyIn("copy \(target) (\(table.columns)) from stdin (format binary)") { writer in
                for (place, rows) in tables.enumerated() { try copy(rows, of: place, to: &writer) }
            }
        }
        var numbers: [Parameter] = [], positions: [Parameter] = [], known: [Parameter] = []
        var columns = source.columns.map { _ in [Parameter]() }
        for (place, rows) in tables.enumerated() where rows.rowCount > 0 {
            let knownAt = take(rows, of: place)
            for row in 0..<rows.rowCount {
                numbers.append(.int64(batches[place].number))
                positions.append(.int64(Int64(row + 1)))
                known.append(
                    knownAt.flatMap { $0[row] == SourceRows.unknown ? nil : .timestamp($0[row]) } ?? .null(.timestamp))
            }
            for (index, column) in source.columns.enumerated() {
                let values = rows[column.name]!
                for row in 0..<rows.rowCount { columns[index].append(values[row].parameter(column.type)) }
            }
        }
        let arrays = SQL.joined(
            [.array(.int64, numbers), .array(.int64, positions), .array(.timestamp, known)].map {
                (array: Parameter) -> SQL in "\(array)"
            }
                + zip(source.columns, columns).map { "\(Parameter.array($0.type.parameterKind, $1))" }, by: ", ")
        connection.later("insert into \(target) (\(table.columns)) select * from unnest(\(arrays))")
    }

    /// Whether rows are looked up one by one.
    private var areFew: Bool { connection.readsByIndex || SourceTable.isShort(after: 0, upTo: Int64(count)) }

    /// Up to this many rows, one statement with arrays is faster than a copy.
    private static let fewRows = 4000

    private func copy(_ rows: Table, of place: Int, to writer: inout CopyWriter) throws {
        let first = batches[place].count + 1, knownAt = take(rows, of: place)
        try table.write(rows, knownAt: knownAt, batch: batches[place].number, first: first, to: &writer)
    }

    /// Counts rows toward their batch, and returns when they are known; nil if that is their commit.
    private func take(_ rows: Table, of place: Int) -> [Int64]? {
        let knownAt = knownNow ? nil : imported(rows), first = batches[place].count + 1
        if delays != nil, let eventTime = source.eventTime, let times = rows[eventTime]?.instants {
            delays!.add(times, knownAt: knownAt)
        }
        batches[place].digest.add(
            source.columns.map { rows[$0.name]! }, positions: first..<(first + rows.rowCount), knownAt: knownAt)
        batches[place].count += rows.rowCount
        return knownAt
    }

    /// Explains what a table can't hold in terms of the row that was sent: it happens with sources that were registered
    /// before their width was checked.
    static func explaining<T>(_ source: Source, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let error as PostgresError where error.code == "54000" {
            throw StoreError(
                .invalidRequest, "a row of \(source.name) has more columns with values than PostgreSQL stores",
                advice: "make it two sources with the same keys")
        }
    }

    private func imported(_ rows: Table) -> [Int64] {
        let columns = Dictionary(uniqueKeysWithValues: zip(rows.names, rows.columns))
        guard let eventTime = source.eventTime, let times = columns[eventTime]?.instants else {
            return Array(repeating: SourceRows.unknown, count: rows.rowCount)
        }
        return source.knownAt(eventTimes: times, columns: columns)
    }

    struct Written: Sendable {
        var accepted: Int
        var duplicates: Int
        var lastOffset: Int64
    }

    /// When the rows are known; nil if each row says so itself.
    private(set) var knownAt: Int64?
    /// How long after they happened the rows were known: the median.
    var medianDelay: TimeSpan? { delays?.median(commit: knownAt ?? .max) }
    /// Whether no fact of these rows has another version: once committed, they say all there is to say about their
    /// facts.
    private(set) var areFirstVersions = false

    /// Decides duplicates, takes the lock and writes the batches. Nothing but the commit may follow.
    ///
    /// - Parameters:
    ///   - origins: one for each batch. A batch without rows leaves no trace.
    ///   - check: called under the lock with the log's last offset; if it throws, nothing is kept.
    /// - Throws: `conflictingRow` if a static source's id is taken by another row.
    func finish(
        _ kind: BatchLog.Entry.Kind, _ origins: [BatchLog.Origin], beforeLock: () throws -> Void = {},
        check: (Int64) throws -> Void = { _ in }
    ) throws -> [Written] {
        guard count > 0 else {
            let end = try log.head().offset
            return batches.map { _ in Written(accepted: 0, duplicates: 0, lastOffset: end) }
        }
        var duplicates: [Place] = [], seen: Int64?, state: BatchLog.State
        if hasID, count > BatchWriter.fewRows {
            // Before the lock, so that it isn't held for long.
            let before = try self.state()
            seen = before.head.offset
            duplicates = try decide(knownAt: knownNow ? before.clock : nil, mayHaveSome: before.holds)
            connection.later("savepoint rows")
            try moveRows(without: duplicates)
            try digestAgain(without: duplicates)
        }
        try beforeLock()
        log.lock()
        state = try self.state()
        try check(state.head.offset)
        if hasID, state.head.offset != seen || knownNow {
            let again = try decide(knownAt: knownNow && !source.isStatic ? state.clock : nil, mayHaveSome: state.holds)
            if seen == nil || again != duplicates {
                if seen != nil { connection.later("rollback to savepoint rows") }
                duplicates = again
                try moveRows(without: duplicates)
                try digestAgain(without: duplicates)
            }
        }
        let dropped = duplicates.reduce(into: [:]) { $0[$1.batch, default: 0] += 1 }
        let entries = zip(batches, origins).enumerated().map { place, batch in
            BatchLog.Entry(
                batch: batch.0.number, count: batch.0.count, duplicates: dropped[place] ?? 0, kind: kind,
                origin: batch.1, rows: batch.0.digest)
        }
        knownAt = knownNow && !source.isStatic ? state.clock : nil
        areFirstVersions = !state.holds
        let ends = log.append(entries, knownAt: knownAt, at: state)
        return zip(entries, ends).map {
            Written(accepted: $0.count - $0.duplicates, duplicates: $0.duplicates, lastOffset: $1)
        }
    }

    // MARK: Duplicates

    private var ids: SQL { SQL.joined(source.id.map { "\(identifier: $0)" }, by: ", ") }

    /// Ids that come twice in these batches, and ids that already have a committed version. Only these can have
    /// duplicates, and mostly there are none.
    private var twice: SQL { "select \(ids) from \(staging) group by \(ids) having count(*) > 1" }
    private var committedToo: SQL {
        // By now these rows may be in the table themselves.
        let sameID = table.equal(source.id, to: source.id.map { "s.\(identifier: $0)" })
        let own: Parameter = .array(.int64, batches.map { .int64($0.number) })
        let found: SQL = "select from \(table.name) r where \(sameID) and r.firn_batch <> all(\(own))"
        // If there are few rows, each is looked up. PostgreSQL may turn `exists` around if it knows nothing about a
        // table, and then it reads all of it.
        return areFew
            ? "select \(ids) from \(staging) s cross join lateral (\(found) limit 1) f"
            : "select \(ids) from \(staging) s where exists (\(found))"
    }
    /// Where the log ends, and whether some fact has several versions.
    private func state() throws -> BatchLog.State {
        let ask = { [self] in try log.state(hasID ? haveVersions : "false") }
        return try areFew ? connection.byIndex(ask) : ask()
    }

    private var haveVersions: SQL { "exists (\(twice)) or exists (\(committedToo))" }

    /// The duplicates, in the order of the rows.
    private func decide(knownAt: Int64?, mayHaveSome: Bool) throws -> [Place] {
        guard mayHaveSome else { return [] }
        let again: SQL = "\(twice) union \(committedToo)"
        let names = source.columns.map(\.name)
        let known: Parameter = knownAt.map { .timestamp($0) } ?? .null(.timestamp)
        let prefix: SQL = "with again as materialized (\(again)) "
        let committed =
            try areFew
            ? table.read(
                few: names, from: table.withBatches(table.versions(of: "again f"), where: "true"), with: prefix,
                connection)
            : table.read(names, where: "(\(table.ids)) in (select * from again)", with: prefix, connection)
        // Beyond every offset that exists: the batch in the upper bits, the position within it in the lower ones.
        let offset = Int64.max / 2, first = batches[0].number
        let declared = SQL.joined(names.map { "\(identifier: $0)" }, by: ", ")
        let time: SQL = source.eventTime.map { "\(identifier: $0)::timestamptz" } ?? "null::timestamptz"
        let staged = try connection.byHash {
            try table.rows(
                source.columns,
                "\(prefix)select \(declared), \(offset) + ((firn_batch - \(first)) << 32) + firn_position, coalesce(\(known), firn_known_at), \(time) from \(staging) s where (\(ids)) in (select * from again)",
                connection)
        }
        guard staged.count > 0 else { return [] }
        let found = Duplicates(committed.followed(by: staged), of: source, committed: committed.count)
        if let row = found.conflict {
            let position = (staged.offsets[row - committed.count] - offset) & 0xFFFF_FFFF
            throw StoreError(
                .conflictingRow,
                "row \(position) says something else of an id that is taken, and \(source.name) is a static source",
                advice: "its rows are facts for all time")
        }
        let places = Dictionary(batches.enumerated().map { ($1.number, $0) }) { first, _ in first }
        return staged.offsets.indices.filter { found.isDuplicate[committed.count + $0] }.map { row in
            let place = staged.offsets[row] - offset
            return Place(batch: places[first + place >> 32]!, position: Int(place & 0xFFFF_FFFF))
        }
    }

    private func moveRows(without duplicates: [Place]) throws {
        let move: SQL =
            "insert into \(table.name) (\(table.columns)) select \(table.columns) from \(staging) s where \(isKept(duplicates))"
        if count <= BatchWriter.fewRows { connection.later(move) } else { try connection.execute(move) }
    }

    /// A condition over `s`, the staged rows. It is an anti-join, since there may be as many duplicates as rows.
    private func isKept(_ duplicates: [Place]) -> SQL {
        guard !duplicates.isEmpty else { return "true" }
        let numbers: Parameter = .array(.int64, duplicates.map { .int64(batches[$0.batch].number) }),
            positions: Parameter = .array(.int64, duplicates.map { .int64(Int64($0.position)) })
        return
            "not exists (select from unnest(\(numbers), \(positions)) d(batch, position) where d.batch = s.firn_batch and d.position = s.firn_position)"
    }

    /// Digests cover only the rows that are kept.
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
            batches[place].digest.add(
                source.columns.map { rows.columns[$0.name]! }, positions: rows.offsets.map { Int($0) },
                knownAt: knownNow ? nil : rows.knownAt)
        }
    }
}
