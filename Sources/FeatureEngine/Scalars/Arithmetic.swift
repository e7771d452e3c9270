internal import FeatureLanguage

/// `+ - * / %`, unary minus, and a timestamp moved by a span. Integer overflow and division by zero are NULL; float
/// overflow is infinity.
func arithmetic(_ operation: Operation, _ arguments: [Column]) -> Column {
    let left = arguments[0]
    if operation == .negate {
        if left.type == .float64 { return Column(.float64, left.floats.map { -$0 }, validity: left.validity) }
        let (result, validity) = map(left.integers, left.validity, 0) { $0 == .min ? nil : -$0 }
        return Column(.int64, result, validity: validity)
    }
    let right = arguments[1]
    let valid = bothValid(left, right)
    switch (left.type, right.type) {
    case (.timestamp, .timestamp):
        // The microseconds between may overflow 64 bits at the far ends of time.
        let (result, validity) = map(left.integers, right.integers, valid, 0.0) { seconds(Int128($0) - Int128($1)) }
        return Column(.float64, result, validity: validity)
    case (.timestamp, .int64):
        let (result, validity) = map(left.integers, right.integers, valid, 0) { time, span -> Int64? in
            let (sum, overflow) = time.addingReportingOverflow(span)
            return overflow || !Instant.range.contains(Instant(microseconds: sum)) ? nil : sum
        }
        return Column(.timestamp, result, validity: validity)
    case (.int64, .int64):
        let (result, validity) = map(left.integers, right.integers, valid, 0) { integer(operation, $0, $1) }
        return Column(.int64, result, validity: validity)
    case (.float64, _), (_, .float64):
        let (result, validity) = map(left.floats, right.floats, valid, 0.0) { float(operation, $0, $1) }
        return Column(.float64, result, validity: validity)
    case (.bool, _), (.string, _), (.int64, _), (.timestamp, _):
        preconditionFailure("the type checker lets no other types meet")
    }
}

private func integer(_ operation: Operation, _ left: Int64, _ right: Int64) -> Int64? {
    let (result, overflow) =
        switch operation {
        case .add: left.addingReportingOverflow(right)
        case .subtract: left.subtractingReportingOverflow(right)
        case .multiply: left.multipliedReportingOverflow(by: right)
        case .divide: left.dividedReportingOverflow(by: right)
        // PostgreSQL gives 0 for x % -1, also for the smallest int64, whose quotient overflows.
        default: right == -1 ? (0, false) : left.remainderReportingOverflow(dividingBy: right)
        }
    return overflow ? nil : result
}

private func float(_ operation: Operation, _ left: Double, _ right: Double) -> Double? {
    switch operation {
    case .add: left + right
    case .subtract: left - right
    case .multiply: left * right
    // As in PostgreSQL, which refuses to divide a number by zero, but not what is no number.
    default: right == 0 && !left.isNaN ? nil : left / right
    }
}

/// Microseconds as seconds, rounded once though they be more than a float64 holds.
func seconds(_ microseconds: Int128) -> Double {
    let high = Double(microseconds)
    return (DoubleDouble(high, Double(microseconds - Int128(high))) / DoubleDouble(1_000_000)).rounded
}

/// `abs round floor ceil trunc sign sqrt`; floats round half to even, the root of a negative number is NULL.
func rounding(_ operation: Operation, _ operand: Column) -> Column {
    if operand.type == .int64 {
        let values = operand.integers
        let (result, validity) = map(values, operand.validity, 0) { $0 == .min ? nil : Swift.abs($0) }
        return Column(.int64, result, validity: validity)
    }
    let (result, validity) = map(operand.floats, operand.validity, 0.0) { value -> Double? in
        switch operation {
        case .abs: value.magnitude
        case .round: value.rounded(.toNearestOrEven)
        case .floor: value.rounded(.down)
        case .ceil: value.rounded(.up)
        case .trunc: value.rounded(.towardZero)
        case .sign: value > 0 ? 1 : value < 0 ? -1 : 0
        default: value < 0 ? nil : value.squareRoot()
        }
    }
    return Column(.float64, result, validity: validity)
}
