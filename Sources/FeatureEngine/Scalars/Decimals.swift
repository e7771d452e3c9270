internal import FeatureLanguage

// Decimals: whole numbers of 128 bits, with the scale in the type. A result of more than 38 digits is NULL.

/// The number at a larger scale; nil if it doesn't fit 38 digits then.
private func raised(_ value: Int128, by places: Int) -> Int128? {
    if places == 0 { return value }
    let (result, overflow) = value.multipliedReportingOverflow(by: DecimalValue.powers[places])
    return overflow ? nil : bounded(result)
}

/// Nil for a number of more than 38 digits.
private func bounded(_ value: Int128) -> Int128? {
    value.magnitude < DecimalValue.powers[DecimalValue.maximumPrecision].magnitude ? value : nil
}

private func decimals(_ pair: [Column], _ type: ValueType, _ body: (Int128, Int128) -> Int128?) -> Column {
    let (result, validity) = map(pair[0].wides, pair[1].wides, bothValid(pair[0], pair[1]), 0, body)
    return Column(type, result, validity: validity)
}

/// `+` and `-` of decimals; nil if the result isn't one.
///
/// - Parameter sign: −1 for a difference.
func decimalSum(_ pair: [Column], _ type: ValueType, sign: Int128 = 1) -> Column? {
    guard type.layout == .wides else { return nil }
    let left = type.scale - pair[0].type.scale, right = type.scale - pair[1].type.scale
    return decimals(pair, type) { a, b -> Int128? in
        if left == 0, right == 0 {
            let (sum, overflow) = a.addingReportingOverflow(sign * b)
            return overflow ? nil : bounded(sum)
        }
        // One alone may need more than 128 bits at the larger scale, and the sum fewer again.
        let x = complement(a, times: left), y = complement(sign * b, times: right)
        let (low, carry) = x.low.addingReportingOverflow(y.low)
        let high = x.high &+ y.high &+ (carry ? 1 : 0), sum = Int128(bitPattern: low)
        return high == (sum < 0 ? .max : 0) ? bounded(sum) : nil
    }
}

/// A number times a power of ten, as a two's complement of 256 bits.
private func complement(_ value: Int128, times exponent: Int) -> (high: UInt128, low: UInt128) {
    let (high, low) = DecimalValue.magnitude(of: value, times: exponent)
    return value < 0 ? (~high &+ (low == 0 ? 1 : 0), 0 &- low) : (high, low)
}

func decimalProduct(_ pair: [Column], _ type: ValueType) -> Column? {
    guard type.layout == .wides else { return nil }
    return decimals(pair, type) { a, b -> Int128? in
        let (result, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? nil : bounded(result)
    }
}

/// The remainder has the sign of the dividend, as in PostgreSQL.
func decimalRemainder(_ pair: [Column], _ type: ValueType) -> Column? {
    guard type.layout == .wides else { return nil }
    let left = type.scale - pair[0].type.scale, right = type.scale - pair[1].type.scale
    return decimals(pair, type) { a, b -> Int128? in
        if b == 0 { return nil }
        let dividend = DecimalValue.magnitude(of: a, times: left), divisor = DecimalValue.magnitude(of: b, times: right)
        // A divisor of more than 128 bits only goes with a dividend at its own scale, which it exceeds.
        guard divisor.high == 0 else { return a }
        let remainder = divisor.low.dividingFullWidth((dividend.high % divisor.low, dividend.low)).remainder
        return bounded(Int128(remainder)).map { a < 0 ? -$0 : $0 }
    }
}

/// The float64 nearest to the exact quotient; nil if the operands aren't decimals.
func decimalQuotient(_ pair: [Column]) -> Column? {
    guard pair[0].type.layout == .wides else { return nil }
    let places = pair[1].type.scale - pair[0].type.scale
    let (result, validity) = map(pair[0].wides, pair[1].wides, bothValid(pair[0], pair[1]), 0.0) { a, b -> Double? in
        if b == 0 { return nil }
        // A decimal has no −0.0.
        if a == 0 { return 0 }
        var numerator = Natural(a.magnitude), denominator = Natural(b.magnitude)
        if places > 0 {
            numerator = numerator * Natural(DecimalValue.powers[places].magnitude)
        } else {
            denominator = denominator * Natural(DecimalValue.powers[-places].magnitude)
        }
        let quotient = Natural.nearest(numerator, over: denominator)
        return (a < 0) != (b < 0) ? -quotient : quotient
    }
    return Column(.float64, result, validity: validity)
}

/// `round floor ceil trunc` of a decimal, to the digits that a second argument says; nil if the result isn't one.
func rounded(_ arguments: [Column], _ type: ValueType, _ rule: FloatingPointRoundingRule) -> Column? {
    guard type.layout == .wides else { return nil }
    let operand = arguments[0], places = arguments.count == 2 ? Int(arguments[1].integers.first ?? 0) : 0
    let (result, validity) = map(operand.wides, operand.validity, 0) { value -> Int128? in
        rescaled(value, from: operand.type.scale, to: places, rule).flatMap { raised($0, by: type.scale - places) }
    }
    return Column(type, result, validity: validity)
}

/// The number at another scale, which may be below 0; nil if it has more than 38 digits there.
func rescaled(_ value: Int128, from scale: Int, to other: Int, _ rule: FloatingPointRoundingRule) -> Int128? {
    let dropped = scale - other
    if dropped <= 0 { return raised(value, by: -dropped) }
    // No number has so many digits: what remains is a fraction below a tenth, or nothing.
    let unit = dropped > DecimalValue.maximumPrecision ? nil : DecimalValue.powers[dropped]
    let (quotient, rest) = unit.map { value.quotientAndRemainder(dividingBy: $0) } ?? (0, value)
    let isHalf = unit.map { rest.magnitude >= $0.magnitude - rest.magnitude } ?? false
    let step: Int128 =
        switch rule {
        case .down: rest < 0 ? -1 : 0
        case .up: rest > 0 ? 1 : 0
        case .toNearestOrAwayFromZero: isHalf ? Int128(value.signum()) : 0
        default: 0
        }
    return bounded(quotient + step)
}

func signs(_ operand: Column, _ type: ValueType) -> Column? {
    guard type.layout == .wides else { return nil }
    return Column(type, operand.wides.map { Int128($0.signum()) }, validity: operand.validity)
}

// MARK: Casts

/// A decimal of another scale and other digits, rounded half away from zero; NULL if it has too many.
func decimal(_ operand: Column, to type: ValueType) -> Column {
    guard case .decimal(let precision, let scale) = type else { preconditionFailure("a cast to \(type.rawValue)") }
    let limit = DecimalValue.powers[precision].magnitude
    func fitting(_ value: Int128?) -> Int128? { value.flatMap { $0.magnitude < limit ? $0 : nil } }
    let result: ([Int128], [Bool]?)
    switch operand.values {
    case .wides(let values):
        let from = operand.type.scale
        result = map(values, operand.validity, 0) {
            fitting(rescaled($0, from: from, to: scale, .toNearestOrAwayFromZero))
        }
    case .words(let values):
        result = map(values, operand.validity, 0) { fitting(raised(Int128($0), by: scale)) }
    case .floats(let values):
        // By its shortest digits.
        result = map(values, operand.validity, 0) { value in
            value.isFinite
                ? DecimalDigits(text: value.sqlText.utf8).flatMap { DecimalValue($0, precision, scale)?.unscaled } : nil
        }
    case .bits, .bytes, .packed: preconditionFailure("a cast of \(operand.type.rawValue)")
    }
    return Column(type, result.0, validity: result.1)
}
