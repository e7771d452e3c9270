/// A sum of floats that is never rounded until it is read: adding and subtracting are exact, so a window may slide
/// forever.
///
/// The integer counts units of 2^−1074. NaN and the infinities are counted separately, so that they can leave a window.
/// Reading gives the correctly rounded value, as Python's `math.fsum` does.
package struct ExactSum {
    private var finite = Superaccumulator(bits: 2046)
    private var nans = 0
    private var positiveInfinities = 0
    private var negativeInfinities = 0

    package init() {}

    package mutating func add(_ value: Double) { accumulate(value, 1) }

    /// Takes back a value that was added.
    package mutating func remove(_ value: Double) { accumulate(value, -1) }

    mutating func reset() {
        finite.reset()
        (nans, positiveInfinities, negativeInfinities) = (0, 0, 0)
    }

    private mutating func accumulate(_ value: Double, _ sign: Int) {
        guard value.isFinite else {
            if value.isNaN {
                nans += sign
            } else if value > 0 {
                positiveInfinities += sign
            } else {
                negativeInfinities += sign
            }
            return
        }
        let (mantissa, position) = value.parts
        if mantissa != 0 {
            finite.add(mantissa: mantissa, at: position, isNegative: (value.sign == .minus) == (sign > 0))
        }
    }

    /// The correctly rounded sum: infinite beyond the range of a float64, 0.0 for no values or only zeros.
    package var value: Double {
        mutating get {
            if nans > 0 || positiveInfinities > 0 && negativeInfinities > 0 { return .nan }
            if positiveInfinities > 0 { return .infinity }
            if negativeInfinities > 0 { return -.infinity }
            return finite.settle() ? 0 : finite.rounded(unit: -1074)
        }
    }
}

extension Double {
    /// A finite number's magnitude in units of 2^−1074: `mantissa`·2^`position`.
    var parts: (mantissa: Int64, position: Int) {
        let exponent = Int(bitPattern >> 52) & 0x7FF
        let fraction = Int64(bitPattern & 0xF_FFFF_FFFF_FFFF)
        return exponent == 0 ? (fraction, 0) : (fraction | 1 << 52, exponent - 1)
    }
}
