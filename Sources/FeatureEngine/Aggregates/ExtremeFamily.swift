/// The minima, or the maxima, of the same values over several windows, found together.
///
/// A stack of rows in their order, each kept only until a later one is at least as good: from bottom to top, row
/// numbers rise and keys fall. The best row of a window that ends at the top is the lowest row of the stack inside the
/// window. One stack serves all windows with the same end.
///
///     key  9 ■
///          7 │  ■
///          4 │  │     ■           window from row 2 on: the best is the one with key 7
///            └──┴─────┴──▶ row
///            0  3     5
final class ExtremeFamily {
    /// The greater, the better.
    let keys: [Int64]
    private let takes: [Bool]?
    private var stack: [Int32] = []

    /// - Parameter isMinimum: whether the least value is the best.
    init(_ argument: Column, _ selection: Selection, isMinimum: Bool) {
        // ~key reverses the order without overflow.
        keys = isMinimum ? argument.sortKeys().map { ~$0 } : argument.sortKeys()
        takes = selection.takes
    }

    /// The best row of each window; −1 where none is taken.
    ///
    /// - Parameter windows: all with the same ends.
    /// - Returns: for each window, a row for each instant.
    func best(_ windows: [Windows], in range: Range<Int>) -> [[Int32]] {
        let allEnds = windows[0].ends, allKeys = keys
        let ends = allEnds.span, keys = allKeys.span
        var results = windows.map { _ in [Int32]() }
        for index in results.indices { results[index].reserveCapacity(ends.count) }
        var stack = stack
        self.stack = []
        stack.removeAll(keepingCapacity: true)
        var fronts = windows.map { _ in 0 }
        var next = range.lowerBound
        for instant in ends.indices {
            let end = range.lowerBound + Int(ends[instant])
            while next < end {
                if takes?[next] ?? true {
                    while let last = stack.last, keys[Int(last)] <= keys[next] { stack.removeLast() }
                    stack.append(Int32(next))
                }
                next += 1
            }
            for (index, window) in windows.enumerated() {
                let first = Int32(range.lowerBound) + window.firsts[instant]
                // Rows are popped at the top, and leave the window at the bottom.
                var front = min(fronts[index], stack.count)
                while front > 0, stack[front - 1] >= first { front -= 1 }
                while front < stack.count, stack[front] < first { front += 1 }
                fronts[index] = front
                results[index].append(front < stack.count ? stack[front] : -1)
            }
        }
        self.stack = stack
        return results
    }
}
