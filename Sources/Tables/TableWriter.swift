internal import ArrowIPC
public import FeatureEngine
internal import FeatureLanguage

/// Writes a spine's columns as they were and a set's after them, to CSV, NDJSON or Arrow.
public struct TableWriter {
    private let writer: ByteWriter
    private let file: NewFile
    private let layout: FileFormat.Layout
    private let name: String

    /// - Parameter path: layout and compression by its name; nil writes CSV to standard output.
    public init(path: String?) throws(TableError) {
        (writer, file, layout) = try NewFile.open(path)
        name = path ?? "output"
    }

    /// Refuses a spine with columns that this kind of file can't hold: before any work is done.
    public func require(_ spine: SpineFile) throws(TableError) { try TableWriter.require(spine, layout, name) }

    /// Asks this of a file that isn't open yet.
    public static func require(_ spine: SpineFile, for path: String) throws(TableError) {
        try require(spine, FileFormat(path: path).layout, path)
    }

    private static func require(_ spine: SpineFile, _ layout: FileFormat.Layout, _ name: String) throws(TableError) {
        if layout.isArrow { return }
        for column in spine.passed {
            if case .values(let field, _) = column.fields { _ = try PassedColumn(field, field.empty).plain(file: name) }
        }
    }

    /// Makes the file appear.
    public func publish() throws(TableError) { try file.publish() }

    /// Writes everything; the file doesn't appear yet.
    public func write(_ spine: SpineFile, _ outputs: Table) throws(TableError) {
        try TableWriter.write(spine, outputs, layout, to: writer)
    }

    /// Writes a table's text to any writer, to its end.
    static func write(_ spine: SpineFile, _ outputs: Table, _ layout: FileFormat.Layout, to writer: ByteWriter)
        throws(TableError)
    {
        if layout.isArrow { return try arrow(spine, outputs, layout == .arrow ? .file : .stream, to: writer) }
        var bytes: [UInt8] = []
        var passed: [PassedColumn] = []
        for column in spine.passed { passed.append(try column.plain(file: "output")) }
        if layout == .csv {
            let titles = spine.passed.map(\.name) + outputs.names
            for (index, title) in titles.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                CSVField.write(title.utf8, isQuoted: false, to: &bytes)
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        for row in 0..<spine.rowCount {
            switch layout {
            case .csv: csv(row, passed, outputs, &bytes)
            case .ndjson: ndjson(row, passed, outputs, &bytes)
            case .arrow, .arrows: preconditionFailure("written above")
            }
            if bytes.count >= 1 << 16 {
                try writer.write(bytes)
                bytes.removeAll(keepingCapacity: true)
            }
        }
        try writer.write(bytes)
        try writer.finish()
    }

    /// Arrow: typed columns as they came, texts as texts but for those that the plan reads, then the outputs.
    ///
    /// - Parameter isCompressed: bodies, with zstd.
    static func arrow(
        _ spine: SpineFile, _ outputs: Table, _ layout: ArrowWriter.Layout, isCompressed: Bool = false,
        to writer: ByteWriter
    ) throws(TableError) {
        try TableError.explaining("output") {
            let columns = spine.arrowColumns(outputs)
            var arrow = try ArrowWriter(layout, fields: columns.map(\.0), isCompressed: isCompressed) {
                try writer.write($0)
            }
            try arrow.write(columns.map(\.1), rowCount: spine.rowCount)
            try arrow.finish()
        }
        try writer.finish()
    }

    private static func csv(_ row: Int, _ passed: [PassedColumn], _ outputs: Table, _ bytes: inout [UInt8]) {
        for (index, column) in passed.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            switch column.fields {
            case .texts(let fields):
                if fields.forms[row] != .absent {
                    CSVField.write(
                        fields.texts.bytes[fields.texts.range(row)], isQuoted: fields.forms[row] == .quoted, to: &bytes)
                }
            case .values(_, let values): if let values = values.flat { CSVField.write(values, row, to: &bytes) }
            }
        }
        for (index, column) in outputs.columns.enumerated() {
            if index > 0 || !passed.isEmpty { bytes.append(UInt8(ascii: ",")) }
            CSVField.write(column, row, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\n"))
    }

    private static func ndjson(_ row: Int, _ passed: [PassedColumn], _ outputs: Table, _ bytes: inout [UInt8]) {
        var members: [JSON.Member] = []
        for column in passed {
            switch column.fields {
            case .values(_, let values):
                if let values = values.flat { members.append(JSON.Member(column.name, JSON(values[row]))) }
            case .texts(let fields):
                let text = fields.texts[row]
                let isNumber = fields.forms[row] == .plain && (try? JSON(parsing: Array(text.utf8))) != nil
                members.append(
                    JSON.Member(column.name, fields.isNull(row) ? .null : isNumber ? .number(text) : .string(text)))
            }
        }
        for (name, column) in zip(outputs.names, outputs.columns) {
            members.append(JSON.Member(name, JSON(column[row])))
        }
        JSON.object(members).write(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
    }
}

/// How values stand in CSV.
enum CSVField {
    /// A text; quoted where it was or must be.
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

    /// A value: NULL is nothing, the empty text is quoted, floats read back to the same bits.
    static func write(_ column: Column, _ row: Int, to bytes: inout [UInt8]) {
        if column.isNull(row) { return }
        switch column.values {
        case .bytes(let texts): write(texts.bytes[texts.range(row)], isQuoted: texts.range(row).isEmpty, to: &bytes)
        case .bits, .words, .floats: bytes += column[row].fileText.utf8
        }
    }
}

extension SpineFile {
    /// How it is kept with a snapshot: Arrow where it came so, else CSV.
    public var archiveLayout: FileFormat.Layout { isArrow ? .arrows : .csv }

    /// Its columns in pieces compressed with zstd: what is kept of it with a snapshot.
    ///
    /// - Parameter plain: sees the bytes before they are compressed, for a digest.
    public func archive(plain: @escaping ([UInt8]) -> Void) throws(TableError) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        let packed = try ByteWriter(.zstd, name: "spine") { bytes throws(TableError) in pieces.append(bytes) }
        let whole = try ByteWriter(.none, name: "spine") { bytes throws(TableError) in
            plain(bytes)
            try packed.write(bytes)
        }
        try TableWriter.write(self, Table(rowCount: rowCount), archiveLayout, to: whole)
        try packed.finish()
        return pieces
    }
}

extension SpineFile {
    /// Its columns and a set's after them, as Arrow has them.
    fileprivate func arrowColumns(_ outputs: Table) -> [(ArrowField, ArrowColumn)] {
        passed.map { column in
            column.arrow(
                known: column.name == timestamp ? Column(.timestamp, spine.instants) : spine.columns[column.name])
        }
            + zip(outputs.names, outputs.columns).map { (ArrowField($0, ArrowType($1.type)), .flat($1)) }
    }

    /// Its columns and a set's after them as an Arrow stream, a batch at a time.
    public func arrowStream(_ outputs: Table) -> some Sequence<[UInt8]> {
        Tables.arrowStream(arrowColumns(outputs), rowCount: rowCount)
    }
}

extension Table {
    /// As an Arrow stream, a batch at a time.
    public func arrowStream() -> some Sequence<[UInt8]> {
        Tables.arrowStream(
            zip(names, columns).map { (ArrowField($0, ArrowType($1.type)), .flat($1)) }, rowCount: rowCount)
    }
}

private func arrowStream(_ columns: [(ArrowField, ArrowColumn)], rowCount: Int) -> AnySequence<[UInt8]> {
    AnySequence {
        var pending: [UInt8] = []
        // A stream to memory has no way to fail.
        var writer = try? ArrowWriter(.stream, fields: columns.map(\.0)) { pending += $0 }
        var row = 0
        let size = ArrowWriter.batchRows(of: columns.map(\.0))
        return AnyIterator {
            if pending.isEmpty {
                if row < rowCount {
                    let end = min(row + size, rowCount)
                    try? writer?.write(columns.map(\.1), rows: row..<end)
                    row = end
                } else {
                    try? writer?.finish()
                    writer = nil
                }
            }
            defer { pending = [] }
            return pending.isEmpty ? nil : pending
        }
    }
}
