internal import Crypto

/// SHA-256 of a canonical form, as 64 hexadecimal digits.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible, Codable {
    /// The 64 digits, in lower case.
    public let description: String

    /// The fingerprint of a canonical text.
    init(of canonical: String) {
        description = SHA256.hash(data: Array(canonical.utf8)).hexadecimal
    }

    public init(from decoder: any Decoder) throws {
        description = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }

    /// The first 12 digits, for people.
    public var short: String { String(description.prefix(12)) }
}

extension Sequence<UInt8> {
    package var hexadecimal: String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in self {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

// The canonical forms. Each begins with the version of the language, holds everything that can change a value, and
// nothing else. `firn 1` never changes: a new meaning would be `firn 2`, and anything written under `firn 1` keeps its
// meaning.

extension Entity {
    /// The keys, one line each, sorted by name. The entity's own name isn't part of it.
    public var canonical: String { "firn 1\nentity\n" + keys.canonicalLines("key") }

    /// The hash of `canonical`: entities with the same keys share it.
    public var fingerprint: Fingerprint { Fingerprint(of: canonical) }
}

extension Source {
    /// The source's name and settings, then its columns, one line each, sorted by name.
    public var canonical: String { "firn 1\nsource\n" + canonicalSettings + columns.canonicalLines("column") }

    /// The hash of `canonical`, which changes when the source gains a column.
    public var fingerprint: Fingerprint { Fingerprint(of: canonical) }

    /// Name, times, id and tombstone: everything that decides which rows there are.
    fileprivate var canonicalSettings: String {
        var text = "source \(canonicalText(name))\n"
        text += "event_time \(eventTime.map(canonicalText) ?? "none")\n"
        switch knownAt {
        case .eventTime, .after(microseconds: 0): text += "known_at event_time\n"
        case .after(let microseconds): text += "known_at after \(microseconds)\n"
        case .column(let column): text += "known_at \(canonicalText(column))\n"
        }
        text += "id" + id.map { " " + canonicalText($0) }.joined() + "\n"
        text += "tombstone \(tombstone.map(canonicalText) ?? "none")\n"
        return text
    }

    /// The columns named in the settings, which every reader of the source reads.
    var settingColumns: [String] {
        var names = id
        if let eventTime { names.append(eventTime) }
        if let tombstone { names.append(tombstone) }
        if case .column(let column) = knownAt { names.append(column) }
        return names
    }
}

extension Function {
    /// The columns of its source that its value depends on: those it names, those of its keys, and those that decide
    /// when a row counts.
    public var usedColumns: [ColumnDefinition] {
        guard let source else { return [] }
        let used = expression.columns.union(entity.keys.map { sourceColumn(of: $0.name) }).union(source.settingColumns)
        return source.columns.filter { used.contains($0.name) }
    }

    /// The text that the fingerprint is the hash of. The function's own name isn't part of it.
    public var canonical: String {
        var text = "firn 1\n\(definition.kind.rawValue)\n"
        text += entity.keys.canonicalLines("key")
        if let source {
            let mapping = entity.keys.map { (key: $0.name, column: sourceColumn(of: $0.name)) }.sorted {
                $0.key < $1.key
            }
            text += source.canonicalSettings
            text += usedColumns.canonicalLines("column")
            text += mapping.map { "join \(canonicalText($0.key)) \(canonicalText($0.column))\n" }.joined()
        }
        text += expression.requests.map { ColumnDefinition($0.key, $0.value) }.canonicalLines("request")
        text += "expression "
        text += expression.canonical { name, type in "feature:\(type.rawValue) \(references[name]?.description ?? "")" }
        return text + "\n"
    }
}

extension FeatureSet {
    /// The outputs in order, one line each: name, the function's fingerprint, and the columns of its keys. The set's
    /// own name isn't part of it.
    public var canonical: String {
        func lines(_ kind: String, _ entries: [Entry]) -> String {
            entries.map { entry in
                let keys = entry.keys.sorted { $0.key.name < $1.key.name }.map {
                    " \(canonicalText($0.key.name)) \(canonicalText($0.column))"
                }.joined()
                return "\(kind) \(canonicalText(entry.output)) \(entry.function.fingerprint)\(keys)\n"
            }.joined()
        }
        return "firn 1\nset\n" + lines("feature", features) + lines("label", labels)
    }
}

extension [ColumnDefinition] {
    /// One line per column, sorted by name, because their order changes no value.
    fileprivate func canonicalLines(_ what: String) -> String {
        sorted { $0.name < $1.name }.map { "\(what) \(canonicalText($0.name)) \($0.type.rawValue)\n" }.joined()
    }
}

extension [UInt8] {
    /// Reads two digits for each byte; nil if they don't parse.
    package init?(hexadecimal text: some StringProtocol) {
        let digits = Array<UInt8>(text.utf8)
        let isSigned = digits.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") }
        guard digits.count.isMultiple(of: 2), !isSigned else { return nil }
        self = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) else {
                return nil
            }
            append(byte)
        }
    }
}
