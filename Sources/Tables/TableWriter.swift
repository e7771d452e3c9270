internal import ArrowIPC
public import FeatureEngine

/// Writes a spine's columns unchanged, followed by a set's, to a file of any format.
public struct TableWriter {
    private let writer: ByteWriter
    private let file: NewFile
    private let layout: FileFormat.Layout
    private let name: String

    /// - Parameter path: its name says format and compression; nil writes CSV to standard output.
    public init(path: String?) throws(TableError) {
        (writer, file, layout) = try NewFile.open(path)
        name = path ?? "output"
    }

    /// Refuses a spine with columns that this kind of file can't hold, before any work is done.
    public func require(_ spine: SpineFile) throws(TableError) { try TableWriter.require(spine, layout, name) }

    /// Checks the same for a file that isn't open yet.
    public static func require(_ spine: SpineFile, for path: String) throws(TableError) {
        try require(spine, FileFormat(path: path).layout, path)
    }

    private static func require(_ spine: SpineFile, _ layout: FileFormat.Layout, _ name: String) throws(TableError) {
        if layout.isTyped { return }
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

    fileprivate static func write(
        _ spine: SpineFile, _ outputs: Table, _ layout: FileFormat.Layout, to bytes: ByteWriter
    ) throws(TableError) {
        var columns: [PassedColumn]
        if layout.isTyped {
            columns = spine.typed(outputs)
        } else {
            columns = []
            for column in spine.passed { columns.append(try column.plain(file: "output")) }
            for (name, values) in zip(outputs.names, outputs.columns) { columns.append(PassedColumn(name, values)) }
        }
        var writer = try layout.rules.writer(columns.map(\.field), bytes)
        try writer.write(columns, rowCount: spine.rowCount)
        try writer.finish()
    }
}

extension SpineFile {
    /// How a snapshot keeps it: as Arrow if its columns have types, otherwise as CSV.
    public var archiveLayout: FileFormat.Layout { isTyped ? .arrows : .csv }

    /// Its columns compressed with zstd, in pieces, as a snapshot keeps them.
    ///
    /// - Parameter plain: receives the bytes before they are compressed, for a digest.
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
