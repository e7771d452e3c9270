internal import ArrowIPC
public import FeatureEngine
public import FeatureLanguage

/// Reads typed rows from a file of any format, some thousands or a record batch at a time.
///
/// Every error names the line and the column, never the value: files hold people's data.
public struct TableReader {
    /// The columns to read.
    public struct Schema: Sendable {
        /// The columns that are read, in the order of the resulting tables.
        public var columns: [ColumnDefinition]
        /// Columns that must be there: in the header, or in every JSON row, even if only as null.
        public var present: Set<String>
        /// Columns in which a NULL is refused.
        public var notNull: Set<String>
        /// More columns, which are read if the file has them; for NDJSON, the first row decides.
        public var optional: [ColumnDefinition]
        /// In a spine, the column of instants.
        var instants: String?
        /// Whether every column of the file is kept as it stands there, in addition to those that are read.
        var keepsAll: Bool { instants != nil }

        /// By default, any column may be missing and any value NULL.
        public init(
            _ columns: [ColumnDefinition], present: Set<String> = [], notNull: Set<String> = [],
            optional: [ColumnDefinition] = []
        ) {
            self.columns = columns
            self.optional = optional
            self.present = present
            self.notNull = notNull
        }

        /// A spine: its instants, and the keys and request inputs of a plan.
        init(spine plan: Plan, timestamp: String) {
            columns = [ColumnDefinition(timestamp, .timestamp)] + plan.keys + plan.requests
            present = Set(columns.map(\.name))
            notNull = [timestamp]
            optional = []
            instants = timestamp
        }
    }

    private var reader: any FormatReader
    /// What the rows are read from, for progress and for a digest of the whole file.
    public let bytes: ByteReader

    /// - Parameter name: the file's name, for errors.
    /// - Throws: `TableError` for a header that names a column twice, names one that isn't declared, or lacks one that
    ///   must be there.
    public init(_ bytes: ByteReader, layout: FileFormat.Layout, name: String, schema: Schema, options: ReadOptions)
        throws(TableError)
    {
        self.bytes = bytes
        reader = try layout.rules.reader(bytes, ReadRequest(name: name, schema: schema, options: options))
    }

    /// Rows from elsewhere, typed already; columns may be missing and in any order.
    ///
    /// - Parameter next: more rows; nil at the end.
    public init(schema: Schema, options: ReadOptions, next: @escaping () throws -> Table?) throws(TableError) {
        bytes = try ByteReader(bytes: [], name: "query")
        reader = GivenRows(request: ReadRequest(name: "query", schema: schema, options: options), next: next)
    }

    /// Rows given as a JSON array; errors name each row by its place, counted from 1.
    public static func table(
        _ rows: [JSON], name: String, schema: Schema, maximumBytes: Int = .max, maximumRows: Int = .max
    ) throws(TableError) -> Table {
        let bytes = try ByteReader(bytes: [], name: name, maximumBytes: maximumBytes, maximumRows: maximumRows)
        let request = ReadRequest(name: name, schema: schema, options: ReadOptions())
        return try NDJSONReader(bytes, request).table(rows)
    }

    /// The names of the columns that its tables have, in their order.
    public var names: [String] { reader.request.schema.columns.map(\.name) }

    /// The columns that the file lacks, so that every row has NULL; empty for NDJSON, where nobody knows before the
    /// end.
    public var absent: [String] { reader.absent }

    /// The error for a column that isn't among those to be read.
    package static func undeclared(
        _ title: String, _ columns: [ColumnDefinition], _ options: ReadOptions, _ name: String
    ) -> TableError {
        ReadRequest(name: name, schema: Schema(columns), options: options).undeclared(title, line: nil)
    }

    /// The next rows, at most `limit` (for Arrow, one batch); nil at the end. Absent columns are NULL.
    public mutating func next(_ limit: Int = 8192) throws(TableError) -> Table? { try reader.next(limit) }

    /// All remaining rows.
    public mutating func all() throws(TableError) -> Table {
        var tables: [Table] = []
        while let rows = try next(.max) { tables.append(rows) }
        return tables.isEmpty ? Table(emptyWith: reader.request.schema.columns) : Table(concatenating: tables)
    }

    /// If the schema keeps them, all columns as they stood, in the rows read so far.
    func kept() -> [PassedColumn] { reader.kept() }
}

extension Table {
    init(emptyWith columns: [ColumnDefinition]) {
        self.init(
            columns.map { column in
                var builder = ColumnBuilder(column.type)
                return (column.name, builder.finish())
            })
    }
}

/// Rows that aren't from a file but typed already, such as those of a query.
private struct GivenRows: FormatReader {
    let request: ReadRequest
    let next: () throws -> Table?
    var absent: [String] { [] }

    func next(_ limit: Int) throws(TableError) -> Table? {
        guard let rows = try TableError.explaining(request.name, { try next() }) else { return nil }
        var table = Table(rowCount: rows.rowCount)
        for (index, column) in request.schema.columns.enumerated() {
            let values = rows[column.name] ?? Column(repeating: .null, type: column.type, count: rows.rowCount)
            if request.schema.notNull.contains(column.name), values.validity?.contains(false) ?? false {
                throw request.null(index)
            }
            table.append(column.name, values)
        }
        return table
    }

    func kept() -> [PassedColumn] { [] }
}
