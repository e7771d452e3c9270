/// The types of columns, keys, request inputs and features. What one is stands in its rules, a file for each.
public enum ValueType: String, Sendable, Hashable, CaseIterable, Codable {
    case bool, int64, float64, string, timestamp

    /// What is to be known of it.
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

    /// Reads our name of a type or one of PostgreSQL's, in any case (`BIGINT`, `double precision`).
    ///
    /// PostgreSQL's narrower types (`real`, `smallint`) are left out on purpose: a cast to one would round or overflow
    /// otherwise than ours.
    public init?(spelling: String) {
        let lower = spelling.lowercased()
        guard let type = ValueType.allCases.first(where: { $0.rules.spellings.contains(lower) }) else { return nil }
        self = type
    }

    /// Reads the type of a column, key or request input, which may come as `real`, `float4` or `float32`: each of these
    /// is a float64.
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

    public var isNumber: Bool { rules.isNumber }
}

/// How values lie in memory, in files and on their way: what columns, digests, copies and memory switch over. Several
/// logical types share one.
public enum PhysicalLayout: Sendable, CaseIterable {
    /// True or false.
    case bits
    /// 64 bits with a sign: integers, and microseconds since 1970.
    case words
    /// 64 bits of IEEE 754.
    case floats
    /// Bytes of any number: texts in UTF-8.
    case bytes
}

/// What a logical type is: its names, how its values are read and written, and what they are elsewhere. Kernels over
/// its values are the engine's.
public final class TypeRules: Sendable {
    public let layout: PhysicalLayout
    /// Our name, and PostgreSQL's for it, in lower case.
    let spellings: [String]
    /// Names of narrower types, all of whose values are this one's: what comes in may have them, and no cast may.
    let narrowSpellings: Set<String>
    /// With its article.
    package let phrase: String
    /// Whether one computes with its values.
    public let isNumber: Bool
    /// Whether no value of it is expected to come often: statistics count none.
    package let isContinuous: Bool
    /// As JSON has its values: as what they are, or in a text.
    package let isTextInJSON: Bool
    /// PostgreSQL's type, and the numbers in `pg_type` of those whose every value is one of this type, or can be told
    /// not to be; nil for all.
    package let sqlName: String
    package let sqlNumbers: Set<UInt32>?
    /// What to write where a text isn't a value of it.
    let literalAdvice: String?
    /// What to write where a number is wanted.
    let numberAdvice: String?
    /// How a column is cast to it where data comes from: pandas, Polars, SQL.
    package let castAdvice: String
    /// Reads what PostgreSQL reads as an input of the type; white space around it is gone.
    let read: @Sendable (_ text: Substring) -> Literal?
    /// The value as files, JSON and messages have it.
    package let text: @Sendable (Literal) -> String
    /// The value as PostgreSQL casts it to text, in UTC; nil where that is `text`.
    package let sqlText: (@Sendable (Literal) -> String)?
    /// The value as an expression writes it, so that it is of the type wherever it stands.
    let expression: @Sendable (Literal) -> String
    /// The value where the layout is words, and its word.
    private let fromWord: (@Sendable (Int64) -> Literal)?
    private let toWord: (@Sendable (Literal) -> Int64?)?
    /// The value as a model takes it in, and as statistics describe it; nil where it is no quantity.
    package let number: (@Sendable (Literal) -> Double?)?

    init(
        _ layout: PhysicalLayout, spellings: [String], narrowSpellings: Set<String> = [], phrase: String,
        isNumber: Bool = false, isContinuous: Bool = false,
        isTextInJSON: Bool = false, sqlName: String,
        sqlNumbers: Set<UInt32>?, literalAdvice: String?, numberAdvice: String?, castAdvice: String,
        read: @escaping @Sendable (Substring) -> Literal?,
        text: @escaping @Sendable (Literal) -> String, sqlText: (@Sendable (Literal) -> String)? = nil,
        expression: @escaping @Sendable (Literal) -> String,
        word: (from: @Sendable (Int64) -> Literal, to: @Sendable (Literal) -> Int64?)? = nil,
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
        self.number = number
    }

    /// The value that a word stands for. Only types of words have any.
    package func literal(word: Int64) -> Literal {
        guard let fromWord else { preconditionFailure("a word for \(phrase)") }
        return fromWord(word)
    }

    /// The word of a value; nil where it is none of a type of words.
    package func word(_ literal: Literal) -> Int64? { toWord?(literal) }
}
