/// A natural number of any size, for the few exact steps that a variance or a quotient of decimals takes: words of 32
/// bits, the lowest first, the highest not 0.
struct Natural {
    private var words: [UInt32]

    init(_ words: [UInt32]) {
        self.words = words
        trim()
    }

    /// `high`·2^128 + `low`.
    init(_ low: UInt128, _ high: UInt64 = 0) {
        var words = (0..<4).map { UInt32(truncatingIfNeeded: low >> UInt128(32 * $0)) }
        words += [UInt32(truncatingIfNeeded: high), UInt32(high >> 32)]
        self.init(words)
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

    /// Times 2^`bits`.
    func shifted(by bits: Int) -> Natural { Natural(shifted(bits: bits % 32)).shifted(words: bits / 32) }

    static func < (left: Natural, right: Natural) -> Bool {
        if left.words.count != right.words.count { return left.words.count < right.words.count }
        return left.words.reversed().lexicographicallyPrecedes(right.words.reversed())
    }

    static func + (left: Natural, right: Natural) -> Natural {
        var sum: [UInt32] = [], carry: UInt64 = 0
        for index in 0..<max(left.words.count, right.words.count) {
            carry += UInt64(index < left.words.count ? left.words[index] : 0)
            carry += UInt64(index < right.words.count ? right.words[index] : 0)
            sum.append(UInt32(truncatingIfNeeded: carry))
            carry >>= 32
        }
        return Natural(sum + [UInt32(carry)])
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
    private mutating func divide(by divisor: UInt32) -> UInt32 {
        var remainder: UInt64 = 0
        for index in words.indices.reversed() {
            remainder = remainder << 32 | UInt64(words[index])
            words[index] = UInt32(remainder / UInt64(divisor))
            remainder %= UInt64(divisor)
        }
        trim()
        return UInt32(remainder)
    }

    /// The words times 2^`bits`, which is below 32, and one word more.
    private func shifted(bits: Int) -> [UInt32] {
        var carry: UInt64 = 0
        let shifted = words.map { word in
            carry |= UInt64(word) << UInt64(bits)
            defer { carry >>= 32 }
            return UInt32(truncatingIfNeeded: carry)
        }
        return shifted + [UInt32(carry)]
    }

    /// The whole part of the quotient, and whether nothing is left over. The divisor must not be 0.
    ///
    /// D. Knuth, "The Art of Computer Programming", volume 2, 4.3.1, algorithm D.
    private func divided(by divisor: Natural) -> (quotient: Natural, isExact: Bool) {
        let count = divisor.words.count
        if words.count < count { return (Natural([UInt32]()), isZero) }
        if count == 1 {
            var quotient = self
            let rest = quotient.divide(by: divisor.words[0])
            return (quotient, rest == 0)
        }
        let shift = divisor.words[count - 1].leadingZeroBitCount
        let v = divisor.shifted(bits: shift)
        var u = shifted(bits: shift), quotient = Array(repeating: UInt32(0), count: words.count - count + 1)
        for place in quotient.indices.reversed() {
            let top = UInt64(u[place + count]) << 32 | UInt64(u[place + count - 1])
            var (digit, rest) = top.quotientAndRemainder(dividingBy: UInt64(v[count - 1]))
            while digit >> 32 != 0 || digit * UInt64(v[count - 2]) > rest << 32 | UInt64(u[place + count - 2]) {
                digit -= 1
                rest += UInt64(v[count - 1])
                if rest >> 32 != 0 { break }
            }
            var borrow: Int64 = 0
            for index in 0...count {
                let product = index < count ? digit * UInt64(v[index]) : 0
                borrow += Int64(u[place + index]) - Int64(product & 0xFFFF_FFFF)
                u[place + index] = UInt32(truncatingIfNeeded: borrow)
                borrow = (borrow >> 32) - Int64(product >> 32)
            }
            if borrow < 0 {
                // The digit was one too many.
                digit -= 1
                var carry: UInt64 = 0
                for index in 0...count {
                    carry += UInt64(u[place + index]) + (index < count ? UInt64(v[index]) : 0)
                    u[place + index] = UInt32(truncatingIfNeeded: carry)
                    carry >>= 32
                }
            }
            quotient[place] = UInt32(truncatingIfNeeded: digit)
        }
        return (Natural(quotient), u.allSatisfy { $0 == 0 })
    }

    /// The number of a format nearest to `numerator` / `denominator`·2^`unit`, ties to even. The denominator must not be 0.
    static func nearest(
        _ numerator: Natural, over denominator: Natural, unit: Int = 0, as format: Format = .float64
    ) -> Double {
        if numerator.isZero { return 0 }
        // Two words more than the denominator has, so that the quotient has digits to spare; what is left over only
        // breaks ties.
        let words = max(0, denominator.words.count + 3 - numerator.words.count)
        let (quotient, isExact) = numerator.shifted(words: words).divided(by: denominator)
        return quotient.rounded(unit: unit - 32 * words, isInexact: !isExact, as: format)
    }

    /// The float64 nearest to the square root of `numerator` / `denominator`, which is at most 1. The denominator must
    /// not be 0.
    static func nearestRoot(_ numerator: Natural, over denominator: Natural) -> Double {
        if numerator.isZero { return 0 }
        // 125 to 128 bits under the root, so that it has 63 or 64; what is left over only breaks ties.
        let shift = (denominator.bitCount - numerator.bitCount + 126) / 2
        let (square, isExact) = numerator.shifted(by: 2 * shift).divided(by: denominator)
        let radicand = square.words.reversed().reduce(UInt128(0)) { $0 << 32 | UInt128($1) }
        // Newton's method from above.
        var root = UInt128(1) << UInt128((128 - radicand.leadingZeroBitCount + 1) / 2)
        while true {
            let next = (root + radicand / root) / 2
            if next >= root { break }
            root = next
        }
        return Natural(root).rounded(unit: -shift, isInexact: !isExact || root * root != radicand)
    }

    private func bit(_ index: Int) -> Bool { index >= 0 && words[index / 32] >> (index % 32) & 1 == 1 }

    /// A binary format: how many bits a number has, and what its last one is worth at least, as a power of two.
    enum Format {
        case float32, float64

        var bits: Int { self == .float32 ? 24 : 53 }
        var least: Int { self == .float32 ? -149 : -1074 }
    }

    /// The number of the format nearest to (this + something below 1 if `isInexact`)·2^`unit`, ties to even. Subnormals
    /// are rounded once; beyond a float64's range, the result is infinite.
    func rounded(unit: Int, isInexact: Bool, as format: Format = .float64) -> Double {
        let drop = max(bitCount - format.bits, format.least - unit, 0)
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
