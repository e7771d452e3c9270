package import FeatureLanguage

/// An entity's key, compared by value, so that −0.0 equals 0.0; texts are compared by their bytes.
package enum EntityKey: Hashable {
    case word(UInt64)
    /// A decimal at the scale of the key's type.
    case wide(Int128)
    case text([UInt8])
    /// A key of several parts, or none.
    case tuple([EntityKey])

    /// Nil if a part is NULL: no entity has that key.
    package init?(_ columns: [Column], _ row: Int) {
        if columns.count == 1 {
            self.init(columns[0], row)
            return
        }
        var parts: [EntityKey] = []
        for column in columns {
            guard let part = EntityKey(column, row) else { return nil }
            parts.append(part)
        }
        self = .tuple(parts)
    }

    private init?(_ column: Column, _ row: Int) {
        if column.isNull(row) { return nil }
        switch column.values {
        case .bits(let values): self = .word(values[row] ? 1 : 0)
        case .words(let values): self = .word(UInt64(bitPattern: values[row]))
        case .floats(let values):
            self = .word(values[row].isNaN ? Double.nan.bitPattern : (values[row] + 0.0).bitPattern)
        case .wides(let values): self = .wide(values[row])
        case .bytes(let texts): self = .text(Array(texts.bytes[texts.range(row)]))
        case .packed: preconditionFailure("a list as a key")
        }
    }

    /// The key as bytes, from which it can be read again: part after part, a word's eight bytes, a decimal's sixteen,
    /// or a text's length and bytes.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .word(let word): bytes.append(littleEndian: word)
        case .wide(let word): bytes.append(littleEndian: word)
        case .text(let text):
            bytes.append(littleEndian: UInt32(text.count))
            bytes += text
        case .tuple(let parts): bytes = parts.flatMap(\.bytes)
        }
        return bytes
    }

    /// Reads a key whose parts have these types; nil if the bytes are anything else.
    package init?(bytes: [UInt8], _ types: [ValueType]) {
        var parts: [EntityKey] = [], rest = bytes[...]
        func number(_ count: Int) -> UInt64? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        for type in types {
            switch type.layout {
            case .bytes:
                guard let count = number(4), rest.count >= count else { return nil }
                parts.append(.text(Array(rest.prefix(Int(count)))))
                rest = rest.dropFirst(Int(count))
            case .wides:
                guard rest.count >= 16 else { return nil }
                parts.append(.wide(Int128(littleEndianBytes: rest.prefix(16))))
                rest = rest.dropFirst(16)
            case .packed: preconditionFailure("a list as a key")
            case .bits, .words, .floats:
                guard let word = number(8) else { return nil }
                parts.append(.word(word))
            }
        }
        guard rest.isEmpty else { return nil }
        self = parts.count == 1 ? parts[0] : .tuple(parts)
    }

    /// The keys as columns, one for each part.
    package static func columns(_ keys: [EntityKey], _ types: [ValueType]) -> [Column] {
        types.enumerated().map { place, type in
            var builder = ColumnBuilder(type)
            for key in keys {
                let part = if case .tuple(let parts) = key { parts[place] } else { key }
                switch (part, type.layout) {
                case (.text(let text), .bytes): builder.append(bytes: text)
                case (.word(let word), .bits): builder.append(word == 1)
                case (.word(let word), .floats): builder.append(Double(bitPattern: word))
                case (.word(let word), .words): builder.append(Int64(bitPattern: word))
                case (.wide(let word), .wides): builder.append(word)
                case (.text, _), (.word, .bytes), (.word, .wides), (.word, .packed), (.wide, _), (.tuple, _):
                    preconditionFailure("a part of a key of another type")
                }
            }
            return builder.finish()
        }
    }
}

/// Entities of a group whose rows are to be read: up to a cut, and back as far as windows reach from an instant.
package struct WantedEntities: Sendable {
    package var group: Plan.Group
    package private(set) var keys: [EntityKey]
    /// A column for each of the group's keys.
    package private(set) var keyColumns: [Column]
    package var cut: Int64
    /// The instant from which windows reach back, in microseconds since 1970.
    package var from: Int64

    package init(_ group: Plan.Group, _ keys: [EntityKey], cut: Int64, from: Int64) {
        self.group = group
        self.keys = keys
        keyColumns = EntityKey.columns(keys, group.keyTypes)
        self.cut = cut
        self.from = from
    }

    /// A request for other entities of the same group.
    package func asking(for keys: [EntityKey]) -> WantedEntities { WantedEntities(group, keys, cut: cut, from: from) }
}

extension Plan.Group {
    /// How far back its windows reach, in microseconds; `Int64.max` for all history.
    package var reach: Int64 {
        let olders = aggregates.map(\.frame.older?.microseconds)
        return olders.contains(nil) ? .max : olders.compactMap { $0 }.max() ?? 0
    }

    /// The types of its keys, in their order.
    package var keyTypes: [ValueType] { keys.map { key in source.columns.first { $0.name == key.column }!.type } }
}
