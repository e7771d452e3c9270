/// Arrow's metadata as FlatBuffers: Schema.fbs, Message.fbs and File.fbs, what of them concerns flat columns.
enum ArrowMetadata {
    static let version: Int16 = 4  // V5
    enum Header: UInt8 { case schema = 1, dictionaryBatch, recordBatch }

    // MARK: Writing

    static func message(_ header: Header, _ table: FlatTable, bodyLength: Int = 0) -> [UInt8] {
        FlatTable((0, .int16(version)), (1, .int8(header.rawValue)), (2, .table(table)), (3, .int64(Int64(bodyLength)))).bytes()
    }

    static func schema(_ fields: [ArrowField]) -> FlatTable {
        FlatTable((1, .tables(fields.map(field))))
    }

    private static func field(_ field: ArrowField) -> FlatTable {
        let (kind, table) = type(field.type)
        return FlatTable((0, .string(field.name)), (1, .int8(1)), (2, .int8(kind)), (3, .table(table)), (5, .tables([])))
    }

    private static func type(_ type: ArrowType) -> (UInt8, FlatTable) {
        switch type {
        case .null: (1, FlatTable())
        case .integer(let bits, let isSigned): (2, FlatTable((0, .int32(Int32(bits))), (1, .int8(isSigned ? 1 : 0))))
        case .float(let bits): (3, FlatTable((0, .int16(bits == 64 ? 2 : bits == 32 ? 1 : 0))))
        case .binary: (4, FlatTable())
        case .utf8: (5, FlatTable())
        case .bool: (6, FlatTable())
        case .date32: (8, FlatTable((0, .int16(0))))
        case .date64: (8, FlatTable((0, .int16(1))))
        case .timestamp(let unit, let zone): (10, FlatTable((0, .int16(unit.rawValue)), (1, zone.map { .string($0) })))
        case .largeBinary: (19, FlatTable())
        case .largeUtf8: (20, FlatTable())
        }
    }

    static func recordBatch(rows: Int, nodes: [UInt8], buffers: [UInt8], isCompressed: Bool) -> FlatTable {
        FlatTable(
            (0, .int64(Int64(rows))), (1, .structs(nodes, count: nodes.count / 16)), (2, .structs(buffers, count: buffers.count / 16)),
            (3, isCompressed ? .table(FlatTable((0, .int8(1)), (1, .int8(0)))) : nil))
    }

    static func footer(_ fields: [ArrowField], blocks: [UInt8]) -> [UInt8] {
        FlatTable((0, .int16(version)), (1, .table(schema(fields))), (2, .structs([], count: 0)), (3, .structs(blocks, count: blocks.count / 24))).bytes()
    }

    // MARK: Reading

    /// How values lie in a body.
    enum Layout {
        case plain(ArrowType)
        /// Of texts or bytes, each where it may be: several may share a place.
        case views(isText: Bool)
    }

    /// A column as the schema says it: dictionary-encoded ones hold indices into the dictionary of that number.
    struct Column {
        var field: ArrowField
        /// Of the values, in their dictionary if they have one.
        var layout: Layout
        var dictionary: (id: Int64, index: ArrowType)?
    }

    static func columns(_ schema: FlatView) throws(ArrowError) -> [Column] {
        guard try schema.int16(0) == 0 else { throw ArrowError("the Arrow data is big-endian", advice: "write it on a little-endian machine") }
        var columns: [Column] = []
        for field in try schema.tables(1, atMost: ArrowReader.maximumColumns) { columns.append(try column(field)) }
        return columns
    }

    private static func column(_ field: FlatView) throws(ArrowError) -> Column {
        let name = try field.string(0) ?? ""
        guard name.utf8.count <= 4096 else { throw ArrowError("has a column whose name is longer than 4,096 bytes") }
        guard let type = try type(field) else {
            throw ArrowError("has an Arrow type that isn't read", column: name, advice: "cast it to bool, int64, double, string or timestamp, or drop it")
        }
        let isView = try [23, 24].contains(field.int8(2))
        var column = Column(field: ArrowField(name, type), layout: isView ? .views(isText: type == .utf8) : .plain(type), dictionary: nil)
        if let encoding = try field.table(4) {
            let index = try encoding.table(1).map { table throws(ArrowError) in try integer(table) } ?? .integer(bits: 32, isSigned: true)
            guard let index else { throw .damaged }
            guard [.utf8, .largeUtf8].contains(type) else {
                throw ArrowError("is a dictionary of other values than strings", column: name, advice: "write it without a dictionary")
            }
            column.dictionary = (try encoding.int64(0), index)
        }
        return column
    }

    /// Nil where it has more bits than ours.
    private static func integer(_ table: FlatView) throws(ArrowError) -> ArrowType? {
        let bits = try table.int32(0)
        guard [8, 16, 32, 64].contains(bits) else { return nil }
        return .integer(bits: bits, isSigned: try table.int8(1) != 0)
    }

    private static func type(_ field: FlatView) throws(ArrowError) -> ArrowType? {
        let kind = try field.int8(2)
        guard let table = try field.table(3) else {
            if kind == 1 { return .null }
            throw .damaged
        }
        switch kind {
        case 1: return .null
        case 2: return try integer(table)
        case 3: return .float(bits: [16, 32, 64][min(2, max(0, Int(try table.int16(0))))])
        case 4, 23: return .binary
        case 5, 24: return .utf8
        case 6: return .bool
        case 8: return try table.int16(0, default: 1) == 0 ? .date32 : .date64
        case 10:
            guard let unit = ArrowType.TimeUnit(rawValue: try table.int16(0)) else { throw .damaged }
            return .timestamp(unit, zone: try table.string(1))
        case 19: return .largeBinary
        case 20: return .largeUtf8
        default: return nil
        }
    }
}
