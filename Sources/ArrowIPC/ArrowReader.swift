public import FeatureEngine
internal import FeatureLanguage

/// Reads an Arrow IPC stream or file, a record batch at a time, and checks every length against what is there.
///
/// A file is read from front to back, as the stream it contains, so that pipes work too; its footer only has to be
/// there. Buffers may be plain, or compressed with zstd or LZ4.
public struct ArrowReader {
    /// The schema's columns in order, including those that aren't read.
    public let fields: [ArrowField]
    private let columns: [ArrowMetadata.Column]
    /// Which columns are read; the others are skipped, whatever they hold.
    private var isWanted: [Bool]
    private var dictionaries = ArrowDictionaries()
    private var source: PieceReader
    private let layout: ArrowWriter.Layout
    private let maximumBytes: Int
    private var bytesLeft: Int
    private let maximumRows: Int
    private var rowCount = 0
    /// The most bytes that a batch may come to.
    private let batchBytes: Int
    private var isAtEnd = false
    /// Batches of a file that came before their dictionaries, which a file may have anywhere.
    private var held: [(header: FlatView, body: [UInt8])] = []
    private var heldBytes = 0
    private static let maximumHeldBytes = 1 << 30

    private static let maximumMetadata = 64 << 20
    /// The most columns a schema may have, counting nested fields.
    public static let maximumColumns = 10_000
    /// The most bytes that a batch may come to, however many are allowed in all.
    private static let maximumBatchBytes = 4 << 30

    /// Reads up to and including the schema.
    ///
    /// - Parameters:
    ///   - maximumBytes: columns that come to more than this, decompressed, are refused.
    ///   - maximumBatch: the limit for the columns of one batch, and for its bytes in transit.
    ///   - maximumRows: more rows than this are refused, before they are read.
    ///   - pull: returns the next bytes, any number of them; nil at the end.
    public init(
        _ layout: ArrowWriter.Layout, maximumBytes: Int = .max, maximumBatch: Int = .max, maximumRows: Int = .max,
        pull: @escaping () throws -> [UInt8]?
    ) throws {
        self.layout = layout
        self.maximumBytes = maximumBytes
        self.maximumRows = maximumRows
        batchBytes = min(maximumBatch, ArrowReader.maximumBatchBytes)
        bytesLeft = maximumBytes
        source = PieceReader(pull: pull)
        if layout == .file {
            guard let magic = try source.next(8), magic.prefix(6).elementsEqual(ArrowWriter.magic) else {
                throw ArrowError("is not an Arrow file", advice: "an IPC stream is named .arrows")
            }
        }
        columns = try ArrowMetadata.columns(try ArrowReader.schema(&source, layout))
        fields = columns.map(\.field)
        isWanted = Array(repeating: true, count: columns.count)
        for column in columns { dictionaries.declare(column) }
    }

    /// Skips the other columns from now on.
    public mutating func read(only wanted: (ArrowField) -> Bool) { isWanted = fields.map(wanted) }

    /// Whether every dictionary that is needed has arrived.
    private var hasDictionaries: Bool {
        zip(columns, isWanted).allSatisfy { !$1 || $0.dictionaries.allSatisfy { dictionaries.values[$0] != nil } }
    }

    private func isNeeded(_ dictionary: Int64) -> Bool {
        zip(columns, isWanted).contains { $1 && $0.dictionaries.contains(dictionary) }
    }

    private static func schema(_ source: inout PieceReader, _ layout: ArrowWriter.Layout) throws -> FlatView {
        let bare = layout == .file ? try bareMetadata(&source) : nil
        guard let message = try bare.map({ try FlatView(root: $0) }) ?? message(&source, body: false)?.header else {
            throw ArrowError("holds no Arrow data")
        }
        guard try message.int8(1) == Int(ArrowMetadata.Header.schema.rawValue), let schema = try message.table(2) else {
            throw ArrowError("is not an Arrow stream", advice: layout == .stream ? "an IPC file is named .arrow" : nil)
        }
        return schema
    }

    /// Polars begins a file with a message that has no marker and no length. It ends at the next message's marker,
    /// which can't be part of it, since neither a text nor an offset has such bytes.
    private static func bareMetadata(_ source: inout PieceReader) throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let word = try source.next(8) {
            if word.prefix(4).allSatisfy({ $0 == 0xFF }) {
                source.putBack(word)
                return bytes.isEmpty ? nil : bytes
            }
            // The root's offset is small; before Arrow 0.15 a length came first.
            if bytes.isEmpty, word.prefix(4).reversed().reduce(0, { $0 << 8 | Int($1) }) > 64 {
                throw ArrowError.otherFormat
            }
            bytes += word
            guard bytes.count <= maximumMetadata else { throw ArrowError.damaged }
        }
        throw ArrowError.cut
    }

    /// The next batch's columns, all of the same length; nil at the end.
    public mutating func next() throws -> (columns: [ArrowColumn], rowCount: Int)? {
        while !isAtEnd {
            guard let (message, body, size) = try ArrowReader.message(&source, body: true, atMost: batchBytes) else {
                isAtEnd = true
                if layout == .file { try checkFooter() }
                held.reverse()
                break
            }
            guard let header = try message.table(2) else { throw ArrowError.damaged }
            switch ArrowMetadata.Header(rawValue: UInt8(try message.int8(1))) {
            case .recordBatch:
                if held.isEmpty, layout == .stream || hasDictionaries { return try rows(header, body) }
                heldBytes += size
                guard heldBytes <= ArrowReader.maximumHeldBytes else {
                    throw ArrowError(
                        "has its dictionaries after more rows than are held",
                        advice: "write an IPC stream, named .arrows, or plain strings")
                }
                held.append((header, body))
            case .dictionaryBatch:
                let id = try header.int64(0)
                guard let type = dictionaries.types[id], let data = try header.table(1) else {
                    throw ArrowError.damaged
                }
                guard isNeeded(id) else { continue }
                var column = ArrowMetadata.Column(field: ArrowField("", type))
                column.dictionaries = dictionaries.inner[id] ?? []
                let (read, count, rest) = try readBatch(
                    data, body, 0..<body.count, [column], nil, dictionaries, keepsArrays: true, bytesLeft: allowed)
                bytesLeft -= allowed - rest
                guard case .other(let values)? = read.first, values.count == count else { throw ArrowError.damaged }
                let isDelta = try header.int8(2) != 0
                // Nothing would say which rows refer to which of the two.
                if layout == .file, !isDelta, dictionaries.values[id] != nil {
                    throw ArrowError(
                        "replaces a dictionary, as only streams can", advice: "write an IPC stream, named .arrows")
                }
                if isDelta, let held = dictionaries.values[id] {
                    dictionaries.values[id] = try ArrowArray(concatenating: [held, values])
                } else {
                    dictionaries.values[id] = values
                }
            case .schema, nil: throw ArrowError("holds an Arrow message that isn't read")
            }
        }
        return try held.popLast().map { try rows($0.header, $0.body) }
    }

    private var allowed: Int { min(bytesLeft, batchBytes) }

    private mutating func rows(_ header: FlatView, _ body: [UInt8]) throws -> (columns: [ArrowColumn], rowCount: Int) {
        let (sum, overflow) = rowCount.addingReportingOverflow(Int(try header.int64(0)))
        guard !overflow, sum <= maximumRows else { throw ArrowError.tooMuch("has more than \(maximumRows) rows") }
        rowCount = sum
        let (read, count, rest) = try readBatch(
            header, body, 0..<body.count, columns, isWanted, dictionaries, bytesLeft: allowed)
        bytesLeft -= allowed - rest
        return (read, count)
    }

    private mutating func checkFooter() throws {
        var tail: [UInt8] = []
        while let piece = try source.rest() { tail = Array((tail + piece).suffix(16)) }
        guard tail.suffix(6).elementsEqual(ArrowWriter.magic) else { throw ArrowError.cut }
    }

    /// The next message; nil at the end of the stream.
    ///
    /// - Parameter most: the most bytes a body may have.
    private static func message(_ source: inout PieceReader, body: Bool, atMost most: Int = .max) throws -> (
        header: FlatView, body: [UInt8], size: Int
    )? {
        guard let prefix = try source.next(8) else {
            if source.isEmpty { return nil }
            throw ArrowError.cut
        }
        guard prefix.prefix(4).allSatisfy({ $0 == 0xFF }) else {
            if prefix.prefix(6).elementsEqual(ArrowWriter.magic) {
                throw ArrowError(
                    "is an Arrow file, not a stream", advice: "a file is named .arrow; over HTTP a stream travels")
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
        guard bodyLength <= most else { throw ArrowError.tooLarge }
        guard let content = try source.next(Int(bodyLength)) else { throw ArrowError.cut }
        return (message, content, length + content.count)
    }
}

/// A column of a batch.
public enum ArrowColumn: Sendable {
    /// Values of a flat type, integers of any width as int64 and times in the type's own unit.
    case flat(Column)
    case other(ArrowArray)
    /// Skipped, because it wasn't asked for.
    case absent
}

/// Dictionaries by their numbers, as far as they have arrived.
struct ArrowDictionaries {
    var values: [Int64: ArrowArray] = [:]
    private(set) var types: [Int64: ArrowType] = [:]
    /// The dictionaries that a dictionary's values refer to.
    private(set) var inner: [Int64: [Int64]] = [:]

    mutating func declare(_ column: ArrowMetadata.Column) {
        var ids = column.dictionaries[...]
        declare(column.field.type, &ids)
    }

    private mutating func declare(_ type: ArrowType, _ ids: inout ArraySlice<Int64>) {
        if case .dictionary(_, _, let values, _) = type, let id = ids.popFirst() {
            types[id] = values
            let before = ids
            for child in values.children { declare(child.type, &ids) }
            inner[id] = Array(before.prefix(before.count - ids.count))
        } else {
            for child in type.children { declare(child.type, &ids) }
        }
    }
}

/// Reads the columns of a record batch whose body is part of `bytes`.
///
/// - Parameters:
///   - isWanted: columns to read; nil reads all.
///   - keepsArrays: whether flat types come as arrays too.
func readBatch(
    _ header: FlatView, _ bytes: [UInt8], _ body: Range<Int>, _ fields: [ArrowMetadata.Column],
    _ isWanted: [Bool]? = nil, _ dictionaries: ArrowDictionaries = .init(),
    keepsArrays: Bool = false, bytesLeft: Int
) throws(ArrowError) -> (columns: [ArrowColumn], rowCount: Int, bytesLeft: Int) {
    let count = try header.int64(0)
    guard count >= 0, count <= Int64(Int32.max) else { throw .damaged }
    var codec: BodyReader.Codec?
    if let compression = try header.table(3) { codec = try compression.int8(0) == 1 ? .zstd : .lz4 }
    var buffers = BodyReader(
        bytes, body, try header.pairs(2), nodes: try header.pairs(1), viewed: try header.words(4), codec: codec,
        dictionaries, bytesLeft: bytesLeft)
    var columns: [ArrowColumn] = []
    for (index, field) in fields.enumerated() {
        var ids = field.dictionaries[...]
        let type = field.field.type
        do {
            if let isWanted, !isWanted[index] {
                try buffers.skip(type)
                columns.append(.absent)
            } else if type.isFlat, !keepsArrays {
                columns.append(.flat(try buffers.column(type, rows: Int(count))))
            } else {
                let array = try buffers.array(type, rows: Int(count), &ids)
                // Many rows may refer to one long text.
                try buffers.charge(array.spelledOut())
                columns.append(.other(array))
            }
        } catch {
            var error = error
            if error == .notText { error.column = field.field.name }
            throw error
        }
    }
    guard buffers.isAtEnd else { throw .damaged }
    return (columns, Int(count), buffers.bytesLeft)
}

/// The body of a record batch, read buffer by buffer.
private struct BodyReader {
    /// The bytes that contain the body, and where in them it begins and ends.
    private let body: [UInt8]
    private let range: Range<Int>
    private var buffers: ArraySlice<(Int64, Int64)>
    /// How many rows and NULLs each column and each array beneath it has, from the top down.
    private var nodes: ArraySlice<(Int64, Int64)>
    /// How many buffers of content each column of views has.
    private var viewed: ArraySlice<Int64>
    private let codec: Codec?
    private let dictionaries: ArrowDictionaries
    private var isCompressed: Bool { codec != nil }
    var bytesLeft: Int
    /// Whether all columns have been read.
    var isAtEnd: Bool { nodes.isEmpty }

    enum Codec { case lz4, zstd }

    /// Bytes of the body taken so far by the content buffers of views.
    private var viewedBytes = 0

    init(
        _ body: [UInt8], _ range: Range<Int>, _ buffers: [(Int64, Int64)], nodes: [(Int64, Int64)], viewed: [Int64],
        codec: Codec?, _ dictionaries: ArrowDictionaries,
        bytesLeft: Int
    ) {
        self.body = body
        self.range = range
        self.buffers = buffers[...]
        self.nodes = nodes[...]
        self.viewed = viewed[...]
        self.codec = codec
        self.dictionaries = dictionaries
        self.bytesLeft = bytesLeft
    }

    /// Where the next buffer lies in the body.
    private mutating func next() throws(ArrowError) -> Range<Int> {
        guard let (start, length) = buffers.popFirst(), start >= 0, length >= 0, start <= range.count,
            length <= Int64(range.count) - start
        else { throw .damaged }
        return range.lowerBound + Int(start)..<range.lowerBound + Int(start + length)
    }

    /// The next buffer as exactly `count` values, whatever padding follows.
    private mutating func values<T: BitwiseCopyable>(_ count: Int, _ type: T.Type, zero: T) throws(ArrowError) -> [T] {
        try values(count, in: next(), zero: zero)
    }

    private mutating func values<T: BitwiseCopyable>(_ count: Int, in buffer: Range<Int>, zero: T) throws(ArrowError)
        -> [T]
    {
        let size = count * MemoryLayout<T>.stride
        var range = buffer
        try charge(size)
        // An empty column needs no offsets.
        if size == 0 || range.isEmpty && count <= 1 { return Array(repeating: zero, count: count) }
        let rawLength = try rawLength(range)
        if let rawLength, rawLength < size || rawLength > size + 1 << 20 { throw .damaged }
        if isCompressed { range = range.dropFirst(8) }
        guard rawLength != nil || range.count >= size else { throw .damaged }
        var fault: ArrowError?
        let values = unsafe [T](
            unsafeUninitializedCapacity: max(
                1, ((rawLength ?? size) + MemoryLayout<T>.stride - 1) / MemoryLayout<T>.stride)
        ) { space, initialized in
            unsafe body.withUnsafeBytes { bytes in
                let source = unsafe UnsafeRawBufferPointer(rebasing: bytes[range])
                let target = UnsafeMutableRawBufferPointer(space)
                if let rawLength {
                    do throws(ArrowError) {
                        let space = unsafe UnsafeMutableRawBufferPointer(rebasing: target[..<rawLength])
                        if codec == .lz4 {
                            unsafe try LZ4.decompress(source, into: space)
                        } else {
                            unsafe try Zstd.decompress(source, into: space)
                        }
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

    /// The bytes that a buffer decompresses to; nil if it isn't compressed.
    private func rawLength(_ range: Range<Int>) throws(ArrowError) -> Int? {
        guard isCompressed else { return nil }
        guard range.count >= 8 else { throw .damaged }
        let length = body[range.prefix(8)].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        if length == .max { return nil }
        guard length < 1 << 40 else { throw .damaged }
        return Int(length)
    }

    /// The next content buffer of views, at the length it states. No two share a place: bytes that are referred to
    /// repeatedly must not take up memory each time.
    private mutating func content() throws(ArrowError) -> [UInt8] {
        let buffer = try next()
        viewedBytes += buffer.count
        guard viewedBytes <= range.count else { throw .damaged }
        if buffer.isEmpty { return [] }
        return try values(try rawLength(buffer) ?? buffer.count - (isCompressed ? 8 : 0), in: buffer, zero: 0)
    }

    mutating func charge(_ size: Int) throws(ArrowError) {
        bytesLeft -= size
        guard bytesLeft >= 0 else { throw ArrowError.tooLarge }
    }

    private mutating func flags(_ count: Int) throws(ArrowError) -> [Bool] {
        let bits = try values((count + 7) / 8, UInt8.self, zero: 0)
        return [Bool](bits: bits, count: count)
    }

    private mutating func node(_ rows: Int?) throws(ArrowError) -> (rows: Int, nulls: Int64) {
        guard let node = nodes.popFirst(), node.0 >= 0, node.0 <= Int64(Int32.max),
            rows == nil || node.0 == Int64(rows!)
        else { throw .damaged }
        return (Int(node.0), node.1)
    }

    /// False where NULL; nil if nothing is.
    private mutating func validity(_ rows: Int, nulls: Int64) throws(ArrowError) -> [Bool]? {
        // A count of −1 says that nobody counted; if there is no buffer either, nothing is NULL.
        if nulls == 0 || rows == 0 || nulls < 0 && buffers.first?.1 == 0 {
            _ = try next()
            return nil
        }
        let marks = try flags(rows)
        return marks.contains(false) ? marks : nil
    }

    /// A column of a flat type.
    mutating func column(_ type: ArrowType, rows: Int) throws(ArrowError) -> Column {
        let (_, nulls) = try node(rows)
        if type == .null {
            try charge(2 * rows)
            return Column(.bool, Array(repeating: false, count: rows), validity: Array(repeating: false, count: rows))
        }
        let validity = try validity(rows, nulls: nulls)
        return Column(plain: try payload(type, rows, validity), validity: validity)
    }

    /// A column of any type, or an array beneath one.
    ///
    /// - Parameters:
    ///   - rows: how many rows there must be; nil allows any number.
    ///   - ids: the numbers of the dictionaries to come, from the top down.
    mutating func array(_ type: ArrowType, rows expected: Int?, _ ids: inout ArraySlice<Int64>) throws(ArrowError)
        -> ArrowArray
    {
        let (rows, nulls) = try node(expected)
        var array = ArrowArray(type)
        array.count = rows
        switch type.shape {
        case .none, .sparseUnion, .denseUnion, .runs: break
        default: array.validity = try validity(rows, nulls: nulls)
        }
        switch type.shape {
        case .none: break
        case .fixed(let width):
            array.bytes =
                type == .bool ? try flags(rows).map { $0 ? 1 : 0 } : try values(rows * width, UInt8.self, zero: 0)
        case .texts:
            guard case .bytes(let texts) = try payload(type, rows, array.validity) else { throw .damaged }
            (array.places, array.bytes) = (texts.offsets, texts.bytes)
        case .lists: try lists(&array, &ids)
        case .fixedLists(let size): array.children = [try self.array(type.children[0].type, rows: rows * size, &ids)]
        case .structure:
            for (index, field) in type.children.enumerated() {
                array.children[index] = try self.array(field.type, rows: rows, &ids)
            }
        case .sparseUnion, .denseUnion: try union(&array, &ids)
        case .runs: try runs(&array, &ids)
        case .dictionary(let width): try dictionary(&array, width, &ids)
        }
        return array
    }

    private mutating func lists(_ array: inout ArrowArray, _ ids: inout ArraySlice<Int64>) throws(ArrowError) {
        let rows = array.count, item = array.type.children[0].type
        switch array.type {
        case .listView, .largeListView:
            let isLarge = array.type.hasLongPlaces
            let starts = try integers(rows, isLarge: isLarge), sizes = try integers(rows, isLarge: isLarge)
            let items = try self.array(item, rows: nil, &ids)
            var left = items.count
            for row in 0..<rows {
                let size = array.isNull(row) ? 0 : sizes[row]
                // Items that are referred to repeatedly must not take up memory each time.
                guard size >= 0, size <= left else {
                    throw ArrowError("has lists that share their places", advice: "cast it to list")
                }
                left -= size
                guard size == 0 || starts[row] >= 0 && starts[row] <= items.count - size else { throw .damaged }
                if size > 0 { try array.children[0].append(items, starts[row]..<starts[row] + size) }
                array.places.append(array.children[0].count)
            }
        default:
            let isLarge = array.type.hasLongPlaces
            let ends = try integers(rows + 1, isLarge: isLarge)
            let items = try self.array(item, rows: nil, &ids)
            guard let first = ends.first, let last = ends.last, first >= 0, last <= items.count else { throw .damaged }
            for (end, next) in zip(ends, ends.dropFirst()) where next < end { throw .damaged }
            array.places = first == 0 ? ends : ends.map { $0 - first }
            array.children = [try items.slice(first..<last)]
        }
    }

    private mutating func integers(_ count: Int, isLarge: Bool) throws(ArrowError) -> [Int] {
        isLarge
            ? try values(count, Int64.self, zero: 0).map { Int($0) }
            : try values(count, Int32.self, zero: 0).map { Int($0) }
    }

    private mutating func union(_ array: inout ArrowArray, _ ids: inout ArraySlice<Int64>) throws(ArrowError) {
        guard case .union(let fields, let numbers, let isDense) = array.type else { throw .damaged }
        var members = Array(repeating: -1, count: 256)
        for (index, number) in numbers.enumerated() { members[number] = index }
        array.bytes = try values(array.count, UInt8.self, zero: 0)
        guard array.bytes.allSatisfy({ members[Int($0)] >= 0 }) else { throw .damaged }
        if isDense { array.places = try values(array.count, Int32.self, zero: 0).map { Int($0) } }
        for (index, field) in fields.enumerated() {
            array.children[index] = try self.array(field.type, rows: isDense ? nil : array.count, &ids)
        }
        guard isDense else { return }
        for (row, place) in array.places.enumerated()
        where !(0..<array.children[members[Int(array.bytes[row])]].count).contains(place) { throw .damaged }
        // A member that is referred to twice gets copied twice.
        for (index, child) in array.children.enumerated()
        where array.bytes.count(where: { members[Int($0)] == index }) > child.count {
            throw ArrowError("has a union whose values share their places", advice: "cast it to a struct")
        }
    }

    private mutating func runs(_ array: inout ArrowArray, _ ids: inout ArraySlice<Int64>) throws(ArrowError) {
        guard case .runEndEncoded(let ends, let values) = array.type, let width = ends.type.width else {
            throw .damaged
        }
        let read = try self.array(ends.type, rows: nil, &ids),
            items = try self.array(values.type, rows: read.count, &ids)
        guard read.validity == nil else { throw .damaged }
        var before = 0
        for row in 0..<read.count where before < array.count {
            let end = read.index(row, width: width)
            guard end > before else { throw .damaged }
            before = min(end, array.count)
            array.places.append(before)
        }
        guard before == array.count else { throw .damaged }
        array.children = [try items.slice(0..<array.places.count)]
    }

    private mutating func dictionary(_ array: inout ArrowArray, _ width: Int, _ ids: inout ArraySlice<Int64>)
        throws(ArrowError)
    {
        guard case .dictionary(_, _, let values, _) = array.type, let id = ids.popFirst() else { throw .damaged }
        // The dictionaries beneath it have the next numbers.
        ids = ids.dropFirst(dictionaries.inner[id]?.count ?? 0)
        array.bytes = try self.values(array.count * width, UInt8.self, zero: 0)
        let dictionary = dictionaries.values[id] ?? ArrowArray(values)
        array.children = [dictionary]
        for row in 0..<array.count {
            if (0..<dictionary.count).contains(array.index(row, width: width)) { continue }
            guard array.isNull(row) else { throw .damaged }
            for place in row * width..<(row + 1) * width { array.bytes[place] = 0 }
        }
    }

    /// Skips a column and the arrays beneath it.
    mutating func skip(_ type: ArrowType) throws(ArrowError) {
        _ = try node(nil)
        var count: Int
        switch type {
        case .null, .runEndEncoded: count = 0
        case .structure, .fixedList: count = 1
        case .union(_, _, let isDense): count = isDense ? 2 : 1
        case .utf8, .largeUtf8, .binary, .largeBinary, .listView, .largeListView: count = 3
        case .utf8View, .binaryView:
            guard let content = viewed.popFirst(), content >= 0, content <= Int64(buffers.count) else { throw .damaged }
            count = 2 + Int(content)
        default: count = 2
        }
        guard count <= buffers.count else { throw .damaged }
        buffers = buffers.dropFirst(count)
        for child in type.children { try skip(child.type) }
    }

    private mutating func payload(_ type: ArrowType, _ rows: Int, _ validity: [Bool]?) throws(ArrowError)
        -> Column.Values
    {
        switch type {
        case .bool: return .bits(try flags(rows))
        case .integer(let bits, let isSigned):
            switch (bits, isSigned) {
            case (8, true): return .words(try values(rows, Int8.self, zero: 0).map { Int64($0) })
            case (16, true): return .words(try values(rows, Int16.self, zero: 0).map { Int64($0) })
            case (32, true): return .words(try values(rows, Int32.self, zero: 0).map { Int64($0) })
            case (8, false): return .words(try values(rows, UInt8.self, zero: 0).map { Int64($0) })
            case (16, false): return .words(try values(rows, UInt16.self, zero: 0).map { Int64($0) })
            case (32, false): return .words(try values(rows, UInt32.self, zero: 0).map { Int64($0) })
            default: return .words(try values(rows, Int64.self, zero: 0))
            }
        case .float(let bits):
            switch bits {
            case 16: return .floats(try values(rows, UInt16.self, zero: 0).map { HalfFloat.value($0) })
            case 32: return .floats(try values(rows, Float.self, zero: 0).map { Double($0) })
            default: return .floats(try values(rows, Double.self, zero: 0))
            }
        case .date32: return .words(try values(rows, Int32.self, zero: 0).map { Int64($0) })
        case .date64, .timestamp: return .words(try values(rows, Int64.self, zero: 0))
        case .utf8, .binary:
            return .bytes(try texts(try values(rows + 1, Int32.self, zero: 0).map { Int($0) }, isText: type == .utf8))
        case .largeUtf8, .largeBinary:
            return .bytes(
                try texts(try values(rows + 1, Int64.self, zero: 0).map { Int($0) }, isText: type == .largeUtf8))
        case .utf8View, .binaryView: return .bytes(try views(rows, validity, isText: type == .utf8View))
        default: throw .damaged
        }
    }

    /// Each view begins with its length. A text of at most 12 bytes follows at once; a longer one has its first four
    /// bytes there, then the number of a buffer and the offset in it.
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
            func word(_ index: Int) -> Int {
                view.dropFirst(4 * index).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            }
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
        guard let first = ends.first, let last = ends.last, first >= 0, last >= first, last < 1 << 40 else {
            throw .damaged
        }
        for (end, next) in zip(ends, ends.dropFirst()) where next < end { throw .damaged }
        // Offsets alone must not cause an allocation.
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
    /// Whether all bytes are UTF-8 and no text begins or ends inside a character.
    fileprivate var isText: Bool {
        guard bytes.contains(where: { $0 >= 0x80 }) else { return true }
        guard String(validating: bytes, as: UTF8.self) != nil else { return false }
        return offsets.allSatisfy { $0 >= bytes.count || bytes[$0] & 0xC0 != 0x80 }
    }
}

/// Bytes that come in pieces and are taken in whatever lengths are asked for.
private struct PieceReader {
    let pull: () throws -> [UInt8]?
    private var piece: [UInt8] = []
    private var position = 0

    init(pull: @escaping () throws -> [UInt8]?) {
        self.pull = pull
    }

    /// Whether nothing at all was left when the last request fell short.
    private(set) var isEmpty = false

    /// The next `count` bytes; nil if fewer are left. Memory grows as bytes arrive, whatever was announced.
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

    /// Makes these bytes the next ones again.
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
