/// A decimal number as it was given: the digits of a whole number, and how many of them come after the point.
///
/// One rule decides which float64 it is, whatever it came in (CSV, JSON, Arrow's decimals, PostgreSQL's numeric):
/// nothing is silently rounded.
public struct DecimalDigits: Sendable, Hashable {
    /// Each 0 to 9, without leading zeros; empty for zero.
    public let digits: [UInt8]
    /// How many digits come after the point; below 0, that many zeros follow the digits.
    public let scale: Int
    /// Whether it has a minus sign, which zero may have too.
    public let isNegative: Bool

    /// - Parameter digits: each 0 to 9; leading zeros are dropped.
    public init(_ digits: some Sequence<UInt8>, scale: Int, isNegative: Bool) {
        self.digits = Array(digits.drop { $0 == 0 })
        self.scale = scale
        self.isNegative = isNegative
    }

    /// The number `unscaled`·10^−`scale`.
    public init(_ unscaled: Int128, scale: Int) {
        self.init(String(unscaled.magnitude).utf8.map { $0 &- 0x30 }, scale: scale, isNegative: unscaled < 0)
    }

    /// Reads `-19.90`, `42` or `1e-5`; nil for anything else.
    public init?(text: some Sequence<UInt8>) {
        var digits: [UInt8] = [], scale = 0, exponent = 0, isNegative = false
        var hasDigit = false, hasPoint = false, isExponent = false, isExponentNegative = false, hasExponent = false,
            isFirst = true
        for byte in text {
            let wasFirst = isFirst
            isFirst = false
            switch byte {
            case UInt8(ascii: "-"), UInt8(ascii: "+"):
                guard wasFirst else { return nil }
                if isExponent {
                    isExponentNegative = byte == UInt8(ascii: "-")
                } else {
                    isNegative = byte == UInt8(ascii: "-")
                }
            case 0x30...0x39 where isExponent:
                hasExponent = true
                // Larger than any exponent of ours, and far from overflow.
                exponent = min(exponent * 10 + Int(byte - 0x30), 1 << 40)
            case 0x30...0x39:
                hasDigit = true
                digits.append(byte - 0x30)
                if hasPoint { scale += 1 }
            case UInt8(ascii: "."):
                guard !hasPoint, !isExponent else { return nil }
                hasPoint = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard hasDigit, !isExponent else { return nil }
                isExponent = true
                isFirst = true
            default: return nil
            }
        }
        guard hasDigit, !isExponent || hasExponent else { return nil }
        self.init(digits, scale: scale - (isExponentNegative ? -exponent : exponent), isNegative: isNegative)
    }

    /// The nearest float64, if it gives the same digits again when written with this scale (so an integer has to be
    /// exact); nil if something would be lost.
    ///
    /// 19.90 has one, and so has every number of at most 15 digits within the range of a float64; most numbers of
    /// twenty digits have none.
    public var float64: Double? {
        if digits.isEmpty { return isNegative ? -0.0 : 0 }
        if digits.count <= 15, (0...22).contains(scale) {
            // Both are exact, so the quotient is rounded only once (Clinger 1990).
            let value = digits.reduce(0.0) { $0 * 10 + Double($1) } / DecimalDigits.powers[scale]
            return isNegative ? -value : value
        }
        // No float64 goes further at either end, or has more digits after its point.
        guard digits.count - scale <= 309, scale - digits.count < 324 else { return nil }
        guard digits.count <= 2000, let value = Double((digits.map { String($0) }.joined()) + "e\(-scale)"),
            value.isFinite, value != 0
        else { return nil }
        guard comesBack(from: value) else { return nil }
        return isNegative ? -value : value
    }

    /// The number as a whole number; nil if it isn't one or lies beyond 64 bits.
    public var int64: Int64? {
        if digits.isEmpty { return 0 }
        guard digits.suffix(max(0, scale)).allSatisfy({ $0 == 0 }), digits.count > scale, digits.count - scale <= 19
        else { return nil }
        var value: Int64 = 0
        for index in 0..<digits.count - scale {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let digit = Int64(index < digits.count ? digits[index] : 0)
            let (sum, beyond) =
                isNegative ? scaled.subtractingReportingOverflow(digit) : scaled.addingReportingOverflow(digit)
            if overflow || beyond { return nil }
            value = sum
        }
        return value
    }

    /// Whether a positive value, rounded to this scale (half to even), has these digits: |2 · value · 10^scale − 2 ·
    /// digits| < 1, in whole numbers.
    private func comesBack(from value: Double) -> Bool {
        // value = significand · 2^exponent
        let exponent = Int(value.exponent) - 52, significand = UInt64(value.significand * 0x1p52)
        var left = Magnitude(significand), right = Magnitude(0)
        for digit in digits { right.multiply(by: 10, adding: UInt32(digit)) }
        for _ in 0..<max(0, scale) { left.multiply(by: 10) }
        for _ in 0..<max(0, -scale) { right.multiply(by: 10) }
        for _ in 0..<max(0, exponent) { left.multiply(by: 2) }
        for _ in 0..<max(0, -exponent) { right.multiply(by: 2) }
        // A unit of the last digit, on the same scale.
        var unit = Magnitude(1)
        for _ in 0..<max(0, -exponent) { unit.multiply(by: 2) }
        for _ in 0..<max(0, -scale) { unit.multiply(by: 10) }
        var distance = Magnitude.distance(left, right)
        distance.multiply(by: 2)
        if distance == unit { return digits.last! % 2 == 0 }
        return distance < unit
    }

    private static let powers: [Double] = (0...22).map { power in (0..<power).reduce(1.0) { value, _ in value * 10 } }
}

/// A whole number of any size, in digits of 32 bits, the lowest first and the highest not 0.
private struct Magnitude: Hashable {
    var words: [UInt32]

    init(_ value: UInt64) {
        words = [UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32)]
        trim()
    }

    private mutating func trim() { while words.last == 0 { words.removeLast() } }

    mutating func multiply(by factor: UInt32, adding more: UInt32 = 0) {
        var carry = UInt64(more)
        for index in words.indices {
            carry += UInt64(words[index]) * UInt64(factor)
            words[index] = UInt32(truncatingIfNeeded: carry)
            carry >>= 32
        }
        if carry > 0 { words.append(UInt32(carry)) }
    }

    static func < (left: Magnitude, right: Magnitude) -> Bool {
        if left.words.count != right.words.count { return left.words.count < right.words.count }
        return left.words.reversed().lexicographicallyPrecedes(right.words.reversed())
    }

    static func distance(_ left: Magnitude, _ right: Magnitude) -> Magnitude {
        var (more, less) = left < right ? (right, left) : (left, right), borrow: Int64 = 0
        less.words += repeatElement(0, count: more.words.count - less.words.count)
        for index in more.words.indices {
            let difference = Int64(more.words[index]) - Int64(less.words[index]) + borrow
            more.words[index] = UInt32(truncatingIfNeeded: difference)
            borrow = difference < 0 ? -1 : 0
        }
        more.trim()
        return more
    }
}

extension DecimalDigits: CustomStringConvertible {
    /// With as many digits after the point as the scale says.
    public var description: String {
        let places = min(max(0, scale), 1000), zeros = digits.isEmpty ? 0 : min(max(0, -scale), 1000)
        var text = digits.map { $0 + 0x30 } + Array(repeating: 0x30, count: zeros)
        if text.count <= places { text = Array(repeating: 0x30, count: places + 1 - text.count) + text }
        if places > 0 { text.insert(UInt8(ascii: "."), at: text.count - places) }
        return (isNegative ? "-" : "") + String(decoding: text, as: UTF8.self)
    }
}

extension Double {
    /// Reads a number's text as a float64: with a point or an exponent, the nearest one; without, only if it is exact.
    /// NaN and the infinities have their names. Nil for anything else.
    public init?(incoming text: some StringProtocol) {
        if text.utf8.count > 15,
            text.utf8.allSatisfy({ $0 &- 0x30 < 10 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") })
        {
            guard let value = DecimalDigits(text: text.utf8)?.float64 else { return nil }
            self = value
        } else {
            self.init(sqlText: text)
        }
    }
}
