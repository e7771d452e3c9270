/// FlatBuffers, as far as Arrow's metadata needs them. Little-endian; a table is
///
///     vtable   u16 bytes of the vtable  u16 bytes of the table  u16 place of each field in the table, 0 where absent
///     table    i32 table − vtable  fields…
///
/// Strings, vectors and other tables are elsewhere; their field holds the distance from it to them, always forward.
enum FlatValue {
    case int8(UInt8)
    case int16(Int16)
    case int32(Int32)
    case int64(Int64)
    case string(String)
    /// Written like a string, whatever the bytes are.
    case bytes([UInt8])
    case table(FlatTable)
    case tables([FlatTable])
    /// Structs of 8-byte alignment, one after the other.
    case structs([UInt8], count: Int)
    case int32s([Int32])
    case int64s([Int64])

    fileprivate var size: Int {
        switch self {
        case .int8: 1
        case .int16: 2
        case .int64: 8
        default: 4
        }
    }
}

/// A table to be written: values by slot.
struct FlatTable {
    var fields: [(slot: Int, value: FlatValue)]

    init(_ fields: (Int, FlatValue?)...) {
        self.fields = fields.compactMap { slot, value in value.map { (slot, $0) } }
    }

    /// The buffer that has this table as its root.
    func bytes() -> [UInt8] {
        var writer = FlatWriter()
        writer.append(0, bytes: 4)
        writer.patch(0, with: writer.write(self))
        return writer.bytes
    }
}

private struct FlatWriter {
    var bytes: [UInt8] = []

    mutating func append(_ word: UInt64, bytes count: Int) {
        for shift in 0..<count { bytes.append(UInt8(truncatingIfNeeded: word >> UInt64(8 * shift))) }
    }

    /// Appends zeros until the position is a multiple of `alignment` once `offset` more bytes follow.
    mutating func align(_ alignment: Int, after offset: Int = 0) {
        while (bytes.count + offset) % alignment != 0 { bytes.append(0) }
    }

    mutating func patch(_ field: Int, with target: Int) {
        let distance = UInt32(target - field)
        for index in 0..<4 { bytes[field + index] = UInt8(truncatingIfNeeded: distance >> UInt32(8 * index)) }
    }

    mutating func write(_ table: FlatTable) -> Int {
        let slots = (table.fields.map(\.slot).max() ?? -1) + 1
        let vtableSize = 4 + 2 * slots
        align(8, after: vtableSize)
        let start = bytes.count + vtableSize
        var places = Array(repeating: 0, count: slots)
        var end = 4
        for (slot, value) in table.fields.sorted(by: { $0.value.size > $1.value.size }) {
            end = (end + value.size - 1) / value.size * value.size
            places[slot] = end
            end += value.size
        }
        append(UInt64(vtableSize), bytes: 2)
        append(UInt64(end), bytes: 2)
        for place in places { append(UInt64(place), bytes: 2) }
        append(UInt64(UInt32(vtableSize)), bytes: 4)
        bytes += Array(repeating: 0, count: end - 4)
        for (slot, value) in table.fields { set(value, at: start + places[slot]) }
        for (slot, value) in table.fields {
            if let target = follow(value) { patch(start + places[slot], with: target) }
        }
        return start
    }

    private mutating func set(_ value: FlatValue, at position: Int) {
        let word: UInt64
        switch value {
        case .int8(let value): word = UInt64(value)
        case .int16(let value): word = UInt64(UInt16(bitPattern: value))
        case .int32(let value): word = UInt64(UInt32(bitPattern: value))
        case .int64(let value): word = UInt64(bitPattern: value)
        default: return
        }
        for index in 0..<value.size { bytes[position + index] = UInt8(truncatingIfNeeded: word >> UInt64(8 * index)) }
    }

    /// Writes what a field points to, and returns where; nil for values held in the field itself.
    private mutating func follow(_ value: FlatValue) -> Int? {
        switch value {
        case .int8, .int16, .int32, .int64: return nil
        case .table(let table): return write(table)
        case .string(let text): return write(bytes: Array(text.utf8))
        case .bytes(let text): return write(bytes: text)
        case .int32s(let values):
            align(4)
            let start = bytes.count
            append(UInt64(values.count), bytes: 4)
            for value in values { append(UInt64(UInt32(bitPattern: value)), bytes: 4) }
            return start
        case .int64s(let values):
            align(8, after: 4)
            let start = bytes.count
            append(UInt64(values.count), bytes: 4)
            for value in values { append(UInt64(bitPattern: value), bytes: 8) }
            return start
        case .tables(let tables):
            align(4)
            let start = bytes.count
            append(UInt64(tables.count), bytes: 4)
            bytes += Array(repeating: 0, count: 4 * tables.count)
            for (index, table) in tables.enumerated() { patch(start + 4 + 4 * index, with: write(table)) }
            return start
        case .structs(let content, let count):
            align(8, after: 4)
            let start = bytes.count
            append(UInt64(count), bytes: 4)
            bytes += content
            return start
        }
    }

    private mutating func write(bytes text: [UInt8]) -> Int {
        align(4)
        let start = bytes.count
        append(UInt64(text.count), bytes: 4)
        bytes += text + [0]
        return start
    }
}

/// A table being read. Every access is checked against the buffer's bounds.
struct FlatView {
    private let bytes: [UInt8]
    private let position: Int

    /// The root of a buffer.
    init(root bytes: [UInt8]) throws(ArrowError) {
        self = try FlatView(bytes, at: 0).target(of: 0)
    }

    private init(_ bytes: [UInt8], at position: Int) {
        self.bytes = bytes
        self.position = position
    }

    private func load(_ at: Int, _ count: Int) throws(ArrowError) -> UInt64 {
        guard at >= 0, at <= bytes.count - count else { throw .damaged }
        var word: UInt64 = 0
        for index in 0..<count { word |= UInt64(bytes[at + index]) << UInt64(8 * index) }
        return word
    }

    private func target(of field: Int) throws(ArrowError) -> FlatView {
        let target = field + Int(try load(field, 4))
        guard target < bytes.count else { throw .damaged }
        return FlatView(bytes, at: target)
    }

    private func place(_ slot: Int) throws(ArrowError) -> Int? {
        let vtable = position - Int(Int32(truncatingIfNeeded: try load(position, 4)))
        guard 4 + 2 * slot + 2 <= Int(try load(vtable, 2)) else { return nil }
        let place = Int(try load(vtable + 4 + 2 * slot, 2))
        return place == 0 ? nil : position + place
    }

    func int8(_ slot: Int) throws(ArrowError) -> Int {
        try place(slot).map { p throws(ArrowError) in Int(try load(p, 1)) } ?? 0
    }
    func int16(_ slot: Int, default value: Int16 = 0) throws(ArrowError) -> Int16 {
        try place(slot).map { p throws(ArrowError) in Int16(truncatingIfNeeded: try load(p, 2)) } ?? value
    }
    func int32(_ slot: Int, default value: Int = 0) throws(ArrowError) -> Int {
        try place(slot).map { p throws(ArrowError) in Int(Int32(truncatingIfNeeded: try load(p, 4))) } ?? value
    }
    func int64(_ slot: Int) throws(ArrowError) -> Int64 {
        try place(slot).map { p throws(ArrowError) in Int64(bitPattern: try load(p, 8)) } ?? 0
    }
    func table(_ slot: Int) throws(ArrowError) -> FlatView? {
        try place(slot).map { p throws(ArrowError) in try target(of: p) }
    }

    func string(_ slot: Int) throws(ArrowError) -> String? {
        guard let bytes = try text(slot) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .damaged }
        return text
    }

    /// A string's bytes.
    func text(_ slot: Int) throws(ArrowError) -> [UInt8]? {
        guard let start = try table(slot)?.position else { return nil }
        let count = Int(try load(start, 4))
        guard count <= bytes.count - start - 4 else { throw .damaged }
        return Array(bytes[start + 4..<start + 4 + count])
    }

    /// Where a vector's elements begin, and how many there are.
    private func vector(_ slot: Int, elementSize: Int) throws(ArrowError) -> (start: Int, count: Int) {
        guard let start = try table(slot)?.position else { return (0, 0) }
        let count = Int(try load(start, 4))
        guard count <= (bytes.count - start - 4) / elementSize else { throw .damaged }
        return (start + 4, count)
    }

    func tables(_ slot: Int, atMost limit: Int) throws(ArrowError) -> [FlatView] {
        let (start, count) = try vector(slot, elementSize: 4)
        guard count <= limit else { throw ArrowError("has more than \(limit) columns") }
        var views: [FlatView] = []
        for index in 0..<count { views.append(try target(of: start + 4 * index)) }
        return views
    }

    func int32s(_ slot: Int) throws(ArrowError) -> [Int] {
        let (start, count) = try vector(slot, elementSize: 4)
        var words: [Int] = []
        for index in 0..<count { words.append(Int(Int32(truncatingIfNeeded: try load(start + 4 * index, 4)))) }
        return words
    }

    func words(_ slot: Int) throws(ArrowError) -> [Int64] {
        let (start, count) = try vector(slot, elementSize: 8)
        var words: [Int64] = []
        for index in 0..<count { words.append(Int64(bitPattern: try load(start + 8 * index, 8))) }
        return words
    }

    /// Structs of two 64-bit words.
    func pairs(_ slot: Int) throws(ArrowError) -> [(Int64, Int64)] {
        let (start, count) = try vector(slot, elementSize: 16)
        var pairs: [(Int64, Int64)] = []
        for index in 0..<count {
            pairs.append(
                (
                    Int64(bitPattern: try load(start + 16 * index, 8)),
                    Int64(bitPattern: try load(start + 16 * index + 8, 8))
                ))
        }
        return pairs
    }
}
