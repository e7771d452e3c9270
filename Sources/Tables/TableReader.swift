internal import ArrowIPC
public import FeatureEngine
public import FeatureLanguage

/// Reads typed rows from a CSV, NDJSON or Arrow file, some thousand or a record batch at a time.
///
/// Every fault names the line and the column, never the value: files hold people's data.
public struct TableReader {
    /// The columns to read.
    public struct Schema: Sendable {
        public var columns: [ColumnDefinition]
        /// Those that must be there: in the header, or in every JSON row, if only as null.
        public var present: Set<String>
        /// Those in which a NULL is refused.
        public var notNull: Set<String>
        /// More columns, read where the file has them: of NDJSON, its first row.
        public var optional: [ColumnDefinition]

        public init(
            _ columns: [ColumnDefinition], present: Set<String> = [], notNull: Set<String> = [],
            optional: [ColumnDefinition] = []
        ) {
            self.columns = columns
            self.optional = optional
            self.present = present
            self.notNull = notNull
        }
    }

    private let name: String
    private let schema: Schema
    private let options: ReadOptions
    private var input: Input
    public let bytes: ByteReader
    /// How many rows of CSV or NDJSON were handed out so far.
    private var rowCount = 0

    private enum Input {
        /// For each field of a record, the schema's column it goes to; nil for one that is passed over.
        case csv(CSVParser, [Int?])
        case ndjson(LineParser)
        /// For each of the schema's columns, its place among the file's; nil for one that isn't there.
        case arrow(ArrowFile, [Int?])
        /// Rows that are typed already.
        case tables(() throws -> Table?)
    }

    /// - Parameters:
    ///   - name: the file's name, for errors.
    /// - Throws: a header that names a column twice, one that isn't declared, or lacks one that is required.
    public init(_ bytes: ByteReader, layout: FileFormat.Layout, name: String, schema: Schema, options: ReadOptions)
        throws(TableError)
    {
        self.bytes = bytes
        self.name = name
        self.options = options
        switch layout {
        case .ndjson:
            var schema = schema, parser = LineParser(bytes, name: name)
            // As a header does, the first row says whether they are there.
            if let (_, first) = try parser.peek() { schema.columns += schema.optional.filter { first[$0.name] != nil } }
            self.schema = schema
            input = .ndjson(parser)
        case .arrow, .arrows:
            var schema = schema
            var file = try ArrowFile(bytes, isStream: layout == .arrows, name: name)
            schema.columns += schema.optional.filter { column in file.fields.contains { $0.name == column.name } }
            self.schema = schema
            for field in file.fields
            where !options.ignoresExtra && !schema.columns.contains(where: { $0.name == field.name }) {
                throw TableReader.undeclared(field.name, schema.columns, options, name, line: nil)
            }
            let places = schema.columns.map { column in file.fields.firstIndex { $0.name == column.name } }
            for (column, place) in zip(schema.columns, places)
            where place == nil && schema.present.contains(column.name) {
                throw TableError(
                    file: name, column: column.name, message: "is missing from the schema",
                    advice: "keys, id, event time, known-at and tombstone columns can't be left out")
            }
            try file.requireOnce { name in schema.columns.contains { $0.name == name } }
            file.read(only: Set(schema.columns.map(\.name)))
            input = .arrow(file, places)
        case .csv:
            var parser = try CSVParser(bytes, name: name, options)
            var schema = schema
            let titles = try parser.header()
            schema.columns += schema.optional.filter { titles.contains($0.name) }
            self.schema = schema
            // Columns that are passed over may have one name.
            try parser.requireOnce(titles.filter { title in schema.columns.contains { $0.name == title } })
            let targets = titles.map { title in schema.columns.firstIndex { $0.name == title } }
            if !targets.contains(where: { $0 != nil }) { try parser.requireDelimiter(titles) }
            if !options.ignoresExtra, let place = targets.firstIndex(of: nil) {
                throw TableReader.undeclared(titles[place], schema.columns, options, name, line: parser.line)
            }
            for column in schema.present.sorted() where !titles.contains(column) {
                throw TableError(
                    file: name, line: parser.line, column: column, message: "is missing from the header",
                    advice: "keys, id, event time, known-at and tombstone columns can't be left out")
            }
            input = .csv(parser, targets)
        }
    }

    /// The columns that tables have.
    public var names: [String] { schema.columns.map(\.name) }

    /// The columns that aren't in the file, and so NULL in every row. Of NDJSON nobody knows before the end.
    public var absent: [String] {
        switch input {
        case .csv(_, let targets):
            schema.columns.indices.filter { !targets.contains($0) }.map { schema.columns[$0].name }
        case .arrow(_, let places): schema.columns.indices.filter { places[$0] == nil }.map { schema.columns[$0].name }
        case .ndjson, .tables: []
        }
    }

    /// Rows of another origin, typed already; columns may be missing, and order doesn't matter.
    ///
    /// - Parameter next: more rows; nil at the end.
    public init(schema: Schema, options: ReadOptions, next: @escaping () throws -> Table?) throws(TableError) {
        bytes = try ByteReader(bytes: [], name: "query")
        name = "query"
        self.schema = schema
        self.options = options
        input = .tables(next)
    }

    /// A column that isn't among those that are read.
    package static func undeclared(
        _ title: String, _ columns: [ColumnDefinition], _ options: ReadOptions, _ name: String, line: Int?
    ) -> TableError {
        let passing = options.names.advice("ignore-extra") { "; \($0) passes over others" } ?? ""
        return TableError(
            file: name, line: line, column: String(title.prefix(63)), message: "is not declared",
            advice: "known columns: \(columns.map(\.name).joined(separator: ", "))\(passing)")
    }

    /// The next rows, at most `limit` (of Arrow, a batch); nil at the end. Absent columns are NULL.
    public mutating func next(_ limit: Int = 8192) throws(TableError) -> Table? {
        var builders = schema.columns.map { ColumnBuilder($0.type) }
        var count = 0
        // One more than may be, so that it shows.
        let limit = min(limit, bytes.maximumRows < .max ? bytes.maximumRows - rowCount + 1 : .max)
        switch input {
        case .csv(var parser, let targets):
            // The enum gives up its hold, so that the parser's window isn't copied.
            input = .ndjson(LineParser(bytes, name: name))
            defer { input = .csv(parser, targets) }
            let parsers = schema.columns.map { FieldParser($0.type, options) }
            let absent = schema.columns.indices.filter { !targets.contains($0) }
            let isNotNull = schema.columns.map { schema.notNull.contains($0.name) }
            while count < limit, try parser.nextRow(of: targets.count) {
                for (field, target) in zip(parser.fields, targets) {
                    guard let target else { continue }
                    guard parsers[target].append(parser.bytes(field), isQuoted: field.isQuoted, to: &builders[target])
                    else {
                        throw fault(target, parser.line, parser.bytes(field), isQuoted: field.isQuoted)
                    }
                    if isNotNull[target], builders[target].isLastNull { throw null(target, parser.line) }
                }
                for column in absent { builders[column].appendNull() }
                count += 1
                if count % 1024 == 0 { try require(count) }
            }
        case .ndjson(var parser):
            defer { input = .ndjson(parser) }
            while count < limit, let (line, value) = try parser.next() {
                try append(value, line, &builders)
                count += 1
                if count % 1024 == 0 { try require(count) }
            }
        case .tables(let next):
            guard let rows = try TableError.explaining(name, { try next() }) else { return nil }
            var table = Table(rowCount: rows.rowCount)
            for column in schema.columns {
                let values = rows[column.name] ?? Column(repeating: .null, type: column.type, count: rows.rowCount)
                if schema.notNull.contains(column.name), values.validity?.contains(false) ?? false {
                    throw TableError(file: name, column: column.name, message: "may not be NULL")
                }
                table.append(column.name, values)
            }
            return table
        case .arrow(var file, let places):
            defer { input = .arrow(file, places) }
            let before = file.rowCount
            while let (columns, rowCount) = try file.next() {
                if rowCount > 0 { return try table(columns, rowCount, file, places, before: before) }
            }
            return nil
        }
        guard count > 0 else { return nil }
        try require(count)
        rowCount += count
        var table = Table(rowCount: count)
        for (column, index) in zip(schema.columns, builders.indices) {
            table.append(column.name, builders[index].finish())
        }
        return table
    }

    /// A value of any type takes up eight bytes or more, and a mark.
    private func require(_ count: Int) throws(TableError) {
        try bytes.require(rows: rowCount + count, bytes: count * schema.columns.count * 9)
    }

    private func table(_ columns: [ArrowColumn], _ rowCount: Int, _ file: ArrowFile, _ places: [Int?], before: Int)
        throws(TableError) -> Table
    {
        var table = Table(rowCount: rowCount)
        for (column, place) in zip(schema.columns, places) {
            guard let place else {
                table.append(column.name, Column(repeating: .null, type: column.type, count: rowCount))
                continue
            }
            let values = try ArrowFile.typed(
                file.fields[place], columns[place], column.type, epoch: options.epoch, name: name, before: before)
            if schema.notNull.contains(column.name), let row = values.validity?.firstIndex(of: false) {
                throw TableError(
                    file: name, column: column.name, message: "may not be NULL, as in row \(before + row + 1)")
            }
            table.append(column.name, values)
        }
        return table
    }

    /// All rows that are left.
    public mutating func all() throws(TableError) -> Table {
        var tables: [Table] = []
        while let rows = try next(.max) { tables.append(rows) }
        return tables.isEmpty ? TableReader.empty(schema) : Table(concatenating: tables)
    }

    private static func empty(_ schema: Schema) -> Table {
        Table(
            schema.columns.map { column in
                var builder = ColumnBuilder(column.type)
                return (column.name, builder.finish())
            })
    }

    private func append(_ value: JSON, _ line: Int, _ builders: inout [ColumnBuilder]) throws(TableError) {
        guard case .object(let members) = value else {
            throw TableError(
                file: name, line: line, message: "a row is an object", advice: "as in {\"customer_id\": 42}")
        }
        var seen = 0
        for (index, column) in schema.columns.enumerated() {
            let member = value[column.name]
            if member != nil {
                seen += 1
            } else if schema.present.contains(column.name) {
                throw TableError(file: name, line: line, column: column.name, message: "is missing")
            }
            guard let literal = (member ?? .null).literal(as: column.type, epoch: options.epoch, isRow: true) else {
                throw fault(index, line, Array((member?.text ?? "").utf8)[...], isQuoted: false)
            }
            if literal == .null, schema.notNull.contains(column.name) { throw null(index, line) }
            builders[index].append(literal)
        }
        if seen < members.count, !options.ignoresExtra,
            let extra = members.first(where: { member in !schema.columns.contains { $0.name == member.key } })
        {
            throw TableReader.undeclared(extra.key, schema.columns, options, name, line: line)
        }
    }

    private func fault(_ column: Int, _ line: Int, _ text: ArraySlice<UInt8>, isQuoted: Bool) -> TableError {
        let column = schema.columns[column]
        return TableError(
            file: name, line: line, column: column.name, message: "is not \(column.type.phrase)",
            advice: FieldParser.advice(text, isQuoted: isQuoted, column.type, options))
    }

    private func null(_ column: Int, _ line: Int) -> TableError {
        TableError(file: name, line: line, column: schema.columns[column].name, message: "may not be NULL")
    }

    /// Rows given as a JSON array, each named by its place from 1.
    public static func table(
        _ rows: [JSON], name: String, schema: Schema, maximumBytes: Int = .max, maximumRows: Int = .max
    ) throws(TableError) -> Table {
        let bounds = try ByteReader(bytes: [], name: name, maximumBytes: maximumBytes, maximumRows: maximumRows)
        let reader = try TableReader(bounds, layout: .ndjson, name: name, schema: schema, options: ReadOptions())
        try reader.require(rows.count)
        var builders = schema.columns.map { ColumnBuilder($0.type) }
        for (index, row) in rows.enumerated() { try reader.append(row, index + 1, &builders) }
        guard !rows.isEmpty else { return empty(schema) }
        return Table(zip(schema.columns, builders.indices).map { ($0.name, builders[$1].finish()) })
    }
}

/// One JSON value a line.
struct LineParser {
    private let reader: ByteReader
    private let name: String
    private var window: [UInt8] = []
    private var position = 0
    private var line = 0
    /// Parsed already, and not yet handed out.
    private var waiting: (Int, JSON)?

    static let maximumLine = 16 << 20

    init(_ reader: ByteReader, name: String) {
        self.reader = reader
        self.name = name
    }

    /// The next value and its line from 1; blank lines are passed over.
    mutating func next() throws(TableError) -> (Int, JSON)? {
        defer { waiting = nil }
        return try peek()
    }

    /// The next line's number and value without going on to it.
    mutating func peek() throws(TableError) -> (Int, JSON)? {
        if waiting == nil { waiting = try parse() }
        return waiting
    }

    private mutating func parse() throws(TableError) -> (Int, JSON)? {
        while true {
            guard var bytes = try nextLine() else { return nil }
            line += 1
            if line == 1, let encoding = TextEncoding(Array(bytes.prefix(4))) { throw encoding.fault(name) }
            // A byte-order mark before the first row.
            if line == 1, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
            if bytes.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
            do {
                return (line, try JSON(parsing: Array(bytes)))
            } catch {
                throw TableError(file: name, line: line, message: error.description)
            }
        }
    }

    private mutating func nextLine() throws(TableError) -> ArraySlice<UInt8>? {
        var searched = position
        while true {
            if let end = window[searched...].firstIndex(of: 0x0A) {
                let bytes = window[position..<end]
                position = end + 1
                return bytes
            }
            guard window.count - position <= LineParser.maximumLine else {
                throw TableError(
                    file: name, line: line + 1, message: "a line of more than \(LineParser.maximumLine >> 20) MiB")
            }
            window.removeFirst(position)
            position = 0
            searched = window.count
            guard let piece = try reader.next() else {
                guard !window.isEmpty else { return nil }
                position = window.count
                return window[...]
            }
            window += piece
        }
    }
}
