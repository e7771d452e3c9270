/// A sum of floats without any rounding until it is read: adding and subtracting are exact, so a window may slide for ever.
///
/// R. M. Neal, "Fast exact summation using small and large superaccumulators" (2015), the small one. The sum is an integer in units of
/// 2^−1074, held in chunks of 32 bits that overlap in 64-bit words, so that carries wait until the sum is read:
///
///     chunk   0            1            2                      66
///     bits    0…31         32…63        64…95      …           2112…2143
///     word    ±63 bits ────┬── 31 bits of room for carries
///
/// Only the chunks between `low` and `high` have been touched, which for money is two or three. NaN and the infinities are counted
/// apart, so that they can leave a window. Reading gives the correctly rounded value: that of Python's `math.fsum`.
package struct ExactSum {
    private var chunks: [Int64] = Array(repeating: 0, count: ExactSum.chunkCount)
    private var low = ExactSum.chunkCount
    private var high = -1
    /// Additions until a word might overflow: each adds less than 2^53 to a word that holds less than 2^32 after a carry.
    private var room = ExactSum.additionsBetweenCarries
    private var nans = 0
    private var positiveInfinities = 0
    private var negativeInfinities = 0

    private static let chunkCount = 68
    private static let additionsBetweenCarries = 1000

    package init() {}

    package mutating func add(_ value: Double) { accumulate(value, 1) }

    /// Takes back a value that was added.
    package mutating func remove(_ value: Double) { accumulate(value, -1) }

    mutating func reset() {
        if low <= high { for chunk in low...high { chunks[chunk] = 0 } }
        (low, high, room) = (ExactSum.chunkCount, -1, ExactSum.additionsBetweenCarries)
        (nans, positiveInfinities, negativeInfinities) = (0, 0, 0)
    }

    private mutating func accumulate(_ value: Double, _ sign: Int64) {
        let bits = value.bitPattern
        let exponent = Int(bits >> 52) & 0x7FF
        var mantissa = Int64(bits & 0xF_FFFF_FFFF_FFFF)
        if exponent == 0x7FF {
            if mantissa != 0 { nans += Int(sign) } else if value > 0 { positiveInfinities += Int(sign) } else { negativeInfinities += Int(sign) }
            return
        }
        if exponent > 0 { mantissa |= 1 << 52 } else if mantissa == 0 { return }
        // The mantissa's lowest bit in units of 2^−1074.
        let position = max(exponent, 1) - 1
        let chunk = position >> 5, shift = Int64(position & 31)
        let lowPart = (mantissa << shift) & 0xFFFF_FFFF
        let highPart = mantissa >> (32 - shift)
        if (bits >> 63 == 1) == (sign > 0) {
            chunks[chunk] -= lowPart
            chunks[chunk + 1] -= highPart
        } else {
            chunks[chunk] += lowPart
            chunks[chunk + 1] += highPart
        }
        low = min(low, chunk)
        high = max(high, chunk + 1)
        room -= 1
        if room == 0 { carry() }
    }

    /// Brings every word but the highest into 0 ..< 2^32, passing on what is beyond.
    private mutating func carry() {
        room = ExactSum.additionsBetweenCarries
        guard low <= high else { return }
        var chunk = low
        while chunk < high || chunk < ExactSum.chunkCount - 1 && (chunks[chunk] > 0xFFFF_FFFF || chunks[chunk] < -0xFFFF_FFFF) {
            chunks[chunk + 1] += chunks[chunk] >> 32
            chunks[chunk] &= 0xFFFF_FFFF
            chunk += 1
        }
        high = max(high, chunk)
    }

    /// The sum, correctly rounded; beyond the range of a float64 infinite; 0.0 for nothing and for nothing but zeros.
    package var value: Double {
        mutating get {
            if nans > 0 || positiveInfinities > 0 && negativeInfinities > 0 { return .nan }
            if positiveInfinities > 0 { return .infinity }
            if negativeInfinities > 0 { return -.infinity }
            carry()
            // A word of −1 is only the sign of the one below: fold it in, so that the highest word has digits.
            while high > low, chunks[high] == -1 {
                chunks[high] = 0
                high -= 1
                chunks[high] -= 1 << 32
            }
            while high >= low, chunks[high] == 0 { high -= 1 }
            guard low <= high else {
                low = ExactSum.chunkCount
                high = -1
                return 0
            }
            return rounded()
        }
    }

    /// Of a carried sum that isn't zero, whose word `high` holds the sign.
    private func rounded() -> Double {
        let isNegative = chunks[high] < 0
        // The magnitude's words from `high` down: 65 to 97 bits, and whether anything is below.
        var top: UInt128 = 0
        var sticky = false
        if isNegative {
            // −x: complement, plus one that enters at the lowest word which isn't zero.
            var lowest = low
            while chunks[lowest] == 0 { lowest += 1 }
            for chunk in stride(from: high, through: high - 2, by: -1) {
                let word: UInt64 =
                    if chunk < lowest { 0 } else if chunk == high {
                        UInt64(-(chunks[chunk] + (chunk == lowest ? 0 : 1)))
                    } else {
                        UInt64(chunk == lowest ? (1 << 32) - chunks[chunk] : 0xFFFF_FFFF - chunks[chunk])
                    }
                top = (top << 32) + UInt128(word)
            }
            sticky = lowest < high - 2
        } else {
            for chunk in stride(from: high, through: high - 2, by: -1) { top = (top << 32) + UInt128(chunk < 0 ? 0 : UInt64(chunks[chunk])) }
            var chunk = high - 3
            while chunk >= low, !sticky {
                sticky = chunks[chunk] != 0
                chunk -= 1
            }
        }
        // `top` is in units of 2^(32 (high − 2) − 1074). Bits below 2^−1074 are zeros, so a subnormal sum is exact.
        let width = 128 - top.leadingZeroBitCount
        var exponent = 32 * (high - 2) - 1074
        var mantissa = top
        if width > 53 {
            let drop = width - 53
            let rest = top & ((1 << UInt128(drop)) - 1), half: UInt128 = 1 << UInt128(drop - 1)
            mantissa = top >> UInt128(drop)
            exponent += drop
            if rest > half || rest == half && (sticky || mantissa & 1 == 1) { mantissa += 1 }
        }
        let magnitude = Double(sign: .plus, exponent: exponent, significand: Double(UInt64(mantissa)))
        return isNegative ? -magnitude : magnitude
    }
}
