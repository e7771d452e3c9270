package import FeatureLanguage

/// An entity's key by value, so that −0.0 is 0.0, and texts by their bytes.
package enum EntityKey: Hashable {
    case word(UInt64)
    case text([UInt8])
    /// A key of several parts, or none.
    case tuple([EntityKey])

    /// Nil where a part is NULL: no entity has that key.
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
        case .bytes(let texts): self = .text(Array(texts.bytes[texts.range(row)]))
        }
    }

    /// As bytes, from which it can be read again: a word's eight, or a text's length and its own, part after part.
    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        switch self {
        case .word(let word): bytes.append(littleEndian: word)
        case .text(let text):
            bytes.append(littleEndian: UInt32(text.count))
            bytes += text
        case .tuple(let parts): bytes = parts.flatMap(\.bytes)
        }
        return bytes
    }

    /// - Parameter types: of its parts. Nil where the bytes aren't such a key's.
    package init?(bytes: [UInt8], _ types: [ValueType]) {
        var parts: [EntityKey] = [], rest = bytes[...]
        func number(_ count: Int) -> UInt64? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        for type in types {
            if type.layout == .bytes {
                guard let count = number(4), rest.count >= count else { return nil }
                parts.append(.text(Array(rest.prefix(Int(count)))))
                rest = rest.dropFirst(Int(count))
            } else {
                guard let word = number(8) else { return nil }
                parts.append(.word(word))
            }
        }
        guard rest.isEmpty else { return nil }
        self = parts.count == 1 ? parts[0] : .tuple(parts)
    }

    /// The keys as columns.
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
                case (.text, .bits), (.text, .words), (.text, .floats), (.word, .bytes), (.tuple, _):
                    preconditionFailure("a part of a key of another type")
                }
            }
            return builder.finish()
        }
    }
}

/// Entities of a group whose rows are to be read up to a cut, as far as windows reach them from an instant on.
package struct WantedEntities: Sendable {
    package var group: Plan.Group
    package private(set) var keys: [EntityKey]
    /// A column for each of the group's keys.
    package private(set) var keyColumns: [Column]
    package var cut: Int64
    /// Microseconds since 1970.
    package var from: Int64

    package init(_ group: Plan.Group, _ keys: [EntityKey], cut: Int64, from: Int64) {
        self.group = group
        self.keys = keys
        keyColumns = EntityKey.columns(keys, group.keyTypes)
        self.cut = cut
        self.from = from
    }

    /// Others of the same group.
    package func asking(for keys: [EntityKey]) -> WantedEntities { WantedEntities(group, keys, cut: cut, from: from) }
}

extension Plan.Group {
    /// How far its windows reach back, in microseconds; `Int64.max` from the beginning.
    package var reach: Int64 {
        let olders = aggregates.map(\.frame.older?.microseconds)
        return olders.contains(nil) ? .max : olders.compactMap { $0 }.max() ?? 0
    }

    /// The types of its keys, in their order.
    package var keyTypes: [ValueType] { keys.map { key in source.columns.first { $0.name == key.column }!.type } }
}
