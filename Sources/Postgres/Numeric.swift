/// PostgreSQL's binary form of a `numeric`, in digits of base 10,000:
///
///     int16 digits  int16 weight of the first  int16 sign (0, or 0x4000 for a minus)  int16 decimals shown  int16 digit…
///
/// NaN and the infinities have other signs, and aren't numbers of ours.
enum Numeric {
    private static let powers: [UInt128] = (0...38).map { power in
        (0..<power).reduce(UInt128(1)) { value, _ in value * 10 }
    }

    /// The number `unscaled`·10^−`scale`, of at most 38 digits.
    static func bytes(_ unscaled: Int128, scale: Int) -> [UInt8] {
        var (whole, fraction) = unscaled.magnitude.quotientAndRemainder(dividingBy: powers[scale])
        var digits: [UInt16] = []
        while whole > 0 {
            digits.append(UInt16(whole % 10_000))
            whole /= 10_000
        }
        let weight = digits.count - 1
        digits.reverse()
        var left = scale
        while left > 0, fraction > 0 {
            let unit = powers[max(0, left - 4)]
            digits.append(UInt16(fraction / unit * (left < 4 ? powers[4 - left] : 1)))
            fraction %= unit
            left -= 4
        }
        let sign: UInt16 = unscaled < 0 ? 0x4000 : 0
        let head = [UInt16(digits.count), UInt16(bitPattern: Int16(weight)), sign, UInt16(scale)]
        return (head + digits).flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
    }

    /// The number as a whole number of its `scale` digits; nil if it isn't one, or has more than 38 digits.
    static func unscaled(_ bytes: UnsafeRawBufferPointer, scale: Int) -> Int128? {
        func word(_ index: Int) -> UInt16 { unsafe UInt16(bytes[2 * index]) << 8 | UInt16(bytes[2 * index + 1]) }
        guard bytes.count >= 8, bytes.count % 2 == 0 else { return nil }
        let count = Int(word(0)), weight = Int(Int16(bitPattern: word(1))), sign = word(2)
        guard sign == 0 || sign == 0x4000, bytes.count == 8 + 2 * count else { return nil }
        var value: UInt128 = 0
        for index in 0..<count {
            // The digit is worth 10^`power` of the last one that is kept.
            let digit = UInt128(word(4 + index)), power = 4 * (weight - index) + scale
            if digit == 0 { continue }
            guard digit < 10_000, power <= 38, power > -4 else { return nil }
            let (part, overflow) =
                power >= 0 ? digit.multipliedReportingOverflow(by: powers[power]) : (digit / powers[-power], false)
            guard power >= 0 || digit % powers[-power] == 0, !overflow else { return nil }
            let (sum, isTooLarge) = value.addingReportingOverflow(part)
            guard !isTooLarge, sum < powers[38] else { return nil }
            value = sum
        }
        return sign == 0 ? Int128(value) : -Int128(value)
    }
}
