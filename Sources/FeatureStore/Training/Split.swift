internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import StoreRecord
internal import Tables

/// Divides a training set by a hash of some of the spine's columns, so that all rows of one customer, say, fall into
/// the same part, whenever and wherever the set is made.
///
/// A row's place in 0 ..< 1 is the first 64 bits of SHA-256( "firn split 2\n" value… ) over 2^64, where value = u64
/// length, UTF-8 of the value as `SpineFile.identities` spells it, or 2^64−1 where it is NULL. The parts take their
/// shares in order.
///
/// In `split 1`, which older snapshots have, a value is its text as CSV had it.
public struct Split: Sendable, Codable, Hashable, CustomStringConvertible {
    /// A part of the training set.
    public struct Part: Sendable, Codable, Hashable {
        /// What rows of this part have in the column `split`.
        public var name: String
        /// The share of rows that it is to get: above 0, up to 1.
        public var share: Double
    }

    /// The parts in the order in which they take their shares, which come to 1.
    public var parts: [Part]
    /// The spine's columns whose values are hashed, in this order.
    public var by: [String]
    /// How values are hashed; nil is `split 1`, which manifests didn't mention.
    public var hash: String? = Split.newest

    /// The name of the column it adds.
    public static let column = "split"
    private static let newest = "split 2", oldest = "split 1"

    /// Reads a split as people write it.
    ///
    /// - Parameters:
    ///   - text: `train=0.8,valid=0.1,test=0.1`; the shares come to 1.
    ///   - columns: columns of the spine, separated by commas.
    /// - Throws: `invalidRequest` for anything else.
    public init(_ text: String, by columns: String) throws {
        parts = []
        for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = piece.split(separator: "=", maxSplits: 1)
            guard sides.count == 2, let share = Double(sides[1]), share > 0, share <= 1,
                !parts.contains(where: { $0.name == sides[0] })
            else {
                throw StoreError(
                    .invalidRequest, "a split is names with shares", advice: "as in train=0.8,valid=0.1,test=0.1")
            }
            parts.append(Part(name: String(sides[0]), share: share))
        }
        let total = parts.reduce(0) { $0 + $1.share }
        guard abs(total - 1) < 1e-9 else {
            throw StoreError(
                .invalidRequest, "the shares come to \((total * 1e6).rounded() / 1e6), and not to 1",
                advice: "as in train=0.8,test=0.2")
        }
        by = columns.split(separator: ",").map { String($0) }
        guard !by.isEmpty else {
            throw StoreError(.invalidRequest, "a split goes by a column of the spine", advice: "such as customer_id")
        }
    }

    public var description: String {
        parts.map { "\($0.name)=\($0.share)" }.joined(separator: ",") + " by " + by.joined(separator: ",")
            + (hash == Split.newest ? "" : " (\(hash ?? Split.oldest))")
    }

    /// The name of each row's part.
    func assign(_ file: SpineFile) throws -> Column {
        let name = hash ?? Split.oldest
        guard [Split.newest, Split.oldest].contains(name) else {
            throw StoreError(
                .invalidRequest, "the snapshot was divided by '\(name)', which this build doesn't know",
                advice: "a newer firn does")
        }
        let texts = try by.map { column in
            guard let texts = try hash == nil ? file.texts(of: column) : file.identities(of: column) else {
                throw StoreError(.invalidRequest, "the spine has no column '\(column)' to split by")
            }
            return texts
        }
        guard let last = parts.last else {
            throw StoreError(
                .damaged, "the snapshot was divided into no parts",
                advice: "firn verify says whether its manifest was changed")
        }
        var ends: [Double] = []
        for part in parts { ends.append((ends.last ?? 0) + part.share) }
        var builder = ColumnBuilder(.string)
        for row in 0..<file.rowCount {
            var hash = SHA256()
            hash.update(data: Array("firn \(name)\n".utf8))
            for column in texts {
                let text = column.isNull(row) ? nil : column[row]
                var bytes: [UInt8] = []
                guard case .string(let value)? = text else {
                    hash.update(data: Array(repeating: 0xFF, count: 8))
                    continue
                }
                let utf8 = Array(value.utf8)
                for shift in stride(from: 0, to: 64, by: 8) {
                    bytes.append(UInt8(truncatingIfNeeded: utf8.count >> shift))
                }
                hash.update(data: bytes + utf8)
            }
            let place = Double(hash.finalize().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } >> 11) * 0x1p-53
            builder.append(bytes: (ends.firstIndex { place < $0 }.map { parts[$0] } ?? last).name.utf8)
        }
        return builder.finish()
    }
}
