internal import FeatureLanguage

/// `percentile` and `median`: interpolated between the two values nearest to the place asked for, like PostgreSQL's
/// `percentile_cont`.
///
/// All the entity's values are ranked once, however short the window. A Fenwick tree over the ranks counts those
/// present, so a row enters or leaves, and a place is found, in O(log n).
final class PercentileState: AggregateState {
    private let values: Numbers
    private let keys: [Int64]
    private let takes: [Bool]?
    private let fraction: Double
    private var base = 0
    /// The entity's rows in the order of their values, and each row's place in that order.
    private var byRank: [Int32] = []
    private var ranks: [Int32] = []
    private var tree = RankTree()
    private var output = ColumnBuilder(.float64)

    /// What is interpolated between.
    private enum Numbers {
        case floats([Double])
        case decimals([Int128], scale: Int)
    }

    init(_ input: AggregateInput, _ fraction: Literal) {
        let argument = input.argument!
        values =
            switch argument.values {
            case .floats(let values): .floats(values)
            case .wides(let values): .decimals(values, scale: argument.type.scale)
            case .bits, .words, .bytes, .packed: preconditionFailure("a percentile of \(argument.type.rawValue)")
            }
        keys = input.argument!.sortKeys()
        takes = input.selection.takes
        guard case .float64(let bits) = fraction else { preconditionFailure("a fraction is a float64") }
        self.fraction = Double(bitPattern: bits)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        byRank = (0..<Int32(range.count)).filter { takes?[base + Int($0)] ?? true }
        byRank.sort { (keys[base + Int($0)], $0) < (keys[base + Int($1)], $1) }
        ranks = Array(repeating: -1, count: range.count)
        for (rank, row) in byRank.enumerated() { ranks[Int(row)] = Int32(rank) }
        tree.reset(byRank.count)
    }

    private func change(_ rows: [Int32], _ by: Int32) {
        for row in rows where ranks[Int(row)] >= 0 { tree.change(Int(ranks[Int(row)]), by) }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    /// The row that has `place` rows before it among those present, in the order of their values.
    private func row(_ place: Int) -> Int { base + Int(byRank[tree.rank(place)]) }

    func record(at instant: Int64) {
        guard tree.count > 0 else { return output.appendNull() }
        let place = fraction * Double(tree.count - 1)
        let below = place.rounded(.down), above = place.rounded(.up)
        let low = row(Int(below)), high = below == above ? low : row(Int(above))
        switch values {
        case .floats(let values):
            output.append(low == high ? values[low] : values[low] + (place - below) * (values[high] - values[low]))
        case .decimals(let values, let scale):
            output.append(PercentileState.between(values[low], values[high], place - below, scale: scale))
        }
    }

    /// `low` + `weight`·(`high` − `low`), exact until it is rounded to float64.
    private static func between(_ low: Int128, _ high: Int128, _ weight: Double, scale: Int) -> Double {
        // The weight is `mantissa`·2^−`bits`: the value is (low·2^bits + mantissa·(high − low)) / (2^bits·10^scale).
        let bits = weight == 0 ? 0 : 52 - Int(weight.exponent)
        let mantissa = weight == 0 ? 0 : UInt128(weight.significand * 0x1p52)
        let start = Natural(low.magnitude).shifted(by: bits)
        // At most 2·10^38, which is more than a signed word holds.
        let step = Natural(mantissa) * Natural(UInt128(bitPattern: high) &- UInt128(bitPattern: low))
        let isNegative = low < 0 && step < start
        let value = low >= 0 ? start + step : isNegative ? start - step : step - start
        let quotient = Natural.nearest(value, over: Natural(DecimalValue.powers[scale].magnitude), unit: -bits)
        return isNegative ? -quotient : quotient
    }

    func finish() -> Column { output.finish() }
}
