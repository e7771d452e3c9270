internal import ArrowIPC
public import FeatureEngine
public import FeatureLanguage

/// Writes a table, some rows at a time, to a file of any format.
public struct RowWriter {
    private let file: NewFile
    private let columns: [ColumnDefinition]
    private var writer: any FormatWriter

    /// - Parameter path: its name says format and compression; nil writes CSV to standard output.
    public init(path: String?, columns: [ColumnDefinition]) throws(TableError) {
        self.columns = columns
        let (bytes, file, layout) = try NewFile.open(path)
        self.file = file
        writer = try layout.rules.writer(columns.map { ArrowField($0.name, ArrowType($0.type)) }, bytes)
    }

    /// - Parameter rows: one column for each of the table's, in their order.
    public mutating func write(_ rows: [Column]) throws(TableError) {
        try writer.write(zip(columns, rows).map { PassedColumn($0.name, $1) }, rowCount: rows.first?.count ?? 0)
    }

    /// Finishes the file and makes it appear under its name.
    public mutating func publish() throws(TableError) {
        try writer.finish()
        try file.publish()
    }
}
