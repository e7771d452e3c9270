/// An integer of any size in chunks of 32 bits, each in a word of 64 bits, so that adding is fast and carries can wait.
///
/// R. M. Neal, "Fast exact summation using small and large superaccumulators" (2015), the small variant:
///
///     chunk   0            1            2                      66
///     bits    0…31         32…63        64…95      …           2112…2143
///     word    ±63 bits ────┬── 31 bits of room for carries
///
/// Only the chunks between `low` and `high` have been touched, which for money is two or three. The owner decides what
/// a bit is worth.
struct Superaccumulator {
    private(set) var chunks: [Int64]
    private(set) var low: Int
    private(set) var high = -1
    /// Additions left until a word might overflow: each adds less than 2^53 to a word that holds less than 2^32 after a
    /// carry.
    private var room = Superaccumulator.additionsBetweenCarries

    private static let additionsBetweenCarries = 1000

    /// - Parameter bits: the number of positions at which a magnitude may begin.
    init(bits: Int) {
        // Room above the last position for a magnitude of 128 bits and the carries of a sum.
        chunks = Array(repeating: 0, count: bits / 32 + 7)
        low = chunks.count
    }

    mutating func reset() {
        if low <= high { for chunk in low...high { chunks[chunk] = 0 } }
        (low, high, room) = (chunks.count, -1, Superaccumulator.additionsBetweenCarries)
    }

    /// Adds ±`mantissa`·2^`position`, the mantissa below 2^53.
    mutating func add(mantissa: Int64, at position: Int, isNegative: Bool) {
        let chunk = position >> 5, shift = Int64(position & 31)
        let lowPart = (mantissa << shift) & 0xFFFF_FFFF
        let highPart = mantissa >> (32 - shift)
        if isNegative {
            chunks[chunk] -= lowPart
            chunks[chunk + 1] -= highPart
        } else {
            chunks[chunk] += lowPart
            chunks[chunk + 1] += highPart
        }
        touch(chunk, chunk + 1)
    }

    /// Adds any magnitude.
    mutating func add(_ magnitude: UInt128, at position: Int, isNegative: Bool) {
        let first = position >> 5, shift = position & 31
        var chunk = first
        var part = (magnitude << shift) & 0xFFFF_FFFF
        var rest = magnitude >> (32 - shift)
        while true {
            chunks[chunk] += isNegative ? -Int64(part) : Int64(part)
            if rest == 0 { break }
            part = rest & 0xFFFF_FFFF
            rest >>= 32
            chunk += 1
        }
        touch(first, chunk)
    }

    private mutating func touch(_ first: Int, _ last: Int) {
        low = min(low, first)
        high = max(high, last)
        room -= 1
        if room == 0 { carry() }
    }

    /// Brings every word but the highest into 0 ..< 2^32 and carries the rest upward.
    private mutating func carry() {
        room = Superaccumulator.additionsBetweenCarries
        guard low <= high else { return }
        var chunk = low
        while chunk < high || chunk < chunks.count - 1 && (chunks[chunk] > 0xFFFF_FFFF || chunks[chunk] < -0xFFFF_FFFF)
        {
            chunks[chunk + 1] += chunks[chunk] >> 32
            chunks[chunk] &= 0xFFFF_FFFF
            chunk += 1
        }
        high = max(high, chunk)
    }

    /// Carries, and trims so that the highest word has digits: it alone holds the sign. True if the integer is 0.
    mutating func settle() -> Bool {
        carry()
        // A word of −1 is only the sign of the one below: fold it in.
        while high > low, chunks[high] == -1 {
            chunks[high] = 0
            high -= 1
            chunks[high] -= 1 << 32
        }
        while high >= low, chunks[high] == 0 { high -= 1 }
        if low <= high { return false }
        (low, high) = (chunks.count, -1)
        return true
    }

    /// The magnitude in units of 2^(32 `low`). The integer must be settled and not 0.
    var magnitude: Natural {
        var words: [UInt32] = []
        let isNegative = chunks[high] < 0
        var carry: Int64 = 0
        for chunk in low...high {
            let word = carry + (isNegative ? -chunks[chunk] : chunks[chunk])
            words.append(UInt32(truncatingIfNeeded: word))
            carry = word >> 32
        }
        if carry > 0 { words.append(UInt32(carry)) }
        return Natural(words)
    }
}

extension Superaccumulator {
    /// The float64 nearest to a settled integer that isn't 0, ties to even. A bit at position 0 is worth 2^`unit`,
    /// which is at least 2^−1074.
    ///
    /// Like `magnitude.rounded`, but without an allocation, since a sum is read for every row of a spine.
    func rounded(unit: Int) -> Double {
        let isNegative = chunks[high] < 0
        // The magnitude's words from `high` down: 65 to 97 bits, and whether anything is below.
        var top: UInt128 = 0
        var sticky = false
        if isNegative {
            // −x: the complement, plus one that enters at the lowest nonzero word.
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
            for chunk in stride(from: high, through: high - 2, by: -1) {
                top = (top << 32) + UInt128(chunk < 0 ? 0 : UInt64(chunks[chunk]))
            }
            var chunk = high - 3
            while chunk >= low, !sticky {
                sticky = chunks[chunk] != 0
                chunk -= 1
            }
        }
        // `top` is in units of 2^(32 (high − 2) + unit). Bits below 2^−1074 are zeros, so a subnormal sum is exact.
        let width = 128 - top.leadingZeroBitCount
        var exponent = 32 * (high - 2) + unit
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
