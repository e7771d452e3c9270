internal import FeatureLanguage
internal import FeatureEngine
internal import Foundation
internal import Postgres
internal import ServingMemory

/// How the database keeps an entity's rows: in pieces, one for each time that rows came. Each has its own checksum, so
/// that a piece can be appended without looking at the others, and no damage goes unseen.
///
///     piece = u64 checksum of the entity and of what follows  u32 bytes of rows  u32 rows  i64 known_from  rows
enum KeptPieces {
    private static let head = 24

    /// Packs rows as one piece.
    ///
    /// - Parameters:
    ///   - online: the number of the table that it is kept in.
    ///   - from: the first instant at which one of the rows is known.
    static func piece(_ entity: EntityKey, in online: Int64, knownFrom from: Int64, _ rows: EntityRows) -> [UInt8] {
        var content: [UInt8] = []
        content.append(littleEndian: UInt32(rows.bytes.count))
        content.append(littleEndian: UInt32(rows.count))
        content.append(littleEndian: from)
        content += rows.bytes
        var piece: [UInt8] = []
        piece.append(littleEndian: checksum(content[...], owner: owner(entity, online)))
        return piece + content
    }

    /// Reads an entity's pieces, and checks them.
    ///
    /// - Parameter count: how many rows there should be.
    /// - Returns: the rows, and since when one is known; nil where they aren't what they were when they were kept.
    static func read(_ body: [UInt8], of entity: EntityKey, in online: Int64, count: Int, _ form: RowForm) -> (
        from: Int64, rows: EntityRows
    )? {
        // An entity without rows has a piece, too.
        guard !body.isEmpty else { return nil }
        let owner = owner(entity, online)
        var from = Int64.max, bytes: [UInt8] = [], rows = 0, start = 0
        while start < body.count {
            guard body.count - start >= head else { return nil }
            let (sum, size, number) = (
                word(body, start, 8), Int(word(body, start + 8, 4)), Int(word(body, start + 12, 4))
            )
            guard size <= body.count - start - head else { return nil }
            let end = start + head + size
            guard Int64(bitPattern: sum) == checksum(body[start + 8..<end], owner: owner) else { return nil }
            from = min(from, Int64(bitPattern: word(body, start + 16, 8)))
            bytes += body[start + head..<end]
            (rows, start) = (rows + number, end)
        }
        let kept = EntityRows(bytes: bytes, count: rows)
        return rows == count && form.holds(kept) ? (from, kept) : nil
    }

    private static func owner(_ entity: EntityKey, _ online: Int64) -> Int64 {
        var fields = Checksum.Fields()
        fields.add(online)
        fields.add(entity.bytes)
        return fields.checksum
    }

    private static func checksum(_ content: ArraySlice<UInt8>, owner: Int64) -> Int64 { Checksum.of(content) ^ owner }

    private static func word(_ bytes: [UInt8], _ place: Int, _ count: Int) -> UInt64 {
        bytes[place..<place + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// What a table of online state claims to be: whole for some columns, as far back as `reach` (microseconds; nil for all
/// history), up to the offset `covered`.
struct KeptTable {
    var online: Int64
    var covered: Int64
    var columns: [String]
    var reach: Int64?

    func checksum(_ source: String, keys: [String]) -> Int64 {
        var fields = Checksum.Fields()
        fields.add(online)
        fields.add(source)
        fields.add(keys)
        fields.add(columns)
        fields.add(reach)
        fields.add(covered)
        return fields.checksum
    }
}

extension KeptTable {
    /// - Parameter row: begins with online, covered, the columns as JSON, reach.
    init(_ row: Rows.Row) throws {
        let columns = try JSONDecoder().decode([String].self, from: Data(row.bytes(2)))
        self.init(
            online: try row.int64(0), covered: try row.int64(1), columns: columns, reach: try row.optionalInt64(3))
    }
}
