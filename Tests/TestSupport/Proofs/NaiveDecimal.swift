import FeatureLanguage

/// A decimal as a sign, a natural number of any size and a scale, with which twins compute by the methods of school.
struct NaiveDecimal {
    var isNegative = false
    var magnitude = BigNumber()
    var scale = 0

    init(isNegative: Bool, _ magnitude: BigNumber, scale: Int) {
        (self.isNegative, self.magnitude, self.scale) = (isNegative && magnitude != BigNumber(), magnitude, scale)
    }

    /// Nil for what is neither a decimal nor an int64.
    init?(_ literal: Literal) {
        switch literal {
        case .decimal(let value):
            let unscaled = value.unscaled.magnitude
            self.init(
                isNegative: value.unscaled < 0,
                BigNumber(UInt64(truncatingIfNeeded: unscaled)) + BigNumber(UInt64(unscaled >> 64), shift: 64),
                scale: value.scale)
        case .int64(let value): self.init(isNegative: value < 0, BigNumber(value.magnitude), scale: 0)
        default: return nil
        }
    }

    static func power(_ exponent: Int) -> BigNumber {
        (0..<exponent).reduce(BigNumber(1)) { power, _ in power * BigNumber(10) }
    }

    func raised(to scale: Int) -> BigNumber { magnitude * NaiveDecimal.power(scale - self.scale) }

    static func + (a: NaiveDecimal, b: NaiveDecimal) -> NaiveDecimal {
        let scale = max(a.scale, b.scale), x = a.raised(to: scale), y = b.raised(to: scale)
        if a.isNegative == b.isNegative { return NaiveDecimal(isNegative: a.isNegative, x + y, scale: scale) }
        return x < y
            ? NaiveDecimal(isNegative: b.isNegative, y - x, scale: scale)
            : NaiveDecimal(isNegative: a.isNegative, x - y, scale: scale)
    }

    static prefix func - (a: NaiveDecimal) -> NaiveDecimal {
        NaiveDecimal(isNegative: !a.isNegative, a.magnitude, scale: a.scale)
    }

    static func * (a: NaiveDecimal, b: NaiveDecimal) -> NaiveDecimal {
        NaiveDecimal(isNegative: a.isNegative != b.isNegative, a.magnitude * b.magnitude, scale: a.scale + b.scale)
    }

    static func order(_ a: NaiveDecimal, _ b: NaiveDecimal) -> Int {
        let difference = a + -b
        return difference.magnitude == BigNumber() ? 0 : difference.isNegative ? -1 : 1
    }

    /// What is left of a division, with the dividend's sign; nil for a division by zero.
    static func remainder(_ a: NaiveDecimal, _ b: NaiveDecimal) -> NaiveDecimal? {
        let scale = max(a.scale, b.scale), divisor = b.raised(to: scale)
        if divisor == BigNumber() { return nil }
        var rest = a.raised(to: scale), multiples = [divisor]
        while !(rest < multiples[multiples.count - 1]) {
            multiples.append(multiples[multiples.count - 1] + multiples[multiples.count - 1])
        }
        for multiple in multiples.reversed() where !(rest < multiple) { rest = rest - multiple }
        return NaiveDecimal(isNegative: a.isNegative, rest, scale: scale)
    }

    /// The nearest float64 to a quotient; nil for a division by zero.
    static func quotient(_ a: NaiveDecimal, _ b: NaiveDecimal) -> Double? {
        if b.magnitude == BigNumber() { return nil }
        let scale = max(a.scale, b.scale)
        let quotient = BigNumber.nearest(a.raised(to: scale) * BigNumber(1, shift: 2148), over: b.raised(to: scale))
        return a.isNegative != b.isNegative && quotient != 0 ? -quotient : quotient
    }

    var float64: Double {
        NaiveDecimal.quotient(self, NaiveDecimal(isNegative: false, BigNumber(1), scale: 0))!
    }

    /// At `places` digits after the point; `up` says whether what is dropped, in tenths of the last digit kept, makes it
    /// one more. Nil where nothing is dropped and nothing to be decided.
    func rounded(to places: Int, away: (_ isHalf: Bool, _ isZero: Bool, _ isNegative: Bool) -> Bool) -> NaiveDecimal {
        if places >= scale { return NaiveDecimal(isNegative: isNegative, raised(to: places), scale: places) }
        let unit = NaiveDecimal(isNegative: false, NaiveDecimal.power(scale - places), scale: scale)
        let rest = NaiveDecimal.remainder(NaiveDecimal(isNegative: false, magnitude, scale: scale), unit)!
        let whole = magnitude - rest.magnitude, isHalf = !(rest.magnitude + rest.magnitude < unit.magnitude)
        let isAway = away(isHalf, rest.magnitude == BigNumber(), isNegative)
        return NaiveDecimal(isNegative: isNegative, isAway ? whole + unit.magnitude : whole, scale: scale)
    }

    /// As a value of a decimal type, rounded half away from zero; nil if it has too many digits.
    func literal(_ type: ValueType) -> Literal? {
        guard case .decimal(let precision, let scale) = type else { preconditionFailure("a decimal is wanted") }
        let kept = rounded(to: scale) { isHalf, isZero, _ in isHalf && !isZero }
        // A number of few digits may still be written with a larger scale.
        var digits = kept.magnitude
        if kept.scale > scale { digits = NaiveDecimal.divided(kept.magnitude, by: kept.scale - scale) }
        guard digits < NaiveDecimal.power(precision) else { return nil }
        let value = Int128(digits.wide)
        return .decimal(DecimalValue(kept.isNegative ? -value : value, precision: precision, scale: scale))
    }

    /// A multiple of a power of ten, divided by it: found by doubling.
    private static func divided(_ number: BigNumber, by exponent: Int) -> BigNumber {
        var rest = number, quotient = BigNumber(), steps = [(power(exponent), BigNumber(1))]
        while !(rest < steps[steps.count - 1].0) {
            let last = steps[steps.count - 1]
            steps.append((last.0 + last.0, last.1 + last.1))
        }
        for (multiple, count) in steps.reversed() where !(rest < multiple) {
            rest = rest - multiple
            quotient = quotient + count
        }
        return quotient
    }
}
