internal import ArrowIPC
public import FeatureEngine
internal import FeatureLanguage

/// A spine read from a file: every column as it stood there, and typed the ones that a plan reads.
public struct SpineFile: Sendable {
    public let spine: Spine
    /// The file's columns in order.
    public let passed: [PassedColumn]
    /// The name of the column of instants.
    let timestamp: String
    public var rowCount: Int { spine.instants.count }
    /// Whether it came as Arrow, so that its columns have types of their own.
    public let isArrow: Bool

    /// - Parameters:
    ///   - plan: whose keys and request inputs are read; a missing one is an error.
    ///   - timestamp: the column of instants.
    /// - Throws: faults by line and column; a NULL instant among them.
    public init(_ bytes: ByteReader, layout: FileFormat.Layout, name: String, plan: Plan, timestamp: String, options: ReadOptions) throws(TableError) {
        let typed = [ColumnDefinition(timestamp, .timestamp)] + plan.keys + plan.requests
        var builders = typed.map { ColumnBuilder($0.type) }
        var passed: [(name: String, texts: PassedColumn.Texts)] = []
        isArrow = layout.isArrow
        self.timestamp = timestamp
        switch layout {
        case .arrow, .arrows:
            var file = try ArrowFile(bytes, isStream: layout == .arrows, name: name)
            let places = try typed.map { column throws(TableError) in try SpineFile.place(of: column.name, file.fields.map(\.name), name, line: nil, timestamp, options) }
            var batches: [[Column]] = []
            while let (columns, _) = try file.next() { batches.append(columns) }
            var columns: [Column] = []
            for (index, field) in file.fields.enumerated() {
                columns.append(batches.isEmpty ? field.empty : Column(concatenating: batches.map { $0[index] }))
                for batch in batches.indices { batches[batch][index] = Column(.bool([])) }
            }
            self.passed = zip(file.fields, columns).map { PassedColumn($0, $1) }
            var values: [Column] = []
            for (column, place) in zip(typed, places) {
                values.append(try ArrowFile.typed(file.fields[place], columns[place], column.type, epoch: options.epoch, name: name))
            }
            if let row = values[0].validity?.firstIndex(of: false) {
                throw TableError(file: name, column: timestamp, message: "an instant may not be NULL, as in row \(row + 1)")
            }
            guard case .timestamp(let instants) = values[0].values else { preconditionFailure("the first column is the instant") }
            spine = Spine(columns: Dictionary(uniqueKeysWithValues: zip(typed.dropFirst().map(\.name), values.dropFirst())), instants: instants)
            return
        case .csv:
            var parser = try CSVParser(bytes, name: name)
            guard try parser.next() else { throw TableError(file: name, message: "the file is empty", advice: "the first line names the columns") }
            let titles = parser.fields.map { String(decoding: parser.bytes($0), as: UTF8.self) }
            for (index, title) in titles.enumerated() where titles[..<index].contains(title) {
                throw TableError(file: name, line: 1, column: title, message: "stands twice in the header")
            }
            let places = try typed.map { column throws(TableError) in try SpineFile.place(of: column.name, titles, name, line: 1, timestamp, options) }
            passed = titles.map { ($0, PassedColumn.Texts()) }
            let null = options.null.map { Array($0.utf8) }
            while try parser.nextRow(of: titles.count) {
                for (index, field) in parser.fields.enumerated() {
                    passed[index].texts.append(parser.bytes(field), field.isQuoted ? .quoted : .plain)
                }
                for (index, column) in typed.enumerated() {
                    let field = parser.fields[places[index]]
                    guard FieldParser(type: column.type, null: null, epoch: options.epoch).append(parser.bytes(field), isQuoted: field.isQuoted, to: &builders[index]) else {
                        throw TableError(file: name, line: parser.line, column: column.name, message: "is not \(column.type.phrase)")
                    }
                }
                if builders[0].isLastNull { throw TableError(file: name, line: parser.line, column: timestamp, message: "an instant may not be NULL") }
            }
        case .ndjson:
            var parser = LineParser(bytes, name: name)
            var count = 0
            while let (line, value) = try parser.next() {
                guard case .object(let members) = value else { throw TableError(file: name, line: line, message: "a row is an object") }
                for member in members where !passed.contains(where: { $0.name == member.key }) {
                    var column = PassedColumn.Texts()
                    for _ in 0..<count { column.append(.null) }
                    passed.append((member.key, column))
                }
                for index in passed.indices { passed[index].texts.append(value[passed[index].name] ?? .null) }
                for (index, column) in typed.enumerated() {
                    guard let member = value[column.name] else { throw SpineFile.missing(column.name, name, line: line, timestamp, options) }
                    guard let literal = member.literal(as: column.type, epoch: options.epoch) else {
                        throw TableError(file: name, line: line, column: column.name, message: "is not \(column.type.phrase)")
                    }
                    builders[index].append(literal)
                }
                if builders[0].isLastNull { throw TableError(file: name, line: line, column: timestamp, message: "an instant may not be NULL") }
                count += 1
            }
        }
        guard case .timestamp(let instants) = builders[0].finish().values else { preconditionFailure("the first column is the instant") }
        var columns: [String: Column] = [:]
        for index in typed.indices.dropFirst() { columns[typed[index].name] = builders[index].finish() }
        self.passed = passed.map { PassedColumn($0.name, $0.texts) }
        spine = Spine(columns: columns, instants: instants)
    }

    private init(spine: Spine, passed: [PassedColumn], timestamp: String, isArrow: Bool) {
        self.spine = spine
        self.passed = passed
        self.timestamp = timestamp
        self.isArrow = isArrow
    }

    /// The same with rows of which nothing is left but their instants, and some columns: every other value is NULL.
    public func erasing(_ rows: Set<Int>, keeping: Set<String>) -> SpineFile {
        SpineFile(
            spine: Spine(
                columns: Dictionary(uniqueKeysWithValues: spine.columns.map { ($0, keeping.contains($0) ? $1 : $1.withNulls(in: rows)) }), instants: spine.instants),
            passed: passed.map { $0.name == timestamp || keeping.contains($0.name) ? $0 : $0.withNulls(in: rows) }, timestamp: timestamp, isArrow: isArrow)
    }

    /// Refuses columns that only pass through and hold what no other program could read. A spine that was kept before is read as it is.
    public func requireText(name: String) throws(TableError) {
        for column in passed {
            guard case .texts(let texts) = column.fields, let row = texts.firstThatIsNoText else { continue }
            throw TableError(
                file: name, column: column.name, message: "holds bytes that are not UTF-8, first in row \(row + 1)", advice: "convert the file, as with iconv -t UTF-8")
        }
    }

    /// A column's values as texts, as CSV has them; nil where there is no such column.
    public func texts(of name: String) throws(TableError) -> Column? {
        let known = name == timestamp ? Column(.timestamp(spine.instants)) : spine.columns[name]
        guard let column = passed.first(where: { $0.name == name }) else { return nil }
        let values: Column
        switch try column.plain(file: "spine").fields {
        case .texts: values = known ?? column.arrow(known: nil).1
        case .values(let read, _): values = known ?? read
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

    private static func place(of column: String, _ titles: [String], _ name: String, line: Int?, _ timestamp: String, _ options: ReadOptions) throws(TableError) -> Int {
        guard let place = titles.firstIndex(of: column) else { throw missing(column, name, line: line, timestamp, options) }
        return place
    }

    private static func missing(_ column: String, _ name: String, line: Int?, _ timestamp: String, _ options: ReadOptions) -> TableError {
        let other = options.names.advice("timestamp") { "; \($0) names another column" } ?? ""
        return TableError(
            file: name, line: line, column: column, message: "the spine lacks it",
            advice: column == timestamp ? "it holds the instants\(other)" : "the set needs it as a key or request input")
    }
}

extension ArrowField {
    /// A column without rows.
    fileprivate var empty: Column {
        switch type {
        case .null, .bool: Column(.bool([]))
        case .integer, .date32, .date64, .timestamp: Column(.int64([]))
        case .float: Column(.float64([]))
        case .utf8, .largeUtf8, .binary, .largeBinary: Column(.string(StringColumn()))
        }
    }
}
