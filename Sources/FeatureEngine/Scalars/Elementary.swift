internal import FeatureLanguage

// ln, log, exp and power from IEEE additions, multiplications and divisions alone, so that every machine and every
// release gives the same bits; C libraries differ in the last bits. Results are computed in pairs of doubles to about
// 2^−90 and rounded once, so they are correctly rounded unless the true value lies that close to the middle between two
// doubles: the error is below 0.5 + 2^−30 units in the last place.

// NULL outside their domains, infinite beyond the range, 0 below it.

/// The unevaluated sum of two doubles, the second at most half a unit in the last place of the first: some 106 bits.
///
/// Dekker, "A floating-point technique for extending the available precision" (1971); Knuth's two-sum; products by
/// fused multiply-add.
struct DoubleDouble {
    var high: Double
    var low: Double

    init(_ high: Double, _ low: Double = 0) {
        self.high = high
        self.low = low
    }

    /// The exact sum of any two doubles.
    private static func sum(_ a: Double, _ b: Double) -> DoubleDouble {
        let sum = a + b, share = sum - a
        return DoubleDouble(sum, (a - (sum - share)) + (b - share))
    }

    /// The exact sum of two numbers, if `a` is 0 or not the smaller.
    private static func fastSum(_ a: Double, _ b: Double) -> DoubleDouble {
        let sum = a + b
        return DoubleDouble(sum, b - (sum - a))
    }

    static func product(_ a: Double, _ b: Double) -> DoubleDouble {
        let product = a * b
        return DoubleDouble(product, (-product).addingProduct(a, b))
    }

    static func + (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let high = sum(a.high, b.high), low = sum(a.low, b.low)
        let middle = fastSum(high.high, high.low + low.high)
        return fastSum(middle.high, middle.low + low.low)
    }

    static prefix func - (a: DoubleDouble) -> DoubleDouble { DoubleDouble(-a.high, -a.low) }

    static func * (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let high = product(a.high, b.high)
        return fastSum(high.high, high.low + (a.high * b.low + a.low * b.high))
    }

    static func / (a: DoubleDouble, b: DoubleDouble) -> DoubleDouble {
        let first = a.high / b.high
        guard first.isFinite else { return DoubleDouble(first) }
        let rest = a + -(b * DoubleDouble(first))
        let second = rest.high / b.high
        let last = rest + -(b * DoubleDouble(second))
        return fastSum(first, second) + DoubleDouble(last.high / b.high)
    }

    var rounded: Double { high + low }

    static let ln2 = DoubleDouble(0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56)
    static let ln10 = DoubleDouble(0x1.26bb1bbb55516p+1, -0x1.f48ad494ea3e9p-53)
}

/// The natural logarithm; nil at and below 0. Infinity and NaN stay what they are.
func logarithm(_ x: Double) -> DoubleDouble? {
    if x <= 0 { return nil }
    if !x.isFinite { return DoubleDouble(x) }
    // x = m · 2^k with m near 1, then m = m₀ (1 + r) with m₀ from a table: the closer to 1, the fewer terms the series
    // needs.
    var k = Double(x.exponent), m = x.significand
    if m > 1.4140625 {
        m /= 2
        k += 1
    }
    let step = Int(((m - 1) * 64).rounded(.toNearestOrEven))
    let base = LogarithmTable.shared.entries[step + LogarithmTable.below]
    // m − m₀ is exact: the two lie within a factor of two.
    let ln =
        base + areaTangent(m - (1 + Double(step) / 64), over: DoubleDouble(m) + DoubleDouble(1 + Double(step) / 64))
    return k == 0 ? ln : DoubleDouble(k) * .ln2 + ln
}

/// ln((1 + s) / (1 − s)) for s = `numerator` / `denominator`: 2 (s + s³/3 + s⁵/5 + …).
private func areaTangent(_ numerator: Double, over denominator: DoubleDouble) -> DoubleDouble {
    let s = DoubleDouble(numerator) / denominator
    let square = s * s
    // |s| < 0.18, or 2^−7.9 with the table: enough terms to bring the next one below 2^−110 of the first.
    var terms = 0, size = 1.0
    while size > 0x1p-110 {
        size *= square.high
        terms += 1
    }
    var series = DoubleDouble(0)
    for term in stride(from: terms, through: 0, by: -1) { series = series * square + oddReciprocals[term] }
    return DoubleDouble(2) * s * series
}

/// 1, 1/3, 1/5, …
private let oddReciprocals = (0..<32).map { DoubleDouble(1) / DoubleDouble(Double(2 * $0 + 1)) }

/// ln(1 + i/64) for every i that a significand from 0.7 to 1.42 is nearest to.
private struct LogarithmTable {
    static let below = 20
    static let shared = LogarithmTable()
    let entries: [DoubleDouble]

    private init() {
        entries = (-LogarithmTable.below...28).map { i in
            areaTangent(Double(i) / 64, over: DoubleDouble(2 + Double(i) / 64))
        }
    }
}

/// e to the power of `x`, rounded once.
func exponential(_ x: DoubleDouble) -> Double {
    if x.high.isNaN { return x.high }
    if x.high > 710 { return .infinity }
    if x.high < -746 { return 0 }
    // x = k ln 2 + r; e^(r/512) − 1 by its series, squared up nine times: (1 + e)² − 1 = 2 e + e².
    let k = (x.high / DoubleDouble.ln2.high).rounded(.toNearestOrEven)
    var r = x + -(DoubleDouble(k) * .ln2)
    r = DoubleDouble(r.high / 512, r.low / 512)
    var e = DoubleDouble(0)
    for divisor in stride(from: 9.0, through: 2, by: -1) { e = (e + DoubleDouble(1)) * r / DoubleDouble(divisor) }
    e = (e + DoubleDouble(1)) * r
    for _ in 0..<9 { e = DoubleDouble(2) * e + e * e }
    return scaled(e + DoubleDouble(1), Int(k))
}

/// `value`·2^`exponent` for a value between 0.7 and 1.5, rounded once even if it is subnormal.
private func scaled(_ value: DoubleDouble, _ exponent: Int) -> Double {
    if exponent >= -1021 || exponent == -1022 && value.high >= 1 {
        return Double(sign: .plus, exponent: exponent, significand: value.rounded)
    }
    // Added to this number, a value keeps exactly the bits that a subnormal keeps.
    let coarse = Double(sign: .plus, exponent: -1022 - exponent, significand: 1)
    let sum = coarse + value.high
    let kept = sum + ((value.high - (sum - coarse)) + value.low)
    return Double(sign: .plus, exponent: exponent, significand: kept - coarse)
}

/// `base` to the power of `exponent`, like C's pow; nil where PostgreSQL refuses, which is 0 to a negative power and a
/// negative base to a fraction.
func power(_ base: Double, _ exponent: Double) -> Double? {
    if exponent == 0 || base == 1 { return 1 }
    if base.isNaN || exponent.isNaN { return .nan }
    let isInteger = exponent == exponent.rounded(.towardZero)
    if base == 0, exponent < 0 { return nil }
    if base < 0, !isInteger { return nil }
    // Above 2^53 every double is even.
    let isOdd = isInteger && exponent.magnitude < 0x1p53 && Int64(exponent) & 1 == 1
    let sign: Double = isOdd && base.sign == .minus ? -1 : 1
    let magnitude = base.magnitude
    if exponent.isInfinite { return magnitude == 1 ? 1 : (magnitude > 1) == (exponent > 0) ? .infinity : 0 }
    if magnitude.isInfinite || magnitude == 0 { return sign * (magnitude.isInfinite == (exponent > 0) ? .infinity : 0) }
    if isInteger, let exact = product(magnitude, Int64(exactly: exponent) ?? .max) { return sign * exact }
    let logarithm = logarithm(magnitude)!
    // Far outside the range, the product's low part would be infinity minus infinity.
    if (logarithm.high * exponent).magnitude > 1000 { return sign * (logarithm.high * exponent > 0 ? .infinity : 0) }
    return sign * exponential(logarithm * DoubleDouble(exponent))
}

/// A small whole power by multiplication, so that whatever fits in 106 bits is exact before it is rounded; nil if the
/// exponent isn't small or the result gets near the ends of the range.
private func product(_ base: Double, _ exponent: Int64) -> Double? {
    guard exponent.magnitude <= 64, Double(base.exponent.magnitude + 1) * Double(exponent.magnitude) < 900 else {
        return nil
    }
    var result = DoubleDouble(1), square = DoubleDouble(base)
    var left = exponent.magnitude
    while left > 0 {
        if left & 1 == 1 { result = result * square }
        left /= 2
        if left > 0 { square = square * square }
    }
    return (exponent < 0 ? DoubleDouble(1) / result : result).rounded
}
