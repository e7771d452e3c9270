/// The best of the elements present, if it is known when each one leaves: a monotonic queue that also takes elements
/// whose ends come out of order.
///
/// An element is kept only while nothing that stays as long is at least as good, so from front to back ends rise and
/// keys fall:
///
///     key  9 ■
///          7 │  ■
///          4 │  │     ■           the front is the best, and the first to leave
///            └──┴─────┴──▶ end
///
/// After Lemire, "Streaming maximum-minimum filter" (2006), with an ordered insertion for ends out of order (late rows,
/// corrections). Amortized O(1) if ends come in order; otherwise O(log n) to find and O(n) to move.
package struct Staircase {
    private var keys: [Int64] = []
    private var ends: [Int64] = []
    private var rows: [Int32] = []
    private var front = 0

    package init() {}

    mutating func reset() {
        keys.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        rows.removeAll(keepingCapacity: true)
        front = 0
    }

    /// - Parameters:
    ///   - key: the greater, the better.
    ///   - end: the first instant at which the element is no longer there.
    package mutating func insert(key: Int64, end: Int64, row: Int32) {
        var position = keys.count
        if position > front, ends[position - 1] > end {
            // The first element that leaves at `end` or later.
            var lower = front, upper = position
            while lower < upper {
                let middle = (lower + upper) / 2
                if ends[middle] >= end { upper = middle } else { lower = middle + 1 }
            }
            if keys[lower] >= key { return }
            position = lower
            if ends[lower] == end { position += 1 }
        } else if position > front, ends[position - 1] == end, keys[position - 1] >= key {
            return
        }
        // Those that leave no later and are no better: a run that ends at `position`.
        var start = position
        while start > front, keys[start - 1] <= key { start -= 1 }
        if start == position, position == keys.count {
            keys.append(key)
            ends.append(end)
            rows.append(row)
        } else {
            keys.replaceSubrange(start..<position, with: CollectionOfOne(key))
            ends.replaceSubrange(start..<position, with: CollectionOfOne(end))
            rows.replaceSubrange(start..<position, with: CollectionOfOne(row))
        }
    }

    /// The row of the best element present at `instant`; −1 if there is none. Instants must not go back.
    package mutating func best(at instant: Int64) -> Int32 {
        while front < ends.count, ends[front] <= instant { front += 1 }
        if front > 64, front * 2 > ends.count {
            keys.removeFirst(front)
            ends.removeFirst(front)
            rows.removeFirst(front)
            front = 0
        }
        return front < rows.count ? rows[front] : -1
    }
}
