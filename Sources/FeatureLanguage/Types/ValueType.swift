/// The types of columns, keys, request inputs and features. What makes a type is in its rules, one file for each.
public enum ValueType: String, Sendable, Hashable, CaseIterable, Codable {
    case bool, int64, float64, string, timestamp

    /// Everything that is particular to the type.
    public var rules: TypeRules {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        }
    }

    /// How its values lie in memory.
    public var layout: PhysicalLayout { rules.layout }

    /// Reads our name for a type or one of PostgreSQL's, in any case (`BIGINT`, `double precision`).
    ///
    /// PostgreSQL's narrower types (`real`, `smallint`) are left out on purpose: a cast to one would round or overflow
    /// differently from ours.
    public init?(spelling: String) {
        let lower = spelling.lowercased()
        guard let type = ValueType.allCases.first(where: { $0.rules.spellings.contains(lower) }) else { return nil }
        self = type
    }

    /// Reads the type of a column, key or request input, which may also be written `real`, `float4` or `float32`: each
    /// of these means float64.
    public init?(columnSpelling text: String) {
        let lower = text.lowercased()
        guard
            let type = ValueType(spelling: text)
                ?? ValueType.allCases.first(where: { $0.rules.narrowSpellings.contains(lower) })
        else { return nil }
        self = type
    }

    static let narrowFloats = TypeRules.float64.narrowSpellings

    /// "an int64", "a string": for the errors that say what a value is not.
    package var phrase: String { rules.phrase }

    /// Whether its values are numbers: true for int64 and float64.
    public var isNumber: Bool { rules.isNumber }
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
    /// Whether its values are numbers.
    public let isNumber: Bool
    /// Whether no value is expected to occur often, in which case statistics list no frequent ones.
    package let isContinuous: Bool
    /// Whether JSON holds its values in a string rather than bare.
    package let isTextInJSON: Bool
    /// The types that its values may be cast to, beside text, which every type may be cast to and from.
    let casts: Set<ValueType>
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
    /// How many of its words come to 1 as `number` has them, if the layout is words; for loops over many values.
    package let wordUnit: Double
    /// The value as models take it in and statistics describe it; nil if it is no quantity.
    package let number: (@Sendable (Literal) -> Double?)?

    init(
        _ layout: PhysicalLayout, spellings: [String], narrowSpellings: Set<String> = [], phrase: String,
        isNumber: Bool = false, isContinuous: Bool = false,
        isTextInJSON: Bool = false, casts: Set<ValueType> = [], sqlName: String,
        sqlNumbers: Set<UInt32>?, literalAdvice: String?, numberAdvice: String?, castAdvice: String,
        read: @escaping @Sendable (Substring) -> Literal?,
        text: @escaping @Sendable (Literal) -> String, sqlText: (@Sendable (Literal) -> String)? = nil,
        expression: @escaping @Sendable (Literal) -> String,
        word: (from: @Sendable (Int64) -> Literal, to: @Sendable (Literal) -> Int64?)? = nil, wordUnit: Double = 1,
        number: (@Sendable (Literal) -> Double?)? = nil
    ) {
        precondition((layout == .words) == (word != nil), "a type of words says what they mean")
        self.layout = layout
        self.spellings = spellings
        self.narrowSpellings = narrowSpellings
        self.phrase = phrase
        self.isNumber = isNumber
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
}
