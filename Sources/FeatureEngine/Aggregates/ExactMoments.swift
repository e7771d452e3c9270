package import FeatureLanguage

/// The number of values, their sum and the sum of their squares, exact until a variance is read from them.
///
/// A variance is the rational (n Σx² − (Σx)²) / n² or / n (n − 1), rounded once: neither the order of rows nor a
/// window's slide changes a bit, and values far from 0 lose nothing.
package struct ExactMoments {
    private var count = 0
    /// In units of 2^`unit`; the squares in units of 2^(2 `unit`).
    private var sum: Superaccumulator
    private var squares: Superaccumulator
    private let unit: Int
    /// 10^(2 `scale`), by which a variance of decimals is divided.
    private let divisor: Natural
    /// How many NaNs and infinities are present: while there is one, the variance is NaN.
    private var unbounded = 0

    /// Takes values of one type of number.
    package init(of type: ValueType) {
        let ofFloats = type == .float64
        unit = ofFloats ? -1074 : 0
        sum = Superaccumulator(bits: ofFloats ? 2046 : 0)
        // A square of 128 bits has 256.
        squares = Superaccumulator(bits: ofFloats ? 4092 : 128)
        let power = Natural(DecimalValue.powers[type.scale].magnitude)
        divisor = power * power
    }

    mutating func reset() {
        sum.reset()
        squares.reset()
        (count, unbounded) = (0, 0)
    }

    /// Adds a value, or takes one back if `sign` is −1.
    package mutating func change(_ value: Double, _ sign: Int) {
        count += sign
        guard value.isFinite else {
            unbounded += sign
            return
        }
        let (mantissa, position) = value.parts
        guard mantissa != 0 else { return }
        sum.add(mantissa: mantissa, at: position, isNegative: (value.sign == .minus) == (sign > 0))
        squares.add(UInt128(mantissa) * UInt128(mantissa), at: 2 * position, isNegative: sign < 0)
    }

    package mutating func change(_ value: Int64, _ sign: Int) {
        count += sign
        guard value != 0 else { return }
        sum.add(UInt128(value.magnitude), at: 0, isNegative: (value < 0) == (sign > 0))
        squares.add(UInt128(value.magnitude) * UInt128(value.magnitude), at: 0, isNegative: sign < 0)
    }

    /// A decimal's digits as a whole number.
    package mutating func change(_ value: Int128, _ sign: Int) {
        count += sign
        guard value != 0 else { return }
        sum.add(value.magnitude, at: 0, isNegative: (value < 0) == (sign > 0))
        let square = value.magnitude.multipliedFullWidth(by: value.magnitude)
        squares.add(square.low, at: 0, isNegative: sign < 0)
        if square.high != 0 { squares.add(square.high, at: 128, isNegative: sign < 0) }
    }

    /// The variance; nil if there are too few values: none, or a single one for a sample's variance.
    package mutating func variance(ofSample: Bool) -> Double? {
        guard count > (ofSample ? 1 : 0) else { return nil }
        if unbounded > 0 { return .nan }
        // No squares, no differences.
        if squares.settle() { return 0 }
        let n = Natural([UInt32(count)])
        var deviation: Natural
        var lowest: Int
        if sum.settle() {
            (deviation, lowest) = (n * squares.magnitude, squares.low)
        } else {
            // Both in units of the lower chunk.
            lowest = min(squares.low, 2 * sum.low)
            let total = sum.magnitude
            deviation =
                (n * squares.magnitude).shifted(words: squares.low - lowest)
                - (total * total).shifted(words: 2 * sum.low - lowest)
        }
        if deviation.isZero { return 0 }
        let pairs = n * Natural([UInt32(ofSample ? count - 1 : count)])
        return Natural.nearest(deviation, over: pairs * divisor, unit: 2 * unit + 32 * lowest)
    }
}
