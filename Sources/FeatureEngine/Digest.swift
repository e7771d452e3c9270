internal import Crypto
internal import FeatureLanguage

/// The digest of a result, independent of file format, machine and threads; the hashes of blocks show where two results
/// differ.
///
///     digest  = SHA-256( "firn digest 1\n"  column…  u64 rows )
///     column  = text name, text type, SHA-256 of each block of 1,024 rows
///     block   = validity bits (least significant first, padded with 0)  value…
///     value   = bool: 1 byte · int64, timestamp, float64: 8 bytes · date: 8 bytes, days since 1970
///             · decimal: 16 bytes, its digits at its scale · string: text
///             · list: u64 elements, their validity bits, a value for each · vector: 4 bytes for each float32
///               (zeros, no text and no elements where NULL)
///     text    = u64 length, UTF-8
///
/// Numbers are little-endian; every NaN is 0x7FF8000000000000.
public struct Digest: Sendable, Hashable {
    /// For each column, the hashes of its blocks as hexadecimal digits, joined in order.
    public let blocks: [(name: String, hashes: String)]
    /// The digest as 64 hexadecimal digits.
    public let description: String

    /// Rows in a block; a column's last block may have fewer.
    public static let blockRows = 1024
    /// Hexadecimal digits in a hash.
    public static let hashDigits = 64

    /// - Parameter threads: how many columns are hashed at once; the digest doesn't depend on it.
    public init(_ table: Table, threads: Int = 1) {
        let columns = table.columns
        self.init(table, hashes: parallel(columns.count, threads: threads) { Digest.hashes(columns[$0]) })
    }

    /// - Parameter hashes: the hashes of each column's blocks, as `hashes(_:)` returns them.
    public init(_ table: Table, hashes hashed: [[[UInt8]]]) {
        let columns = table.columns, rowCount = table.rowCount
        var hash = SHA256()
        hash.update(data: Array("firn digest 1\n".utf8))
        for ((name, column), hashes) in zip(zip(table.names, columns), hashed) {
            var head: [UInt8] = []
            Digest.append(text: name.utf8, to: &head)
            Digest.append(text: column.type.rawValue.utf8, to: &head)
            hash.update(data: head)
            for block in hashes { hash.update(data: block) }
        }
        var count: [UInt8] = []
        count.append(littleEndian: UInt64(rowCount))
        hash.update(data: count)
        blocks = zip(table.names, hashed).map { ($0, $1.map(\.hexadecimal).joined()) }
        description = hash.finalize().hexadecimal
    }

    public static func == (left: Digest, right: Digest) -> Bool { left.description == right.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    /// The SHA-256 of each block of a column, in the order of its rows.
    public static func hashes(_ column: Column) -> [[UInt8]] {
        stride(from: 0, to: column.count, by: blockRows).map { start in
            let rows = start..<min(start + blockRows, column.count)
            return inPlace(column, rows) ?? Array(SHA256.hash(data: block(column, rows)))
        }
    }

    /// Hashes a block without building it: words and floats lie in memory as they are hashed, unless one is NULL or
    /// NaN. Nil then, and for other layouts.
    private static func inPlace(_ column: Column, _ rows: Range<Int>) -> [UInt8]? {
        guard UInt64(1).littleEndian == 1 else { return nil }
        if let validity = column.validity, validity[rows].contains(false) { return nil }
        func hash<T: BitwiseCopyable>(_ values: [T]) -> [UInt8] {
            var hash = SHA256()
            var bits = [UInt8](repeating: 0xFF, count: rows.count / 8)
            if rows.count % 8 > 0 { bits.append(UInt8(1) << UInt8(rows.count % 8) - 1) }
            hash.update(data: bits)
            unsafe values.withUnsafeBufferPointer {
                unsafe hash.update(bufferPointer: UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[rows])))
            }
            return Array(hash.finalize())
        }
        switch column.values {
        case .words(let values): return hash(values)
        case .floats(let values):
            for row in rows where values[row].isNaN { return nil }
            return hash(values)
        case .wides(let values): return hash(values)
        case .bits, .bytes, .packed: return nil
        }
    }

    private static func block(_ column: Column, _ rows: Range<Int>) -> [UInt8] {
        let validity = column.validity.map { Array($0[rows]) } ?? Array(repeating: true, count: rows.count)
        var bytes = validity.packed(0..<rows.count)
        bytes.reserveCapacity(bytes.count + rows.count * 8)
        func isNull(_ row: Int) -> Bool { !validity[row - rows.lowerBound] }
        /// A value's bits, or 0 if it is NULL, without a branch.
        func masked(_ bits: UInt64, _ row: Int) -> UInt64 { validity[row - rows.lowerBound] ? bits : 0 }
        switch column.values {
        case .bits(let values): for row in rows { bytes.append(!isNull(row) && values[row] ? 1 : 0) }
        case .words(let values): bytes.append(words: rows.map { masked(UInt64(bitPattern: values[$0]), $0) })
        case .floats(let values):
            bytes.append(
                words: rows.map { masked(values[$0].isNaN ? Double.nan.bitPattern : values[$0].bitPattern, $0) })
        case .wides(let values): for row in rows { bytes.append(littleEndian: isNull(row) ? 0 : values[row]) }
        case .bytes(let values):
            for row in rows { append(text: values.bytes[isNull(row) ? 0..<0 : values.range(row)], to: &bytes) }
        case .packed(let values):
            for row in rows {
                if isNull(row) {
                    bytes += repeatElement(0, count: column.type.packedZeros)
                } else {
                    bytes += values.bytes[values.range(row)]
                }
            }
        }
        return bytes
    }

    private static func append(text: some Collection<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(littleEndian: UInt64(text.count))
        bytes += text
    }
}

extension [UInt8] {
    /// Little-endian words, eight bytes each.
    fileprivate mutating func append(words: [UInt64]) {
        unsafe words.map { $0.littleEndian }.withUnsafeBytes { unsafe append(contentsOf: $0) }
    }
}
