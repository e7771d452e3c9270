internal import FeatureEngine
internal import FeatureLanguage

extension FormatRules {
    static let csv = FormatRules(
        suffixes: ["csv"], mediaTypes: ["text/csv"], isTyped: false, isPushed: false,
        reader: { bytes, request throws(TableError) in try CSVReader(bytes, request) },
        writer: { fields, writer throws(TableError) in try CSVWriter(fields, writer) })
}

/// Rows of CSV as typed columns.
struct CSVReader: FormatReader {
    private(set) var request: ReadRequest
    private let bytes: ByteReader
    private var parser: CSVParser
    private let titles: [String]
    /// For each of the request's columns, its field in a record; nil if it isn't there.
    private let places: [Int?]
    private let parsers: [FieldParser]
    private let isNotNull: [Bool]
    private var rowCount = 0
    /// For each field of the file, its texts.
    private var texts: [PassedColumn.Texts] = []

    init(_ bytes: ByteReader, _ request: ReadRequest) throws(TableError) {
        var request = request
        parser = try CSVParser(bytes, name: request.name, request.options)
        let titles = try parser.header()
        request.add { titles.contains($0) }
        if !titles.contains(where: request.isRead) { try parser.requireDelimiter(titles) }
        try request.require(titles, in: "header", line: parser.line)
        if request.schema.keepsAll { texts = titles.map { _ in PassedColumn.Texts() } }
        places = request.schema.columns.map { column in titles.firstIndex(of: column.name) }
        parsers = request.schema.columns.map { FieldParser($0.type, request.options) }
        isNotNull = request.schema.columns.map { request.schema.notNull.contains($0.name) }
        self.titles = titles
        self.bytes = bytes
        self.request = request
    }

    var absent: [String] { zip(request.schema.columns, places).filter { $1 == nil }.map(\.0.name) }

    mutating func next(_ limit: Int) throws(TableError) -> Table? {
        var builders = parsers.map { ColumnBuilder($0.type) }, count = 0
        let limit = bytes.most(limit, after: rowCount)
        while count < limit, try parser.nextRow(of: titles.count) {
            for index in texts.indices {
                let field = parser.fields[index]
                texts[index].append(parser.bytes(field), field.isQuoted ? .quoted : .plain)
            }
            for (index, place) in places.enumerated() {
                guard let place else {
                    builders[index].appendNull()
                    continue
                }
                let field = parser.fields[place]
                guard parsers[index].append(parser.bytes(field), isQuoted: field.isQuoted, to: &builders[index]) else {
                    throw request.fault(index, parser.line, parser.bytes(field), isQuoted: field.isQuoted)
                }
                if isNotNull[index], builders[index].isLastNull { throw request.null(index, line: parser.line) }
            }
            count += 1
            // Kept texts may be long, so every row is checked.
            if request.schema.keepsAll || count % 1024 == 0 { try require(count) }
        }
        guard count > 0 else { return nil }
        try require(count)
        rowCount += count
        return Table(request.schema.columns, &builders)
    }

    func kept() -> [PassedColumn] { zip(titles, texts).map { PassedColumn($0, $1) } }

    /// A value of any type takes up at least eight bytes, and one for its validity.
    private func require(_ count: Int) throws(TableError) {
        try bytes.require(
            rows: rowCount + count, bytes: texts.byteCount + count * (parsers.count + texts.count) * 9)
    }
}
