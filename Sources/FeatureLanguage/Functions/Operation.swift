/// The operators and functions over the values of one row. Everything the language needs to know about one is in its
/// entry in the table below; the engine has its kernel.
public enum Operation: String, Sendable, Hashable, CaseIterable {
    case add = "+", subtract = "-", multiply = "*", divide = "/", modulo = "%", negate
    /// Arguments: a timestamp, and a span in microseconds as a literal.
    case addSpan = "add_span"
    case equal = "=", notEqual = "<>", less = "<", lessOrEqual = "<=", greater = ">", greaterOrEqual = ">="
    case and, or, not
    case isNull = "is_null", isDistinct = "is_distinct"
    case between, `in`, like
    /// Arguments: when, then, when, then, …, else.
    case cases = "case"
    case coalesce, nullif, greatest, least
    case cast
    case abs, round, floor, ceil, trunc, sign, sqrt
    /// The natural logarithm, and the one to base 10.
    case ln, log
    case exp, power
    case concatenate = "||", concat
    case lower, upper, length, substring
    /// Arguments: the field as a string literal, and the timestamp.
    case extract
    case dateTruncate = "date_trunc"
    /// Arguments: a list or vector, and a place from 1.
    case element
    /// Arguments: a value and a list.
    case isAny = "= any"
    case cardinality
    case arrayPosition = "array_position"
    case dotProduct = "dot_product", cosineSimilarity = "cosine_similarity", distance = "l2_distance"
}

extension Operation {
    /// This operation's entry in the table of functions.
    public var entry: OperationEntry { Operation.table[self]! }

    // Built once, instead of an entry for each look-up.
    private static let table = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.makeEntry()) })

    private func makeEntry() -> OperationEntry {
        switch self {
        case .add: .arithmetic("+", "1 + 2 * 3 % 2 - -4", "5")
        case .subtract: .arithmetic("-", "timestamp '2024-05-08' - timestamp '2024-05-07'", "86400.0")
        case .multiply: .arithmetic("*", "1 + 2 * 3 % 2 - -4", "5")
        case .divide: .arithmetic("/", "7 / 2.0", "3.5")
        case .modulo: .arithmetic("%", "1 + 2 * 3 % 2 - -4", "5")
        case .negate:
            OperationEntry(
                ["negate"], .own(isOperand: false) { "- \($0[0].operand)" }, 1...1, .number, example: "- - 2", "2")
        case .addSpan:
            OperationEntry(
                [],
                .own(isOperand: false) { parts in
                    guard case .literal(.int64(let span), _) = parts[1] else {
                        preconditionFailure("a span is a literal")
                    }
                    let interval = "interval '\(TimeSpan(microseconds: Swift.abs(span)))'"
                    return "\(parts[0].operand) \(span < 0 ? "-" : "+") \(interval)"
                }, 2...2, .unnamed, example: "timestamp '2024-05-08' + interval '36 hours'", "\"2024-05-09T12:00:00Z\"")
        case .equal: .comparison("=", "0.1 + 0.2 = 0.3", "false")
        case .notEqual: .comparison("<>", "2 > 1 and not 1 <> 1 or false", "true")
        case .less: .comparison("<", "'é' < 'z'", "false")
        case .lessOrEqual: .comparison("<=", "1 <= 1.5", "true")
        case .greater: .comparison(">", "2 > 1 and not 1 <> 1 or false", "true")
        case .greaterOrEqual: .comparison(">=", "'b' >= 'a'", "true")
        case .and:
            OperationEntry(
                ["and"], .infix, 2...2, .exactly([.bool, .bool], .bool), example: "2 > 1 and not 1 <> 1 or false",
                "true")
        case .or:
            OperationEntry(
                ["or"], .infix, 2...2, .exactly([.bool, .bool], .bool), example: "2 > 1 and not 1 <> 1 or false", "true"
            )
        case .not:
            OperationEntry(
                ["not"], .own(isOperand: false) { "not \($0[0].operand)" }, 1...1, .exactly([.bool], .bool),
                example: "2 > 1 and not 1 <> 1 or false", "true")
        case .isNull:
            OperationEntry(
                ["is null", "is unknown"], .own(isOperand: false) { "\($0[0].operand) is null" }, 1...1,
                .own { checker, call throws(SyntaxError) in try checker.isNull(call) },
                example: "latest(amount) is not null", "true")
        case .isDistinct:
            OperationEntry(
                ["is distinct from"],
                .own(isOperand: false) { "\($0[0].operand) is distinct from \($0[1].operand)" }, 2...2, .alike(.bool),
                example: "null is distinct from 1", "true")
        case .between:
            OperationEntry(
                ["between"],
                .own(isOperand: false) { parts in
                    let bounds = parts.dropFirst().map { $0.boundText(beside: parts[0]) }
                    return "\(parts[0].operand) between \(bounds[0]) and \(bounds[1])"
                }, 3...3,
                .own { checker, call throws(SyntaxError) in try checker.between(call) },
                example: "3 between 1 and 5", "true")
        case .in:
            OperationEntry(
                ["in"], .own(isOperand: false) { "\($0[0].operand) in (\(Expression.list($0.dropFirst())))" },
                2...(.max), .alike(.bool), example: "'b' in ('a', 'b')", "true")
        case .like:
            OperationEntry(
                ["like"], .infix, 2...2, .exactly([.string, .string], .bool), example: "'Café' like 'C_f%'", "true")
        case .cases:
            OperationEntry(
                [],
                .own(isOperand: false) { parts in
                    var text = "case"
                    for pair in 0..<(parts.count / 2) {
                        text += " when \(parts[pair * 2].text) then \(parts[pair * 2 + 1].text)"
                    }
                    return text + " else \(parts[parts.count - 1].text) end"
                }, 1...(.max), .unnamed, example: "case when latest(card) then 'card' else 'cash' end", "\"card\"")
        case .coalesce:
            OperationEntry(
                ["coalesce"], .function, 1...(.max), .alike(nil), example: "coalesce(null, 2)", "2")
        case .nullif: OperationEntry(["nullif"], .function, 2...2, .alike(nil), example: "nullif(2, 2)", "null")
        case .greatest:
            OperationEntry(["greatest"], .function, 1...(.max), .alike(nil), example: "greatest(1, null, 3)", "3")
        case .least: OperationEntry(["least"], .function, 1...(.max), .alike(nil), example: "least(2.5, 1)", "1.0")
        case .cast:
            OperationEntry(
                [], .cast, 1...1, .unnamed, example: "2.5::int64", "2")
        case .abs: OperationEntry(["abs"], .function, 1...1, .number, example: "abs(-3)", "3")
        case .round:
            OperationEntry(
                ["round"], .function, 1...2, .rounding(.round), example: "round(2.5)", "2.0")
        case .floor: OperationEntry(["floor"], .function, 1...1, .rounding(.floor), example: "floor(-1.5)", "-2.0")
        case .ceil:
            OperationEntry(["ceil", "ceiling"], .function, 1...1, .rounding(.ceil), example: "ceil(-1.5)", "-1.0")
        case .trunc:
            OperationEntry(
                ["trunc"], .function, 1...2, .rounding(.trunc), example: "trunc(-1.5)", "-1.0")
        case .sign: OperationEntry(["sign"], .function, 1...1, .rounding(.sign), example: "sign(-2)", "-1.0")
        case .sqrt:
            OperationEntry(["sqrt"], .function, 1...1, .floats, example: "sqrt(2)", "1.4142135623730951")
        case .ln: OperationEntry(["ln"], .function, 1...1, .floats, example: "ln(10)", "2.302585092994046")
        case .log:
            OperationEntry(
                ["log", "log10"], .function, 1...1, .floats, second: .base, example: "log(1000)", "3.0")
        case .exp: OperationEntry(["exp"], .function, 1...1, .floats, example: "exp(1)", "2.718281828459045")
        case .power:
            OperationEntry(["power", "pow"], .function, 2...2, .floats, example: "power(2, 10)", "1024.0")
        case .concatenate:
            OperationEntry(
                ["||"], .infix, 2...2,
                .own { checker, call throws(SyntaxError) in try checker.concatenation(call, .concatenate) },
                example: "'a' || 1", "\"a1\"")
        case .concat:
            OperationEntry(
                ["concat"], .function, 1...(.max),
                .own { checker, call throws(SyntaxError) in try checker.concatenation(call, .concat) },
                example: "concat('a', null, true)", "\"at\"")
        case .lower:
            OperationEntry(
                ["lower"], .function, 1...1, .exactly([.string], .string), example: "lower('ÉA')", "\"Éa\"")
        case .upper:
            OperationEntry(
                ["upper"], .function, 1...1, .exactly([.string], .string), example: "upper('éa')", "\"éA\"")
        case .length:
            OperationEntry(
                ["length", "char_length", "character_length"], .function, 1...1, .exactly([.string], .int64),
                example: "length('日本')", "2")
        case .substring:
            OperationEntry(
                ["substring", "substr"], .function, 2...3, .exactly([.string, .int64, .int64], .string),
                example: "substring('firn', 2, 2)", "\"ir\"")
        case .extract:
            OperationEntry(
                [],
                .own(isOperand: true) { "extract(\($0[0].constantText) from \($0[1].text))" }, 2...2, .unnamed,
                example: "extract(hour from timestamp '2024-05-08 13:45:00')", "13.0")
        case .dateTruncate:
            OperationEntry(
                ["date_trunc"], .own(isOperand: true) { "date_trunc('\($0[0].constantText)', \($0[1].text))" }, 2...2,
                .own { checker, call throws(SyntaxError) in try checker.truncation(call) },
                example: "date_trunc('week', timestamp '2024-05-08 13:45:00')", "\"2024-05-06T00:00:00Z\"")
        case .element:
            OperationEntry(
                ["element"], .own(isOperand: false) { "\($0[0].operand)[\($0[1].text)]" }, 2...2,
                .own { checker, call throws(SyntaxError) in try checker.element(call) },
                example: "'[5,7]'::list(int64)[2]", "7")
        case .isAny:
            OperationEntry(
                ["= any"], .own(isOperand: false) { "\($0[0].operand) = any (\($0[1].text))" }, 2...2,
                .own { checker, call throws(SyntaxError) in try checker.search(call, .isAny) },
                example: "5 = any ('[5,7]'::list(int64))", "true")
        case .cardinality:
            OperationEntry(
                ["cardinality"], .function, 1...1,
                .own { checker, call throws(SyntaxError) in try checker.cardinality(call) },
                example: "cardinality('[5,7]'::list(int64))", "2")
        case .arrayPosition:
            OperationEntry(
                ["array_position"], .function, 2...2,
                .own { checker, call throws(SyntaxError) in try checker.search(call, .arrayPosition) },
                example: "array_position('[5,7]'::list(int64), 7)", "2")
        case .dotProduct: .vectors("dot_product", "dot_product('[1,2]'::vector(2), '[3,4]'::vector(2))", "11.0")
        case .cosineSimilarity:
            .vectors("cosine_similarity", "cosine_similarity('[1,0]'::vector(2), '[3,4]'::vector(2))", "0.6")
        case .distance: .vectors("l2_distance", "l2_distance('[1,2]'::vector(2), '[4,6]'::vector(2))", "5.0")
        }
    }

    /// The operations by the names an expression may call, and by what the parser calls its operators.
    static let spellings: [String: Operation] = allCases.reduce(into: [:]) { spellings, each in
        for name in each.entry.names { spellings[name] = each }
    }

    /// The names that an expression may call; `cast` and `extract` have a grammar of their own.
    static let functions: Set<String> = allCases.reduce(into: ["cast", "extract"]) { functions, each in
        if each.entry.isCalled { functions.formUnion(each.entry.names) }
    }
}

/// What parsing, typing and printing an operation need to know about it.
public struct OperationEntry: Sendable {
    /// Its names, as a function or to the parser; a function's first name is the one that gets printed.
    let names: [String]
    let form: Form
    let count: ClosedRange<Int>
    let takes: Signature
    /// The error for a second argument, which other dialects accept.
    let second: Second?
    /// An example from docs/language.md that needs it, with the value it has there.
    public let example: (expression: String, value: String)

    /// How it is written.
    enum Form: Sendable {
        /// `name(a, b)`.
        case function
        /// `a name b`.
        case infix
        case cast
        /// - Parameter isOperand: whether it needs no parentheses as an operand of another operation.
        case own(isOperand: Bool, @Sendable ([Expression]) -> String)
    }

    /// The types of its arguments and of its value.
    enum Signature: Sendable {
        /// All arguments have the same type, and so does the value unless a type is given here.
        case alike(ValueType?)
        /// These types; the last arguments may be left out if `count` allows it.
        case exactly([ValueType], ValueType)
        /// One number; the value has its type.
        case number
        /// Numbers, which are converted to float64; the value is a float64 too.
        case floats
        case own(@Sendable (inout TypeChecker, TypeChecker.Call) throws(SyntaxError) -> Expression)
        /// It isn't written as a call: the checker makes it where it meets its syntax.
        case unnamed

        /// One number, as a float64, or a decimal, which stays one.
        static func rounding(_ operation: Operation) -> Signature {
            .own { checker, call throws(SyntaxError) in try checker.rounding(call, operation) }
        }
    }

    struct Second: Sendable {
        let message: String, advice: String

        static let base = Second(
            message: "log is the logarithm to base 10", advice: "to base b it is ln(x) / ln(b)")
    }

    fileprivate init(
        _ names: [String], _ form: Form, _ count: ClosedRange<Int>, _ takes: Signature, second: Second? = nil,
        example expression: String, _ value: String
    ) {
        self.names = names
        self.form = form
        self.count = count
        self.takes = takes
        self.second = second
        example = (expression, value)
    }

    fileprivate static func arithmetic(_ symbol: String, _ expression: String, _ value: String) -> OperationEntry {
        OperationEntry(
            [symbol], .infix, 2...2, .own { checker, call throws(SyntaxError) in try checker.arithmetic(call) },
            example: expression, value)
    }

    /// A function of two vectors of the same length.
    fileprivate static func vectors(_ name: String, _ expression: String, _ value: String) -> OperationEntry {
        OperationEntry(
            [name], .function, 2...2, .own { checker, call throws(SyntaxError) in try checker.vectors(call) },
            example: expression, value)
    }

    fileprivate static func comparison(_ symbol: String, _ expression: String, _ value: String) -> OperationEntry {
        OperationEntry([symbol], .infix, 2...2, .alike(.bool), example: expression, value)
    }

    /// Whether it is called by name, with parentheses.
    var isCalled: Bool {
        switch form {
        case .function: true
        case .own(let isOperand, _): isOperand && !names.isEmpty
        case .infix, .cast: false
        }
    }
}
