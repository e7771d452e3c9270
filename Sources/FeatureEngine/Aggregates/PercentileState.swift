internal import FeatureLanguage

/// `percentile` and `median`: interpolated between the two values nearest to the place asked for, like PostgreSQL's
/// `percentile_cont`.
///
/// All the entity's values are ranked once, however short the window. A Fenwick tree over the ranks counts those
/// present, so a row enters or leaves, and a place is found, in O(log n).
final class PercentileState: AggregateState {
    private let values: [Double]
    private let keys: [Int64]
    private let takes: [Bool]?
    private let fraction: Double
    private var base = 0
    /// The entity's rows in the order of their values, and each row's place in that order.
    private var byRank: [Int32] = []
    private var ranks: [Int32] = []
    private var tree: [Int32] = []
    private var count = 0
    private var output = ColumnBuilder(.float64)

    init(_ input: AggregateInput, _ fraction: Literal) {
        values = input.argument!.floats
        keys = input.argument!.sortKeys()
        takes = input.selection.takes
        guard case .float64(let bits) = fraction else { preconditionFailure("a fraction is a float64") }
        self.fraction = Double(bitPattern: bits)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        count = 0
        byRank = (0..<Int32(range.count)).filter { takes?[base + Int($0)] ?? true }
        byRank.sort { (keys[base + Int($0)], $0) < (keys[base + Int($1)], $1) }
        ranks = Array(repeating: -1, count: range.count)
        for (rank, row) in byRank.enumerated() { ranks[Int(row)] = Int32(rank) }
        tree = Array(repeating: 0, count: byRank.count + 1)
    }

    private func change(_ rows: [Int32], _ by: Int32) {
        for row in rows where ranks[Int(row)] >= 0 {
            count += Int(by)
            var node = Int(ranks[Int(row)]) + 1
            while node < tree.count {
                tree[node] += by
                node += node & -node
            }
        }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    /// The value that has `place` values before it among those present.
    private func value(_ place: Int) -> Double {
        var node = 0, left = Int32(place)
        var step = 1
        while step * 2 < tree.count { step *= 2 }
        while step > 0 {
            if node + step < tree.count, tree[node + step] <= left {
                node += step
                left -= tree[node]
            }
            step /= 2
        }
        return values[base + Int(byRank[node])]
    }

    func record(at instant: Int64) {
        guard count > 0 else { return output.appendNull() }
        let place = fraction * Double(count - 1)
        let below = place.rounded(.down), above = place.rounded(.up)
        let low = value(Int(below))
        if below == above { return output.append(low) }
        output.append(low + (place - below) * (value(Int(above)) - low))
    }

    func finish() -> Column { output.finish() }
}
