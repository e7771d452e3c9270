/// The aggregates. Everything the language and the engine must know about one stands in its entry of the table below,
/// but for its state.
public enum AggregateOperator: String, Sendable, Hashable, CaseIterable {
    case count
    case countDistinct = "count_distinct"
    case sum, avg, min, max, mode
    case stddevSamp = "stddev_samp", stddevPop = "stddev_pop", varSamp = "var_samp", varPop = "var_pop"
    case percentile
    case boolAnd = "bool_and", boolOr = "bool_or"
    case latest, earliest
}

extension AggregateOperator {
    /// This aggregate's entry in the table of functions.
    public var entry: AggregateEntry { AggregateOperator.table[self]! }

    // One dictionary, made once: the engine asks for entries while it compiles plans.
    private static let table = Dictionary(uniqueKeysWithValues: allCases.map { ($0, $0.makeEntry()) })

    private func makeEntry() -> AggregateEntry {
        switch self {
        case .count:
            AggregateEntry(["count"], { _ in .int64 }, takesRows: true, keeps: .constant, example: "count(status)", "5")
        case .countDistinct:
            AggregateEntry(
                ["count"], { _ in .int64 }, isDistinct: true, keeps: .rows("every value is remembered"),
                example: "count(distinct merchant)", "3")
        case .sum:
            AggregateEntry(
                ["sum"], { $0.isNumber ? $0 : nil }, shares: .sums, keeps: .constant, example: "sum(amount)", "42.75")
        case .avg:
            AggregateEntry(
                ["avg"], AggregateEntry.number, shares: .sums, keeps: .constant, example: "avg(cents)", "1068.75")
        case .min:
            AggregateEntry(
                ["min"], { $0 }, shares: .minima, decides: .equal, keeps: .constant, example: "min(amount)", "5.5")
        case .max:
            AggregateEntry(
                ["max"], { $0 }, shares: .maxima, decides: .equal, keeps: .constant, example: "max(merchant)", "\"Zoo\""
            )
        case .mode:
            AggregateEntry(
                ["mode"], { $0 }, decides: .equal, keeps: .rows("every row's value is remembered"),
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
            // Between the two nearest values, as PostgreSQL's percentile_cont.
            AggregateEntry(
                ["percentile"], AggregateEntry.number, asFloats: true, parameters: [.fraction],
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
        }
    }

    /// What may be called: for each name the operator, or two where `distinct` tells them apart.
    static let spellings: [String: [AggregateOperator]] = allCases.reduce(into: [:]) { spellings, each in
        for name in each.entry.names + each.entry.presets.keys { spellings[name, default: []].append(each) }
    }
}

/// What is to be known of an aggregate by those who parse, type, plan, run and explain it.
public struct AggregateEntry: Sendable {
    /// What it is called, the name that is written out first.
    public let names: [String]
    /// The type of its values by that of its argument; nil where it doesn't take such a one.
    let result: @Sendable (ValueType) -> ValueType?
    /// Whether it stands for `name(distinct x)`.
    public let isDistinct: Bool
    /// Whether `name(*)` counts rows.
    let takesRows: Bool
    /// Whether an int64 argument is converted before the aggregate sees it.
    let asFloats: Bool
    /// What follows the argument.
    public let parameters: [AggregateParameter]
    /// Names that stand for parameters.
    let presets: [String: [Literal]]
    /// What aggregates over the same rows and argument have in common.
    public let shares: Shared
    public let decides: Deciding
    public let keeps: Memory
    /// An expression of docs/language.md, and its value there.
    public let example: (expression: String, value: String)

    /// What is computed once for all aggregates of the same argument and filter.
    public enum Shared: Sendable { case nothing, sums, minima, maxima }

    /// Which of the rows that count make the value.
    public enum Deciding: Sendable {
        case all
        /// Those whose argument is the value.
        case equal
        /// One, by time, whatever its argument is.
        case newest, oldest
    }

    /// What its state comes to where no row can leave: a value, or all there were.
    public enum Memory: Sendable {
        case constant
        case rows(String)
    }

    /// Whether it passes over rows whose argument is NULL. One row's value may be NULL.
    public var skipsNull: Bool {
        switch decides {
        case .all, .equal: true
        case .newest, .oldest: false
        }
    }

    /// Whether a tombstone of a source without `id` is a row to it.
    public var seesTombstones: Bool {
        switch decides {
        case .newest: true
        case .all, .equal, .oldest: false
        }
    }

    /// The result of what gives float64s of numbers.
    fileprivate static let number: @Sendable (ValueType) -> ValueType? = { $0.isNumber ? .float64 : nil }

    fileprivate init(
        _ names: [String], _ result: @escaping @Sendable (ValueType) -> ValueType?, isDistinct: Bool = false,
        takesRows: Bool = false, asFloats: Bool = false,
        parameters: [AggregateParameter] = [],
        presets: [String: [Literal]] = [:], shares: Shared = .nothing, decides: Deciding = .all, keeps: Memory,
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
        example = (expression, value)
    }
}

/// What an aggregate takes behind its argument: a constant that is written out.
public struct AggregateParameter: Sendable {
    /// As in `percentile takes a value and …`.
    let phrase: String
    let example: String
    /// Its value; nil of what can't be one.
    let read: @Sendable (Literal) -> Literal?

    /// From 0 to 1.
    static let fraction = AggregateParameter(phrase: "a number from 0 to 1", example: "0.9") { literal in
        let number: Double? =
            switch literal {
            case .int64(let value): Double(value)
            case .float64(let bits): Double(bitPattern: bits)
            case .null, .bool, .string, .timestamp: nil
            }
        return number.flatMap { (0...1).contains($0) ? .float64($0) : nil }
    }
}
