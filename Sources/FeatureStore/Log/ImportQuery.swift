internal import Crypto
internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
internal import Tables

/// Rows to take from a PostgreSQL: this one's or another's.
public struct ImportQuery: Sendable {
    /// A `select` whose columns have the names of the source's.
    public var sql: String
    /// Where it runs; nil in the store's own database.
    public var uri: String?
    /// A column of the source that rises with time: only rows beyond what was taken in before are asked for.
    public var watermark: String?
    /// How far before the greatest value that was taken in rows are asked for again, since some are committed late: a duration such as `1h` for a timestamp, a
    /// number for an int64. Nil for an hour or 10,000. Only where the source has an id, by which repeats are told.
    public var overlap: String?

    public init(sql: String, uri: String? = nil, watermark: String? = nil, overlap: String? = nil) {
        self.sql = sql
        self.uri = uri
        self.watermark = watermark
        self.overlap = overlap
    }
}

extension Store {
    /// Takes what a query gives into a source, in one transaction, as `importFile` takes a file.
    ///
    /// The query runs in a transaction that only reads. With a watermark only some of its rows are asked for: see `Watermark`.
    public func importQuery(
        _ query: ImportQuery, into name: String, options: ImportOptions = ImportOptions(), progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in }
    ) async throws -> Imported {
        let other = try connection(of: query, options.reading.names)
        // A user whose name is firn would find the store's own tables first.
        try other.execute(
            "select set_config('search_path', coalesce(string_agg(quote_ident(s), ', '), ''), false) from unnest(current_schemas(false)) s where s <> 'firn'")
        let catalog = try await catalog()
        let source = try catalog.source(named: name)
        let watermark = try await Watermark(query, source, self, other)
        let held = try watermark?.heldBack(query.text, other) ?? 0
        let rows = try QueryRows(query, source, keys: catalog.keyColumns(of: name), options: options, watermark, other)
        let shared = SharedRows(rows), absent = source.columns.map(\.name).filter { !rows.names.contains($0) }
        var imported = try await importRows(
            into: name, file: "query", digest: nil, options: options, after: source.id.isEmpty ? watermark?.head : nil, notes: watermark?.notes ?? [], progress: progress
        ) { schema in
            try TableReader(schema: schema, options: options.reading) { try shared.next() }
        }
        if imported.rows > 0 { imported.warnings += absent.map { "the query has no column '\($0)': it is NULL in every row" } }
        if let watermark {
            imported.watermark = try await watermark.outcome(heldBack: held, self)
            if let warning = watermark.warning(heldBack: held) { imported.warnings.append(warning) }
        }
        return imported
    }

    private func connection(of query: ImportQuery, _ names: OptionNames) throws -> Connection {
        guard let address = query.uri else { return try Connection(uri: uri, Connection.Settings(searches: true)) }
        do {
            return try Connection(uri: address, Connection.Settings(searches: true))
        } catch {
            throw StoreError(.invalidRequest, "the database to import from: \(error.message)", advice: names.advice("from") { "\($0) is its address" })
        }
    }
}

/// What an import by a watermark did with it.
public struct ImportedWatermark: Sendable {
    public var column: String
    /// Rows from this value on were asked for (of a source without an id, those beyond it); nil where all were.
    public var from: Literal?
    /// Rows that wait for the next import.
    public var heldBack: Int
    /// Where the next import begins: a row that is committed later with a smaller value is not found.
    public var next: Literal?
}

/// Which rows a query with a watermark asks for.
///
/// Rows don't come in the order of their values: a transaction that began early may commit late. With an id rows are asked for again from some way before the greatest
/// value that the source has, and from when the oldest transaction began that was open during the last import; those that are there are dropped as duplicates. Without an
/// id nothing tells a repeat, so the rows of the newest instant, to which more may come, are held back until there is a newer one, and with them what is as new as the oldest
/// open transaction.
private struct Watermark {
    private let source: Source
    private let column: ColumnDefinition
    private let overlap: Int64
    /// The greatest value that the source has, in microseconds or as it is.
    private let greatest: Int64?
    /// Since when the last import's oldest transaction was open.
    private let openBefore: Int64?
    /// Since when the oldest transaction of the query's database is open, or now where there is none.
    private let openSince: Int64
    private let hasOpen: Bool
    private let isStandby: Bool
    /// Without an id: only rows before this value are taken.
    private let ceiling: Int64?
    /// How far the source's log went.
    let head: Int64
    /// The digest of the query and where it runs, by which it is told again.
    private let asked: String

    /// - Parameter other: where the query runs; its transaction has not begun.
    init?(_ query: ImportQuery, _ source: Source, _ store: Store, _ other: Connection) async throws {
        guard let name = query.watermark else {
            if query.overlap != nil { throw StoreError(.invalidRequest, "an overlap goes with a watermark") }
            return nil
        }
        guard let column = source.columns.first(where: { $0.name == name }), column.type == .timestamp || column.type == .int64 else {
            throw StoreError(.invalidRequest, "the watermark '\(name)' is no timestamp or int64 column of \(source.name)", advice: "it names a column that rises with time")
        }
        self.source = source
        self.column = column
        guard !source.id.isEmpty || column.type == .timestamp else {
            throw StoreError(
                .invalidRequest, "\(source.name) has no id, and rows by an int64 watermark come in any order: some would be lost or come twice",
                advice: "take a timestamp for a watermark, or declare an id in a source of another name")
        }
        overlap = try Watermark.overlap(query, column, source)
        // The same question of the same database.
        let place = try other.execute("select current_database() || ' ' || coalesce(inet_server_addr()::text, '') || ' ' || coalesce(inet_server_port()::text, '')").first!.text(0)
        let asked = SHA256.hash(data: Array("\(place)\u{0}\(query.text.text)".utf8)).hexadecimal
        self.asked = asked
        (greatest, openBefore, head) = try await store.withCatalog { connection, _ in
            try connection.transaction(.repeatableReadOnly) {
                let body = try connection.execute(
                    "select body from firn.ledger where subject = \("source \(source.name)") and kind = 'import' and body::json ->> 'watermark' = \(name) order by body::json ->> 'query' = \(asked) desc, entry desc limit 1"
                ).first.map { try JSON(parsing: $0.bytes(0)) }
                let open: Int64? = if case .string(let text)? = body?["open_since"] { Instant(text: text)?.microseconds } else { nil }
                return (try Watermark.greatest(column, source, connection), open, try BatchLog(source: source, connection: connection).head().offset)
            }
        }
        // Asked before the query sees anything: whatever isn't committed then has begun no earlier. What others do shows where the user may see it.
        let activity = try other.execute(
            """
            select clock_timestamp(), least((select min(xact_start) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                    and backend_type not in ('walsender', 'autovacuum worker')),
                (select min(prepared) from pg_prepared_xacts where database = current_database())), pg_is_in_recovery()
            """
        ).first!
        isStandby = activity.bool(2)
        guard !isStandby || !source.id.isEmpty else {
            throw StoreError(
                .invalidRequest,
                "the query's database is a standby, which doesn't say what is open on its primary, and \(source.name) has no id: rows that are committed late would be lost",
                advice: "ask the primary")
        }
        hasOpen = !activity.isNull(1)
        openSince = min(activity.timestamp(0), activity.optionalTimestamp(1) ?? .max)
        try other.execute("begin isolation level repeatable read, read only")
        guard let given = try ofQuery({ try other.columns("select * from (\(query.text)\n) q limit 0") }).first(where: { $0.name == name }) else {
            throw TableError(file: "query", column: name, message: "is missing", advice: "the query gives its watermark, too")
        }
        try QueryRows.check(given, column)
        guard source.id.isEmpty else {
            ceiling = nil
            return
        }
        let newest = try ofQuery { try other.execute("select max(q.\(identifier: name))::timestamptz from (\(query.text)\n) q") }.first!.optionalTimestamp(0)
        // Somebody may have begun since, and commit after another who began later.
        ceiling = min(newest ?? .min, openSince)
    }

    private static func greatest(_ column: ColumnDefinition, _ source: Source, _ connection: Connection) throws -> Int64? {
        let row = try connection.execute("select max(\(identifier: column.name)) from \(SourceTable(source).name)").first!
        return row.isNull(0) ? nil : column.type == .int64 ? row.int64(0) : row.timestamp(0)
    }

    private static func overlap(_ query: ImportQuery, _ column: ColumnDefinition, _ source: Source) throws -> Int64 {
        guard let text = query.overlap else { return column.type == .int64 ? 10_000 : 3_600_000_000 }
        if source.id.isEmpty {
            throw StoreError(.invalidRequest, "\(source.name) has no id by which repeated rows are told, so none are asked for again", advice: "leave the overlap out")
        }
        if column.type == .int64, let number = Int64(text), number >= 0 { return number }
        if column.type == .timestamp, let span = TimeSpan(text: text) { return span.microseconds }
        throw StoreError(
            .invalidRequest, "the overlap is no \(column.type == .int64 ? "number" : "duration")",
            advice: column.type == .int64 ? "as in 10000, since '\(column.name)' is an int64" : "as in 1h, since '\(column.name)' is a timestamp")
    }

    private var hasID: Bool { !source.id.isEmpty }

    /// From which value on rows are asked for.
    private var from: Int64? {
        guard let greatest else { return nil }
        return hasID ? start(greatest, openBefore) : greatest
    }

    private func start(_ greatest: Int64, _ open: Int64?) -> Int64 {
        let (back, overflow) = greatest.subtractingReportingOverflow(overlap)
        let start = overflow ? .min : back
        return column.type == .int64 ? start : max(min(start, open ?? .max), Instant.range.lowerBound.microseconds)
    }

    /// Over `q`: the rows that are asked for. A NULL is refused when it comes.
    var condition: SQL {
        let value: SQL = "q.\(identifier: column.name)"
        let compared: SQL = hasID ? ">=" : ">"
        let bounds = [from.map { "\(value) \(compared) \(written($0))" as SQL }, ceiling.map { "\(value) < \(written($0))" }].compactMap(\.self)
        return bounds.isEmpty ? "true" : "(\(value) is null or \(SQL.joined(bounds, by: " and ")))"
    }

    /// Digits, signs and colons of our own making: a copy takes no values.
    private func written(_ value: Int64) -> SQL {
        if column.type == .int64 { return "\(literal: value)" }
        let instant = Instant(microseconds: min(max(value, Instant.range.lowerBound.microseconds), Instant.range.upperBound.microseconds))
        return "'\(SQL(stringLiteral: instant.sqlText))'::timestamptz"
    }

    var name: String { column.name }

    /// How many rows are held back, in the query's transaction.
    func heldBack(_ query: SQL, _ connection: Connection) throws -> Int {
        guard let ceiling else { return 0 }
        let value: SQL = "q.\(identifier: column.name)"
        let bounds = [from.map { "\(value) > \(written($0))" as SQL }, "\(value) >= \(written(ceiling))"].compactMap(\.self)
        return Int(try ofQuery { try connection.execute("select count(*) from (\(query)\n) q where \(SQL.joined(bounds, by: " and "))") }.first!.int64(0))
    }

    /// What the ledger says of it.
    var notes: [JSON.Member] {
        let open = column.type == .timestamp ? [JSON.Member("open_since", .string(Instant(microseconds: openSince).description))] : []
        return open + [JSON.Member("query", .string(asked)), JSON.Member("watermark", .string(column.name))]
    }

    func warning(heldBack: Int) -> String? {
        if isStandby { return "the query's database is a standby, which doesn't say what is open on its primary: rows that are committed later than the overlap are missed" }
        guard heldBack > 0, let ceiling else { return nil }
        let since = Instant(microseconds: ceiling)
        if ceiling == openSince {
            return "\(heldBack) rows from \(since) on are held back: \(hasOpen ? "a transaction has been open since" : "transactions that began since"), and may commit rows as old"
        }
        return "\(heldBack) rows of \(since) are held back until there is a newer one: more of that instant may come, and without an id nothing tells repeats"
    }

    /// - Parameter store: asked for the greatest value that the source has by now.
    func outcome(heldBack: Int, _ store: Store) async throws -> ImportedWatermark {
        let column = column, source = source
        let greatest = try await store.withCatalog { connection, _ in try Watermark.greatest(column, source, connection) }
        func literal(_ value: Int64) -> Literal { column.type == .int64 ? .int64(value) : .timestamp(Instant(microseconds: value)) }
        return ImportedWatermark(
            column: column.name, from: from.map(literal), heldBack: heldBack, next: greatest.map { literal(hasID ? start($0, openSince) : $0) })
    }
}

extension ImportQuery {
    /// The select, without what may stand at its end.
    fileprivate var text: SQL { SQL(stringLiteral: sql.trimmingEnd(of: [";", " ", "\n", "\t"])) }
}

/// A query's rows, in the columns and types of a source.
private final class QueryRows {
    private let connection: Connection
    private let columns: [ColumnDefinition]
    /// What travels in place of each column's values.
    private let numbers: [Numbers]
    private let watermark: String?
    private var copy: Connection.CopyOut?

    private enum Numbers {
        case asTheyAre
        /// PostgreSQL's numeric as text, for a number of ours.
        case decimals
        /// An int64 for a float64.
        case integers
    }

    /// The columns of the source that it gives.
    var names: [String] { columns.map(\.name) }

    init(_ query: ImportQuery, _ source: Source, keys: Set<String>, options: Store.ImportOptions, _ watermark: Watermark?, _ connection: Connection) throws {
        self.connection = connection
        self.watermark = watermark?.name
        if watermark == nil { try connection.execute("begin isolation level repeatable read, read only") }
        // Named as it was written; a fault is the query's own, and its text may be shown to who wrote it.
        let given = try ofQuery { try connection.columns("select * from (\(query.text)\n) q limit 0") }
        let names = given.map(\.name)
        if !options.reading.ignoresExtra, let extra = names.first(where: { name in !source.columns.contains { $0.name == name } }) {
            throw TableReader.undeclared(extra, source.columns, options.reading, "query", line: nil)
        }
        let schema = TableReader.Schema(importing: source, keys: keys)
        if let missing = schema.present.sorted().first(where: { !names.contains($0) }) {
            throw TableError(file: "query", column: missing, message: "is missing", advice: "keys, id, event time, known-at and tombstone columns can't be left out")
        }
        for one in given { if let column = source.columns.first(where: { $0.name == one.name }) { try QueryRows.check(one, column) } }
        columns = source.columns.filter { names.contains($0.name) }
        let types = Dictionary(given.map { ($0.name, $0.type) }) { first, _ in first }
        numbers = columns.map { column in
            switch (column.type, types[column.name]!) {
            case (.int64, 1700), (.float64, 1700): .decimals
            case (.float64, 20): .integers
            default: .asTheyAre
            }
        }
        let list = SQL.joined(
            zip(columns, numbers).map { column, numbers -> SQL in
                switch numbers {
                case .asTheyAre: "q.\(identifier: column.name)::\(column.type.sql)"
                case .decimals: "q.\(identifier: column.name)::text"
                case .integers: "q.\(identifier: column.name)"
                }
            }, by: ", ")
        copy = try ofQuery { try connection.beginCopyOut("copy (select \(list) from (\(query.text)\n) q where \(watermark?.condition ?? "true")) to stdout (format binary)") }
    }

    /// The next rows; nil at the end.
    func next() throws -> Table? {
        guard let copy else { return nil }
        var builders = columns.map { ColumnBuilder($0.type) }
        while builders[0].count < 8192 {
            let isRow = try ofQuery { try copy.next { row in for index in builders.indices { try append(&row, index, to: &builders[index]) } } }
            guard isRow else {
                self.copy = nil
                break
            }
        }
        if builders[0].count == 0 { return nil }
        let table = Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
        if let watermark, table[watermark]?.validity?.contains(false) ?? false {
            throw TableError(
                file: "query", column: watermark, message: "is NULL in some row, and no later import would ask for it",
                advice: "a watermark has a value in each row: coalesce it in the query")
        }
        for (name, column) in zip(table.names, table.columns) {
            guard case .timestamp(let times) = column.values else { continue }
            for (row, time) in times.enumerated() where !column.isNull(row) && !Instant.range.contains(Instant(microseconds: time)) {
                throw TableError(file: "query", column: name, message: "holds a time that isn't one, such as infinity, or lies beyond those there are")
            }
        }
        return table
    }
}

extension QueryRows {
    static func check(_ given: (name: String, type: UInt32), _ column: ColumnDefinition) throws {
        guard !column.type.takes(given.type) else { return }
        throw TableError(
            file: "query", column: given.name, message: "is of a type that isn't \(column.type.phrase) without loss",
            advice: "cast it in the query, as in \(given.name)::\(column.type.sql.text)")
    }

    /// A field of a row, as a value of the column where it is one without loss.
    private func append(_ row: inout RowReader, _ index: Int, to builder: inout ColumnBuilder) throws {
        switch numbers[index] {
        case .asTheyAre: return builder.append(&row)
        case .integers:
            guard let number = row.int64() else { return builder.appendNull() }
            guard let exact = Double(exactly: number) else { throw loss(columns[index]) }
            builder.append(exact)
        case .decimals:
            guard let text = row.text() else { return builder.appendNull() }
            if columns[index].type == .int64 {
                guard let whole = DecimalDigits(text: text)?.int64 else { throw loss(columns[index]) }
                builder.append(whole)
            } else if let digits = DecimalDigits(text: text) {
                guard let exact = digits.float64 else { throw loss(columns[index]) }
                builder.append(exact)
            } else {
                // NaN, Infinity, -Infinity.
                builder.append(Double(String(decoding: text, as: UTF8.self).lowercased()) ?? .nan)
            }
        }
    }

    private func loss(_ column: ColumnDefinition) -> TableError {
        TableError(
            file: "query", column: column.name, message: "has a number that \(column.type == .int64 ? "an int64 isn't" : "a float64 would round")",
            advice: "where that is meant, cast it in the query, as in \(column.name)::\(column.type == .int64 ? "bigint" : "float8")")
    }
}

/// Runs a part of somebody's query, whose faults are theirs.
private func ofQuery<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as PostgresError where !error.isConnectionLost {
        let isSyntax = error.code == "42601" || error.code == "0A000"
        throw TableError(file: "query", message: error.message, advice: isSyntax ? "it is one SELECT, whose columns have the names of the source's" : nil)
    }
}

extension ValueType {
    /// Whether every value of a type of PostgreSQL's is a value of this one, as a file's text would be.
    ///
    /// - Parameter type: its number in `pg_type`.
    fileprivate func takes(_ type: UInt32) -> Bool {
        switch self {
        case .bool: type == 16
        // Of decimals those that are whole.
        case .int64: [20, 21, 23, 1700].contains(type)
        // Of large integers those that are exact, of decimals those whose digits come back.
        case .float64: [20, 21, 23, 700, 701, 1700].contains(type)
        case .timestamp: [1082, 1114, 1184].contains(type)
        case .string: true
        }
    }
}

/// Sendable: made in one task and read by one other, never at once.
private final class SharedRows: @unchecked Sendable {
    private let rows: QueryRows

    init(_ rows: QueryRows) {
        self.rows = rows
    }

    func next() throws -> Table? { try rows.next() }
}

extension String {
    fileprivate func trimmingEnd(of characters: Set<Character>) -> String {
        var text = Substring(self)
        while let last = text.last, characters.contains(last) { text.removeLast() }
        return String(text)
    }
}
