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
    /// The word that means NULL.
    private let null: String?

    /// - Parameters:
    ///   - plan: whose keys and request inputs are read; a missing one is an error.
    ///   - timestamp: the column of instants.
    /// - Throws: faults by line and column; a NULL instant among them.
    public init(
        _ bytes: ByteReader, layout: FileFormat.Layout, name: String, plan: Plan, timestamp: String,
        options: ReadOptions
    ) throws(TableError) {
        let typed = [ColumnDefinition(timestamp, .timestamp)] + plan.keys + plan.requests
        var builders = typed.map { ColumnBuilder($0.type) }
        var passed: [(name: String, texts: PassedColumn.Texts)] = []
        isArrow = layout.isArrow
        self.timestamp = timestamp
        null = options.null
        switch layout {
        case .arrow, .arrows:
            var file = try ArrowFile(bytes, isStream: layout == .arrows, name: name)
            try file.requireOnce { _ in true }
            let places = try typed.map { column throws(TableError) in
                try SpineFile.place(of: column.name, file.fields.map(\.name), name, line: nil, timestamp, options)
            }
            var batches: [[ArrowColumn]] = []
            while let (columns, _) = try file.next() { batches.append(columns) }
            var columns: [ArrowColumn] = []
            for (index, field) in file.fields.enumerated() {
                let pieces = batches.map { $0[index] }
                columns.append(try TableError.explaining(name) { try field.joined(pieces) })
                for batch in batches.indices { batches[batch][index] = .absent }
            }
            self.passed = zip(file.fields, columns).map { PassedColumn($0, $1) }
            var values: [Column] = []
            for (column, place) in zip(typed, places) {
                values.append(
                    try ArrowFile.typed(
                        file.fields[place], columns[place], column.type, epoch: options.epoch, name: name))
            }
            if let row = values[0].validity?.firstIndex(of: false) {
                throw TableError(
                    file: name, column: timestamp, message: "an instant may not be NULL, as in row \(row + 1)")
            }
            let instants = values[0].integers
            spine = Spine(
                columns: Dictionary(uniqueKeysWithValues: zip(typed.dropFirst().map(\.name), values.dropFirst())),
                instants: instants)
            return
        case .csv:
            var parser = try CSVParser(bytes, name: name, options)
            let titles = try parser.header()
            try parser.requireOnce(titles)
            if !typed.contains(where: { titles.contains($0.name) }) { try parser.requireDelimiter(titles) }
            let places = try typed.map { column throws(TableError) in
                try SpineFile.place(of: column.name, titles, name, line: 1, timestamp, options)
            }
            passed = titles.map { ($0, PassedColumn.Texts()) }
            let parsers = typed.map { FieldParser($0.type, options) }
            var count = 0, texts = 0
            while try parser.nextRow(of: titles.count) {
                for (index, field) in parser.fields.enumerated() {
                    let text = parser.bytes(field)
                    texts += text.count
                    passed[index].texts.append(text, field.isQuoted ? .quoted : .plain)
                }
                count += 1
                try bytes.require(rows: count, bytes: texts + count * (titles.count + typed.count) * 9)
                for (index, column) in typed.enumerated() {
                    let field = parser.fields[places[index]]
                    guard parsers[index].append(parser.bytes(field), isQuoted: field.isQuoted, to: &builders[index])
                    else {
                        throw TableError(
                            file: name, line: parser.line, column: column.name, message: "is not \(column.type.phrase)",
                            advice: FieldParser.advice(
                                parser.bytes(field), isQuoted: field.isQuoted, column.type, options))
                    }
                }
                if builders[0].isLastNull {
                    throw TableError(
                        file: name, line: parser.line, column: timestamp, message: "an instant may not be NULL")
                }
            }
        case .ndjson:
            var parser = LineParser(bytes, name: name)
            var count = 0
            while let (line, value) = try parser.next() {
                guard case .object(let members) = value else {
                    throw TableError(file: name, line: line, message: "a row is an object")
                }
                for member in members where !passed.contains(where: { $0.name == member.key }) {
                    var column = PassedColumn.Texts()
                    for _ in 0..<count { column.append(.null) }
                    passed.append((member.key, column))
                }
                for index in passed.indices { passed[index].texts.append(value[passed[index].name] ?? .null) }
                try bytes.require(
                    rows: count + 1,
                    bytes: passed.reduce(0) { $0 + $1.texts.texts.bytes.count } + (count + 1)
                        * (passed.count + typed.count) * 9)
                for (index, column) in typed.enumerated() {
                    guard let member = value[column.name] else {
                        throw SpineFile.missing(column.name, name, line: line, timestamp, options)
                    }
                    guard let literal = member.literal(as: column.type, epoch: options.epoch, isRow: true) else {
                        throw TableError(
                            file: name, line: line, column: column.name, message: "is not \(column.type.phrase)",
                            advice: FieldParser.advice((member.text ?? "").utf8, isQuoted: false, column.type, options))
                    }
                    builders[index].append(literal)
                }
                if builders[0].isLastNull {
                    throw TableError(file: name, line: line, column: timestamp, message: "an instant may not be NULL")
                }
                count += 1
            }
        }
        let instants = builders[0].finish().integers
        var columns: [String: Column] = [:]
        for index in typed.indices.dropFirst() { columns[typed[index].name] = builders[index].finish() }
        self.passed = passed.map { PassedColumn($0.name, $0.texts) }
        spine = Spine(columns: columns, instants: instants)
    }

    private init(_ file: SpineFile, spine: Spine, passed: [PassedColumn]) {
        self.spine = spine
        self.passed = passed
        (timestamp, isArrow, null) = (file.timestamp, file.isArrow, file.null)
    }

    /// This spine with nothing left of some rows but their instants and the columns in `keeping`: their other values
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

    /// Refuses columns that only pass through and hold what no other program could read. A spine that was kept before
    /// is read as it is.
    public func requireText(name: String) throws(TableError) {
        for column in passed {
            guard case .texts(let texts) = column.fields, let row = texts.firstThatIsNoText else { continue }
            throw TableError(
                file: name, column: column.name, message: "holds bytes that are not UTF-8, first in row \(row + 1)",
                advice: "convert the file, as with iconv -t UTF-8")
        }
    }

    /// Refuses a spine with a column of a name that the result has besides it.
    ///
    /// - Parameter names: what is added, each with what it is.
    public func requireFree(_ names: [(name: String, what: String)], name file: String) throws(TableError) {
        for (added, what) in names where passed.contains(where: { $0.name == added }) {
            throw TableError(
                file: file, line: isArrow ? nil : 1, column: added, message: "has the name of \(what)",
                advice: "rename or drop it")
        }
    }

    /// A column's values as texts, as CSV has them; nil where there is no such column, or its values have no text.
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

    /// A column's values each as a text that is the same for the same value, whatever type or spelling it has; NULL
    /// where it is. Nil where there is no such column.
    ///
    /// - Throws: a column of a type whose values have none.
    public func identities(of name: String) throws(TableError) -> Column? {
        guard let column = passed.first(where: { $0.name == name }) else { return nil }
        return name == timestamp
            ? Identity.column(of: Column(.timestamp, spine.instants)) : try column.identities(null: null)
    }

    private static func place(
        of column: String, _ titles: [String], _ name: String, line: Int?, _ timestamp: String, _ options: ReadOptions
    ) throws(TableError) -> Int {
        guard let place = titles.firstIndex(of: column) else {
            throw missing(column, name, line: line, timestamp, options)
        }
        return place
    }

    private static func missing(
        _ column: String, _ name: String, line: Int?, _ timestamp: String, _ options: ReadOptions
    ) -> TableError {
        let other = options.names.advice("timestamp") { "; \($0) names another column" } ?? ""
        return TableError(
            file: name, line: line, column: column, message: "the spine lacks it",
            advice: column == timestamp ? "it holds the instants\(other)" : "the set needs it as a key or request input"
        )
    }
}
