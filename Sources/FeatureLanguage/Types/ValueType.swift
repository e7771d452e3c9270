/// The types of columns, keys, request inputs and features. What makes a type is in its rules, one file for each.
public enum ValueType: Sendable, Hashable {
    case bool, int64, float64, string, timestamp, date
    /// Numbers of up to `precision` digits (1 to 38), `scale` of them after the point (0 to `precision`).
    case decimal(precision: Int, scale: Int)

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
        guard let (name, numbers) = ValueType.parameters(lower), TypeRules.decimalSpellings.contains(name),
            let precision = numbers.first, numbers.count <= 2
        else { return nil }
        self.init(precision: precision, scale: numbers.count == 2 ? numbers[1] : 0)
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
            TypeRules.decimalSpellings.contains(name.filter { $0 != " " })
        else { return suggestion(for: text, among: plain.map(\.rawValue) + ["decimal(12, 2)"], what: "types") }
        // YAML's {a: decimal(12, 2)} ends the value at the comma.
        return text.contains("(") && !text.contains(")")
            ? "between braces it needs quotes: \"decimal(12, 2)\"" : TypeRules.decimalAdvice
    }

    static let narrowFloats = TypeRules.float64.narrowSpellings

    /// "an int64", "a string": for the errors that say what a value is not.
    package var phrase: String { rules.phrase }

    /// Whether its values are numbers: true for int64, float64 and decimals.
    public var isNumber: Bool {
        switch self {
        case .int64, .float64, .decimal: true
        case .bool, .string, .timestamp, .date: false
        }
    }

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
        case .bool, .int64, .float64, .string, .decimal: false
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
}

/// What makes a logical type: its names, how its values are read and written, and what it is called elsewhere. The
/// kernels over its values belong to the engine.
public final class TypeRules: Sendable {
    /// How its values lie in memory; types with the same layout are told apart by their rules alone.
    public let layout: PhysicalLayout
    /// Our name, and PostgreSQL's names for it, in lower case.
    let spellings: [String]
    /// Names of narrower types whose values all belong to this one too: incoming data may use them, but no cast may.
    let narrowSpellings: Set<String>
    /// The name with its article, as in "an int64".
    package let phrase: String
    /// Whether no value is expected to occur often, in which case statistics list no frequent ones.
    package let isContinuous: Bool
    /// Whether JSON holds its values in a string rather than bare.
    package let isTextInJSON: Bool
    /// The types that its values may be cast to, beside text, which every type may be cast to and from.
    let casts: @Sendable (ValueType) -> Bool
    /// PostgreSQL's type; and the numbers in `pg_type` of the types whose values all belong to this one, or can be
    /// recognized if they don't. Nil means every type.
    package let sqlName: String
    package let sqlNumbers: Set<UInt32>?
    /// What to write if a text isn't a value of it.
    let literalAdvice: String?
    /// What to write if a number is wanted.
    let numberAdvice: String?
    /// How to cast a column to it where data comes from: in pandas, Polars and SQL.
    package let castAdvice: String
    /// Reads what PostgreSQL reads as input of the type, with surrounding white space already removed.
    let read: @Sendable (_ text: Substring) -> Literal?
    /// The value as it appears in files, JSON and messages.
    package let text: @Sendable (Literal) -> String
    /// The value as PostgreSQL casts it to text, in UTC; nil if that is the same as `text`.
    package let sqlText: (@Sendable (Literal) -> String)?
    /// The value as an expression writes it, in a form that has this type wherever it is.
    let expression: @Sendable (Literal) -> String
    /// The value for a word, and the word for a value, if the layout is words.
    private let fromWord: (@Sendable (Int64) -> Literal)?
    private let toWord: (@Sendable (Literal) -> Int64?)?
    /// The value for a wide word, if that is the layout.
    private let fromWide: (@Sendable (Int128) -> Literal)?
    /// How many of its words come to 1 as `number` has them, if the layout is words; for loops over many values.
    package let wordUnit: Double
    /// The value as models take it in and statistics describe it; nil if it is no quantity.
    package let number: (@Sendable (Literal) -> Double?)?

    init(
        _ layout: PhysicalLayout, spellings: [String], narrowSpellings: Set<String> = [], phrase: String,
        isContinuous: Bool = false,
        isTextInJSON: Bool = false, casts: @escaping @Sendable (ValueType) -> Bool = { _ in false }, sqlName: String,
        sqlNumbers: Set<UInt32>?, literalAdvice: String?, numberAdvice: String?, castAdvice: String,
        read: @escaping @Sendable (Substring) -> Literal?,
        text: @escaping @Sendable (Literal) -> String, sqlText: (@Sendable (Literal) -> String)? = nil,
        expression: @escaping @Sendable (Literal) -> String,
        word: (from: @Sendable (Int64) -> Literal, to: @Sendable (Literal) -> Int64?)? = nil, wordUnit: Double = 1,
        wide: (@Sendable (Int128) -> Literal)? = nil,
        number: (@Sendable (Literal) -> Double?)? = nil
    ) {
        precondition((layout == .words) == (word != nil), "a type of words says what they mean")
        precondition((layout == .wides) == (wide != nil), "a type of wide words says what they mean")
        self.layout = layout
        self.spellings = spellings
        self.narrowSpellings = narrowSpellings
        self.phrase = phrase
        self.isContinuous = isContinuous
        self.isTextInJSON = isTextInJSON
        self.casts = casts
        self.sqlName = sqlName
        self.sqlNumbers = sqlNumbers
        self.literalAdvice = literalAdvice
        self.numberAdvice = numberAdvice
        self.castAdvice = castAdvice
        self.read = read
        self.text = text
        self.sqlText = sqlText
        self.expression = expression
        fromWord = word?.from
        toWord = word?.to
        fromWide = wide
        self.wordUnit = wordUnit
        self.number = number
    }

    /// The value that a word stands for; only types whose layout is words have any.
    package func literal(word: Int64) -> Literal {
        guard let fromWord else { preconditionFailure("a word for \(phrase)") }
        return fromWord(word)
    }

    /// The word for a value; nil if the value is of another type or the layout isn't words.
    package func word(_ literal: Literal) -> Int64? { toWord?(literal) }

    /// The value that a wide word stands for; only types whose layout is wide words have any.
    package func literal(wide: Int128) -> Literal {
        guard let fromWide else { preconditionFailure("a wide word for \(phrase)") }
        return fromWide(wide)
    }
}
