/// A number of at most 38 digits, some of them after the point: `unscaled`·10^−`scale`.
public struct DecimalValue: Sendable, Hashable {
    /// Its digits as a whole number.
    public let unscaled: Int128
    /// How many digits its type has in all, from 1 to 38.
    public let precision: Int
    /// How many of them come after the point.
    public let scale: Int

    /// The most digits that a number can have.
    public static let maximumPrecision = 38

    /// 10^0, 10^1, … 10^38.
    package static let powers: [Int128] = (0...maximumPrecision).map { power in
        (0..<power).reduce(Int128(1)) { value, _ in value * 10 }
    }

    /// Takes a whole number of the type's digits, unchecked.
    public init(_ unscaled: Int128, precision: Int, scale: Int) {
        self.unscaled = unscaled
        self.precision = precision
        self.scale = scale
    }

    /// Takes a wide word of a column of this type, unchecked.
    package init(_ unscaled: Int128, of type: ValueType) {
        guard case .decimal(let precision, let scale) = type else {
            preconditionFailure("a wide word of \(type.rawValue)")
        }
        self.init(unscaled, precision: precision, scale: scale)
    }

    /// The type that it is a value of.
    package var type: ValueType { .decimal(precision: precision, scale: scale) }

    /// The number with `scale` digits after the point, rounded half away from zero; nil if it has more than `precision`
    /// digits then.
    public init?(_ digits: DecimalDigits, _ precision: Int, _ scale: Int) {
        let dropped = digits.scale - scale
        let kept = dropped > 0 ? digits.digits.dropLast(min(dropped, digits.digits.count)) : digits.digits[...]
        guard kept.count - min(dropped, 0) <= precision || kept.isEmpty else { return nil }
        var value = kept.reduce(Int128(0)) { $0 * 10 + Int128($1) }
        if dropped < 0, value != 0 { value *= DecimalValue.powers[-dropped] }
        // The first digit that is dropped decides; with fewer digits than are dropped, it is a zero.
        if dropped > 0, dropped <= digits.digits.count, digits.digits[digits.digits.count - dropped] >= 5 { value += 1 }
        guard value < DecimalValue.powers[precision] else { return nil }
        self.init(digits.isNegative ? -value : value, precision: precision, scale: scale)
    }

    /// The number, if it has no other digits than the type can hold; nil if something would be lost.
    public init?(exactly digits: DecimalDigits, _ precision: Int, _ scale: Int) {
        let dropped = digits.digits.suffix(max(0, min(digits.scale - scale, digits.digits.count)))
        guard dropped.allSatisfy({ $0 == 0 }), let value = DecimalValue(digits, precision, scale) else { return nil }
        self = value
    }

    /// The number that a text writes, as `init(exactly:_:_:)` takes its digits; nil for a text that is no number, too.
    package init?(text: some Sequence<UInt8>, _ precision: Int, _ scale: Int) {
        guard let digits = DecimalDigits(text: text) else { return nil }
        self.init(exactly: digits, precision, scale)
    }

    /// A float64 as a decimal whose nearest float64 it is, with `scale` digits after the point; nil if there is none of
    /// so few digits.
    public init?(exactly value: Double, _ precision: Int, _ scale: Int) {
        guard value.isFinite, let digits = DecimalDigits(text: value.description.utf8),
            let decimal = DecimalValue(digits, precision, scale), decimal.float64 == value
        else { return nil }
        self = decimal
    }

    /// −1, 0 or 1 for two numbers of any scales, exact even where one scale can't hold the other number.
    package static func order(_ left: Int128, scale: Int, _ right: Int128, scale other: Int) -> Int {
        if scale == other { return left < right ? -1 : left == right ? 0 : 1 }
        if left.signum() != right.signum() { return left < right ? -1 : 1 }
        let more = max(scale, other), a = magnitude(of: left, times: more - scale),
            b = magnitude(of: right, times: more - other)
        let order = a.high != b.high ? (a.high < b.high ? -1 : 1) : a.low < b.low ? -1 : a.low == b.low ? 0 : 1
        return left < 0 ? -order : order
    }

    /// The magnitude of a number times a power of ten, in 256 bits.
    package static func magnitude(of value: Int128, times exponent: Int) -> (high: UInt128, low: UInt128) {
        value.magnitude.multipliedFullWidth(by: powers[exponent].magnitude)
    }

    /// The digits that it has.
    public var digits: DecimalDigits { DecimalDigits(unscaled, scale: scale) }

    /// The nearest float64.
    public var float64: Double {
        // Both are exact, so the quotient is rounded only once (Clinger 1990).
        if unscaled.magnitude <= 1 << 53, scale <= 22 { return Double(unscaled) / Double(DecimalValue.powers[scale]) }
        return Double("\(unscaled)e-\(scale)") ?? .nan
    }
}

extension DecimalValue: CustomStringConvertible {
    /// All `scale` digits after the point (`19.90`), and none before it but a zero if it is less than 1.
    public var description: String {
        let digits = String(unscaled.magnitude)
        let padded = String(repeating: "0", count: max(0, scale + 1 - digits.count)) + digits
        let text = scale == 0 ? padded : padded.dropLast(scale) + "." + padded.suffix(scale)
        return unscaled < 0 ? "-" + text : text
    }
}
