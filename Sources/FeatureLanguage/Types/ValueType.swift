/// The types of columns, keys, request inputs and features. What makes a type is in its rules, one file for each.
public enum ValueType: Sendable, Hashable {
    case bool, int64, float64, string, timestamp, date
    /// Numbers of up to `precision` digits (1 to 38), `scale` of them after the point (0 to `precision`).
    case decimal(precision: Int, scale: Int)
    /// Up to 65,536 elements of one type, in an order, some of which may be NULL.
    case list(ScalarType)
    /// So many numbers (1 to 8,192), each a float32.
    case vector(Int)

    /// The types without parameters.
    public static let plain: [ValueType] = [.bool, .int64, .float64, .string, .timestamp, .date]

    /// Everything that is particular to the type.
    public var rules: TypeRules {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        case .date: .date
        case .decimal(let precision, let scale): .decimal(precision, scale)
        case .list(let element): .list(element)
        case .vector(let count): .vector(count)
        }
    }

    /// How its values lie in memory.
    public var layout: PhysicalLayout {
        switch self {
        case .bool: .bits
        case .int64, .timestamp, .date: .words
        case .float64: .floats
        case .decimal: .wides
        case .string: .bytes
        case .list, .vector: .packed
        }
    }

    /// Reads our name for a type or one of PostgreSQL's, in any case (`BIGINT`, `double precision`, `numeric(12, 2)`).
    ///
    /// PostgreSQL's narrower types (`real`, `smallint`) are left out on purpose: a cast to one would round or overflow
    /// differently from ours.
    public init?(spelling: String) {
        let lower = spelling.lowercased()
        if let type = ValueType.plain.first(where: { $0.rules.spellings.contains(lower) }) {
            self = type
            return
        }
        if let element = ValueType.element(lower) {
            guard let scalar = ValueType(spelling: element).flatMap({ ScalarType($0) }) else { return nil }
            self = .list(scalar)
            return
        }
        guard let (name, numbers) = ValueType.parameters(lower), let first = numbers.first else { return nil }
        if name == "vector", numbers.count == 1 {
            self.init(components: first)
        } else if TypeRules.decimalSpellings.contains(name), numbers.count <= 2 {
            self.init(precision: first, scale: numbers.count == 2 ? numbers[1] : 0)
        } else {
            return nil
        }
    }

    /// A vector type; nil if no vector has so many components.
    public init?(components: Int) {
        guard (1...TypeRules.maximumComponents).contains(components) else { return nil }
        self = .vector(components)
    }

    /// What is in `list(…)`, or before PostgreSQL's `[]`.
    private static func element(_ lower: String) -> String? {
        if lower.hasSuffix("[]") { return String(lower.dropLast(2)) }
        guard lower.hasPrefix("list"), lower.last == ")" else { return nil }
        let rest = lower.dropFirst(4).drop { $0 == " " }
        return rest.first == "(" ? rest.dropFirst().dropLast().trimmed : nil
    }

    /// A decimal type; nil if no number has so many digits, or so many of them after the point.
    public init?(precision: Int, scale: Int) {
        guard (1...DecimalValue.maximumPrecision).contains(precision), (0...precision).contains(scale) else {
            return nil
        }
        self = .decimal(precision: precision, scale: scale)
    }

    /// Splits `name(1, 2)` into the name and its numbers; nil for anything else.
    private static func parameters(_ text: String) -> (name: String, numbers: [Int])? {
        guard text.last == ")", let open = text.firstIndex(of: "(") else { return nil }
        let parts = text[text.index(after: open)...].dropLast().split(separator: ",", omittingEmptySubsequences: false)
        let numbers = parts.compactMap { part in
            let digits = part.filter { $0 != " " }
            return digits.utf8.allSatisfy { $0 &- 0x30 < 10 } && digits.count <= 4 ? Int(digits) : nil
        }
        guard numbers.count == parts.count else { return nil }
        return (String(text[..<open].filter { $0 != " " }), numbers)
    }

    /// Reads the type of a column, key or request input, which may also be written `real`, `float4` or `float32`: each
    /// of these means float64.
    public init?(columnSpelling text: String) {
        let lower = text.lowercased()
        guard
            let type = ValueType(spelling: text)
                ?? ValueType.plain.first(where: { $0.rules.narrowSpellings.contains(lower) })
        else { return nil }
        self = type
    }

    /// What to write in the place of a text that is no type.
    static func advice(onSpelling text: String) -> String? {
        guard let name = text.lowercased().split(separator: "(", maxSplits: 1).first,
            case let name = name.filter({ $0 != " " }), TypeRules.decimalSpellings.contains(name) || isPacked(name)
        else {
            return suggestion(
                for: text, among: plain.map(\.rawValue) + ["decimal(12, 2)", "list(string)", "vector(384)"],
                what: "types")
        }
        if name == "vector" { return "write vector(384): 1 to \(TypeRules.maximumComponents) components" }
        if name == "list" {
            return text.lowercased().dropFirst(4).contains("list") || text.lowercased().contains("vector")
                ? "a list's elements are single values: make it two sources, or one list of all"
                : text.contains("(") && !text.contains(")")
                    ? "between braces it needs quotes: \"list(decimal(12, 2))\""
                    : "write list(string), with the type of its elements"
        }
        // YAML's {a: decimal(12, 2)} ends the value at the comma.
        return text.contains("(") && !text.contains(")")
            ? "between braces it needs quotes: \"decimal(12, 2)\"" : TypeRules.decimalAdvice
    }

    private static func isPacked(_ name: String) -> Bool { name == "list" || name == "vector" }

    static let narrowFloats = TypeRules.float64.narrowSpellings

    /// "an int64", "a string": for the errors that say what a value is not.
    package var phrase: String { rules.phrase }

    /// Whether its values are numbers: true for int64, float64 and decimals.
    public var isNumber: Bool {
        switch self {
        case .int64, .float64, .decimal: true
        case .bool, .string, .timestamp, .date, .list, .vector: false
        }
    }

    /// Whether its values can be compared: all but vectors.
    package var isOrdered: Bool { if case .vector = self { false } else { true } }

    /// Whether a value is one of many, a list or a vector.
    package var isPacked: Bool { layout == .packed }

    /// How many digits its values have after the point.
    package var scale: Int { if case .decimal(_, let scale) = self { scale } else { 0 } }

    /// The type of what is computed from its values at the same scale: a decimal of any number of digits.
    package var withAllDigits: ValueType {
        if case .decimal(_, let scale) = self {
            .decimal(precision: DecimalValue.maximumPrecision, scale: scale)
        } else {
            self
        }
    }

    /// Whether its values are times: true for timestamps and dates.
    package var isTime: Bool {
        switch self {
        case .timestamp, .date: true
        case .bool, .int64, .float64, .string, .decimal, .list, .vector: false
        }
    }
}

// The canonical text, by which definitions, fingerprints, digests and manifests know a type.
extension ValueType: RawRepresentable, Codable {
    /// The canonical text, such as `int64` or `decimal(12,2)`.
    public var rawValue: String {
        switch self {
        case .bool: "bool"
        case .int64: "int64"
        case .float64: "float64"
        case .string: "string"
        case .timestamp: "timestamp"
        case .date: "date"
        case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
        case .list(let element): "list(\(element.type.rawValue))"
        case .vector(let count): "vector(\(count))"
        }
    }

    /// Reads the canonical text alone; nil for any other spelling.
    public init?(rawValue: String) {
        guard let type = ValueType(spelling: rawValue), type.rawValue == rawValue else { return nil }
        self = type
    }
}

/// How values lie in memory, in files and in transit, which is what columns, digests, copies and memory switch over.
/// Several logical types share a layout.
public enum PhysicalLayout: Sendable, CaseIterable {
    /// True or false.
    case bits
    /// Signed 64 bits: integers, and microseconds since 1970.
    case words
    /// 64 bits of IEEE 754.
    case floats
    /// Signed 128 bits: the digits of a decimal as a whole number.
    case wides
    /// Any number of bytes: texts in UTF-8.
    case bytes
    /// Any number of bytes: the elements of a list, or the components of a vector (`PackedList`).
    case packed

    /// Whether all values take the same number of bytes.
    package var isFixed: Bool {
        switch self {
        case .bits, .words, .floats, .wides: true
        case .bytes, .packed: false
        }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
