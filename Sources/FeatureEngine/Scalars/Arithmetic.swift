internal import FeatureLanguage

// `+ - * / %`, unary minus, and a timestamp moved by a span. Integer overflow and division by zero are NULL; float
// overflow is infinity.

func sum(_ pair: [Column], _ type: ValueType) -> Column {
    if type == .date { return movedDays(pair, 1) }
    return decimalSum(pair, type)
        ?? numbers(pair, { $0.addingReportingOverflow($1) }, { $0 + $1 })
}

/// The difference of two timestamps is in seconds, that of two dates in days.
func difference(_ pair: [Column], _ type: ValueType) -> Column {
    guard pair[0].type == .timestamp else {
        if type == .date { return movedDays(pair, -1) }
        return decimalSum(pair, type, sign: -1)
            ?? numbers(pair, { $0.subtractingReportingOverflow($1) }, { $0 - $1 })
    }
    // The microseconds between them may overflow 64 bits at the far ends of time.
    let valid = bothValid(pair[0], pair[1])
    let (result, validity) = map(pair[0].integers, pair[1].integers, valid, 0.0) { seconds(Int128($0) - Int128($1)) }
    return Column(.float64, result, validity: validity)
}

/// A date moved by a number of days; NULL beyond the dates that timestamps reach.
private func movedDays(_ pair: [Column], _ sign: Int64) -> Column {
    let valid = bothValid(pair[0], pair[1])
    let (result, validity) = map(pair[0].integers, pair[1].integers, valid, 0) { date, days -> Int64? in
        let moved = Int128(date) + Int128(sign) * Int128(days)
        return Int64(exactly: moved).flatMap { Instant.days.contains($0) ? $0 : nil }
    }
    return Column(.date, result, validity: validity)
}

func product(_ pair: [Column], _ type: ValueType) -> Column {
    decimalProduct(pair, type) ?? numbers(pair, { $0.multipliedReportingOverflow(by: $1) }, { $0 * $1 })
}

/// PostgreSQL refuses to divide a number by zero, but not NaN.
func quotient(_ pair: [Column]) -> Column {
    decimalQuotient(pair)
        ?? numbers(pair, { $0.dividedReportingOverflow(by: $1) }, { $1 == 0 && !$0.isNaN ? nil : $0 / $1 })
}

/// PostgreSQL gives 0 for x % -1, even for the smallest int64, whose quotient overflows.
func remainder(_ pair: [Column], _ type: ValueType) -> Column {
    decimalRemainder(pair, type)
        ?? integers(pair) { $1 == -1 ? (0, false) : $0.remainderReportingOverflow(dividingBy: $1) }
}

func negative(_ operand: Column) -> Column {
    if operand.type == .float64 { return floats(operand) { -$0 } }
    if case .wides(let values) = operand.values {
        return Column(operand.type, values.map { -$0 }, validity: operand.validity)
    }
    return integers(operand) { $0 == .min ? nil : -$0 }
}

func magnitude(_ operand: Column) -> Column {
    if operand.type == .float64 { return floats(operand) { $0.magnitude } }
    if case .wides(let values) = operand.values {
        return Column(operand.type, values.map { Swift.abs($0) }, validity: operand.validity)
    }
    return integers(operand) { $0 == .min ? nil : Swift.abs($0) }
}

func moved(_ pair: [Column]) -> Column {
    let valid = bothValid(pair[0], pair[1])
    let (result, validity) = map(pair[0].integers, pair[1].integers, valid, 0) { time, span -> Int64? in
        let (sum, overflow) = time.addingReportingOverflow(span)
        return overflow || !Instant.range.contains(Instant(microseconds: sum)) ? nil : sum
    }
    return Column(.timestamp, result, validity: validity)
}

private func numbers(
    _ pair: [Column], _ words: (Int64, Int64) -> (Int64, Bool), _ floats: (Double, Double) -> Double?
) -> Column {
    pair[0].type == .float64 ? FeatureEngine.floats(pair, floats) : integers(pair, words)
}

/// - Parameter body: the result, and whether it overflowed.
private func integers(_ pair: [Column], _ body: (Int64, Int64) -> (Int64, Bool)) -> Column {
    let valid = bothValid(pair[0], pair[1])
    let (result, validity) = map(pair[0].integers, pair[1].integers, valid, 0) { left, right -> Int64? in
        let (result, overflow) = body(left, right)
        return overflow ? nil : result
    }
    return Column(.int64, result, validity: validity)
}

private func integers(_ operand: Column, _ body: (Int64) -> Int64?) -> Column {
    let (result, validity) = map(operand.integers, operand.validity, 0, body)
    return Column(.int64, result, validity: validity)
}

/// Microseconds as seconds, rounded once even if there are more than a float64 can hold.
func seconds(_ microseconds: Int128) -> Double {
    let high = Double(microseconds)
    return (DoubleDouble(high, Double(microseconds - Int128(high))) / DoubleDouble(1_000_000)).rounded
}
