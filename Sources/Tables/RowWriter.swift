internal import ArrowIPC
public import FeatureEngine
public import FeatureLanguage

/// Writes a table some rows at a time, to CSV, NDJSON or Arrow.
public struct RowWriter {
    private let writer: ByteWriter
    private let file: NewFile
    private let layout: FileFormat.Layout
    private let columns: [ColumnDefinition]
    private var arrow: ArrowWriter?

    /// - Parameter path: layout and compression by its name; nil writes CSV to standard output.
    public init(path: String?, columns: [ColumnDefinition]) throws(TableError) {
        self.columns = columns
        let (writer, file, layout) = try NewFile.open(path)
        (self.writer, self.file, self.layout) = (writer, file, layout)
        if layout.isArrow {
            arrow = try TableError.explaining("output") {
                try ArrowWriter(
                    layout == .arrow ? .file : .stream, fields: columns.map { ArrowField($0.name, ArrowType($0.type)) }
                ) { try writer.write($0) }
            }
        } else if layout == .csv {
            var bytes: [UInt8] = []
            for (index, column) in columns.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                CSVField.write(column.name.utf8, isQuoted: false, to: &bytes)
            }
            try writer.write(bytes + [UInt8(ascii: "\n")])
        }
    }

    /// - Parameter rows: a column for each of the table's, in their order.
    public mutating func write(_ rows: [Column]) throws(TableError) {
        let count = rows.first?.count ?? 0
        if var arrow {
            try TableError.explaining("output") { try arrow.write(rows, rowCount: count) }
            self.arrow = arrow
            return
        }
        var bytes: [UInt8] = []
        for row in 0..<count {
            switch layout {
            case .csv:
                for (index, column) in rows.enumerated() {
                    if index > 0 { bytes.append(UInt8(ascii: ",")) }
                    CSVField.write(column, row, to: &bytes)
                }
            case .ndjson: JSON.object(zip(columns, rows).map { JSON.Member($0.name, JSON($1[row])) }).write(to: &bytes)
            case .arrow, .arrows: preconditionFailure("written above")
            }
            bytes.append(UInt8(ascii: "\n"))
        }
        try writer.write(bytes)
    }

    /// Ends the file and makes it appear.
    public mutating func publish() throws(TableError) {
        if var arrow {
            try TableError.explaining("output") { try arrow.finish() }
            self.arrow = arrow
        }
        try writer.finish()
        try file.publish()
    }
}
