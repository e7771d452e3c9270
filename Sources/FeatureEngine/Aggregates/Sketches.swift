internal import FeatureLanguage

/// `approx_count_distinct`: a HyperLogLog of 2^12 registers.
///
/// P. Flajolet et al., "HyperLogLog" (2007), with the estimate of O. Ertl, "New cardinality estimation algorithms for
/// HyperLogLog sketches" (2017), which needs how many registers have each value. Counts instead of maxima are kept, so
/// that rows may leave.
struct DistinctSketch: Accumulation {
    struct Total {
        /// How many rows are in a register at a rank, by register and rank.
        fileprivate var counts: [Int32: Int32] = [:]
        /// The greatest rank in each register, 0 if it is empty.
        fileprivate var registers: [UInt8] = []
        /// How many registers have each greatest rank.
        fileprivate var histogram: [Int] = []
        fileprivate var rows = 0

        init() { reset() }

        mutating func reset() {
            counts.removeAll(keepingCapacity: true)
            registers = Array(repeating: 0, count: DistinctSketch.registers)
            histogram = Array(repeating: 0, count: DistinctSketch.mostRank + 1)
            histogram[0] = DistinctSketch.registers
            rows = 0
        }

        fileprivate mutating func change(_ hash: UInt64, _ by: Int32) {
            let register = Int(hash >> (64 - DistinctSketch.bits))
            let rank = min((hash << DistinctSketch.bits).leadingZeroBitCount + 1, DistinctSketch.mostRank)
            let cell = Int32(register << 6 | rank), count = counts[cell, default: 0] + by
            counts[cell] = count == 0 ? nil : count
            var greatest = Int(registers[register])
            let before = greatest
            if by > 0 {
                greatest = max(greatest, rank)
            } else if count == 0, rank == greatest {
                repeat { greatest -= 1 } while greatest > 0 && counts[Int32(register << 6 | greatest)] == nil
            }
            registers[register] = UInt8(greatest)
            histogram[before] -= 1
            histogram[greatest] += 1
        }
    }

    private static let bits = 12, registers = 1 << bits, mostRank = 64 - bits + 1

    private let hashes: [UInt64]
    private let validity: [Bool]?

    init(_ argument: Column) {
        hashes = TupleColumn.hashes([argument], count: argument.count)
        validity = argument.validity
    }

    var type: ValueType { .int64 }
    var zero: Total { Total() }
    func reset(_ total: inout Total) { total.reset() }
    func add(_ row: Int, to total: inout Total) { change(&total, row, 1) }
    func remove(_ row: Int, from total: inout Total) { change(&total, row, -1) }

    private func change(_ total: inout Total, _ row: Int, _ by: Int32) {
        total.rows += Int(by)
        if validity?[row] ?? true { total.change(hashes[row], by) }
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) {
        if total.rows == 0 { return output.appendNull() }
        output.append(DistinctSketch.estimate(total.histogram))
    }

    /// Ertl's algorithm 6.
    private static func estimate(_ histogram: [Int]) -> Int64 {
        let m = Double(registers)
        var z = m * tau(1 - Double(histogram[mostRank]) / m)
        for rank in (1..<mostRank).reversed() { z = 0.5 * (z + Double(histogram[rank])) }
        z += m * sigma(Double(histogram[0]) / m)
        // 1 / (2 ln 2)
        return Int64((0.721_347_520_444_481_7 * m * m / z).rounded())
    }

    private static func sigma(_ share: Double) -> Double {
        if share == 1 { return .infinity }
        var x = share, y = 1.0, z = share, before: Double
        repeat {
            x *= x
            before = z
            z += x * y
            y += y
        } while z != before
        return z
    }

    private static func tau(_ share: Double) -> Double {
        if share == 0 || share == 1 { return 0 }
        var x = share, y = 1.0, z = 1 - share, before: Double
        repeat {
            x = x.squareRoot()
            before = z
            y *= 0.5
            z -= (1 - x) * (1 - x) * y
        } while z != before
        return z / 3
    }
}

/// `approx_percentile`: how many values are in each of the buckets that powers of 101/99 bound, so that a bucket's
/// middle is within a hundredth of each of its values.
///
/// C. Masson et al., "DDSketch" (2019).
struct PercentileSketch: Accumulation {
    private let buckets: [Int32]
    private let fraction: Double

    // Beyond the buckets of finite numbers, of which there are less than 2^17 on either side of 0.
    private static let infinity: Int32 = 1 << 20, nan: Int32 = 1 << 21, zero: Int32 = 0
    private static let middle: Int32 = 1 << 18
    private static let logarithmOfBase = FeatureEngine.logarithm(101)! + -FeatureEngine.logarithm(99)!
    private static let logarithmOfMiddle = FeatureEngine.logarithm(99)! + -FeatureEngine.logarithm(100)!

    init(_ argument: Column, _ fraction: Literal) {
        buckets = argument.floats.map(PercentileSketch.bucket)
        guard case .float64(let bits) = fraction else { preconditionFailure("a fraction is a float64") }
        self.fraction = Double(bitPattern: bits)
    }

    /// The number of a value's bucket: ordered as the values are, 0 for 0.
    private static func bucket(_ value: Double) -> Int32 {
        if value.isNaN { return nan }
        if value == 0 { return zero }
        if value.isInfinite { return value > 0 ? infinity : -infinity }
        let power = (FeatureEngine.logarithm(value.magnitude)! / logarithmOfBase).rounded.rounded(.up)
        return value > 0 ? middle + Int32(power) : -(middle + Int32(power))
    }

    /// The middle of a bucket.
    private static func value(_ bucket: Int32) -> Double {
        switch bucket {
        case nan: return .nan
        case zero: return 0
        case infinity: return .infinity
        case -infinity: return -.infinity
        default:
            let power = Double((bucket < 0 ? -bucket : bucket) - PercentileSketch.middle)
            // 2γ^i / (γ + 1) = 99/100 γ^i, where γ is 101/99.
            let middle = exponential(logarithmOfBase * DoubleDouble(power) + logarithmOfMiddle)
            let magnitude = min(middle, .greatestFiniteMagnitude)
            return bucket < 0 ? -magnitude : magnitude
        }
    }

    struct Total {
        fileprivate var counts: [Int32: Int] = [:]
        fileprivate var count = 0
    }

    var type: ValueType { .float64 }
    var zero: Total { Total() }
    func add(_ row: Int, to total: inout Total) { change(&total, row, 1) }
    func remove(_ row: Int, from total: inout Total) { change(&total, row, -1) }

    private func change(_ total: inout Total, _ row: Int, _ by: Int) {
        total.count += by
        let count = total.counts[buckets[row], default: 0] + by
        total.counts[buckets[row]] = count == 0 ? nil : count
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) {
        if total.count == 0 { return output.appendNull() }
        // The nearest rank: the least place that at least this share of the values is not beyond.
        var left = max(1, Int((fraction * Double(total.count)).rounded(.up)))
        for bucket in total.counts.keys.sorted() {
            left -= total.counts[bucket]!
            if left <= 0 { return output.append(PercentileSketch.value(bucket)) }
        }
    }
}
