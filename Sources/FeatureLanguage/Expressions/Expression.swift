/// An expression whose every part has a type: what the engine compiles and the fingerprint covers.
public indirect enum Expression: Sendable, Hashable {
    /// A constant; `.null` of a type is a constant too.
    case literal(Literal, ValueType)
    /// A column of the source's row. Only inside aggregates.
    case column(String, ValueType)
    /// A value that the caller brings.
    case request(String, ValueType)
    /// The instant asked for.
    case asOf
    /// A reduction of the entity's rows.
    case aggregate(Aggregate)
    /// Another feature's value at the same instant, for the entity that the shared keys name.
    case feature(VersionedName, ValueType)
    /// An operator or function over values of one row.
    case call(Operation, [Expression], ValueType)

    public var type: ValueType {
        switch self {
        case .literal(_, let type), .column(_, let type), .request(_, let type), .feature(_, let type),
            .call(_, _, let type):
            type
        case .asOf: .timestamp
        case .aggregate(let aggregate): aggregate.type
        }
    }
}

/// The operators and functions over values, each with the types it was resolved to.
public enum Operation: String, Sendable, Hashable, CaseIterable {
    case add = "+", subtract = "-", multiply = "*", divide = "/", modulo = "%", negate
    /// Timestamp and a span in microseconds.
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
    /// The natural logarithm and that to base 10.
    case ln, log
    case exp, power
    case concatenate = "||", concat
    case lower, upper, length, substring
    /// First argument: the field, a literal string.
    case extract
    case dateTruncate = "date_trunc"
}

/// A reduction of the rows that count for an entity at an instant.
public struct Aggregate: Sendable, Hashable {
    public var `operator`: AggregateOperator
    /// Over the row's columns; nil for `count(*)`.
    public var argument: Expression?
    /// What its operator takes behind the argument, as `percentile` which: as many as its entry says.
    public var parameters: [Literal]
    /// Rows for which it isn't true don't count.
    public var filter: Expression?
    public var frame: Frame
    public var type: ValueType

    public init(
        _ operator: AggregateOperator, _ argument: Expression?, parameters: [Literal] = [], filter: Expression? = nil,
        frame: Frame = .allHistory, type: ValueType
    ) {
        self.operator = `operator`
        self.argument = argument
        self.parameters = parameters
        self.filter = filter
        self.frame = frame
        self.type = type
    }
}

extension Expression {
    /// The parts directly below.
    public var children: [Expression] {
        switch self {
        case .call(_, let arguments, _): arguments
        case .aggregate(let aggregate): [aggregate.argument, aggregate.filter].compactMap { $0 }
        default: []
        }
    }

    /// Calls `body` with this expression and everything below it, outermost first.
    public func forEach(_ body: (Expression) -> Void) {
        body(self)
        for child in children { child.forEach(body) }
    }

    /// The aggregates, in the order they are written.
    public var aggregates: [Aggregate] {
        var found: [Aggregate] = []
        forEach { if case .aggregate(let aggregate) = $0 { found.append(aggregate) } }
        return found
    }

    /// The features it refers to directly, in the order they are written, each once.
    public var features: [VersionedName] {
        var found: [VersionedName] = []
        forEach { if case .feature(let name, _) = $0, !found.contains(name) { found.append(name) } }
        return found
    }

    /// The request inputs it reads itself, by name.
    public var requests: [String: ValueType] {
        var found: [String: ValueType] = [:]
        forEach { if case .request(let name, let type) = $0 { found[name] = type } }
        return found
    }

    /// The columns of the source's rows that it reads.
    public var columns: Set<String> {
        var found: Set<String> = []
        forEach { if case .column(let name, _) = $0 { found.insert(name) } }
        return found
    }
}
