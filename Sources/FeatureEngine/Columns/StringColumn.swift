/// Texts as UTF-8 in one run of bytes: text `i` is `bytes[offsets[i]..<offsets[i + 1]]`.
public struct StringColumn: Sendable {
    /// Where each text begins in `bytes`, and where the last one ends: one entry more than there are texts.
    public var offsets: [Int] = [0]
    /// The texts' UTF-8, one after another, with nothing in between.
    public var bytes: [UInt8] = []

    public init() {}

    init(concatenating parts: [StringColumn]) {
        self = parts[0]
        for part in parts.dropFirst() { append(part) }
    }

    /// The number of texts.
    public var count: Int { offsets.count - 1 }

    /// The text at `row`; bytes that aren't UTF-8 come out as U+FFFD.
    public subscript(row: Int) -> String { String(decoding: bytes[range(row)], as: UTF8.self) }

    /// Where the text at `row` lies in `bytes`.
    public func range(_ row: Int) -> Range<Int> { offsets[row]..<offsets[row + 1] }

    /// Appends a text as the next row.
    public mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        offsets.append(bytes.count)
    }

    /// Appends a text as the next row, without checking that it is UTF-8.
    public mutating func append(bytes text: some Sequence<UInt8>) {
        bytes.append(contentsOf: text)
        offsets.append(bytes.count)
    }

    mutating func append(_ other: StringColumn) {
        let start = bytes.count
        bytes += other.bytes
        offsets += other.offsets.dropFirst().map { $0 + start }
    }

    func gathered(_ rows: [Int32]) -> StringColumn {
        var result = StringColumn()
        result.offsets.reserveCapacity(rows.count + 1)
        for row in rows {
            if row >= 0 { result.bytes.append(contentsOf: bytes[range(Int(row))]) }
            result.offsets.append(result.bytes.count)
        }
        return result
    }

    /// Compares bytes, which for UTF-8 compares code points: −1, 0 or 1.
    func compare(_ left: Int, _ other: StringColumn, _ right: Int) -> Int {
        let a = range(left), b = other.range(right)
        for (x, y) in zip(bytes[a], other.bytes[b]) where x != y { return x < y ? -1 : 1 }
        return a.count == b.count ? 0 : a.count < b.count ? -1 : 1
    }
}
