internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// Rows as CSV after a header: fields of a text file as they stood there, values as `CSVField` writes them.
struct CSVWriter: FormatWriter {
    private let writer: ByteWriter

    init(_ fields: [ArrowField], _ writer: ByteWriter) throws(TableError) {
        self.writer = writer
        var bytes: [UInt8] = []
        for (index, field) in fields.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            CSVField.write(field.name.utf8, isQuoted: false, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
        try writer.write(bytes)
    }

    func write(_ columns: [PassedColumn], rowCount: Int) throws(TableError) {
        var bytes: [UInt8] = []
        for row in 0..<rowCount {
            bytes.removeAll(keepingCapacity: true)
            for (index, column) in columns.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                switch column.fields {
                case .texts(let fields):
                    if fields.forms[row] != .absent {
                        CSVField.write(
                            fields.texts.bytes[fields.texts.range(row)], isQuoted: fields.forms[row] == .quoted,
                            to: &bytes)
                    }
                case .values(_, .flat(let values)): CSVField.write(values, row, to: &bytes)
                case .values(_, .other), .values(_, .absent): break
                }
            }
            bytes.append(UInt8(ascii: "\n"))
            try writer.write(bytes)
        }
    }

    func finish() throws(TableError) { try writer.finish() }
}

/// How values are written in CSV.
enum CSVField {
    /// Writes a text, quoted if it was or must be.
    static func write(_ text: some Collection<UInt8>, isQuoted: Bool, to bytes: inout [UInt8]) {
        let special =
            isQuoted
            || text.contains { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D }
        guard special else {
            bytes += text
            return
        }
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a value: NULL as nothing, the empty text quoted, floats so that they read back to the same bits.
    static func write(_ column: Column, _ row: Int, to bytes: inout [UInt8]) {
        if column.isNull(row) { return }
        switch column.values {
        case .packed: write(JSON(column[row]).description.utf8, isQuoted: false, to: &bytes)
        case .bytes(let texts): write(texts.bytes[texts.range(row)], isQuoted: texts.range(row).isEmpty, to: &bytes)
        case .wides(let values): bytes += DecimalValue(values[row], of: column.type).description.utf8
        case .bits, .words, .floats: bytes += column[row].fileText.utf8
        }
    }
}
