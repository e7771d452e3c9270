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
    /// Whether an int64 argument is converted to float64 before the aggregate sees it.
    let asFloats: Bool
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
        case .all, .equal: true
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

    /// The `result` of aggregates that take values which can be compared, and give one of them.
    fileprivate static let ordered: @Sendable (ValueType) -> ValueType? = { $0.isOrdered ? $0 : nil }

    /// The `result` of aggregates that take numbers and give a float64.
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

/// A parameter that follows an aggregate's argument: a constant, written out as a literal.
public struct AggregateParameter: Sendable {
    /// Completes the message `percentile takes a value and …`.
    let phrase: String
    let example: String
    /// The parameter's value; nil for a literal that can't be one.
    let read: @Sendable (Literal) -> Literal?

    /// A number from 0 to 1, both included.
    static let fraction = AggregateParameter(phrase: "a number from 0 to 1", example: "0.9") { literal in
        let number = literal.type?.isNumber == true ? literal.number : nil
        return number.flatMap { (0...1).contains($0) ? .float64($0) : nil }
    }
}
