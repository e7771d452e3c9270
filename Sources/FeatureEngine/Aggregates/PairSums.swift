internal import FeatureLanguage

/// The number of pairs (y, x), their sums, and the sums of their squares and products: exact until a statistic is read
/// from them, which is then rounded once.
struct PairSums {
    private var count = 0
    // In units of 2^−1074, those of products in units of 2^−2148.
    private var x = Superaccumulator(bits: 2046), y = Superaccumulator(bits: 2046)
    private var xx = Superaccumulator(bits: 4092), yy = Superaccumulator(bits: 4092)
    private var xy = Superaccumulator(bits: 4092)
    /// How many pairs have a NaN or an infinity.
    private var unbounded = 0

    mutating func reset() {
        x.reset()
        y.reset()
        xx.reset()
        yy.reset()
        xy.reset()
        (count, unbounded) = (0, 0)
    }

    /// Adds a pair, or takes one back if `sign` is −1.
    mutating func change(_ pair: (y: Double, x: Double), _ sign: Int) {
        count += sign
        guard pair.y.isFinite, pair.x.isFinite else {
            unbounded += sign
            return
        }
        let (a, b) = (pair.x.parts, pair.y.parts), isAdded = sign > 0
        if a.mantissa != 0 {
            x.add(mantissa: a.mantissa, at: a.position, isNegative: (pair.x < 0) == isAdded)
            xx.add(UInt128(a.mantissa) * UInt128(a.mantissa), at: 2 * a.position, isNegative: !isAdded)
        }
        if b.mantissa != 0 {
            y.add(mantissa: b.mantissa, at: b.position, isNegative: (pair.y < 0) == isAdded)
            yy.add(UInt128(b.mantissa) * UInt128(b.mantissa), at: 2 * b.position, isNegative: !isAdded)
        }
        if a.mantissa != 0, b.mantissa != 0 {
            xy.add(
                UInt128(a.mantissa) * UInt128(b.mantissa), at: a.position + b.position,
                isNegative: ((pair.x < 0) != (pair.y < 0)) == isAdded)
        }
    }

    /// A statistic; NULL where there are too few pairs or too little spread.
    mutating func value(_ statistic: PairStatistic) -> Literal {
        if statistic == .regrCount { return .int64(Int64(count)) }
        guard count > (statistic == .covarSamp ? 1 : 0) else { return .null }
        if unbounded > 0 { return .float64(.nan) }
        return exact(statistic).map { .float64($0) } ?? .null
    }

    private mutating func exact(_ statistic: PairStatistic) -> Double? {
        // All in units of one chunk for sums, and of its square for products.
        let areZero = (x: x.settle(), y: y.settle(), xx: xx.settle(), yy: yy.settle(), xy: xy.settle())
        var lowest = Int.max
        for (sum, isZero) in [(x, areZero.x), (y, areZero.y)] where !isZero { lowest = min(lowest, sum.low) }
        for (sum, isZero) in [(xx, areZero.xx), (yy, areZero.yy), (xy, areZero.xy)] where !isZero {
            lowest = min(lowest, sum.low / 2)
        }
        if lowest == .max { lowest = 0 }
        let n = Whole(Natural(UInt128(count)))
        let x = Whole(self.x, areZero.x, above: lowest), y = Whole(self.y, areZero.y, above: lowest)
        let unit = 32 * lowest - 1074
        /// n times the sum of products of deviations.
        func spread(_ sum: Superaccumulator, _ isZero: Bool, _ a: Whole, _ b: Whole) -> Whole {
            n * Whole(sum, isZero, above: 2 * lowest) - a * b
        }
        switch statistic {
        case .regrCount: return Double(count)
        case .regrAvgx: return x.over(n, unit: unit)
        case .regrAvgy: return y.over(n, unit: unit)
        case .regrSxx: return spread(xx, areZero.xx, x, x).over(n, unit: 2 * unit)
        case .regrSyy: return spread(yy, areZero.yy, y, y).over(n, unit: 2 * unit)
        case .regrSxy: return spread(xy, areZero.xy, x, y).over(n, unit: 2 * unit)
        case .covarPop: return spread(xy, areZero.xy, x, y).over(n * n, unit: 2 * unit)
        case .covarSamp:
            return spread(xy, areZero.xy, x, y).over(n * Whole(Natural(UInt128(count - 1))), unit: 2 * unit)
        case .regrSlope, .regrIntercept, .regrR2, .corr: break
        }
        let sxx = spread(xx, areZero.xx, x, x), sxy = spread(xy, areZero.xy, x, y)
        if sxx.isZero { return nil }
        if statistic == .regrSlope { return sxy.over(sxx) }
        if statistic == .regrIntercept { return (y * sxx - x * sxy).over(n * sxx, unit: unit) }
        let syy = spread(yy, areZero.yy, y, y)
        if syy.isZero { return statistic == .regrR2 ? 1 : nil }
        if statistic == .regrR2 { return (sxy * sxy).over(sxx * syy) }
        let root = Natural.nearestRoot((sxy * sxy).magnitude, over: (sxx * syy).magnitude)
        return sxy.isNegative ? -root : root
    }
}

/// What is computed of pairs, by the aggregates' names.
enum PairStatistic: String {
    case corr
    case covarPop = "covar_pop", covarSamp = "covar_samp"
    case regrSlope = "regr_slope", regrIntercept = "regr_intercept", regrR2 = "regr_r2", regrCount = "regr_count"
    case regrAvgx = "regr_avgx", regrAvgy = "regr_avgy"
    case regrSxx = "regr_sxx", regrSyy = "regr_syy", regrSxy = "regr_sxy"
}

/// `corr`, `covar_*` and `regr_*` of the pairs of which neither is NULL.
struct PairStatistics: Accumulation {
    private let y: [Double]
    private let x: [Double]
    private let statistic: PairStatistic

    init(_ input: AggregateInput, _ operator: AggregateOperator) {
        y = input.argument!.floats
        x = input.second!.floats
        statistic = PairStatistic(rawValue: `operator`.rawValue)!
    }

    var type: ValueType { statistic == .regrCount ? .int64 : .float64 }
    var zero: PairSums { PairSums() }
    func reset(_ sums: inout PairSums) { sums.reset() }
    func add(_ row: Int, to sums: inout PairSums) { sums.change((y[row], x[row]), 1) }
    func remove(_ row: Int, from sums: inout PairSums) { sums.change((y[row], x[row]), -1) }
    func record(_ sums: inout PairSums, in output: inout ColumnBuilder) { output.append(sums.value(statistic)) }
}

/// A natural number with a sign.
private struct Whole {
    var magnitude: Natural
    var isNegative = false

    init(_ magnitude: Natural, isNegative: Bool = false) {
        self.magnitude = magnitude
        self.isNegative = isNegative && !magnitude.isZero
    }

    /// A settled sum in units of 2^(32 `lowest`).
    init(_ sum: Superaccumulator, _ isZero: Bool, above lowest: Int) {
        self.init(Natural([]))
        if !isZero {
            magnitude = sum.magnitude.shifted(words: sum.low - lowest)
            isNegative = sum.chunks[sum.high] < 0
        }
    }

    var isZero: Bool { magnitude.isZero }

    static func * (a: Whole, b: Whole) -> Whole {
        Whole(a.magnitude * b.magnitude, isNegative: a.isNegative != b.isNegative)
    }

    static func - (a: Whole, b: Whole) -> Whole {
        if a.isNegative != b.isNegative { return Whole(a.magnitude + b.magnitude, isNegative: a.isNegative) }
        return a.magnitude < b.magnitude
            ? Whole(b.magnitude - a.magnitude, isNegative: !a.isNegative)
            : Whole(a.magnitude - b.magnitude, isNegative: a.isNegative)
    }

    /// The float64 nearest to the quotient times 2^`unit`.
    func over(_ divisor: Whole, unit: Int = 0) -> Double {
        let quotient = Natural.nearest(magnitude, over: divisor.magnitude, unit: unit)
        return isNegative ? -quotient : quotient
    }
}
