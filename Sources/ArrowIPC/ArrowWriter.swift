public import FeatureEngine
internal import FeatureLanguage

/// Writes columns as an Arrow IPC stream or file.
///
///     stream   message (schema)  message (record batch)…  FFFFFFFF 00000000
///     file     "ARROW1" 0 0  stream  footer  i32 length of the footer  "ARROW1"
///     message  FFFFFFFF  i32 length of the metadata, a multiple of 8  metadata (FlatBuffers)  body
///     body     for each column: validity bits (none where nothing is NULL)  values; each buffer padded to 64 bytes
///     values   bool: bits · numbers, timestamps: little-endian · strings: i32 ends of each, from 0, then the bytes
///              · lists: i32 ends of each, from 0, and their elements as a column of its own
///
/// Dictionaries come before the first record batch, in messages of their own.
///
/// A compressed buffer is an i64 length and a zstd frame; or −1 and the bytes as they are, if compressing saves less
/// than a tenth.
public struct ArrowWriter {
    /// Whether the messages travel bare or between a file's magic and footer.
    public enum Layout: Sendable { case stream, file }

    private let layout: Layout
    private let fields: [ArrowField]
    private let isCompressed: Bool
    private let sink: ([UInt8]) throws -> Void
    private var position = 0
    private var blocks: [UInt8] = []
    private var dictionaries: [UInt8] = []
    private var hasDictionaries = false

    /// Writes the schema at once.
    ///
    /// - Parameter sink: takes the bytes, piece by piece.
    public init(
        _ layout: Layout, fields: [ArrowField], isCompressed: Bool = false, sink: @escaping ([UInt8]) throws -> Void
    ) throws {
        self.layout = layout
        self.fields = fields
        self.isCompressed = isCompressed
        self.sink = sink
        if layout == .file { try emit(ArrowWriter.magic + [0, 0]) }
        try emit(ArrowWriter.framed(ArrowMetadata.message(.schema, ArrowMetadata.schema(fields))))
    }

    static let magic = Array("ARROW1".utf8)
    private static let end: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]
    /// The most bytes of text in a column of one batch, because offsets have 32 bits.
    private static let maximumText = 1 << 30
    /// Rows in a batch: many enough for a reader's loops, few enough for its cache.
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
        try write(columns.map { .flat($0) }, rowCount: rowCount)
    }

    /// Writes all rows of some columns, in batches of `batchRows(of:)`.
    public mutating func write(_ columns: [ArrowColumn], rowCount: Int) throws {
        let size = ArrowWriter.batchRows(of: fields)
        for start in stride(from: 0, to: rowCount, by: size) {
            try write(columns, rows: start..<min(start + size, rowCount))
        }
    }

    /// Rows in a batch of these fields: fewer than `batchRows` if the ends of runs have 16 bits.
    public static func batchRows(of fields: [ArrowField]) -> Int {
        func isShort(_ type: ArrowType) -> Bool {
            if case .runEndEncoded(let ends, _) = type, ends.type.width == 2 { return true }
            return type.children.contains { isShort($0.type) }
        }
        return fields.contains { isShort($0.type) } ? Int(Int16.max) : batchRows
    }

    /// Writes one batch of flat columns, as the overload for `ArrowColumn` does.
    public mutating func write(_ columns: [Column], rows: Range<Int>) throws {
        try write(columns.map { .flat($0) }, rows: rows)
    }

    /// Writes one batch: a column for each field, with values in the field's own units. The first batch's dictionaries
    /// hold for all; a batch too large for its offsets is split.
    public mutating func write(_ columns: [ArrowColumn], rows: Range<Int>) throws {
        precondition(columns.count == fields.count, "a batch of \(columns.count) columns for \(fields.count) fields")
        let text = columns.map { column -> Int in
            guard case .flat(let column) = column else { return 0 }
            return switch column.values {
            case .bytes(let texts), .packed(let texts):
                texts.offsets[rows.upperBound] - texts.offsets[rows.lowerBound]
            case .bits, .words, .floats, .wides: 0
            }
        }
        if text.contains(where: { $0 > ArrowWriter.maximumText }), rows.count > 1 {
            return try writeHalves(columns, rows)
        }
        if !hasDictionaries {
            hasDictionaries = true
            var number: Int64 = 0
            for (field, column) in zip(fields, columns) {
                if case .other(let array) = column { try writeDictionaries(field.type, array, &number) }
            }
        }
        let body: BodyWriter
        do {
            body = try self.body(columns, rows, capacity: rows.count * columns.count * 8 + text.reduce(0, +) + 4096)
        } catch {
            guard error == .tooLarge, rows.count > 1 else { throw error }
            return try writeHalves(columns, rows)
        }
        let block = try emit(.recordBatch, body.batch(rows: rows.count), body)
        blocks += block
    }

    private func body(_ columns: [ArrowColumn], _ rows: Range<Int>, capacity: Int) throws(ArrowError) -> BodyWriter {
        var body = BodyWriter(isCompressed: isCompressed, capacity: capacity)
        for (field, column) in zip(fields, columns) {
            switch column {
            case .flat(let column): try body.append(column, field.type, rows)
            case .other(let array): try body.append(array.slice(rows))
            case .absent: preconditionFailure("a column that was passed over")
            }
        }
        return body
    }

    private mutating func writeHalves(_ columns: [ArrowColumn], _ rows: Range<Int>) throws {
        let middle = (rows.lowerBound + rows.upperBound) / 2
        try write(columns, rows: rows.lowerBound..<middle)
        try write(columns, rows: middle..<rows.upperBound)
    }

    /// - Returns: what a file's footer says about where it is.
    private mutating func emit(_ header: ArrowMetadata.Header, _ table: FlatTable, _ body: BodyWriter) throws -> [UInt8]
    {
        let metadata = ArrowWriter.framed(ArrowMetadata.message(header, table, bodyLength: body.bytes.count))
        var block: [UInt8] = []
        block.append(word: UInt64(position))
        block.append(word: UInt64(metadata.count))
        block.append(word: UInt64(body.bytes.count))
        position += metadata.count + body.bytes.count
        try sink(metadata)
        try sink(body.bytes)
        return block
    }

    /// Writes the dictionaries in an array, those that others refer to first.
    private mutating func writeDictionaries(_ type: ArrowType, _ array: ArrowArray, _ number: inout Int64) throws {
        guard case .dictionary(_, _, let values, _) = type else {
            // Of runs, only the values are an array here.
            let types = type.children.map(\.type)
            for (type, child) in zip(
                array.children.count < types.count ? Array(types.suffix(array.children.count)) : types, array.children)
            {
                try writeDictionaries(type, child, &number)
            }
            return
        }
        let id = number, held = array.children[0]
        number += 1
        for (type, child) in zip(values.children.map(\.type), held.children) {
            try writeDictionaries(type, child, &number)
        }
        var body = BodyWriter(isCompressed: isCompressed, capacity: held.bytes.count + 4096)
        try body.append(held)
        let block = try emit(.dictionaryBatch, ArrowMetadata.dictionaryBatch(id, body.batch(rows: held.count)), body)
        dictionaries += block
    }

    /// Writes the end of the stream and a file's footer. Nothing can be written after it.
    public mutating func finish() throws {
        try emit(ArrowWriter.end)
        guard layout == .file else { return }
        var footer = ArrowMetadata.footer(fields, dictionaries: dictionaries, blocks: blocks)
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
    private var viewed: [Int64] = []

    init(isCompressed: Bool, capacity: Int) {
        self.isCompressed = isCompressed
        bytes.reserveCapacity(capacity)
    }

    func batch(rows: Int) -> FlatTable {
        ArrowMetadata.recordBatch(
            rows: rows, nodes: nodes, buffers: buffers, viewed: viewed, isCompressed: isCompressed)
    }

    mutating func append(_ column: Column, _ type: ArrowType, _ rows: Range<Int>) throws(ArrowError) {
        nodes.append(word: UInt64(rows.count))
        if type == .null { return nodes.append(word: UInt64(rows.count)) }
        let validity = column.validity.map { $0.packed(rows) } ?? []
        let nulls = validity.isEmpty ? 0 : rows.count - validity.reduce(0) { $0 + $1.nonzeroBitCount }
        nodes.append(word: UInt64(nulls))
        buffer(nulls == 0 ? [] : validity)
        switch column.values {
        case .bits(let values):
            buffer(values.packed(rows))
        case .words(let values):
            switch type.width {
            case 1: narrowed(values, rows, UInt8.self)
            case 2: narrowed(values, rows, UInt16.self)
            case 4: narrowed(values, rows, UInt32.self)
            default: slice(values, rows)
            }
        case .floats(let values):
            switch type.width {
            case 2: buffer(values[rows].map { HalfFloat.bits($0) })
            case 4: buffer(values[rows].map { Float($0) })
            default: slice(values, rows)
            }
        case .wides(let values): slice(values, rows)
        case .bytes(let texts): try append(texts: texts.bytes, texts.offsets[rows.lowerBound...rows.upperBound], type)
        case .packed: try append(lists: column, type, rows)
        }
    }

    /// Appends lists as their ends and an array of elements, vectors as an array of components.
    private mutating func append(lists column: Column, _ type: ArrowType, _ rows: Range<Int>) throws(ArrowError) {
        let
            some =
                rows == 0..<column.count ? column : column.gathered(rows.map { Int32($0) }),
            item = type.children[0].type
        guard column.type.isOrdered else {
            let components = some.components
            nodes.append(word: UInt64(components.count))
            nodes.append(word: UInt64(0))
            buffer([UInt8]())
            return buffer(components)
        }
        let (ends, elements) = some.unpacked()
        guard elements.count <= Int(Int32.max) else { throw .tooLarge }
        append(places: ends[...], isLarge: false)
        try append(elements, item, 0..<elements.count)
    }

    /// Appends texts, either as their ends and then their bytes or as views.
    private mutating func append(texts: [UInt8], _ places: ArraySlice<Int>, _ type: ArrowType) throws(ArrowError) {
        let start = places.first!, end = places.last!
        guard [.largeUtf8, .largeBinary].contains(type) || end - start <= Int(Int32.max) else { throw .tooLarge }
        switch type {
        case .largeUtf8, .largeBinary: append(places: places, from: start, isLarge: true)
        case .utf8View, .binaryView: return views(texts, places)
        default: append(places: places, from: start, isLarge: false)
        }
        slice(texts, start..<end)
    }

    private mutating func append(places: ArraySlice<Int>, from start: Int = 0, isLarge: Bool) {
        if isLarge {
            buffer(places.map { Int64($0 - start) })
        } else {
            buffer(places.map { Int32(truncatingIfNeeded: $0 - start) })
        }
    }

    /// Texts longer than 12 bytes go into a separate buffer.
    private mutating func views(_ texts: [UInt8], _ places: ArraySlice<Int>) {
        var views: [UInt8] = [], content: [UInt8] = []
        for (start, end) in zip(places, places.dropFirst()) {
            views.append(word: UInt32(end - start))
            if end - start <= 12 {
                views += texts[start..<end]
                views += repeatElement(0, count: 12 - (end - start))
            } else {
                views += texts[start..<start + 4]
                views.append(word: UInt32(0))
                views.append(word: UInt32(content.count))
                content += texts[start..<end]
            }
        }
        buffer(views)
        viewed.append(content.isEmpty ? 0 : 1)
        if !content.isEmpty { buffer(content) }
    }

    /// Appends a whole array.
    mutating func append(_ array: ArrowArray) throws(ArrowError) {
        let type = array.type
        nodes.append(word: UInt64(array.count))
        let validity = array.validity.map { $0.packed(0..<array.count) } ?? []
        nodes.append(
            word: UInt64(
                type == .null
                    ? array.count : validity.isEmpty ? 0 : array.count - validity.reduce(0) { $0 + $1.nonzeroBitCount })
        )
        switch type.shape {
        case .none, .sparseUnion, .denseUnion, .runs: break
        default: buffer(validity)
        }
        switch type.shape {
        case .none, .structure, .fixedLists: break
        case .fixed, .dictionary:
            if type == .bool {
                buffer(array.bytes.map { $0 != 0 }.packed(0..<array.count))
            } else {
                buffer(array.bytes)
            }
        case .texts: try append(texts: array.bytes, array.places[...], type)
        case .lists:
            let isLarge = type.hasLongPlaces
            guard isLarge || array.places.last! <= Int(Int32.max) else { throw .tooLarge }
            switch type {
            case .listView, .largeListView:
                append(places: array.places.dropLast(), isLarge: isLarge)
                append(places: zip(array.places, array.places.dropFirst()).map { $1 - $0 }[...], isLarge: isLarge)
            default: append(places: array.places[...], isLarge: isLarge)
            }
        case .sparseUnion: buffer(array.bytes)
        case .denseUnion:
            buffer(array.bytes)
            buffer(array.places.map { Int32(truncatingIfNeeded: $0) })
        case .runs: try ends(of: array)
        }
        for child in array.children where type.hasOwnValues { try append(child) }
    }

    /// Appends the ends of runs, an array of their own.
    private mutating func ends(of array: ArrowArray) throws(ArrowError) {
        guard case .runEndEncoded(let field, _) = array.type, let width = field.type.width else { return }
        guard width == 8 || array.count < 1 << (8 * width - 1) else { throw .tooLarge }
        nodes.append(word: UInt64(array.places.count))
        nodes.append(word: UInt64(0))
        buffer([UInt8]())
        var ends: [UInt8] = []
        for end in array.places {
            for place in 0..<width { ends.append(UInt8(truncatingIfNeeded: end >> (8 * place))) }
        }
        buffer(ends)
    }

    private mutating func narrowed<T: FixedWidthInteger & BitwiseCopyable>(
        _ values: [Int64], _ rows: Range<Int>, _ type: T.Type
    ) {
        let narrow: [T] = values[rows].map { T(truncatingIfNeeded: $0) }
        buffer(narrow)
    }

    private mutating func slice<T: BitwiseCopyable>(_ values: [T], _ range: Range<Int>) {
        unsafe values.withUnsafeBufferPointer {
            unsafe copy(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[range])))
        }
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
