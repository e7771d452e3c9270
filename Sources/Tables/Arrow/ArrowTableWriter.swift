internal import ArrowIPC
public import FeatureEngine

/// Typed columns as Arrow.
struct ArrowTableWriter: FormatWriter {
    private var arrow: ArrowWriter
    private let writer: ByteWriter

    init(_ layout: ArrowWriter.Layout, _ fields: [ArrowField], _ writer: ByteWriter) throws(TableError) {
        arrow = try TableError.explaining("output") {
            try ArrowWriter(layout, fields: fields) { try writer.write($0) }
        }
        self.writer = writer
    }

    mutating func write(_ columns: [PassedColumn], rowCount: Int) throws(TableError) {
        var arrow = arrow
        try TableError.explaining("output") {
            try arrow.write(columns.map { $0.arrow(known: nil).1 }, rowCount: rowCount)
        }
        self.arrow = arrow
    }

    mutating func finish() throws(TableError) {
        var arrow = arrow
        try TableError.explaining("output") { try arrow.finish() }
        self.arrow = arrow
        try writer.finish()
    }
}

extension SpineFile {
    /// Its columns followed by a set's, as an Arrow stream, a batch at a time.
    public func arrowStream(_ outputs: Table) -> some Sequence<[UInt8]> {
        Tables.arrowStream(typed(outputs).map { $0.arrow(known: nil) }, rowCount: rowCount)
    }
}

extension Table {
    /// This table as an Arrow stream, a batch at a time.
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
