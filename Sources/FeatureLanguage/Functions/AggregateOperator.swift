/// The aggregates. Everything the language and the engine need to know about one is in its entry in the table below,
/// except for its state.
public enum AggregateOperator: String, Sendable, Hashable, CaseIterable {
    case count
    case countDistinct = "count_distinct"
    case sum, avg, min, max, mode
    case stddevSamp = "stddev_samp", stddevPop = "stddev_pop", varSamp = "var_samp", varPop = "var_pop"
    case percentile
    case boolAnd = "bool_and", boolOr = "bool_or"
    case latest, earliest
    case firstK = "first_k", lastK = "last_k", topK = "top_k", distinctValues = "distinct_values"
    case corr
    case covarPop = "covar_pop", covarSamp = "covar_samp"
    case regrSlope = "regr_slope", regrIntercept = "regr_intercept", regrR2 = "regr_r2", regrCount = "regr_count"
    case regrAvgx = "regr_avgx", regrAvgy = "regr_avgy"
    case regrSxx = "regr_sxx", regrSyy = "regr_syy", regrSxy = "regr_sxy"
    case decayedSum = "decayed_sum", decayedCount = "decayed_count"
    case approxCountDistinct = "approx_count_distinct", approxPercentile = "approx_percentile"
}

extension AggregateOperator {
    /// This aggregate's entry in the table of functions.
    public var entry: AggregateEntry { AggregateOperator.table[self]! }

    // Built once, because the engine looks entries up while it compiles plans.
    private static let table = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.makeEntry()) })

    private func makeEntry() -> AggregateEntry {
        switch self {
        case .count:
            AggregateEntry(["count"], { _ in .int64 }, takesRows: true, keeps: .constant, example: "count(status)", "5")
        case .countDistinct:
            AggregateEntry(
                ["count"], { $0.isOrdered ? .int64 : nil }, isDistinct: true, keeps: .rows("every value is remembered"),
                example: "count(distinct merchant)", "3")
        case .sum:
            AggregateEntry(
                ["sum"], { type in type.isNumber ? type.withAllDigits : nil }, shares: .sums, keeps: .constant,
                example: "sum(amount)", "42.75")
        case .avg:
            AggregateEntry(
                ["avg"], { $0.isOrdered ? AggregateEntry.number($0) : $0 }, shares: .sums, keeps: .constant,
                example: "avg(cents)", "1068.75")
        case .min:
            AggregateEntry(
                ["min"], AggregateEntry.ordered, shares: .minima, decides: .equal, keeps: .constant,
                example: "min(amount)", "5.5")
        case .max:
            AggregateEntry(
                ["max"], AggregateEntry.ordered, shares: .maxima, decides: .equal, keeps: .constant,
                example: "max(merchant)", "\"Zoo\""
            )
        case .mode:
            AggregateEntry(
                ["mode"], AggregateEntry.ordered, decides: .equal, keeps: .rows("every row's value is remembered"),
                example: "mode(status)", "\"settled\"")
        case .stddevSamp:
            AggregateEntry(
                ["stddev_samp", "stddev"], AggregateEntry.number, keeps: .constant, example: "stddev(amount)",
                "6.478731228669186")
        case .stddevPop:
            AggregateEntry(
                ["stddev_pop"], AggregateEntry.number, keeps: .constant, example: "stddev_pop(amount)",
                "5.610745828319084")
        case .varSamp:
            AggregateEntry(
                ["var_samp", "variance"], AggregateEntry.number, keeps: .constant, example: "variance(amount)",
                "41.973958333333336")
        case .varPop:
            AggregateEntry(
                ["var_pop"], AggregateEntry.number, keeps: .constant, example: "var_pop(amount)", "31.48046875")
        case .percentile:
            // Interpolates between the two nearest values, like PostgreSQL's percentile_cont.
            AggregateEntry(
                ["percentile"], AggregateEntry.number, asFloats: .integers, parameters: [.fraction],
                presets: ["median": [.float64(0.5)]],
                keeps: .rows("every row's value is remembered"),
                example: "percentile(amount, 0.9)", "17.0")
        case .boolAnd:
            AggregateEntry(
                ["bool_and", "every"], { $0 == .bool ? .bool : nil }, keeps: .constant, example: "bool_and(card)",
                "false")
        case .boolOr:
            AggregateEntry(
                ["bool_or"], { $0 == .bool ? .bool : nil }, keeps: .constant, example: "bool_or(card)", "true")
        case .latest:
            AggregateEntry(
                ["latest"], { $0 }, decides: .newest, keeps: .constant, example: "latest(status)", "\"refused\"")
        case .earliest:
            AggregateEntry(
                ["earliest"], { $0 }, decides: .oldest, keeps: .constant, example: "earliest(amount)", "10.0")
        case .firstK:
            AggregateEntry(
                ["first_k"], AggregateEntry.list, parameters: [.count], decides: .oldest, keeps: .constant,
                example: "first_k(amount, 3)", "[10.0,20.0,null]")
        case .lastK:
            AggregateEntry(
                ["last_k"], AggregateEntry.list, parameters: [.count], keepsNull: true, keeps: .constant,
                example: "last_k(merchant, 2)", "[\"Bar\",\"Zoo\"]")
        case .topK:
            AggregateEntry(
                ["top_k"], AggregateEntry.list, parameters: [.count], keeps: .rows("every row's value is remembered"),
                example: "top_k(merchant, 2)", "[\"Bar\",\"Café\"]")
        case .distinctValues:
            AggregateEntry(
                ["distinct_values"], AggregateEntry.list, keeps: .rows("every row's value is remembered"),
                example: "distinct_values(status)", "[\"open\",\"refused\",\"settled\"]")
        case .corr: .pairs("corr", "1.0")
        case .covarPop: .pairs("covar_pop", "3148.046875")
        case .covarSamp: .pairs("covar_samp", "4197.395833333333")
        case .regrSlope: .pairs("regr_slope", "0.01")
        case .regrIntercept: .pairs("regr_intercept", "0.0")
        case .regrR2: .pairs("regr_r2", "1.0")
        case .regrCount: .pairs("regr_count", "4", .int64)
        case .regrAvgx: .pairs("regr_avgx", "1068.75")
        case .regrAvgy: .pairs("regr_avgy", "10.6875")
        case .regrSxx: .pairs("regr_sxx", "1259218.75")
        case .regrSyy: .pairs("regr_syy", "125.921875")
        case .regrSxy: .pairs("regr_sxy", "12592.1875")
        case .decayedSum:
            AggregateEntry(
                ["decayed_sum"], AggregateEntry.number, asFloats: .numbers, parameters: [.halfLife], isDecayed: true,
                keeps: .rows("each row's weight changes with t"), example: "decayed_sum(amount, 12h)",
                "12.44602501083942")
        case .decayedCount:
            AggregateEntry(
                ["decayed_count"], { _ in .float64 }, values: 0, parameters: [.halfLife], isDecayed: true,
                keeps: .rows("each row's weight changes with t"), example: "decayed_count(12h)", "1.9498267900598012")
        case .approxCountDistinct:
            AggregateEntry(
                ["approx_count_distinct"], { $0.isOrdered ? .int64 : nil }, keepsNull: true, isPicked: false,
                keeps: .constant, example: "approx_count_distinct(merchant)", "3")
        case .approxPercentile:
            AggregateEntry(
                ["approx_percentile"], AggregateEntry.number, asFloats: .numbers, parameters: [.fraction],
                keeps: .constant, example: "approx_percentile(amount, 0.5)", "7.3156532611648615")
        }
    }

    /// The operators by the names an expression may call: one each, or two that `distinct` tells apart.
    static let spellings: [String: [AggregateOperator]] = allCases.reduce(into: [:]) { spellings, each in
        for name in each.entry.names + each.entry.presets.keys { spellings[name, default: []].append(each) }
    }
}

/// What parsing, typing, planning, running and explaining an aggregate need to know about it.
public struct AggregateEntry: Sendable {
    /// Its names in expressions; the first is the one that gets printed.
    public let names: [String]
    /// The type of its value, given the type of its argument; nil if it doesn't take such an argument.
    let result: @Sendable (ValueType) -> ValueType?
    /// Whether it is written `name(distinct x)`.
    public let isDistinct: Bool
    /// Whether it may be written `name(*)`, which counts rows.
    let takesRows: Bool
    /// Which arguments are converted to float64 before the aggregate sees them.
    let asFloats: Conversion
    /// How many expressions over the row's columns it takes: one, a pair, or none.
    package let values: Int
    /// The parameters that follow the argument, in order.
    public let parameters: [AggregateParameter]
    /// Names with the parameters built in, such as `median`.
    let presets: [String: [Literal]]
    /// What it shares with other aggregates over the same rows and argument.
    public let shares: Shared
    /// Which of the rows that count determine the value; `firn why` lists these first.
    public let decides: Deciding
    /// How large its state grows while no row leaves the frame, as `firn show --plan` reports.
    public let keeps: Memory
    /// An example from docs/language.md, with the value it has there.
    public let example: (expression: String, value: String)

    /// Whether its value changes as time goes by though no row enters or leaves.
    package let isDecayed: Bool
    /// Whether it gives values of single rows as they are, so that only those rows' values need to be read.
    package let picksRows: Bool
    private let keepsNull: Bool

    enum Conversion: Sendable { case none, integers, numbers }

    /// What is computed once for all aggregates of the same argument and filter.
    public enum Shared: Sendable { case nothing, sums, minima, maxima }

    /// Which of the rows that count determine the value.
    public enum Deciding: Sendable {
        case all
        /// Those whose argument equals the value.
        case equal
        /// One row, chosen by time, whatever its argument is.
        case newest, oldest
    }

    /// The size of its state where no row can leave: a single value, or every row so far, with the reason.
    public enum Memory: Sendable {
        case constant
        case rows(String)
    }

    /// Whether it skips rows whose argument is NULL. An aggregate that takes one row's value doesn't.
    public var skipsNull: Bool {
        switch decides {
        case .all, .equal: !keepsNull
        case .newest, .oldest: false
        }
    }

    /// Whether it treats a tombstone of a source without `id` as a row.
    public var seesTombstones: Bool {
        switch decides {
        case .newest: true
        case .all, .equal, .oldest: false
        }
    }

    /// The `result` of aggregates that give a list of values.
    fileprivate static let list: @Sendable (ValueType) -> ValueType? = { ScalarType($0).map { .list($0) } }

    /// An aggregate of pairs of numbers, y and x.
    fileprivate static func pairs(_ name: String, _ value: String, _ type: ValueType = .float64) -> AggregateEntry {
        AggregateEntry(
            [name], { $0.isNumber ? type : nil }, asFloats: .numbers, values: 2, keeps: .constant,
            example: "\(name)(amount, cents)", value)
    }

    /// The `result` of aggregates that take values which can be compared, and give one of them.
    fileprivate static let ordered: @Sendable (ValueType) -> ValueType? = { $0.isOrdered ? $0 : nil }

    /// The `result` of aggregates that take numbers and give a float64.
    fileprivate static let number: @Sendable (ValueType) -> ValueType? = { $0.isNumber ? .float64 : nil }

    fileprivate init(
        _ names: [String], _ result: @escaping @Sendable (ValueType) -> ValueType?, isDistinct: Bool = false,
        takesRows: Bool = false, asFloats: Conversion = .none, values: Int = 1,
        parameters: [AggregateParameter] = [],
        presets: [String: [Literal]] = [:], shares: Shared = .nothing, decides: Deciding = .all,
        keepsNull: Bool = false, isPicked: Bool = true, isDecayed: Bool = false, keeps: Memory,
        example expression: String, _ value: String
    ) {
        self.names = names
        self.result = result
        self.isDistinct = isDistinct
        self.takesRows = takesRows
        self.asFloats = asFloats
        self.parameters = parameters
        self.presets = presets
        self.shares = shares
        self.decides = decides
        self.keeps = keeps
        self.values = values
        self.isDecayed = isDecayed
        self.keepsNull = keepsNull
        picksRows = isPicked && (keepsNull || decides == .newest || decides == .oldest)
        example = (expression, value)
    }
}

/// A parameter that follows an aggregate's argument: a constant, written out as a literal or as a duration.
public struct AggregateParameter: Sendable {
    /// Completes the message `percentile takes a value and …`.
    let phrase: String
    let example: String
    /// The parameter's value; nil for a constant that can't be one.
    let read: @Sendable (Syntax) -> Literal?
    /// How an expression writes it.
    let text: @Sendable (Literal) -> String

    /// A number from 0 to 1, both included.
    static let fraction = AggregateParameter(phrase: "a number from 0 to 1", example: "0.9") { syntax in
        guard let literal = syntax.constant, let number = literal.type?.isNumber == true ? literal.number : nil else {
            return nil
        }
        return (0...1).contains(number) ? .float64(number) : nil
    } text: { literal in
        if case .float64(let bits) = literal { "\(Double(bitPattern: bits))" } else { literal.canonical }
    }

    /// A whole number from 1 to 1000.
    static let count = AggregateParameter(phrase: "a whole number from 1 to 1000", example: "10") { syntax in
        if case .int64(let count)? = syntax.constant, (1...1000).contains(count) { .int64(count) } else { nil }
    } text: {
        $0.canonical
    }

    /// A duration, in microseconds.
    static let halfLife = AggregateParameter(phrase: "a duration", example: "7d") { syntax in
        if case .interval(let span) = syntax, span > .zero { .int64(span.microseconds) } else { nil }
    } text: { literal in
        if case .int64(let span) = literal { "\(TimeSpan(microseconds: span))" } else { literal.canonical }
    }
}
