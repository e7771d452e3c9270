package import FeatureEngine
package import FeatureLanguage

/// An entity's rows as memory holds them, one after another, so that a new one is added at the end.
///
///     row   = i64 offset  i64 known_at  [i64 event time]  u8 1 for a retraction  u8… 1 where a column is NULL, a bit each  value…
///     value = bool u8 · int64, float64, timestamp, date 8 bytes · decimal 16 bytes · string u32 length, UTF-8
///           · list, vector u32 length, as in a column; nothing where NULL
package struct EntityRows {
    package fileprivate(set) var bytes: [UInt8] = []
    package fileprivate(set) var count = 0

    package init() {}

    /// Rows that were kept elsewhere.
    package init(bytes: [UInt8], count: Int) {
        self.bytes = bytes
        self.count = count
    }
}

/// Which columns rows have, for writing and reading them.
package struct RowForm {
    let columns: [ColumnDefinition]
    private let layouts: [PhysicalLayout]
    let isStatic: Bool

    /// - Parameter columns: the columns of the source that rows have.
    package init(_ source: Source, columns: Set<String>) {
        self.columns = source.columns.filter { columns.contains($0.name) }
        layouts = self.columns.map(\.type.layout)
        isStatic = source.isStatic
    }

    private var nullBytes: Int { (columns.count + 7) / 8 }

    /// Adds a row to an entity's rows.
    package func append(_ rows: SourceRows, _ row: Int, to entity: inout EntityRows) {
        func word(_ value: Int64) { entity.bytes.append(littleEndian: value) }
        word(rows.offsets[row])
        word(rows.knownAt[row])
        if !isStatic { word(rows.eventTimes[row]) }
        entity.bytes.append(rows.isRetraction?[row] ?? false ? 1 : 0)
        let nulls = entity.bytes.count
        entity.bytes += repeatElement(0, count: nullBytes)
        for (index, definition) in columns.enumerated() {
            let column = rows.columns[definition.name]!
            if column.isNull(row) {
                entity.bytes[nulls + index / 8] |= 1 << UInt8(index % 8)
                continue
            }
            switch column.values {
            case .bits(let values): entity.bytes.append(values[row] ? 1 : 0)
            case .words(let values): word(values[row])
            case .floats(let values): word(Int64(bitPattern: values[row].bitPattern))
            case .wides(let values): entity.bytes.append(littleEndian: values[row])
            case .bytes(let texts), .packed(let texts):
                let range = texts.range(row)
                entity.bytes.append(littleEndian: UInt32(range.count))
                entity.bytes += texts.bytes[range]
            }
        }
        entity.count += 1
    }

    /// Whether the bytes are as many rows of this form as they should be, and nothing else. Asked of rows kept
    /// elsewhere before they are read.
    package func holds(_ entity: EntityRows) -> Bool {
        let bytes = entity.bytes
        var position = 0
        for _ in 0..<entity.count {
            let nulls = position + (isStatic ? 17 : 25)
            guard nulls + nullBytes <= bytes.count else { return false }
            position = nulls + nullBytes
            for index in columns.indices where bytes[nulls + index / 8] >> UInt8(index % 8) & 1 == 0 {
                switch layouts[index] {
                case .bits: position += 1
                case .words, .floats: position += 8
                case .wides: position += 16
                case .bytes, .packed:
                    guard position + 4 <= bytes.count else { return false }
                    position += 4 + bytes[position..<position + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
                }
            }
            guard position <= bytes.count else { return false }
        }
        return position == bytes.count
    }

    /// The rows of several entities, one entity after another; each was written here or passes `holds`.
    package func rows(of entities: [EntityRows]) -> SourceRows {
        let count = entities.reduce(0) { $0 + $1.count }
        var builders = columns.map { ColumnBuilder($0.type) }
        for index in builders.indices { builders[index].reserve(count) }
        var offsets: [Int64] = [], known: [Int64] = [], times: [Int64] = [], isRetraction: [Bool] = []
        for entity in entities {
            var reader = ByteSpan(entity.bytes)
            for _ in 0..<entity.count {
                offsets.append(reader.word())
                known.append(reader.word())
                if !isStatic { times.append(reader.word()) }
                isRetraction.append(reader.byte() == 1)
                let nulls = reader.skip(nullBytes)
                for index in columns.indices {
                    if entity.bytes[nulls + index / 8] >> UInt8(index % 8) & 1 == 1 {
                        builders[index].appendNull()
                        continue
                    }
                    switch layouts[index] {
                    case .bits: builders[index].append(reader.byte() == 1)
                    case .words: builders[index].append(reader.word())
                    case .floats: builders[index].append(Double(bitPattern: UInt64(bitPattern: reader.word())))
                    case .wides: builders[index].append(reader.wide())
                    case .bytes, .packed: builders[index].append(bytes: reader.text())
                    }
                }
            }
        }
        var rows = SourceRows(
            columns: Dictionary(
                uniqueKeysWithValues: columns.indices.map { (columns[$0].name, builders[$0].finish()) }),
            eventTimes: times, knownAt: known, offsets: offsets)
        if isRetraction.contains(true) { rows.isRetraction = isRetraction }
        return rows
    }
}

/// Reads bytes from the front.
private struct ByteSpan {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    mutating func byte() -> UInt8 {
        defer { position += 1 }
        return bytes[position]
    }

    mutating func skip(_ count: Int) -> Int {
        defer { position += count }
        return position
    }

    mutating func word() -> Int64 {
        precondition(position <= bytes.count - 8, "a row that is cut")
        defer { position += 8 }
        return unsafe bytes.withUnsafeBytes {
            unsafe Int64(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Int64.self))
        }
    }

    mutating func wide() -> Int128 {
        precondition(position <= bytes.count - 16, "a row that is cut")
        defer { position += 16 }
        return Int128(littleEndianBytes: bytes[position..<position + 16])
    }

    mutating func text() -> ArraySlice<UInt8> {
        precondition(position <= bytes.count - 4, "a row that is cut")
        let count = unsafe bytes.withUnsafeBytes {
            unsafe Int(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
        }
        defer { position += 4 + count }
        return bytes[position + 4..<position + 4 + count]
    }
}
