/// A natural number in digits of 16 bits, by the methods taught at school: the judge of exact arithmetic.
struct BigNumber: Equatable {
    /// The lowest first, without zeros at the top.
    private var digits: [UInt32] = []

    init() {}

    /// `value`·2^`shift`.
    init(_ value: UInt64, shift: Int = 0) {
        digits = Array(repeating: 0, count: shift / 16)
        var rest = UInt128(value) << (shift % 16)
        while rest > 0 {
            digits.append(UInt32(rest & 0xFFFF))
            rest >>= 16
        }
        trim()
    }

    private mutating func trim() {
        while digits.last == 0 { digits.removeLast() }
    }

    private func digit(_ index: Int) -> UInt32 { index < digits.count ? digits[index] : 0 }

    /// The number, which must be below 2^127.
    var wide: UInt128 { digits.reversed().reduce(UInt128(0)) { $0 << 16 | UInt128($1) } }

    static func + (a: BigNumber, b: BigNumber) -> BigNumber {
        var sum = BigNumber()
        var carry: UInt32 = 0
        for index in 0...max(a.digits.count, b.digits.count) {
            carry += a.digit(index) + b.digit(index)
            sum.digits.append(carry & 0xFFFF)
            carry >>= 16
        }
        sum.trim()
        return sum
    }

    /// `a` is not the smaller.
    static func - (a: BigNumber, b: BigNumber) -> BigNumber {
        var difference = BigNumber()
        var borrow: UInt32 = 0
        for index in a.digits.indices {
            let taken = b.digit(index) + borrow
            borrow = a.digits[index] < taken ? 1 : 0
            difference.digits.append(a.digits[index] + borrow << 16 - taken)
        }
        difference.trim()
        return difference
    }

    static func * (a: BigNumber, b: BigNumber) -> BigNumber {
        var product = BigNumber()
        product.digits = Array(repeating: 0, count: a.digits.count + b.digits.count + 1)
        for (i, x) in a.digits.enumerated() where x > 0 {
            var carry: UInt32 = 0
            for (j, y) in b.digits.enumerated() {
                let sum = x * y + product.digits[i + j]
                let (low, overflow) = sum.addingReportingOverflow(carry)
                product.digits[i + j] = low & 0xFFFF
                carry = low >> 16 + (overflow ? 1 << 16 : 0)
            }
            product.digits[i + b.digits.count] += carry
        }
        product.trim()
        return product
    }

    static func < (a: BigNumber, b: BigNumber) -> Bool {
        if a.digits.count != b.digits.count { return a.digits.count < b.digits.count }
        for index in a.digits.indices.reversed() where a.digits[index] != b.digits[index] {
            return a.digits[index] < b.digits[index]
        }
        return false
    }

    /// A finite magnitude in units of 2^−1074.
    init(units value: Double) {
        let exponent = Int(value.magnitude.bitPattern >> 52), fraction = value.bitPattern & 0xF_FFFF_FFFF_FFFF
        self = exponent == 0 ? BigNumber(fraction) : BigNumber(fraction | 1 << 52, shift: exponent - 1)
    }

    /// The float64 nearest to `numerator` / `denominator` in units of 2^−2148, ties to even: found by halving the bit
    /// patterns.
    static func nearest(_ numerator: BigNumber, over denominator: BigNumber) -> Double {
        // In units of 2^−2148 a float's magnitude is that in units of 2^−1074, shifted.
        let scaled = denominator * BigNumber(1, shift: 1074)
        var low: UInt64 = 0, high = Double.infinity.bitPattern
        while high - low > 1 {
            let middle = (low + high) / 2
            if numerator < BigNumber(units: Double(bitPattern: middle)) * scaled { high = middle } else { low = middle }
        }
        // What a float64 of more exponents would have after the largest.
        let above =
            high == Double.infinity.bitPattern ? BigNumber(1, shift: 2098) : BigNumber(units: Double(bitPattern: high))
        let twice = numerator + numerator, middle = (BigNumber(units: Double(bitPattern: low)) + above) * scaled
        let isAbove = middle < twice || !(twice < middle) && low & 1 == 1
        return Double(bitPattern: isAbove ? high : low)
    }
}
