/// Arrow's metadata as FlatBuffers: Schema.fbs, Message.fbs and File.fbs.
enum ArrowMetadata {
    static let version: Int16 = 4  // V5
    enum Header: UInt8 { case schema = 1, dictionaryBatch, recordBatch }

    // MARK: Writing

    static func message(_ header: Header, _ table: FlatTable, bodyLength: Int = 0) -> [UInt8] {
        FlatTable((0, .int16(version)), (1, .int8(header.rawValue)), (2, .table(table)), (3, .int64(Int64(bodyLength))))
            .bytes()
    }

    /// Dictionaries are numbered in the order they appear, from the top down.
    static func schema(_ fields: [ArrowField]) -> FlatTable {
        var number: Int64 = 0
        return FlatTable((1, .tables(fields.map { field($0, &number) })))
    }

    private static func field(_ field: ArrowField, _ number: inout Int64) -> FlatTable {
        var values = field.type, encoding: FlatTable?
        if case .dictionary(let bits, let isSigned, let type, let isOrdered) = field.type {
            values = type
            let index = FlatTable((0, .int32(Int32(bits))), (1, .int8(isSigned ? 1 : 0)))
            encoding = FlatTable((0, .int64(number)), (1, .table(index)), (2, .int8(isOrdered ? 1 : 0)))
            number += 1
        }
        let (kind, table) = type(values), children = values.children.map { ArrowMetadata.field($0, &number) }
        let metadata = field.metadata.map { FlatTable((0, .string($0.key)), (1, .bytes($0.value))) }
        return FlatTable(
            (0, .string(field.name)), (1, .int8(field.isNullable ? 1 : 0)), (2, .int8(kind)), (3, .table(table)),
            (4, encoding.map { .table($0) }), (5, .tables(children)),
            (6, metadata.isEmpty ? nil : .tables(metadata)))
    }

    private static func type(_ type: ArrowType) -> (UInt8, FlatTable) {
        switch type {
        case .null: (1, FlatTable())
        case .integer(let bits, let isSigned): (2, FlatTable((0, .int32(Int32(bits))), (1, .int8(isSigned ? 1 : 0))))
        case .float(let bits): (3, FlatTable((0, .int16(bits == 64 ? 2 : bits == 32 ? 1 : 0))))
        case .binary: (4, FlatTable())
        case .utf8: (5, FlatTable())
        case .bool: (6, FlatTable())
        case .decimal(let precision, let scale, let bits):
            (7, FlatTable((0, .int32(Int32(precision))), (1, .int32(Int32(scale))), (2, .int32(Int32(bits)))))
        case .date32: (8, FlatTable((0, .int16(0))))
        case .date64: (8, FlatTable((0, .int16(1))))
        case .time(let unit, let bits): (9, FlatTable((0, .int16(unit.rawValue)), (1, .int32(Int32(bits)))))
        case .timestamp(let unit, let zone): (10, FlatTable((0, .int16(unit.rawValue)), (1, zone.map { .string($0) })))
        case .interval(let unit): (11, FlatTable((0, .int16(Int16(unit)))))
        case .list: (12, FlatTable())
        case .structure: (13, FlatTable())
        case .union(_, let ids, let isDense):
            (14, FlatTable((0, .int16(isDense ? 1 : 0)), (1, .int32s(ids.map { Int32($0) }))))
        case .fixedBinary(let width): (15, FlatTable((0, .int32(Int32(width)))))
        case .fixedList(_, let count): (16, FlatTable((0, .int32(Int32(count)))))
        case .map(_, let isSorted): (17, FlatTable((0, .int8(isSorted ? 1 : 0))))
        case .duration(let unit): (18, FlatTable((0, .int16(unit.rawValue))))
        case .largeBinary: (19, FlatTable())
        case .largeUtf8: (20, FlatTable())
        case .largeList: (21, FlatTable())
        case .runEndEncoded: (22, FlatTable())
        case .binaryView: (23, FlatTable())
        case .utf8View: (24, FlatTable())
        case .listView: (25, FlatTable())
        case .largeListView: (26, FlatTable())
        case .dictionary(_, _, let values, _): ArrowMetadata.type(values)
        }
    }

    /// - Parameter viewed: for each column of views, how many buffers hold its content.
    static func recordBatch(rows: Int, nodes: [UInt8], buffers: [UInt8], viewed: [Int64] = [], isCompressed: Bool)
        -> FlatTable
    {
        FlatTable(
            (0, .int64(Int64(rows))), (1, .structs(nodes, count: nodes.count / 16)),
            (2, .structs(buffers, count: buffers.count / 16)),
            (3, isCompressed ? .table(FlatTable((0, .int8(1)), (1, .int8(0)))) : nil),
            (4, viewed.isEmpty ? nil : .int64s(viewed)))
    }

    static func dictionaryBatch(_ id: Int64, _ batch: FlatTable) -> FlatTable {
        FlatTable((0, .int64(id)), (1, .table(batch)), (2, .int8(0)))
    }

    static func footer(_ fields: [ArrowField], dictionaries: [UInt8], blocks: [UInt8]) -> [UInt8] {
        FlatTable(
            (0, .int16(version)), (1, .table(schema(fields))),
            (2, .structs(dictionaries, count: dictionaries.count / 24)), (3, .structs(blocks, count: blocks.count / 24))
        ).bytes()
    }

    // MARK: Reading

    /// A column as the schema describes it.
    struct Column {
        var field: ArrowField
        /// The numbers of its dictionaries, from the top down.
        var dictionaries: [Int64] = []
    }

    static func columns(_ schema: FlatView) throws(ArrowError) -> [Column] {
        guard try schema.int16(0) == 0 else {
            throw ArrowError("the Arrow data is big-endian", advice: "write it on a little-endian machine")
        }
        var columns: [Column] = [], left = ArrowReader.maximumColumns
        for view in try schema.tables(1, atMost: left) {
            var dictionaries: [Int64] = []
            let name = try view.string(0) ?? ""
            do {
                columns.append(
                    Column(field: try field(view, &dictionaries, depth: 0, &left), dictionaries: dictionaries))
            } catch {
                var error = error
                if error.column == nil, error != .damaged { error.column = String(name.prefix(63)) }
                throw error
            }
        }
        return columns
    }

    private static let maximumDepth = 32

    private static func field(_ view: FlatView, _ dictionaries: inout [Int64], depth: Int, _ left: inout Int)
        throws(ArrowError) -> ArrowField
    {
        left -= 1
        guard left >= 0 else { throw ArrowError("has more than \(ArrowReader.maximumColumns) columns") }
        guard depth < maximumDepth else { throw ArrowError("nests deeper than \(maximumDepth) levels") }
        let name = try view.string(0) ?? ""
        guard name.utf8.count <= 4096 else { throw ArrowError("has a column whose name is longer than 4,096 bytes") }
        var index: (bits: Int, isSigned: Bool, isOrdered: Bool)?
        if let encoding = try view.table(4) {
            let type =
                try encoding.table(1).map { table throws(ArrowError) in try integer(table) }
                ?? .integer(bits: 32, isSigned: true)
            guard case .integer(let bits, let isSigned) = type, bits <= 64 else { throw .damaged }
            dictionaries.append(try encoding.int64(0))
            index = (bits, isSigned, try encoding.int8(2) != 0)
        }
        var children: [ArrowField] = []
        for child in try view.tables(5, atMost: ArrowReader.maximumColumns) {
            children.append(try field(child, &dictionaries, depth: depth + 1, &left))
        }
        guard let type = try type(view, children) else {
            throw ArrowError(
                "has an Arrow type that isn't known",
                advice: "cast it to bool, int64, double, string or timestamp, or drop it")
        }
        var field = ArrowField(
            name, index.map { .dictionary(bits: $0.bits, isSigned: $0.isSigned, type, isOrdered: $0.isOrdered) } ?? type
        )
        field.isNullable = try view.int8(1) != 0
        for pair in try view.tables(6, atMost: 1000) {
            field.metadata.append(ArrowField.Metadata(key: try pair.string(0) ?? "", value: try pair.text(1) ?? []))
        }
        return field
    }

    /// Nil for a width that no tool writes.
    private static func integer(_ table: FlatView) throws(ArrowError) -> ArrowType? {
        let bits = try table.int32(0)
        // Polars has integers of 128 bits.
        guard [8, 16, 32, 64, 128].contains(bits) else { return nil }
        return .integer(bits: bits, isSigned: try table.int8(1) != 0)
    }

    private static func unit(_ table: FlatView, default value: Int16) throws(ArrowError) -> ArrowType.TimeUnit {
        guard let unit = ArrowType.TimeUnit(rawValue: try table.int16(0, default: value)) else { throw .damaged }
        return unit
    }

    private static func type(_ field: FlatView, _ children: [ArrowField]) throws(ArrowError) -> ArrowType? {
        let kind = try field.int8(2)
        guard let table = try field.table(3) else {
            if kind == 1 { return .null }
            throw .damaged
        }
        func only() throws(ArrowError) -> ArrowField {
            guard children.count == 1 else { throw .damaged }
            return children[0]
        }
        switch kind {
        case 1: return .null
        case 2: return try integer(table)
        case 3: return .float(bits: [16, 32, 64][min(2, max(0, Int(try table.int16(0))))])
        case 4: return .binary
        case 5: return .utf8
        case 6: return .bool
        case 7:
            let bits = try table.int32(2, default: 128), scale = try table.int32(1)
            guard [32, 64, 128, 256].contains(bits), abs(scale) <= 1000 else { throw .damaged }
            return .decimal(precision: try table.int32(0), scale: scale, bits: bits)
        case 8: return try table.int16(0, default: 1) == 0 ? .date32 : .date64
        case 9:
            let bits = try table.int32(1, default: 32)
            guard bits == 32 || bits == 64 else { throw .damaged }
            return .time(try unit(table, default: 1), bits: bits)
        case 10: return .timestamp(try unit(table, default: 0), zone: try table.string(1))
        case 11:
            let unit = Int(try table.int16(0))
            guard (0...2).contains(unit) else { throw .damaged }
            return .interval(unit)
        case 12: return .list(try only())
        case 13: return .structure(children)
        case 14:
            var ids = try table.int32s(1)
            if ids.isEmpty { ids = Array(children.indices) }
            guard ids.count == children.count, ids.allSatisfy((0...127).contains), Set(ids).count == ids.count else {
                throw .damaged
            }
            return .union(children, ids: ids, isDense: try table.int16(0) != 0)
        case 15:
            let width = try table.int32(0)
            guard width >= 0 else { throw .damaged }
            return .fixedBinary(width)
        case 16:
            let count = try table.int32(0)
            guard count >= 0 else { throw .damaged }
            return .fixedList(try only(), count: count)
        case 17: return .map(try only(), isSorted: try table.int8(0) != 0)
        case 18: return .duration(try unit(table, default: 1))
        case 19: return .largeBinary
        case 20: return .largeUtf8
        case 21: return .largeList(try only())
        case 22:
            guard children.count == 2, case .integer(let bits, isSigned: true) = children[0].type,
                [16, 32, 64].contains(bits)
            else { throw .damaged }
            return .runEndEncoded(ends: children[0], values: children[1])
        case 23: return .binaryView
        case 24: return .utf8View
        case 25: return .listView(try only())
        case 26: return .largeListView(try only())
        default: return nil
        }
    }
}
