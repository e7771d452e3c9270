internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

/// Rows to take from a PostgreSQL database: this one or another.
public struct ImportQuery: Sendable {
    /// A `select` whose columns are named like the source's.
    public var sql: String
    /// Where it runs; nil means the store's own database.
    public var uri: String?
    /// A column of the source that rises with time: only rows beyond those taken in before are asked for. Nil asks for
    /// all.
    public var watermark: String?
    /// How far before the greatest value taken in so far rows are asked for again, since some are committed late: a
    /// duration such as `1h` for a timestamp, a number for an int64. Nil means an hour or 10,000. Only for a source
    /// with an id, by which repeats are recognized.
    public var overlap: String?

    /// A query that is checked when it is imported.
    public init(sql: String, uri: String? = nil, watermark: String? = nil, overlap: String? = nil) {
        self.sql = sql
        self.uri = uri
        self.watermark = watermark
        self.overlap = overlap
    }
}

extension StoreLog {
    /// Takes a query's rows into a source, in one transaction, as `importFile` does with a file's.
    ///
    /// The query runs in a read-only transaction. With a watermark, only some of its rows are asked for: see
    /// `Watermark`.
    public func importQuery(
        _ query: ImportQuery, into name: String, options: ImportOptions = ImportOptions(),
        progress: @escaping @Sendable (Int, Int, Int?) -> Void = { _, _, _ in }
    ) async throws -> Imported {
        let other = try connection(of: query, options.reading.names)
        // A user named firn would find the store's own tables first.
        try other.execute(
            "select set_config('search_path', coalesce(string_agg(quote_ident(s), ', '), ''), false) from unnest(current_schemas(false)) s where s <> 'firn'"
        )
        let catalog = try await context.catalog()
        let source = try catalog.source(named: name)
        let watermark = try await Watermark(query, source, context, other)
        let held = try watermark?.heldBack(query.text, other) ?? 0
        let rows = try QueryRows(query, source, keys: catalog.keyColumns(of: name), options: options, watermark, other)
        let shared = SharedRows(rows), absent = source.columns.map(\.name).filter { !rows.names.contains($0) }
        let origin = OpenedOrigin(
            name: "query", digest: nil, expectedEnd: source.id.isEmpty ? watermark?.head : nil,
            notes: watermark?.notes ?? [],
            about: [JSON.Member("query", .bool(true))] + (watermark?.notes ?? [])
        ) { schema in
            try TableReader(schema: schema, options: options.reading) { try shared.next() }
        }
        var imported = try await take(from: origin, into: name, options: options, progress: progress)
        if imported.rows > 0 {
            imported.warnings += absent.map { "the query has no column '\($0)': it is NULL in every row" }
        }
        if let watermark {
            imported.watermark = try await watermark.outcome(heldBack: held, context)
            if let warning = watermark.warning(heldBack: held) { imported.warnings.append(warning) }
        }
        return imported
    }

    private func connection(of query: ImportQuery, _ names: OptionNames) throws -> Connection {
        guard let address = query.uri else {
            return try Connection(uri: context.uri, Connection.Settings(searches: true))
        }
        do {
            return try Connection(uri: address, Connection.Settings(searches: true))
        } catch {
            throw StoreError(
                .invalidRequest, "the database to import from: \(error.message)",
                advice: names.advice("from") { "\($0) is its address" })
        }
    }
}

extension ImportQuery {
    /// The select, without a semicolon or spaces at its end.
    var text: SQL { SQL(raw: sql.trimmingEnd(of: [";", " ", "\n", "\t"])) }
}

/// A query's rows, in the columns and types of a source.
final class QueryRows {
    private let connection: Connection
    private let columns: [ColumnDefinition]
    /// What is sent in place of each column's values.
    private let numbers: [Numbers]
    private let watermark: String?
    private var copy: Connection.CopyOut?

    private enum Numbers {
        case asTheyAre
        /// A number as text.
        case decimals
        /// An int64 for a float64.
        case integers
        /// A list or vector as JSON.
        case json
    }

    /// The source's columns that the query returns.
    var names: [String] { columns.map(\.name) }

    init(
        _ query: ImportQuery, _ source: Source, keys: Set<String>, options: StoreLog.ImportOptions,
        _ watermark: Watermark?, _ connection: Connection
    ) throws {
        self.connection = connection
        self.watermark = watermark?.name
        if watermark == nil { try connection.execute("begin isolation level repeatable read, read only") }
        // Column names are as the author wrote them. A fault is the query's own, so its author may see its text.
        let given = try ofQuery { try connection.columns("select * from (\(query.text)\n) q limit 0") }
        let names = given.map(\.name)
        if !options.reading.ignoresExtra,
            let extra = names.first(where: { name in !source.columns.contains { $0.name == name } })
        {
            throw TableReader.undeclared(extra, source.columns, options.reading, "query")
        }
        let schema = TableReader.Schema(importing: source, keys: keys)
        if let missing = schema.present.sorted().first(where: { !names.contains($0) }) {
            throw TableError(
                file: "query", column: missing, message: "is missing",
                advice: "keys, id, event time, known-at and tombstone columns can't be left out")
        }
        for one in given {
            if let column = source.columns.first(where: { $0.name == one.name }) { try QueryRows.check(one, column) }
        }
        columns = source.columns.filter { names.contains($0.name) }
        let types = Dictionary(given.map { ($0.name, $0.type) }) { first, _ in first }
        numbers = columns.map { column in
            let given = types[column.name]!
            switch column.type {
            case .decimal: return .decimals
            case .int64: return given == 1700 ? .decimals : .asTheyAre
            case .float64: return given == 1700 ? .decimals : given == 20 ? .integers : .asTheyAre
            case .list, .vector: return .json
            case .bool, .string, .timestamp, .date: return .asTheyAre
            }
        }
        let arrays = try QueryRows.arrays(Set(given.map(\.type)), connection)
        let list = SQL.joined(
            zip(columns, numbers).map { column, numbers -> SQL in
                switch numbers {
                case .asTheyAre: "q.\(identifier: column.name)::\(column.type.sql)"
                case .decimals: "q.\(identifier: column.name)::text"
                case .integers: "q.\(identifier: column.name)"
                case .json:
                    arrays.contains(types[column.name]!)
                        ? "case when array_lower(q.\(identifier: column.name), 1) <> 1 then '' else to_json(q.\(identifier: column.name))::text end"
                        : "to_json(q.\(identifier: column.name))::text"
                }
            }, by: ", ")
        copy = try ofQuery {
            try connection.beginCopyOut(
                "copy (select \(list) from (\(query.text)\n) q where \(watermark?.condition ?? "true")) to stdout (format binary)"
            )
        }
    }

    /// The next rows; nil at the end.
    func next() throws -> Table? {
        guard let copy else { return nil }
        var builders = columns.map { ColumnBuilder($0.type) }
        while builders[0].count < 8192 {
            let isRow = try ofQuery {
                try copy.next { row in for index in builders.indices { try append(&row, index, to: &builders[index]) } }
            }
            guard isRow else {
                self.copy = nil
                break
            }
        }
        if builders[0].count == 0 { return nil }
        let table = Table(columns, &builders)
        if let watermark, table[watermark]?.validity?.contains(false) ?? false {
            throw TableError(
                file: "query", column: watermark, message: "is NULL in some row, and no later import would ask for it",
                advice: "a watermark has a value in each row: coalesce it in the query")
        }
        for (name, column) in zip(table.names, table.columns) {
            guard column.type.isTime else { continue }
            let range =
                column.type == .date
                ? Instant.days : Instant.range.lowerBound.microseconds...Instant.range.upperBound.microseconds
            for (row, time) in column.integers.enumerated() where !column.isNull(row) && !range.contains(time) {
                throw TableError(
                    file: "query", column: name,
                    message: "holds a time that isn't one, such as infinity, or lies beyond those there are")
            }
        }
        return table
    }
}

extension QueryRows {
    static func check(_ given: (name: String, type: UInt32), _ column: ColumnDefinition) throws {
        // In a file, text would do for this column, whatever the type is called here.
        guard !(column.type.rules.sqlNumbers?.contains(given.type) ?? true) else { return }
        throw TableError(
            file: "query", column: given.name, message: "is of a type that isn't \(column.type.phrase) without loss",
            advice: "cast it in the query, as in \(given.name)::\(column.type.sql.text)")
    }

    /// Appends a field of a row as a value of the column, if that loses nothing.
    private func append(_ row: inout RowReader, _ index: Int, to builder: inout ColumnBuilder) throws {
        switch numbers[index] {
        case .asTheyAre: return builder.append(&row)
        case .integers:
            guard let number = row.int64() else { return builder.appendNull() }
            guard let exact = Double(exactly: number) else { throw loss(columns[index]) }
            builder.append(exact)
        case .json:
            guard let text = row.text() else { return builder.appendNull() }
            var value = try? JSON(parsing: text)
            // Other types of vectors, such as pgvector's, have JSON as their text.
            if case .string(let inner)? = value { value = try? JSON(parsing: Array(inner.utf8)) }
            guard let literal = value?.literal(as: columns[index].type) else { throw loss(columns[index]) }
            builder.append(literal)
        case .decimals:
            guard let text = row.text() else { return builder.appendNull() }
            if case .decimal(let precision, let scale) = columns[index].type {
                guard let value = DecimalValue(text: text, precision, scale) else { throw loss(columns[index]) }
                builder.append(value.unscaled)
            } else if columns[index].type == .int64 {
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

    /// Which of some types are arrays.
    private static func arrays(_ types: Set<UInt32>, _ connection: Connection) throws -> Set<UInt32> {
        let wanted = Parameter.array(.int64, types.sorted().map { .int64(Int64($0)) })
        let rows = try connection.execute(
            "select oid::int8 from pg_type where oid::int8 = any (\(wanted)) and typcategory = 'A' and typlen = -1")
        return Set(try rows.map { UInt32(try $0.int64(0)) })
    }

    private func loss(_ column: ColumnDefinition) -> TableError {
        TableError(
            file: "query", column: column.name,
            message: "has a value that isn't \(column.type.phrase) without loss",
            advice: "where that is meant, cast it in the query, as in \(column.name)::\(column.type.sql.text)"
        )
    }
}

/// Runs part of somebody's query, so that faults in it are theirs.
func ofQuery<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let error as PostgresError where !error.isConnectionLost {
        let isSyntax = error.code == "42601" || error.code == "0A000"
        throw TableError(
            file: "query", message: error.message,
            advice: isSyntax ? "it is one SELECT, whose columns have the names of the source's" : nil)
    }
}

/// Sendable: created in one task and read by one other, never both at once.
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
