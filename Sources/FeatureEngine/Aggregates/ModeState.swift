internal import FeatureLanguage

/// `mode`: the most frequent value; if several are equally frequent, the smallest of them.
///
/// The entity's distinct values are ranked once. In a tree over the ranks, each node holds the most frequent rank below
/// it, so a row enters or leaves in O(log n) and the root is the mode.
final class ModeState: AggregateState {
    private let argument: Column
    private let keys: [Int64]
    private let takes: [Bool]?
    private var base = 0
    private var values = ValueRanks()
    /// How many rows have each value now.
    private var counts: [Int32] = []
    /// Node `n` is above nodes `2n` and `2n + 1`; the last half are the ranks themselves.
    private var tree: [Int32] = []
    private var output: [Int32] = []

    init(_ input: AggregateInput) {
        argument = input.argument!.withOneZero()
        keys = argument.sortKeys()
        takes = input.selection.takes
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        values = ValueRanks(range, keys, takes)
        let rows = values.rows
        counts = Array(repeating: 0, count: rows.count)
        var leaves = 1
        while leaves < rows.count { leaves *= 2 }
        tree = Array(repeating: 0, count: 2 * leaves)
        // Leaves beyond the ranks repeat the last one, which never wins against itself.
        for leaf in 0..<leaves { tree[leaves + leaf] = Int32(max(0, min(leaf, rows.count - 1))) }
        for node in (1..<leaves).reversed() { tree[node] = tree[2 * node] }
    }

    private func change(_ changed: [Int32], _ by: Int32) {
        for row in changed where values.ranks[Int(row)] >= 0 {
            let rank = Int(values.ranks[Int(row)])
            counts[rank] += by
            var node = (tree.count / 2 + rank) / 2
            while node > 0 {
                let left = tree[2 * node], right = tree[2 * node + 1]
                tree[node] = counts[Int(right)] > counts[Int(left)] ? right : left
                node /= 2
            }
        }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    func record(at instant: Int64) {
        guard !values.rows.isEmpty, counts[Int(tree[1])] > 0 else { return output.append(-1) }
        output.append(Int32(base) + values.rows[Int(tree[1])])
    }

    func finish() -> Column { argument.gathered(output) }
}

extension Column {
    /// This column with −0.0 replaced by 0.0, which it equals, in lists too.
    func withOneZero() -> Column {
        switch values {
        case .floats(let values): return Column(type, values.map { $0 == 0 ? 0 : $0 }, validity: validity)
        case .packed where type == .list(.float64):
            let (ends, elements) = unpacked()
            return Column(listsOf: elements.withOneZero(), ends: ends, validity: validity)
        case .bits, .words, .wides, .bytes, .packed: return self
        }
    }
}
