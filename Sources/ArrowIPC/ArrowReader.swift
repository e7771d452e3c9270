public import FeatureEngine

/// Reads an Arrow IPC stream or file, a record batch at a time, and checks every length against what is there.
///
/// A file is read as the stream it holds, from front to back, so that pipes work too; its footer only has to be there.
/// Dictionary-encoded strings and views come out plain. Buffers may be plain or compressed with zstd.
public struct ArrowReader {
    /// The columns, without dictionaries and views.
    public let fields: [ArrowField]
    private let columns: [ArrowMetadata.Column]
    private var dictionaries: [Int64: Column] = [:]
    private var source: PieceReader
    private let layout: ArrowWriter.Layout
    private let maximumBytes: Int
    private var bytesLeft: Int
    private var isAtEnd = false
    /// Batches of a file that came before their dictionaries: a file's may stand anywhere.
    private var held: [(header: FlatView, body: [UInt8])] = []
    private var heldBytes = 0
    private static let maximumHeldBytes = 1 << 30

    private static let maximumMetadata = 64 << 20
    public static let maximumColumns = 10_000
    /// A batch may come to so much, whatever may in all.
    private static let maximumBatchBytes = 4 << 30

    /// - Parameters:
    ///   - maximumBytes: columns that come to more than this, decompressed, are refused.
    ///   - pull: the next bytes, any number; nil at the end.
    public init(_ layout: ArrowWriter.Layout, maximumBytes: Int = .max, pull: @escaping () throws -> [UInt8]?) throws {
        self.layout = layout
        self.maximumBytes = maximumBytes
        bytesLeft = maximumBytes
        source = PieceReader(pull: pull)
        if layout == .file {
            guard let magic = try source.next(8), magic.prefix(6).elementsEqual(ArrowWriter.magic) else {
                throw ArrowError("is not an Arrow file", advice: "an IPC stream is named .arrows")
            }
        }
        columns = try ArrowMetadata.columns(try ArrowReader.schema(&source, layout))
        fields = columns.map(\.field)
    }

    private static func schema(_ source: inout PieceReader, _ layout: ArrowWriter.Layout) throws -> FlatView {
        let bare = layout == .file ? try bareMetadata(&source) : nil
        guard let message = try bare.map({ try FlatView(root: $0) }) ?? message(&source, body: false)?.header else { throw ArrowError("holds no Arrow data") }
        guard try message.int8(1) == Int(ArrowMetadata.Header.schema.rawValue), let schema = try message.table(2) else {
            throw ArrowError("is not an Arrow stream", advice: layout == .stream ? "an IPC file is named .arrow" : nil)
        }
        return schema
    }

    /// Polars begins a file with a message of no mark and no length: it ends where the next one's mark is, which can't be a part of it (no text holds
    /// such bytes, and no distance).
    private static func bareMetadata(_ source: inout PieceReader) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let word = try source.next(8) {
            if word.prefix(4).allSatisfy({ $0 == 0xFF }) {
                source.putBack(word)
                return bytes.isEmpty ? nil : bytes
            }
            // The root of metadata is near; before Arrow 0.15 the length stood here.
            if bytes.isEmpty, word.prefix(4).reversed().reduce(0, { $0 << 8 | Int($1) }) > 64 { throw ArrowError.otherFormat }
            bytes += word
            guard bytes.count <= maximumMetadata else { throw ArrowError.damaged }
        }
        throw ArrowError.cut
    }

    /// The next batch's columns, as long as one another; nil at the end.
    public mutating func next() throws -> (columns: [Column], rowCount: Int)? {
        while !isAtEnd {
            guard let (message, body, size) = try ArrowReader.message(&source, body: true) else {
                isAtEnd = true
                if layout == .file { try checkFooter() }
                held.reverse()
                break
            }
            guard let header = try message.table(2) else { throw ArrowError.damaged }
            switch ArrowMetadata.Header(rawValue: UInt8(try message.int8(1))) {
            case .recordBatch:
                if held.isEmpty, layout == .stream || columns.allSatisfy({ $0.dictionary.map { dictionaries[$0.id] != nil } ?? true }) { return try rows(header, body) }
                heldBytes += size
                guard heldBytes <= ArrowReader.maximumHeldBytes else {
                    throw ArrowError("has its dictionaries after more rows than are held", advice: "write an IPC stream, named .arrows, or plain strings")
                }
                held.append((header, body))
            case .dictionaryBatch:
                let id = try header.int64(0)
                guard let column = columns.first(where: { $0.dictionary?.id == id }), let data = try header.table(1) else { throw ArrowError.damaged }
                let (values, _) = try batch(data, body, [(column.layout, nil, nil)])
                let isDelta = try header.int8(2) != 0
                // Which rows are meant by which, nothing would say.
                if layout == .file, !isDelta, dictionaries[id] != nil {
                    throw ArrowError("replaces a dictionary, as only streams can", advice: "write an IPC stream, named .arrows")
                }
                if isDelta, let held = dictionaries[id] { dictionaries[id] = held.followed(by: values[0]) } else { dictionaries[id] = values[0] }
            case .schema, nil: throw ArrowError("holds an Arrow message that isn't read")
            }
        }
        return try held.popLast().map { try rows($0.header, $0.body) }
    }

    private mutating func rows(_ header: FlatView, _ body: [UInt8]) throws -> (columns: [Column], rowCount: Int) {
        try batch(header, body, columns.map { ($0.dictionary.map { .plain($0.index) } ?? $0.layout, $0.dictionary.map { dictionaries[$0.id] } ?? nil, $0) })
    }

    private mutating func checkFooter() throws {
        var tail: [UInt8] = []
        while let piece = try source.rest() { tail = Array((tail + piece).suffix(16)) }
        guard tail.suffix(6).elementsEqual(ArrowWriter.magic) else { throw ArrowError.cut }
    }

    /// The next message; nil at the end of the stream.
    private static func message(_ source: inout PieceReader, body: Bool) throws -> (header: FlatView, body: [UInt8], size: Int)? {
        guard let prefix = try source.next(8) else {
            if source.isEmpty { return nil }
            throw ArrowError.cut
        }
        guard prefix.prefix(4).allSatisfy({ $0 == 0xFF }) else {
            if prefix.prefix(6).elementsEqual(ArrowWriter.magic) {
                throw ArrowError("is an Arrow file, not a stream", advice: "a file is named .arrow; over HTTP a stream travels")
            }
            throw ArrowError.otherFormat
        }
        let length = prefix.suffix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        if length == 0 { return nil }
        guard length <= maximumMetadata else { throw ArrowError.damaged }
        guard let metadata = try source.next(length) else { throw ArrowError.cut }
        let message = try FlatView(root: metadata)
        let bodyLength = try message.int64(3)
        guard bodyLength >= 0, body || bodyLength == 0, bodyLength < 1 << 40 else { throw ArrowError.damaged }
        guard let content = try source.next(Int(bodyLength)) else { throw ArrowError.cut }
        return (message, content, length + content.count)
    }

    private mutating func batch(
        _ header: FlatView, _ body: [UInt8], _ wanted: [(layout: ArrowMetadata.Layout, dictionary: Column?, column: ArrowMetadata.Column?)]
    ) throws -> (columns: [Column], rowCount: Int) {
        let allowed = min(bytesLeft, ArrowReader.maximumBatchBytes)
        let (read, count, rest) = try readBatch(header, body, 0..<body.count, wanted.map(\.layout), bytesLeft: allowed)
        var left = rest
        var columns = read
        for (index, (_, dictionary, column)) in wanted.enumerated() where column?.dictionary != nil {
            guard let dictionary else { throw ArrowError.damaged }
            columns[index] = try columns[index].looked(up: dictionary, bytesLeft: &left)
        }
        bytesLeft -= allowed - left
        return (columns, count)
    }
}

/// A record batch's columns, its body a part of some bytes.
func readBatch(
    _ header: FlatView, _ bytes: [UInt8], _ body: Range<Int>, _ layouts: [ArrowMetadata.Layout], bytesLeft: Int
) throws(ArrowError) -> (columns: [Column], rowCount: Int, bytesLeft: Int) {
    let count = try header.int64(0)
    guard count >= 0, count <= Int64(Int32.max) else { throw .damaged }
    var isCompressed = false
    if let compression = try header.table(3) {
        guard try compression.int8(0) == 1 else { throw ArrowError("is compressed with LZ4", advice: "write it with compression zstd, or none") }
        isCompressed = true
    }
    let nodes = try header.pairs(1)
    guard nodes.count == layouts.count else { throw .damaged }
    var buffers = BodyReader(bytes, body, try header.pairs(2), viewed: try header.words(4), isCompressed: isCompressed, bytesLeft: bytesLeft)
    var columns: [Column] = []
    for (layout, node) in zip(layouts, nodes) {
        guard node.0 == count else { throw .damaged }
        columns.append(try buffers.column(layout, rows: Int(count), nulls: node.1))
    }
    return (columns, Int(count), buffers.bytesLeft)
}

/// The body of a record batch, read buffer after buffer.
private struct BodyReader {
    /// Bytes in which the body lies, and where it begins and ends.
    private let body: [UInt8]
    private let range: Range<Int>
    private var buffers: ArraySlice<(Int64, Int64)>
    /// How many buffers of content each column of views has.
    private var viewed: ArraySlice<Int64>
    private let isCompressed: Bool
    var bytesLeft: Int
    /// Bytes of the body that buffers of views' content have taken.
    private var viewedBytes = 0

    init(_ body: [UInt8], _ range: Range<Int>, _ buffers: [(Int64, Int64)], viewed: [Int64], isCompressed: Bool, bytesLeft: Int) {
        self.body = body
        self.range = range
        self.buffers = buffers[...]
        self.viewed = viewed[...]
        self.isCompressed = isCompressed
        self.bytesLeft = bytesLeft
    }

    /// Where the next buffer lies in the body.
    private mutating func next() throws(ArrowError) -> Range<Int> {
        guard let (start, length) = buffers.popFirst(), start >= 0, length >= 0, start <= range.count, length <= Int64(range.count) - start else { throw .damaged }
        return range.lowerBound + Int(start)..<range.lowerBound + Int(start + length)
    }

    /// The next buffer as values: exactly `count` of them, whatever padding follows.
    private mutating func values<T: BitwiseCopyable>(_ count: Int, _ type: T.Type, zero: T) throws(ArrowError) -> [T] {
        try values(count, in: next(), zero: zero)
    }

    private mutating func values<T: BitwiseCopyable>(_ count: Int, in buffer: Range<Int>, zero: T) throws(ArrowError) -> [T] {
        let size = count * MemoryLayout<T>.stride
        var range = buffer
        try charge(size)
        // Nothing is needed of an empty column's offsets.
        if size == 0 || range.isEmpty && count <= 1 { return Array(repeating: zero, count: count) }
        let rawLength = try rawLength(range)
        if let rawLength, rawLength < size || rawLength > size + 1 << 20 { throw .damaged }
        if isCompressed { range = range.dropFirst(8) }
        guard rawLength != nil || range.count >= size else { throw .damaged }
        var fault: ArrowError?
        let values = unsafe [T](unsafeUninitializedCapacity: max(1, ((rawLength ?? size) + MemoryLayout<T>.stride - 1) / MemoryLayout<T>.stride)) { space, initialized in
            unsafe body.withUnsafeBytes { bytes in
                let source = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
                let target = UnsafeMutableRawBufferPointer(space)
                if let rawLength {
                    do throws(ArrowError) {
                        unsafe try Zstd.decompress(source, into: UnsafeMutableRawBufferPointer(rebasing: target[..<rawLength]))
                        initialized = count
                    } catch {
                        fault = error
                        initialized = 0
                    }
                } else {
                    unsafe target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[..<size]))
                    initialized = count
                }
            }
        }
        if let fault { throw fault }
        return values
    }

    /// How much a buffer decompresses to; nil where it stands as it is.
    private func rawLength(_ range: Range<Int>) throws(ArrowError) -> Int? {
        guard isCompressed else { return nil }
        guard range.count >= 8 else { throw .damaged }
        let length = body[range.prefix(8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        if length == .max { return nil }
        guard length < 1 << 40 else { throw .damaged }
        return Int(length)
    }

    /// The next buffer of views' content, as long as it says. No two share a place: what is named again and again must not make room for itself.
    private mutating func content() throws(ArrowError) -> [UInt8] {
        let buffer = try next()
        viewedBytes += buffer.count
        guard viewedBytes <= range.count else { throw .damaged }
        if buffer.isEmpty { return [] }
        return try values(try rawLength(buffer) ?? buffer.count - (isCompressed ? 8 : 0), in: buffer, zero: 0)
    }

    private mutating func charge(_ size: Int) throws(ArrowError) {
        bytesLeft -= size
        guard bytesLeft >= 0 else { throw ArrowError.tooLarge }
    }

    private mutating func flags(_ count: Int) throws(ArrowError) -> [Bool] {
        let bits = try values((count + 7) / 8, UInt8.self, zero: 0)
        return [Bool](bits: bits, count: count)
    }

    mutating func column(_ layout: ArrowMetadata.Layout, rows: Int, nulls: Int64) throws(ArrowError) -> Column {
        if case .plain(.null) = layout {
            try charge(2 * rows)
            return Column(.bool(Array(repeating: false, count: rows)), validity: Array(repeating: false, count: rows))
        }
        var validity: [Bool]?
        if nulls == 0 || rows == 0 {
            _ = try next()
        } else {
            // A count of −1 says that nobody counted, and no buffer then that nothing is NULL.
            if nulls < 0, let (_, length) = buffers.first, length == 0 { _ = try next() } else { validity = try flags(rows) }
        }
        switch layout {
        case .plain(let type): return Column(try payload(type, rows), validity: validity)
        case .views(let isText): return Column(.string(try views(rows, validity, isText: isText)), validity: validity)
        }
    }

    private mutating func payload(_ type: ArrowType, _ rows: Int) throws(ArrowError) -> Column.Values {
        switch type {
        case .null: return .bool([])
        case .bool: return .bool(try flags(rows))
        case .integer(let bits, let isSigned):
            switch (bits, isSigned) {
            case (8, true): return .int64(try values(rows, Int8.self, zero: 0).map { Int64($0) })
            case (16, true): return .int64(try values(rows, Int16.self, zero: 0).map { Int64($0) })
            case (32, true): return .int64(try values(rows, Int32.self, zero: 0).map { Int64($0) })
            case (8, false): return .int64(try values(rows, UInt8.self, zero: 0).map { Int64($0) })
            case (16, false): return .int64(try values(rows, UInt16.self, zero: 0).map { Int64($0) })
            case (32, false): return .int64(try values(rows, UInt32.self, zero: 0).map { Int64($0) })
            default: return .int64(try values(rows, Int64.self, zero: 0))
            }
        case .float(let bits):
            switch bits {
            case 16: return .float64(try values(rows, UInt16.self, zero: 0).map { HalfFloat.value($0) })
            case 32: return .float64(try values(rows, Float.self, zero: 0).map { Double($0) })
            default: return .float64(try values(rows, Double.self, zero: 0))
            }
        case .date32: return .int64(try values(rows, Int32.self, zero: 0).map { Int64($0) })
        case .date64, .timestamp: return .int64(try values(rows, Int64.self, zero: 0))
        case .utf8, .binary: return .string(try texts(try values(rows + 1, Int32.self, zero: 0).map { Int($0) }, isText: type == .utf8))
        case .largeUtf8, .largeBinary: return .string(try texts(try values(rows + 1, Int64.self, zero: 0).map { Int($0) }, isText: type == .largeUtf8))
        }
    }

    /// Each view has its length first; then the text where it has at most 12 bytes, else its first four bytes, the number of a buffer and the place there.
    private mutating func views(_ rows: Int, _ validity: [Bool]?, isText: Bool) throws(ArrowError) -> StringColumn {
        let views = try values(16 * rows, UInt8.self, zero: 0)
        guard let count = viewed.popFirst(), count >= 0, count <= Int64(buffers.count) else { throw .damaged }
        var contents: [[UInt8]] = []
        for _ in 0..<count { contents.append(try content()) }
        var column = StringColumn()
        for row in 0..<rows {
            guard validity?[row] ?? true else {
                column.append(bytes: [])
                continue
            }
            let view = views[16 * row..<16 * row + 16]
            func word(_ index: Int) -> Int { view.dropFirst(4 * index).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) } }
            let length = word(0)
            try charge(length)
            if length <= 12 {
                column.append(bytes: view.dropFirst(4).prefix(length))
            } else {
                let number = word(2), place = word(3)
                guard number < contents.count, place + length <= contents[number].count else { throw .damaged }
                column.append(bytes: contents[number][place..<place + length])
            }
        }
        if isText, !column.isText { throw .notText }
        return column
    }

    private mutating func texts(_ ends: [Int], isText: Bool) throws(ArrowError) -> StringColumn {
        guard let first = ends.first, let last = ends.last, first >= 0, last >= first, last < 1 << 40 else { throw .damaged }
        for (end, next) in zip(ends, ends.dropFirst()) where next < end { throw .damaged }
        // What no value refers to must not make room for itself.
        guard isCompressed || last <= range.count else { throw .damaged }
        let bytes = try values(last, UInt8.self, zero: 0)
        var column = StringColumn()
        column.offsets = first == 0 ? ends : ends.map { $0 - first }
        column.bytes = first == 0 ? bytes : Array(bytes[first...])
        if isText, !column.isText { throw .notText }
        return column
    }
}

extension StringColumn {
    /// Whether all bytes are UTF-8, and no text begins or ends inside a character.
    fileprivate var isText: Bool {
        guard bytes.contains(where: { $0 >= 0x80 }) else { return true }
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        return offsets.allSatisfy { $0 >= bytes.count || bytes[$0] & 0xC0 != 0x80 }
    }
}

extension Column {
    /// The values of a dictionary that these indices stand for.
    fileprivate func looked(up dictionary: Column, bytesLeft: inout Int) throws(ArrowError) -> Column {
        guard case .int64(let indices) = values, case .string(let texts) = dictionary.values else { throw .damaged }
        var rows: [Int32] = []
        rows.reserveCapacity(indices.count)
        for (row, index) in indices.enumerated() {
            if isNull(row) {
                rows.append(-1)
            } else {
                guard index >= 0, index < Int64(dictionary.count) else { throw .damaged }
                rows.append(Int32(index))
                // A long text may be meant many times.
                bytesLeft -= texts.range(Int(index)).count
                guard bytesLeft >= 0 else { throw .tooLarge }
            }
        }
        return dictionary.gathered(rows)
    }
}

/// Bytes in pieces, taken in whatever lengths are asked for.
private struct PieceReader {
    let pull: () throws -> [UInt8]?
    private var piece: [UInt8] = []
    private var position = 0

    init(pull: @escaping () throws -> [UInt8]?) {
        self.pull = pull
    }

    /// Whether nothing was left where the last request fell short.
    private(set) var isEmpty = false

    /// The next `count` bytes; nil where fewer are left. Room is made as bytes come, whatever was announced.
    mutating func next(_ count: Int) throws -> [UInt8]? {
        if position == 0, piece.count == count, count > 0 {
            defer { piece = [] }
            return piece
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(count, 1 << 26))
        while bytes.count < count {
            if position == piece.count {
                guard let next = try pull() else {
                    isEmpty = bytes.isEmpty
                    return nil
                }
                (piece, position) = (next, 0)
            }
            let end = min(piece.count, position + count - bytes.count)
            bytes += piece[position..<end]
            position = end
        }
        return bytes
    }

    /// The bytes are the next again.
    mutating func putBack(_ bytes: [UInt8]) {
        piece = bytes + piece[position...]
        position = 0
    }

    /// What is left, piece by piece.
    mutating func rest() throws -> [UInt8]? {
        guard position == piece.count else {
            defer { position = piece.count }
            return Array(piece[position...])
        }
        return try pull()
    }
}
