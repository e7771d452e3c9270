public import FeatureLanguage

/// How an aggregate is proven: a twin that follows its definition to the letter, PostgreSQL as the judge of both, and a
/// mutant that the tests have to notice.
public struct AggregateProof: Sendable {
    /// What may be written, with `$` for the argument and `%` for the x of pairs.
    public struct Call: Sendable {
        /// Which columns it may be called over; those with an order are all but vectors.
        public enum Argument: Sendable { case rows, anything, ordered, singles, numbers, pairs, truths, vectors }

        public var text: String
        public var takes: Argument
        public var parameters: [Literal] = []
    }

    /// The same in Firn and in SQL.
    public struct Judged: Sendable {
        public var firn: String
        public var sql: String
        public var type: ValueType
        /// How far PostgreSQL may be off, which computes with decimal digits that are nearly the floats.
        public var tolerance = 0.0
        /// How far a sketch may be off, relative to the value.
        public var relative = 0.0
        /// Of a deviation the tolerance is that of its square.
        public var isRoot = false
        /// What stands in SQL behind the aggregate's filter.
        public var end = ""
    }

    public var calls: [Call]
    /// Its value by the rows that count and its parameters.
    public var twin: @Sendable (CountingRows, [Literal]) -> Literal
    /// Draws a call over random arguments.
    public var judged: @Sendable (inout RandomExpressions) -> Judged
    /// The name of one of scripts/mutants, or of one that stands beside the proof.
    public var mutant: String

    /// Each aggregate's.
    public static func of(_ operator: AggregateOperator) -> AggregateProof {
        switch `operator` {
        case .count: count
        case .countDistinct: countDistinct
        case .sum: sum
        case .avg: avg
        case .min: extreme("min", isMinimum: true)
        case .max: extreme("max", isMinimum: false)
        case .mode: mode
        case .stddevSamp: spread("stddev_samp", "stddev", ofSample: true, isRoot: true)
        case .stddevPop: spread("stddev_pop", "stddev_pop", ofSample: false, isRoot: true)
        case .varSamp: spread("var_samp", "variance", ofSample: true, isRoot: false)
        case .varPop: spread("var_pop", "var_pop", ofSample: false, isRoot: false)
        case .percentile: percentile
        case .boolAnd: truth("bool_and", ["bool_and", "every"], isAnd: true)
        case .boolOr: truth("bool_or", ["bool_or"], isAnd: false)
        case .latest: latest
        case .earliest: earliest
        case .firstK: ends("first_k", isNewest: false)
        case .lastK: ends("last_k", isNewest: true)
        case .topK: topK
        case .distinctValues: distinctValues
        case .corr, .covarPop, .covarSamp, .regrSlope, .regrIntercept, .regrR2, .regrCount, .regrAvgx, .regrAvgy,
            .regrSxx, .regrSyy, .regrSxy:
            pairs(`operator`)
        case .decayedSum: decayed("decayed_sum", takes: .numbers)
        case .decayedCount: decayed("decayed_count", takes: .rows)
        case .approxCountDistinct: approxCountDistinct
        case .approxPercentile: approxPercentile
        }
    }
}

/// The argument's values in the rows that count, the oldest first. NULL in a tombstone that counts.
public struct CountingRows: Sendable {
    public var values: [Literal]
    public var present: [Literal] { values.filter { $0 != .null } }
    /// The x of pairs; empty for other aggregates.
    public var seconds: [Literal]
    /// How long before the instant each was, in microseconds.
    public var ages: [Int64]

    public init(values: [Literal], seconds: [Literal] = [], ages: [Int64] = []) {
        self.values = values
        self.seconds = seconds
        self.ages = ages
    }
}
