public import FeatureLanguage

/// An expression over numbered input columns, ready to be computed for many rows at once.
///
/// What the leaves of an `Expression` are (a source's columns, a spine's request inputs, an aggregate's results) is
/// settled when it is compiled, so that one evaluator serves the rows and the spine.
public indirect enum Scalar: Sendable, Hashable {
    case literal(Literal, ValueType)
    case input(Int, ValueType)
    case call(Operation, [Scalar], ValueType)

    /// - Parameter leaf: the scalar for a column, request input, instant, aggregate or feature reference.
    init(_ expression: Expression, leaf: (Expression) -> Scalar) {
        switch expression {
        case .literal(let literal, let type): self = .literal(literal, type)
        case .call(let operation, let arguments, let type):
            self = .call(operation, arguments.map { Scalar($0, leaf: leaf) }, type)
        default: self = leaf(expression)
        }
    }

    /// Whether it reads an input.
    func reads(input: Int) -> Bool {
        switch self {
        case .literal: false
        case .input(let index, _): index == input
        case .call(_, let arguments, _): arguments.contains { $0.reads(input: input) }
        }
    }

    /// The value for each of `count` rows. Total: what SQL would refuse is NULL.
    func evaluate(_ inputs: [Column], count: Int) -> Column {
        switch self {
        case .literal(let literal, let type): return Column(repeating: literal, type: type, count: count)
        case .input(let index, _): return inputs[index]
        case .call(let operation, let arguments, let type):
            return compute(operation, arguments.map { $0.evaluate(inputs, count: count) }, type, count)
        }
    }
}

private func compute(_ operation: Operation, _ arguments: [Column], _ type: ValueType, _ count: Int) -> Column {
    switch operation {
    case .add, .subtract, .multiply, .divide, .modulo, .negate, .addSpan: arithmetic(operation, arguments)
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .isDistinct, .between, .in:
        compare(operation, arguments)
    case .and, .or, .not, .isNull: logic(operation, arguments)
    case .cases, .coalesce, .nullif, .greatest, .least: choose(operation, arguments, count)
    case .cast: cast(arguments[0], to: type)
    case .abs, .round, .floor, .ceil, .trunc, .sign, .sqrt: rounding(operation, arguments[0])
    case .ln, .log, .exp, .power: elementary(operation, arguments)
    case .concatenate, .concat, .lower, .upper, .length, .substring, .like: text(operation, arguments)
    case .extract, .dateTruncate: calendar(operation, arguments)
    }
}

// MARK: Loops that the kernels share

/// Both valid; nil where all are.
func bothValid(_ left: Column, _ right: Column) -> [Bool]? {
    switch (left.validity, right.validity) {
    case (nil, nil): nil
    case (let one?, nil), (nil, let one?): one
    case (let a?, let b?): zip(a, b).map { $0 && $1 }
    }
}

/// A result for each value, NULL where the value is or the kernel gives nil.
func map<T, U>(_ values: [T], _ validity: [Bool]?, _ none: U, _ body: (T) -> U?) -> ([U], [Bool]?) {
    var result: [U] = []
    result.reserveCapacity(values.count)
    var valid = validity
    for row in values.indices {
        if let validity, !validity[row] {
            result.append(none)
        } else if let value = body(values[row]) {
            result.append(value)
        } else {
            if valid == nil { valid = Array(repeating: true, count: values.count) }
            valid![row] = false
            result.append(none)
        }
    }
    return (result, valid)
}

/// Maps pairs of values, with NULL where either is.
func map<T, U, V>(_ left: [T], _ right: [U], _ validity: [Bool]?, _ none: V, _ body: (T, U) -> V?) -> ([V], [Bool]?) {
    map(Array(left.indices), validity, none) { body(left[$0], right[$0]) }
}

extension Column {
    package var bools: [Bool] {
        guard case .bits(let values) = values else { preconditionFailure("a \(type.rawValue) for a bool") }
        return values
    }

    /// Words: int64s, or the microseconds of timestamps.
    package var integers: [Int64] {
        guard case .words(let values) = values else { preconditionFailure("a \(type.rawValue) for an int64") }
        return values
    }

    package var floats: [Double] {
        guard case .floats(let values) = values else { preconditionFailure("a \(type.rawValue) for a float64") }
        return values
    }

    package var texts: StringColumn {
        guard case .bytes(let values) = values else { preconditionFailure("a \(type.rawValue) for a string") }
        return values
    }
}
