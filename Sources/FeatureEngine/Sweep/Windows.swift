internal import FeatureLanguage

/// Where a frame begins and ends among an entity's rows at each of several instants: rows `first ..< end`, counted from
/// the entity's first.
///
/// A frame covers a run of rows if rows become known in the order of their event times and no version is replaced,
/// because then they enter and leave in that order. Late rows and corrections go through a `Timeline` instead.
struct Windows {
    private(set) var firsts: [Int32] = []
    private(set) var ends: [Int32] = []

    /// Whether frames over an entity's rows are runs.
    static func areRuns(_ rows: SourceRows, _ lifetimes: Lifetimes, _ range: Range<Int>) -> Bool {
        guard lifetimes.until == nil else { return false }
        let from = lifetimes.from.span
        var previous = Int64.min
        for row in range {
            if from[row] < previous { return false }
            previous = from[row]
        }
        return true
    }

    /// - Parameter instants: ascending.
    mutating func find(
        _ frame: Frame, _ rows: SourceRows, _ lifetimes: Lifetimes, _ range: Range<Int>, at instants: ArraySlice<Int64>
    ) {
        var firsts = firsts, ends = ends
        (self.firsts, self.ends) = ([], [])
        firsts.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        let newer = frame.newer.microseconds
        let from = lifetimes.from.span, times = rows.eventTimes.span
        let isTimed = times.count > 0
        var first = range.lowerBound, end = range.lowerBound
        for instant in instants {
            // The newest event time in the frame, and below the newest one that has left it.
            let upTo = instant.addingClamped(-newer)
            while end < range.upperBound, from[end] <= instant, !isTimed || times[end] <= upTo { end += 1 }
            if let older = frame.older?.microseconds, isTimed {
                let after = instant.addingClamped(-older)
                while first < range.upperBound, times[first] <= after { first += 1 }
            }
            // Frames with the same newer edge have the same ends, even if one of them is empty.
            firsts.append(Int32(min(first, end) - range.lowerBound))
            ends.append(Int32(end - range.lowerBound))
        }
        (self.firsts, self.ends) = (firsts, ends)
    }

    /// Calls `body` for each window with the number of rows taken in it.
    ///
    /// - Parameter counts: how many rows before each are taken; empty if all are.
    @inline(__always)
    func forEachCount(_ counts: [Int32], _ body: (_ first: Int, _ end: Int, _ count: Int) -> Void) {
        let firsts = firsts.span, ends = ends.span, counts = counts.span
        for index in firsts.indices {
            let first = Int(firsts[index]), end = Int(ends[index])
            body(first, end, counts.isEmpty ? end - first : Int(counts[end] - counts[first]))
        }
    }
}
