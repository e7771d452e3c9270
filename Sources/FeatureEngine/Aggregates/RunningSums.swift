internal import FeatureLanguage

/// Which of a group's rows an aggregate takes, and how many of them come before each row of an entity.
///
/// Shared by all aggregates with the same filter and the same argument.
final class Selection {
    /// Nil if all are taken.
    let takes: [Bool]?
    private var counted: Range<Int>?
    private var counts: [Int32] = []

    init(_ takes: [Bool]?) {
        self.takes = takes
    }

    /// For each row `i` of `range`, counted from its start: how many rows before `i` are taken. One entry more than
    /// there are rows; empty if all are taken.
    func counts(_ range: Range<Int>) -> [Int32] {
        guard let takes else { return [] }
        if counted == range { return counts }
        counts.removeAll(keepingCapacity: true)
        var count: Int32 = 0
        counts.append(0)
        for row in range {
            count += takes[row] ? 1 : 0
            counts.append(count)
        }
        counted = range
        return counts
    }
}

/// Exact sums of an entity's rows from the first one on, so that the sum of any run of rows is a single subtraction.
///
/// Rounding would rule that out, but these sums are exact: a sum of floats is kept as a 128-bit integer in units of the
/// smallest last bit among them, and sums of integers never round. Sums over several windows share one pass over the
/// rows.
///
///     row        0      1      2      3
///     value      1.5    0.25   −3     8
///     sum × 4 0  6      7      −5     27         rows 1 ..< 3: (−5 − 6) / 4 = −2.75
final class RunningSums {
    private enum Values {
        case integers([Int64])
        case floats([Double])
        case wides([Int128])
    }

    private let values: Values
    private let selection: Selection
    private var summed: Range<Int>?
    private var isPossible = false
    private var sums: [Int128] = []
    /// The unit's power of two.
    private(set) var exponent = 0

    init(_ argument: Column, _ selection: Selection) {
        values =
            switch argument.values {
            case .floats(let values): .floats(values)
            case .wides(let values): .wides(values)
            case .words(let values): .integers(values)
            case .bits, .bytes, .packed: preconditionFailure("a sum of \(argument.type.rawValue)")
            }
        self.selection = selection
    }

    /// The sum before each row of a range, and the total at the end; nil if they don't fit, because floats are too far
    /// apart, NaN or infinite.
    func sums(_ range: Range<Int>) -> [Int128]? {
        if summed != range {
            summed = range
            switch values {
            case .integers(let values):
                isPossible = true
                add(values, range) { Int128($0) }
            case .floats(let values): isPossible = add(floats: values, range)
            case .wides(let values):
                // Room for a carry for each doubling of the number of rows.
                let limit = Int128.max >> Int128(Int.bitWidth - range.count.leadingZeroBitCount)
                isPossible = values[range].allSatisfy { $0.magnitude <= limit.magnitude }
                if isPossible { add(values, range) { $0 } }
            }
        }
        return isPossible ? sums : nil
    }

    @inline(__always)
    private func add<T>(_ values: [T], _ range: Range<Int>, _ term: (T) -> Int128) {
        var sums = sums
        self.sums = []
        sums.removeAll(keepingCapacity: true)
        sums.reserveCapacity(range.count + 1)
        var sum: Int128 = 0
        sums.append(0)
        let values = values.span
        if let takes = selection.takes {
            let takes = takes.span
            for row in range {
                if takes[row] { sum += term(values[row]) }
                sums.append(sum)
            }
        } else {
            for row in range {
                sum += term(values[row])
                sums.append(sum)
            }
        }
        self.sums = sums
    }

    private func add(floats: [Double], _ range: Range<Int>) -> Bool {
        var low: UInt64 = 0x7FF, high: UInt64 = 0
        let values = floats.span
        for row in range {
            let field = values[row].bitPattern >> 52 & 0x7FF
            if let takes = selection.takes, !takes[row] { continue }
            // Zeros have no bits to keep.
            if values[row] != 0 { low = min(low, max(field, 1)) }
            high = max(high, field)
        }
        if high == 0x7FF { return false }
        low = min(low, max(high, 1))
        // 53 bits each, the distance between exponents, and a carry for each doubling of the number of rows.
        guard Int(high) - Int(low) + 53 + (Int.bitWidth - range.count.leadingZeroBitCount) <= 126 else { return false }
        exponent = Int(low) - 1075
        add(floats, range) { value in
            let bits = value.bitPattern
            let field = bits >> 52 & 0x7FF
            let mantissa = Int64(
                bitPattern: field == 0 ? bits & 0xF_FFFF_FFFF_FFFF : bits & 0xF_FFFF_FFFF_FFFF | 1 << 52)
            if mantissa == 0 { return 0 }
            let term = Int128(bits >> 63 == 0 ? mantissa : -mantissa)
            return term << Int128(max(field, 1) - low)
        }
        return true
    }
}

extension Double {
    /// The float64 nearest to `integer`·2^`exponent`, ties to even; no bit may be worth less than 2^−1074.
    init(_ integer: Int128, exponent: Int) {
        let magnitude = integer.magnitude
        let width = 128 - magnitude.leadingZeroBitCount
        var mantissa = magnitude, exponent = exponent
        if width > 53 {
            let drop = UInt128(width - 53)
            let rest = magnitude & ((1 << drop) - 1), half: UInt128 = 1 << (drop - 1)
            mantissa = magnitude >> drop
            if rest > half || rest == half && mantissa & 1 == 1 { mantissa += 1 }
            exponent += width - 53
        }
        let significand = Double(UInt64(truncatingIfNeeded: mantissa))
        let scaled =
            -1022 <= exponent && exponent <= 1023
            ? significand * Double(bitPattern: UInt64(exponent + 1023) << 52)
            : Double(sign: .plus, exponent: exponent, significand: significand)
        self = integer < 0 ? -scaled : scaled
    }
}
