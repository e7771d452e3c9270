internal import FeatureEngine
internal import FeatureLanguage
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

    public init(sql: String, uri: String? = nil, watermark: String? = nil) {
        self.sql = sql
        self.uri = uri
        self.watermark = watermark
    }
}

extension Store {
    /// Takes what a query gives into a source, in one transaction, as `importFile` takes a file.
    ///
    /// The query runs in a transaction that only reads. With a watermark it is held against the greatest value that the source has: rows beyond
    /// it, and where the source has an id those at it too, of which the known ones are dropped as duplicates.
    public func importQuery(
        _ query: ImportQuery, into name: String, options: ImportOptions = ImportOptions(), progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in }
    ) async throws -> Imported {
        let other = try connection(of: query, options.reading.names)
        // A user whose name is firn would find the store's own tables first.
        try other.execute(
            "select set_config('search_path', coalesce(string_agg(quote_ident(s), ', '), ''), false) from unnest(current_schemas(false)) s where s <> 'firn'")
        let catalog = try await catalog()
        let source = try catalog.source(named: name)
        let (beyond, head) = try await watermark(query, source)
        let rows = try QueryRows(query, source, keys: catalog.keyColumns(of: name), options: options, beyond: beyond, other)
        let shared = SharedRows(rows), absent = source.columns.map(\.name).filter { !rows.names.contains($0) }
        var imported = try await importRows(into: name, file: "query", digest: nil, options: options, after: source.id.isEmpty ? head : nil, progress: progress) { schema in
            try TableReader(schema: schema, options: options.reading) { try shared.next() }
        }
        if imported.rows > 0 { imported.warnings += absent.map { "the query has no column '\($0)': it is NULL in every row" } }
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

    /// What the source has of the watermark already, as a condition (nil where there is none, or nothing), and how far its log went then.
    private func watermark(_ query: ImportQuery, _ source: Source) async throws -> (beyond: SQL?, head: Int64?) {
        guard let name = query.watermark else { return (nil, nil) }
        guard let column = source.columns.first(where: { $0.name == name }), column.type == .timestamp || column.type == .int64 else {
            throw StoreError(.invalidRequest, "the watermark '\(name)' is no timestamp or int64 column of \(source.name)", advice: "it names a column that rises with time")
        }
        return try await withCatalog { connection, _ in
            try connection.transaction(.repeatableReadOnly) {
                let head = try BatchLog(source: source, connection: connection).head().offset
                let row = try connection.execute("select max(\(identifier: name)) from \(SourceTable(source).name)").first!
                let compared: SQL = source.id.isEmpty ? ">" : ">="
                switch row.literal(0, column.type) {
                case .int64(let value): return ("q.\(identifier: name) \(compared) \(literal: value)", head)
                // Digits, signs and colons of our own making.
                case .timestamp(let instant): return ("q.\(identifier: name) \(compared) '\(SQL(stringLiteral: instant.sqlText))'::timestamptz", head)
                default: return (nil, head)
                }
            }
        }
    }
}

/// A query's rows, in the columns and types of a source.
private final class QueryRows {
    private let connection: Connection
    private let columns: [ColumnDefinition]
    private var copy: Connection.CopyOut?

    /// The columns of the source that it gives.
    var names: [String] { columns.map(\.name) }

    init(_ query: ImportQuery, _ source: Source, keys: Set<String>, options: Store.ImportOptions, beyond: SQL?, _ connection: Connection) throws {
        self.connection = connection
        try connection.execute("begin isolation level repeatable read, read only")
        let text = query.sql.trimmingEnd(of: [";", " ", "\n", "\t"])
        // Named as it was written; a fault is the query's own, and its text may be shown to who wrote it.
        let given = try ofQuery { try connection.columns("select * from (\(SQL(stringLiteral: text))\n) q limit 0") }
        let names = given.map(\.name)
        if !options.reading.ignoresExtra, let extra = names.first(where: { name in !source.columns.contains { $0.name == name } }) {
            throw TableReader.undeclared(extra, source.columns, options.reading, "query", line: nil)
        }
        let schema = TableReader.Schema(importing: source, keys: keys)
        if let missing = schema.present.sorted().first(where: { !names.contains($0) }) {
            throw TableError(file: "query", column: missing, message: "is missing", advice: "keys, id, event time, known-at and tombstone columns can't be left out")
        }
        for (name, type) in given {
            guard let column = source.columns.first(where: { $0.name == name }), !column.type.takes(type) else { continue }
            throw TableError(
                file: "query", column: name, message: "is of a type that isn't \(column.type.phrase) without loss",
                advice: "cast it in the query, as in \(name)::\(column.type.sql.text)")
        }
        columns = source.columns.filter { names.contains($0.name) }
        let list = SQL.joined(columns.map { "q.\(identifier: $0.name)::\($0.type.sql)" }, by: ", ")
        copy = try ofQuery { try connection.beginCopyOut("copy (select \(list) from (\(SQL(stringLiteral: text))\n) q where \(beyond ?? "true")) to stdout (format binary)") }
    }

    /// The next rows; nil at the end.
    func next() throws -> Table? {
        guard let copy else { return nil }
        var builders = columns.map { ColumnBuilder($0.type) }
        while builders[0].count < 8192 {
            let isRow = try ofQuery { try copy.next { row in for index in builders.indices { builders[index].append(&row) } } }
            guard isRow else {
                self.copy = nil
                break
            }
        }
        if builders[0].count == 0 { return nil }
        let table = Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
        for (name, column) in zip(table.names, table.columns) {
            guard case .timestamp(let times) = column.values else { continue }
            for (row, time) in times.enumerated() where !column.isNull(row) && !Instant.range.contains(Instant(microseconds: time)) {
                throw TableError(file: "query", column: name, message: "holds a time that isn't one, such as infinity, or lies beyond those there are")
            }
        }
        return table
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
        case .int64: [20, 21, 23].contains(type)
        // Integers and decimals are rounded to the nearest, as their texts are.
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
