internal import ArrowIPC
public import FeatureEngine
internal import FeatureLanguage

/// A spine read from a file: every column as it stood there, and those that a plan reads also as typed values.
public struct SpineFile: Sendable {
    /// The instants, and the typed columns that the plan reads.
    public let spine: Spine
    /// The file's columns in order.
    public let passed: [PassedColumn]
    /// The name of the column of instants.
    let timestamp: String
    /// The number of rows.
    public var rowCount: Int { spine.instants.count }
    /// Whether its columns came with types of their own.
    public let isTyped: Bool
    /// The word that means NULL, if there is one.
    private let null: String?

    /// - Parameters:
    ///   - plan: its keys and request inputs are read; a missing one is an error.
    ///   - timestamp: the column of instants.
    /// - Throws: `TableError` with line and column, for a NULL instant among others.
    public init(
        _ bytes: ByteReader, layout: FileFormat.Layout, name: String, plan: Plan, timestamp: String,
        options: ReadOptions
    ) throws(TableError) {
        isTyped = layout.isTyped
        self.timestamp = timestamp
        null = options.null
        let schema = TableReader.Schema(spine: plan, timestamp: timestamp)
        var reader = try TableReader(bytes, layout: layout, name: name, schema: schema, options: options)
        let values = try reader.all()
        passed = reader.kept()
        spine = Spine(
            columns: Dictionary(uniqueKeysWithValues: zip(values.names.dropFirst(), values.columns.dropFirst())),
            instants: values.columns[0].integers)
    }

    private init(_ file: SpineFile, spine: Spine, passed: [PassedColumn]) {
        self.spine = spine
        self.passed = passed
        (timestamp, isTyped, null) = (file.timestamp, file.isTyped, file.null)
    }

    /// This spine with nothing left of some rows but their instants and the columns in `keeping`; their other values
    /// are NULL.
    public func erasing(_ rows: Set<Int>, keeping: Set<String>) throws(TableError) -> SpineFile {
        var passed: [PassedColumn] = []
        for column in self.passed {
            passed.append(
                column.name == timestamp || keeping.contains(column.name) ? column : try column.withNulls(in: rows))
        }
        let columns = Dictionary(
            uniqueKeysWithValues: spine.columns.map { ($0, keeping.contains($0) ? $1 : $1.withNulls(in: rows)) })
        return SpineFile(self, spine: Spine(columns: columns, instants: spine.instants), passed: passed)
    }

    /// Refuses columns that only pass through and hold what no other program could read. Spines that were kept earlier
    /// are read as they are.
    public func requireText(name: String) throws(TableError) {
        for column in passed {
            guard case .texts(let texts) = column.fields, let row = texts.firstThatIsNoText else { continue }
            throw TableError(
                file: name, column: column.name, message: "holds bytes that are not UTF-8, first in row \(row + 1)",
                advice: "convert the file, as with iconv -t UTF-8")
        }
    }

    /// Refuses a spine that has a column with a name that the result adds.
    ///
    /// - Parameter names: the names that are added, each with what it stands for.
    public func requireFree(_ names: [(name: String, what: String)], name file: String) throws(TableError) {
        for (added, what) in names where passed.contains(where: { $0.name == added }) {
            throw TableError(
                file: file, line: isTyped ? nil : 1, column: added, message: "has the name of \(what)",
                advice: "rename or drop it")
        }
    }

    /// A column's values as texts, as CSV has them; nil if there is no such column.
    ///
    /// - Throws: `TableError` for a type whose values have no text.
    public func texts(of name: String) throws(TableError) -> Column? {
        let known = name == timestamp ? Column(.timestamp, spine.instants) : spine.columns[name]
        guard let column = passed.first(where: { $0.name == name }) else { return nil }
        let values: Column
        switch column.fields {
        case .texts: values = known ?? column.arrow(known: nil).1.flat ?? Column(.string, StringColumn())
        case .values(let field, let read):
            if let known {
                values = known
            } else if let (texts, validity) = try TableError.explaining("spine", { try field.texts(read) }) {
                values = Column(.string, texts, validity: validity)
            } else if case .values(_, .flat(let read)) = try column.plain(file: "spine").fields {
                values = read
            } else {
                return nil
            }
        }
        var builder = ColumnBuilder(.string)
        for row in 0..<values.count {
            if values.isNull(row) {
                builder.appendNull()
            } else if case .string(let text) = values[row] {
                builder.append(bytes: text.utf8)
            } else {
                var bytes: [UInt8] = []
                CSVField.write(values, row, to: &bytes)
                builder.append(bytes: bytes)
            }
        }
        return builder.finish()
    }

    /// A column's values as canonical texts, the same for the same value, whatever type or spelling it has; NULL stays
    /// NULL. Nil if there is no such column.
    ///
    /// - Throws: `TableError` for a type whose values have no such text.
    public func identities(of name: String) throws(TableError) -> Column? {
        guard let column = passed.first(where: { $0.name == name }) else { return nil }
        return name == timestamp
            ? Identity.column(of: Column(.timestamp, spine.instants)) : try column.identities(null: null)
    }

    /// Its columns followed by a set's, typed: texts stay texts, except in columns that the plan reads.
    func typed(_ outputs: Table) -> [PassedColumn] {
        passed.map { column in
            let known = column.name == timestamp ? Column(.timestamp, spine.instants) : spine.columns[column.name]
            let (field, values) = column.arrow(known: known)
            return PassedColumn(field, values)
        } + zip(outputs.names, outputs.columns).map { PassedColumn($0, $1) }
    }
}
