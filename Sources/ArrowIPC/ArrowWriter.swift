public import FeatureEngine

/// Writes columns as an Arrow IPC stream or file.
///
///     stream   message (schema)  message (record batch)…  FFFFFFFF 00000000
///     file     "ARROW1" 0 0  stream  footer  i32 length of the footer  "ARROW1"
///     message  FFFFFFFF  i32 length of the metadata, a multiple of 8  metadata (FlatBuffers)  body
///     body     for each column: validity bits (none where nothing is NULL)  values; each buffer padded to 64 bytes
///     values   bool: bits · numbers, timestamps: little-endian · strings: i32 ends of each, from 0, then the bytes
///
/// A compressed buffer is i64 length, then a zstd frame; or −1, then the bytes as they are, where compressing saves less than a tenth.
public struct ArrowWriter {
    public enum Layout: Sendable { case stream, file }

    private let layout: Layout
    private let fields: [ArrowField]
    private let isCompressed: Bool
    private let sink: ([UInt8]) throws -> Void
    private var position = 0
    private var blocks: [UInt8] = []

    /// - Parameter sink: takes the bytes, a message at a time.
    public init(_ layout: Layout, fields: [ArrowField], isCompressed: Bool = false, sink: @escaping ([UInt8]) throws -> Void) throws {
        self.layout = layout
        self.fields = fields
        self.isCompressed = isCompressed
        self.sink = sink
        if layout == .file { try emit(ArrowWriter.magic + [0, 0]) }
        try emit(ArrowWriter.framed(ArrowMetadata.message(.schema, ArrowMetadata.schema(fields))))
    }

    static let magic = Array("ARROW1".utf8)
    private static let end: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
    /// A string column of a batch may hold this much: offsets are of 32 bits.
    private static let maximumText = 1 << 30
    /// Rows of a batch: large enough for a reader's loops, small enough for its cache.
    public static let batchRows = 1 << 16

    private mutating func emit(_ bytes: [UInt8]) throws {
        position += bytes.count
        try sink(bytes)
    }

    private static func framed(_ metadata: [UInt8]) -> [UInt8] {
        let padding = (8 - metadata.count % 8) % 8
        var bytes: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
        bytes.append(word: UInt32(metadata.count + padding))
        return bytes + metadata + Array(repeating: 0, count: padding)
    }

    /// Writes all rows of some columns, in batches.
    public mutating func write(_ columns: [Column], rowCount: Int) throws {
        for start in stride(from: 0, to: rowCount, by: ArrowWriter.batchRows) {
            try write(columns, rows: start..<min(start + ArrowWriter.batchRows, rowCount))
        }
    }

    /// Writes one batch: a column for each field, values in the field's own units.
    public mutating func write(_ columns: [Column], rows: Range<Int>) throws {
        precondition(columns.count == fields.count, "a batch of \(columns.count) columns for \(fields.count) fields")
        let text = columns.map { column in
            if case .string(let texts) = column.values { texts.offsets[rows.upperBound] - texts.offsets[rows.lowerBound] } else { 0 }
        }
        if text.contains(where: { $0 > ArrowWriter.maximumText }), rows.count > 1 {
            let middle = (rows.lowerBound + rows.upperBound) / 2
            try write(columns, rows: rows.lowerBound..<middle)
            return try write(columns, rows: middle..<rows.upperBound)
        }
        var body = BodyWriter(isCompressed: isCompressed, capacity: rows.count * columns.count * 8 + text.reduce(0, +) + 4096)
        for (field, column) in zip(fields, columns) { body.append(column, field.type, rows) }
        let metadata = ArrowWriter.framed(
            ArrowMetadata.message(
                .recordBatch, ArrowMetadata.recordBatch(rows: rows.count, nodes: body.nodes, buffers: body.buffers, isCompressed: isCompressed),
                bodyLength: body.bytes.count))
        blocks.append(word: UInt64(position))
        blocks.append(word: UInt64(metadata.count))
        blocks.append(word: UInt64(body.bytes.count))
        try emit(metadata)
        try emit(body.bytes)
    }

    public mutating func finish() throws {
        try emit(ArrowWriter.end)
        guard layout == .file else { return }
        var footer = ArrowMetadata.footer(fields, blocks: blocks)
        footer.append(word: UInt32(footer.count))
        try emit(footer + ArrowWriter.magic)
    }
}

/// The body of one record batch, with the places of its buffers.
private struct BodyWriter {
    let isCompressed: Bool
    var bytes: [UInt8] = []
    var nodes: [UInt8] = []
    var buffers: [UInt8] = []

    init(isCompressed: Bool, capacity: Int) {
        self.isCompressed = isCompressed
        bytes.reserveCapacity(capacity)
    }

    mutating func append(_ column: Column, _ type: ArrowType, _ rows: Range<Int>) {
        nodes.append(word: UInt64(rows.count))
        if type == .null { return nodes.append(word: UInt64(rows.count)) }
        let validity = column.validity.map { $0.packed(rows) } ?? []
        let nulls = validity.isEmpty ? 0 : rows.count - validity.reduce(0) { $0 + $1.nonzeroBitCount }
        nodes.append(word: UInt64(nulls))
        buffer(nulls == 0 ? [] : validity)
        switch column.values {
        case .bool(let values):
            buffer(values.packed(rows))
        case .int64(let values), .timestamp(let values):
            switch type.width {
            case 1: narrowed(values, rows, UInt8.self)
            case 2: narrowed(values, rows, UInt16.self)
            case 4: narrowed(values, rows, UInt32.self)
            default: slice(values, rows)
            }
        case .float64(let values):
            switch type.width {
            case 2: buffer(values[rows].map { HalfFloat.bits($0) })
            case 4: buffer(values[rows].map { Float($0) })
            default: slice(values, rows)
            }
        case .string(let texts):
            let start = texts.offsets[rows.lowerBound]
            if type == .largeUtf8 || type == .largeBinary {
                buffer(texts.offsets[rows.lowerBound...rows.upperBound].map { Int64($0 - start) })
            } else {
                buffer(texts.offsets[rows.lowerBound...rows.upperBound].map { Int32(truncatingIfNeeded: $0 - start) })
            }
            slice(texts.bytes, start..<texts.offsets[rows.upperBound])
        }
    }

    private mutating func narrowed<T: FixedWidthInteger & BitwiseCopyable>(_ values: [Int64], _ rows: Range<Int>, _ type: T.Type) {
        let narrow: [T] = values[rows].map { T(truncatingIfNeeded: $0) }
        buffer(narrow)
    }

    private mutating func slice<T: BitwiseCopyable>(_ values: [T], _ range: Range<Int>) {
        unsafe values.withUnsafeBufferPointer { unsafe copy(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[range]))) }
    }

    private mutating func buffer<T: BitwiseCopyable>(_ values: [T]) {
        unsafe values.withUnsafeBytes { unsafe copy($0) }
    }

    private mutating func copy(_ content: UnsafeRawBufferPointer) {
        let start = bytes.count
        if isCompressed, content.count > 0 {
            let frame = unsafe Zstd.compress(content)
            if frame.count < content.count / 10 * 9 {
                bytes.append(word: UInt64(content.count))
                bytes += frame
            } else {
                bytes.append(word: UInt64.max)
                unsafe bytes.append(contentsOf: content)
            }
        } else {
            unsafe bytes.append(contentsOf: content)
        }
        buffers.append(word: UInt64(start))
        buffers.append(word: UInt64(bytes.count - start))
        let padding = (64 - bytes.count % 64) % 64
        if padding > 0 { bytes += repeatElement(0, count: padding) }
    }
}

extension [UInt8] {
    mutating func append(word: some FixedWidthInteger & UnsignedInteger) {
        var rest = word
        for _ in 0..<word.bitWidth / 8 {
            append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
}
