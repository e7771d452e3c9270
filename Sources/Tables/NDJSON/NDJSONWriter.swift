internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// Rows as JSON objects, one per line.
struct NDJSONWriter: FormatWriter {
    private let writer: ByteWriter

    init(_ writer: ByteWriter) { self.writer = writer }

    func write(_ columns: [PassedColumn], rowCount: Int) throws(TableError) {
        var bytes: [UInt8] = []
        for row in 0..<rowCount {
            bytes.removeAll(keepingCapacity: true)
            var members: [JSON.Member] = []
            for column in columns {
                switch column.fields {
                case .values(_, .flat(let values)): members.append(JSON.Member(column.name, JSON(values[row])))
                case .values(_, .other), .values(_, .absent): break
                case .texts(let fields):
                    let text = fields.texts[row]
                    // A number or a bool of another JSON file's, or one that stands unquoted in CSV; `null` is a text.
                    let isPlain =
                        fields.forms[row] == .plain && text != "null" && (try? JSON(parsing: Array(text.utf8))) != nil
                    members.append(
                        JSON.Member(column.name, fields.isNull(row) ? .null : isPlain ? .number(text) : .string(text)))
                }
            }
            JSON.object(members).write(to: &bytes)
            bytes.append(UInt8(ascii: "\n"))
            try writer.write(bytes)
        }
    }

    func finish() throws(TableError) { try writer.finish() }
}
