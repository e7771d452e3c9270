/// An expression as written: what the parser makes and the type checker reads.
indirect enum Syntax: Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case decimal(Double)
    case string(String)
    case interval(TimeSpan)
    case column(String)
    case request(String)
    case asOf
    case feature(VersionedName)
    /// An operator or a function, by its canonical name: `+`, `and`, `coalesce`, …
    case call(String, [Node])
    /// `when`, `then` pairs and the `else`.
    case cases([(when: Node, then: Node)], otherwise: Node?)
    case cast(Node, ValueType)
    case extract(String, Node)
    case aggregate(Call)

    struct Node: Sendable {
        var syntax: Syntax
        /// The byte of the expression's text where it begins; for an operator, where the operator is.
        var offset: Int
        /// Levels of the tree from this node down, bounded because everything after the parser recurses.
        var depth = 1
        /// Parts of the tree from this node down. A part that is written once but used more than once counts each time
        /// (`case x when …`).
        var size = 1
    }

    struct Call: Sendable {
        var name: String
        var isDistinct = false
        /// Nil for `count(*)`.
        var arguments: [Node]?
        var filter: Node?
        var frame = Frame.allHistory
    }

    /// Its value, if it is a number, text or bool written as a literal.
    var constant: Literal? {
        switch self {
        case .bool(let value): .bool(value)
        case .integer(let value): .int64(value)
        case .decimal(let value): .float64(value)
        case .string(let text): .string(text)
        case .null, .interval, .column, .request, .asOf, .feature, .call, .cases, .cast, .extract, .aggregate: nil
        }
    }
}

/// The name of a feature, label or set with its version: `spend_7d.v1`.
public struct VersionedName: Sendable, Hashable, Comparable, CustomStringConvertible, Codable {
    /// The plain name, without the version.
    public var name: String
    /// The version, from 1 to 1,000,000.
    public var version: Int

    /// Takes both parts unchecked; reading them from a text checks them.
    public init(name: String, version: Int) {
        self.name = name
        self.version = version
    }

    /// Reads `name.vN`, with N from 1 to 1,000,000 and no leading zeros. Nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let dot = text.lastIndex(of: "."), text[text.index(after: dot)...].first == "v" else { return nil }
        let digits = text[text.index(dot, offsetBy: 2)...]
        guard let version = Int(digits), version >= 1, String(version) == digits, version <= 1_000_000,
            Identifier.isPlain(text[..<dot])
        else { return nil }
        self.init(name: String(text[..<dot]), version: version)
    }

    public var description: String { "\(name).v\(version)" }

    public static func < (left: VersionedName, right: VersionedName) -> Bool {
        (left.name, left.version) < (right.name, right.version)
    }

    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let name = VersionedName(text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a versioned name"))
        }
        self = name
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The rules for names.
public enum Identifier {
    /// `[a-z][a-z0-9_]*`, at most 63 bytes: entities, sources, features, labels and sets.
    public static func isPlain(_ name: some StringProtocol) -> Bool {
        guard let first = name.utf8.first, first >= UInt8(ascii: "a"), first <= UInt8(ascii: "z"), name.utf8.count <= 63
        else { return false }
        return name.utf8.allSatisfy {
            $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")
                || $0 == UInt8(ascii: "_")
        }
    }

    private static let systemColumns: Set<String> = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"]

    /// Why `name` can't name a column or key; nil if it can.
    public static func faultOfColumn(_ name: String) -> String? {
        if name.isEmpty { return "a column needs a name" }
        if name.utf8.count > 63 { return "the column name '\(name.prefix(20))…' is longer than 63 bytes" }
        if name.utf8.contains(0) { return "a column name holds a NUL character" }
        if name.hasPrefix("firn_") { return "column names that begin with firn_ belong to the store: '\(name)'" }
        if systemColumns.contains(name) { return "'\(name)' is a system column of PostgreSQL" }
        return nil
    }

    /// Whether no unquoted spelling in an expression means this name, keywords aside.
    static func needsQuotes(_ name: String) -> Bool {
        !isPlain(name)
            && !name.utf8.allSatisfy { $0 == UInt8(ascii: "_") || $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
    }
}
