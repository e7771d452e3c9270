/// A natural number of any size, for the few exact steps that a variance takes: words of 32 bits, the lowest first, the
/// highest not 0.
struct Natural {
    private var words: [UInt32]

    init(_ words: [UInt32]) {
        self.words = words
        trim()
    }

    private mutating func trim() {
        while words.last == 0 { words.removeLast() }
    }

    var isZero: Bool { words.isEmpty }

    private var bitCount: Int { words.isEmpty ? 0 : words.count * 32 - words[words.count - 1].leadingZeroBitCount }

    /// Times 2^(32 `count`).
    func shifted(words count: Int) -> Natural {
        Natural(isZero ? [] : Array(repeating: 0, count: count) + words)
    }

    static func * (left: Natural, right: Natural) -> Natural {
        var product = Array(repeating: UInt32(0), count: left.words.count + right.words.count)
        for (i, a) in left.words.enumerated() {
            var carry: UInt64 = 0
            for (j, b) in right.words.enumerated() {
                carry += UInt64(a) * UInt64(b) + UInt64(product[i + j])
                product[i + j] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            product[i + right.words.count] = UInt32(carry)
        }
        return Natural(product)
    }

    /// The difference; `right` must not be the greater.
    static func - (left: Natural, right: Natural) -> Natural {
        var difference = left.words
        var borrow: Int64 = 0
        for index in difference.indices {
            borrow += Int64(difference[index]) - (index < right.words.count ? Int64(right.words[index]) : 0)
            difference[index] = UInt32(truncatingIfNeeded: borrow)
            borrow >>= 32
        }
        return Natural(difference)
    }

    /// Divides in place and returns the remainder.
    mutating func divide(by divisor: UInt32) -> UInt32 {
        var remainder: UInt64 = 0
        for index in words.indices.reversed() {
            remainder = remainder << 32 | UInt64(words[index])
            words[index] = UInt32(remainder / UInt64(divisor))
            remainder %= UInt64(divisor)
        }
        trim()
        return UInt32(remainder)
    }

    private func bit(_ index: Int) -> Bool { index >= 0 && words[index / 32] >> (index % 32) & 1 == 1 }

    /// The float64 nearest to (this + something below 1 if `isInexact`)·2^`unit`, ties to even. Subnormals are rounded
    /// once; beyond the range, the result is infinite.
    func rounded(unit: Int, isInexact: Bool) -> Double {
        // Bits to drop: all but 53, and all that are worth less than 2^−1074.
        let drop = max(bitCount - 53, -1074 - unit, 0)
        var mantissa: UInt64 = 0
        for index in stride(from: bitCount - 1, through: drop, by: -1) {
            mantissa = mantissa << 1 | (bit(index) ? 1 : 0)
        }
        if drop > 0, drop <= bitCount, bit(drop - 1),
            mantissa & 1 == 1 || isInexact || (0..<drop - 1).contains(where: bit)
        {
            mantissa += 1
        }
        return Double(sign: .plus, exponent: unit + drop, significand: Double(mantissa))
    }
}
