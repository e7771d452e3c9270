internal import FeatureEngine
internal import FeatureLanguage

extension FormatRules {
    static let ndjson = FormatRules(
        suffixes: ["ndjson", "jsonl"], mediaTypes: ["application/x-ndjson", "application/ndjson", "application/jsonl"],
        isTyped: false, isPushed: true,
        reader: { bytes, request throws(TableError) in try NDJSONReader(bytes, request) },
        writer: { _, writer throws(TableError) in NDJSONWriter(writer) })
}

/// JSON objects, one per line or in an array, as typed columns.
struct NDJSONReader: FormatReader {
    private(set) var request: ReadRequest
    private let bytes: ByteReader
    private var lines: LineParser
    private var rowCount = 0
    /// The names seen so far, and for each the texts of all rows.
    private var names: [String] = []
    private var texts: [PassedColumn.Texts] = []

    init(_ bytes: ByteReader, _ request: ReadRequest) throws(TableError) {
        self.bytes = bytes
        self.request = request
        lines = LineParser(bytes, name: request.name)
        // Like a header, the first row says whether they are there.
        if let (_, first) = try lines.peek() { self.request.add { first[$0] != nil } }
    }

    var absent: [String] { [] }

    mutating func next(_ limit: Int) throws(TableError) -> Table? {
        var builders = request.schema.columns.map { ColumnBuilder($0.type) }, count = 0
        let limit = bytes.most(limit, after: rowCount)
        while count < limit, let (line, value) = try lines.next() {
            let members = try append(value, line, &builders)
            if request.schema.keepsAll { keep(members, value, before: rowCount + count) }
            count += 1
            // Kept texts may be long, so every row is checked.
            if request.schema.keepsAll || count % 1024 == 0 { try require(count) }
        }
        guard count > 0 else { return nil }
        try require(count)
        rowCount += count
        return Table(request.schema.columns, &builders)
    }

    func kept() -> [PassedColumn] { zip(names, texts).map { PassedColumn($0, $1) } }

    /// The rows of an array; errors name each by its place, counted from 1.
    func table(_ rows: [JSON]) throws(TableError) -> Table {
        try require(rows.count)
        var builders = request.schema.columns.map { ColumnBuilder($0.type) }
        for (index, row) in rows.enumerated() { _ = try append(row, index + 1, &builders) }
        return Table(request.schema.columns, &builders)
    }

    /// - Returns: the row's members.
    private func append(_ value: JSON, _ line: Int, _ builders: inout [ColumnBuilder]) throws(TableError)
        -> [JSON.Member]
    {
        let schema = request.schema
        guard case .object(let members) = value else {
            throw TableError(
                file: request.name, line: line, message: "a row is an object", advice: "as in {\"customer_id\": 42}")
        }
        var seen = 0
        for (index, column) in schema.columns.enumerated() {
            let member = value[column.name]
            if member != nil {
                seen += 1
            } else if schema.present.contains(column.name) {
                throw request.missing(column.name, from: nil, line: line)
            }
            guard let literal = (member ?? .null).literal(as: column.type, epoch: request.options.epoch, isRow: true)
            else { throw request.fault(index, line, (member?.text ?? "").utf8, isQuoted: false) }
            if literal == .null, schema.notNull.contains(column.name) { throw request.null(index, line: line) }
            builders[index].append(literal)
        }
        if seen < members.count, !schema.keepsAll, !request.options.ignoresExtra,
            let extra = members.first(where: { !request.isRead($0.key) })
        {
            throw request.undeclared(extra.key, line: line)
        }
        return members
    }

    private mutating func keep(_ members: [JSON.Member], _ value: JSON, before rows: Int) {
        for member in members where !names.contains(member.key) {
            names.append(member.key)
            texts.append(PassedColumn.Texts(absent: rows))
        }
        for index in names.indices { texts[index].append(value[names[index]] ?? .null) }
    }

    /// A value of any type takes up at least eight bytes, and one for its validity.
    private func require(_ count: Int) throws(TableError) {
        try bytes.require(
            rows: rowCount + count,
            bytes: texts.byteCount + count * (request.schema.columns.count + texts.count) * 9)
    }
}
