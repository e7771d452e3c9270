/// How many of each rank are present: a Fenwick tree, in which a rank's count changes, and a place among all that are
/// present is found, in O(log n).
struct RankTree {
    private var tree: [Int32] = [0]
    /// How many are present in all.
    private(set) var count = 0

    /// Begins with none of so many ranks.
    mutating func reset(_ ranks: Int) {
        tree.removeAll(keepingCapacity: true)
        tree.append(contentsOf: repeatElement(0, count: ranks + 1))
        count = 0
    }

    mutating func change(_ rank: Int, _ by: Int32) {
        count += Int(by)
        var node = rank + 1
        while node < tree.count {
            tree[node] += by
            node += node & -node
        }
    }

    /// The rank that has `place` others before it, of which there must be more than `place` in all.
    func rank(_ place: Int) -> Int {
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
        return node
    }
}

/// An entity's distinct values, ranked.
struct ValueRanks {
    /// The rank of each row's value, counted from the entity's first row; −1 where it isn't taken.
    private(set) var ranks: [Int32] = []
    /// For each rank some row that has the value.
    private(set) var rows: [Int32] = []

    init() {}

    /// - Parameters:
    ///   - keys: ordered as the values are, and equal where they are.
    ///   - takes: whether a row is taken; nil if all are.
    init(_ range: Range<Int>, _ keys: [Int64], _ takes: [Bool]?) {
        let base = range.lowerBound
        var byValue = (0..<Int32(range.count)).filter { takes?[base + Int($0)] ?? true }
        byValue.sort { keys[base + Int($0)] < keys[base + Int($1)] }
        ranks = Array(repeating: -1, count: range.count)
        for row in byValue {
            if let last = rows.last, keys[base + Int(last)] == keys[base + Int(row)] {} else { rows.append(row) }
            ranks[Int(row)] = Int32(rows.count - 1)
        }
    }
}
