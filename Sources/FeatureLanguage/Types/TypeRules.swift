internal import Synchronization

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
        number: (@Sendable (Literal) -> Double?)? = nil
    ) {
        precondition((layout == .words) == (word != nil), "a type of words says what they mean")
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

extension TypeRules {
    private static let kept = Mutex<[ValueType: TypeRules]>([:])

    /// The rules of a type with parameters, made when they are first asked for.
    static func made(_ type: ValueType, _ make: () -> TypeRules) -> TypeRules {
        if let rules = kept.withLock({ $0[type] }) { return rules }
        // Outside the lock, since it may ask for the rules of another.
        let rules = make()
        return kept.withLock { kept in
            if let first = kept[type] { return first }
            kept[type] = rules
            return rules
        }
    }
}
