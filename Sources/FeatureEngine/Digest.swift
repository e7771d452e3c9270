internal import Crypto
internal import FeatureLanguage

/// The digest of a result, independent of format, machine and threads; a difference has a place.
///
///     digest  = SHA-256( "firn digest 1\n"  column…  u64 rows )
///     column  = text name, text type, SHA-256 of each block of 1,024 rows
///     block   = validity bits (least significant first, padded with 0)  value…
///     value   = bool: 1 byte · int64, timestamp, float64: 8 bytes · string: text; zeros and no text where NULL
///     text    = u64 length, UTF-8
///
/// Numbers are little-endian; every NaN is 0x7FF8000000000000.
public struct Digest: Sendable, Hashable {
    public let blocks: [(name: String, hashes: [String])]
    /// 64 hexadecimal digits.
    public let description: String

    public static let blockRows = 1024

    public init(_ table: Table) {
        var hash = SHA256()
        hash.update(data: Array("firn digest 1\n".utf8))
        var blocks: [(name: String, hashes: [String])] = []
        for (name, column) in zip(table.names, table.columns) {
            var head: [UInt8] = []
            Digest.append(text: name.utf8, to: &head)
            Digest.append(text: column.type.rawValue.utf8, to: &head)
            hash.update(data: head)
            var hashes: [String] = []
            for start in stride(from: 0, to: table.rowCount, by: Digest.blockRows) {
                let block = SHA256.hash(data: Digest.block(column, start..<min(start + Digest.blockRows, table.rowCount)))
                hash.update(data: Array(block))
                hashes.append(block.hexadecimal)
            }
            blocks.append((name, hashes))
        }
        var count: [UInt8] = []
        Digest.append(UInt64(table.rowCount), to: &count)
        hash.update(data: count)
        self.blocks = blocks
        description = hash.finalize().hexadecimal
    }

    public static func == (left: Digest, right: Digest) -> Bool { left.description == right.description }
    public func hash(into hasher: inout Hasher) { hasher.combine(description) }

    private static func block(_ column: Column, _ rows: Range<Int>) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: (rows.count + 7) / 8)
        for (index, row) in rows.enumerated() where !column.isNull(row) { bytes[index / 8] |= 1 << UInt8(index % 8) }
        for row in rows {
            let isNull = column.isNull(row)
            switch column.values {
            case .bool(let values): bytes.append(!isNull && values[row] ? 1 : 0)
            case .int64(let values), .timestamp(let values): append(isNull ? 0 : UInt64(bitPattern: values[row]), to: &bytes)
            case .float64(let values): append(isNull ? 0 : values[row].isNaN ? Double.nan.bitPattern : values[row].bitPattern, to: &bytes)
            case .string(let values): append(text: values.bytes[isNull ? 0..<0 : values.range(row)], to: &bytes)
            }
        }
        return bytes
    }

    private static func append(_ word: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    private static func append(text: some Collection<UInt8>, to bytes: inout [UInt8]) {
        append(UInt64(text.count), to: &bytes)
        bytes += text
    }
}
