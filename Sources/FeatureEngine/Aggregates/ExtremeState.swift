internal import FeatureLanguage

/// `min`, `max`, `latest` and `earliest`: the row that is best by some order, and its argument's value.
///
/// An entity's rows come in the order of (`event_time`, `known_at`, offset), so the newest has the greatest index.
final class ExtremeState: AggregateState {
    private let gather: ([Int32]) -> Column
    private let selection: Selection
    private let takes: [Bool]?
    private let tombstones: [Bool]?
    /// The minima or maxima over the same values; nil for `latest` and `earliest`.
    let family: ExtremeFamily?
    /// The greater, the better; nil for `latest` and `earliest`, which compare the rows' indices.
    private let keys: [Int64]?
    private let newest: Bool
    private var base = 0
    private var staircase = Staircase()
    private var output: [Int32] = []

    init(_ input: AggregateInput, _ operator: AggregateOperator) {
        if let deferred = input.deferred { gather = deferred.gathered } else { gather = input.argument!.gathered }
        selection = input.selection
        takes = selection.takes
        tombstones = input.tombstones
        newest = `operator` == .latest
        family = input.family
        keys = family?.keys
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        staircase.reset()
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let key = keys?[base + Int(row)] ?? (newest ? Int64(row) : ~Int64(row))
            staircase.insert(key: key, end: timeline.ends[Int(row)], row: row)
        }
    }

    // The staircase knows when its elements leave.
    func leave(_ rows: [Int32]) {}

    func record(at instant: Int64) {
        let row = staircase.best(at: instant)
        let isTombstone = row >= 0 && tombstones?[base + Int(row)] ?? false
        output.append(row < 0 || isTombstone ? -1 : Int32(base) + row)
    }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        if keys != nil { return false }
        if takes == nil {
            for (first, end) in zip(windows.firsts, windows.ends) {
                append(first == end ? -1 : newest ? end - 1 : first, range)
            }
        } else {
            // The last taken row before the end, or the first from the start on, is where the count changes.
            let counts = selection.counts(range)
            for (first, end) in zip(windows.firsts, windows.ends) {
                let taken = newest ? counts[Int(end)] : counts[Int(first)] + 1
                if counts[Int(first)] == counts[Int(end)] {
                    append(-1, range)
                } else {
                    append(Int32(counts.firstIndex(reaching: taken, in: Int(first)...Int(end))) - 1, range)
                }
            }
        }
        return true
    }

    private func append(_ row: Int32, _ range: Range<Int>) {
        let isTombstone = row >= 0 && tombstones?[range.lowerBound + Int(row)] ?? false
        output.append(row < 0 || isTombstone ? -1 : Int32(range.lowerBound) + row)
    }

    /// Only the best of them: no later row can make another of them better.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] {
        let isTaken = { (row: Int32) in self.takes?[range.lowerBound + Int(row)] ?? true }
        guard let keys else {
            return (newest ? rows.last(where: isTaken) : rows.first(where: isTaken)).map { [$0] } ?? []
        }
        var best: Int32?
        for row in rows where isTaken(row) {
            if let known = best, keys[range.lowerBound + Int(known)] > keys[range.lowerBound + Int(row)] { continue }
            best = row
        }
        return best.map { [$0] } ?? []
    }

    /// Takes the rows that its family found.
    func append(_ rows: [Int32]) { output += rows }

    func finish() -> Column { gather(output) }
}

extension [Int32] {
    /// The first index in a range of an ascending array whose element is at least `value`; there must be one.
    fileprivate func firstIndex(reaching value: Int32, in range: ClosedRange<Int>) -> Int {
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if self[middle] >= value { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
