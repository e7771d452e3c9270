public import FeatureLanguage

/// An expression over numbered input columns, ready to be computed for many rows at once.
///
/// Compiling settles what the leaves of an `Expression` are (a source's columns, a spine's request inputs, an
/// aggregate's results), so one evaluator serves both rows and the spine.
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
        case .column, .request, .asOf, .aggregate, .feature: self = leaf(expression)
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

    /// The value for each of `count` rows. It never fails: what SQL would refuse is NULL.
    func evaluate(_ inputs: [Column], count: Int) -> Column {
        switch self {
        case .literal(let literal, let type): return Column(repeating: literal, type: type, count: count)
        case .input(let index, _): return inputs[index]
        case .call(let operation, let arguments, let type):
            return compute(operation, arguments.map { $0.evaluate(inputs, count: count) }, type, count)
        }
    }
}

/// Each operation's kernel.
private func compute(_ operation: Operation, _ arguments: [Column], _ type: ValueType, _ count: Int) -> Column {
    switch operation {
    case .add: sum(arguments, type)
    case .subtract: difference(arguments, type)
    case .multiply: product(arguments, type)
    case .divide: quotient(arguments)
    case .modulo: remainder(arguments, type)
    case .negate: negative(arguments[0])
    case .addSpan: moved(arguments)
    case .equal: compare(arguments) { $0 == 0 }
    case .notEqual: compare(arguments) { $0 != 0 }
    case .less: compare(arguments) { $0 < 0 }
    case .lessOrEqual: compare(arguments) { $0 <= 0 }
    case .greater: compare(arguments) { $0 > 0 }
    case .greaterOrEqual: compare(arguments) { $0 >= 0 }
    case .isDistinct: isDistinct(arguments)
    case .between: isBetween(arguments)
    case .in: isIn(arguments)
    case .like: isLike(arguments)
    case .and: join(arguments, decisive: false)
    case .or: join(arguments, decisive: true)
    case .not: Column(.bool, arguments[0].bools.map { !$0 }, validity: arguments[0].validity)
    case .isNull: Column(.bool, (0..<count).map(arguments[0].isNull))
    case .cases: firstCase(arguments, count)
    case .coalesce: firstPresent(arguments, count)
    case .nullif: nullWhereEqual(arguments, count)
    case .greatest: extreme(arguments, count) { $0 > 0 }
    case .least: extreme(arguments, count) { $0 < 0 }
    case .cast: cast(arguments[0], to: type)
    case .abs: magnitude(arguments[0])
    case .round:
        rounded(arguments, type, .toNearestOrAwayFromZero) ?? floats(arguments[0]) { $0.rounded(.toNearestOrEven) }
    case .floor: rounded(arguments, type, .down) ?? floats(arguments[0]) { $0.rounded(.down) }
    case .ceil: rounded(arguments, type, .up) ?? floats(arguments[0]) { $0.rounded(.up) }
    case .trunc: rounded(arguments, type, .towardZero) ?? floats(arguments[0]) { $0.rounded(.towardZero) }
    case .sign: signs(arguments[0], type) ?? floats(arguments[0]) { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
    case .sqrt: floats(arguments[0]) { $0 < 0 ? nil : $0.squareRoot() }
    case .ln: floats(arguments[0]) { logarithm($0)?.rounded }
    case .log: floats(arguments[0]) { logarithm($0).map { ($0 / .ln10).rounded } }
    case .exp: floats(arguments[0]) { exponential(DoubleDouble($0)) }
    case .power: floats(arguments, power)
    case .concatenate: type.isPacked ? joinedLists(arguments, type) : concatenation(arguments, skipsNull: false)
    case .concat: concatenation(arguments, skipsNull: true)
    case .lower: lowercased(arguments)
    case .upper: uppercased(arguments)
    case .length: length(arguments)
    case .substring: substring(arguments)
    case .extract: extract(arguments)
    case .dateTruncate: truncate(arguments)
    case .element: elements(arguments, type)
    case .isAny: isAny(arguments)
    case .cardinality: cardinalities(arguments[0])
    case .arrayPosition: positions(arguments)
    case .dotProduct: similarity(arguments, dotProduct)
    case .cosineSimilarity: similarity(arguments, cosineSimilarity)
    case .distance: similarity(arguments, distance)
    }
}

// MARK: Loops that the kernels share

/// Where both are valid; nil if all are.
func bothValid(_ left: Column, _ right: Column) -> [Bool]? {
    switch (left.validity, right.validity) {
    case (nil, nil): nil
    case (let one?, nil), (nil, let one?): one
    case (let a?, let b?): zip(a, b).map { $0 && $1 }
    }
}

/// A result for each value, NULL if the value is or the kernel returns nil.
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

/// A float64 for each float64; nil is NULL.
func floats(_ operand: Column, _ body: (Double) -> Double?) -> Column {
    let (result, validity) = map(operand.floats, operand.validity, 0, body)
    return Column(.float64, result, validity: validity)
}

/// A float64 for each pair of them; nil is NULL.
func floats(_ pair: [Column], _ body: (Double, Double) -> Double?) -> Column {
    let (result, validity) = map(pair[0].floats, pair[1].floats, bothValid(pair[0], pair[1]), 0, body)
    return Column(.float64, result, validity: validity)
}

extension Column {
    package var bools: [Bool] {
        guard case .bits(let values) = values else { preconditionFailure("a \(type.rawValue) for a bool") }
        return values
    }

    /// Words: int64s, the microseconds of timestamps, or the days of dates.
    package var integers: [Int64] {
        guard case .words(let values) = values else { preconditionFailure("a \(type.rawValue) for an int64") }
        return values
    }

    /// Microseconds since 1970: those of timestamps, and of the midnights of dates.
    package var instants: [Int64] {
        type == .date ? integers.map { $0 &* Instant.microsecondsPerDay } : integers
    }

    package var floats: [Double] {
        guard case .floats(let values) = values else { preconditionFailure("a \(type.rawValue) for a float64") }
        return values
    }

    /// Wide words: decimals, at the scale of the type.
    package var wides: [Int128] {
        guard case .wides(let values) = values else { preconditionFailure("a \(type.rawValue) for a decimal") }
        return values
    }

    /// Lists or vectors, as they are packed.
    package var packs: StringColumn {
        guard case .packed(let values) = values else { preconditionFailure("a \(type.rawValue) for a list") }
        return values
    }

    package var texts: StringColumn {
        guard case .bytes(let values) = values else { preconditionFailure("a \(type.rawValue) for a string") }
        return values
    }
}
