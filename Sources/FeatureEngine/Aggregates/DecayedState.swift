internal import FeatureLanguage

/// `decayed_sum` and `decayed_count`: the exact sum of each row's value times 2^(−age / half-life).
///
/// Weights change from instant to instant, so every row of the frame is weighed at each.
final class DecayedState: AggregateState {
    private let values: [Double]?
    private let eventTimes: [Int64]
    private let takes: [Bool]?
    private let halfLife: Double
    private var base = 0
    private var tree = RankTree()
    private var sum = ExactSum()
    private var output = ColumnBuilder(.float64)

    init(_ input: AggregateInput, _ halfLife: Literal) {
        values = input.argument?.floats
        eventTimes = input.eventTimes
        takes = input.selection.takes
        guard case .int64(let span) = halfLife else { preconditionFailure("a half-life is an int64") }
        self.halfLife = Double(span)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        tree.reset(range.count)
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    private func change(_ rows: [Int32], _ by: Int32) {
        for row in rows where takes?[base + Int(row)] ?? true { tree.change(Int(row), by) }
    }

    func record(at instant: Int64) {
        guard tree.count > 0 else { return output.appendNull() }
        sum.reset()
        for place in 0..<tree.count { add(base + tree.rank(place), at: instant) }
        output.append(sum.value)
    }

    private func add(_ row: Int, at instant: Int64) {
        let value = values?[row] ?? 1
        // An age of more than 64 bits is beyond any weight.
        let age = eventTimes.isEmpty ? 0 : Double(Int128(instant) - Int128(eventTimes[row]))
        sum.add(value.isFinite ? value * (power(2, -age / halfLife) ?? 0) : value)
    }

    func finish() -> Column { output.finish() }
}
