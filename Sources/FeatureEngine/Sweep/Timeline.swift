internal import FeatureLanguage

/// Which of an entity's rows enter and leave a frame before each instant asked for.
///
/// Rows that come and go between two instants appear in neither list.
struct Timeline {
    /// The first instant at which each row counts, and the first at which it no longer does.
    private(set) var starts: [Int64] = []
    private(set) var ends: [Int64] = []
    private var byStart: [Int32] = []
    private var byEnd: [Int32] = []
    private var nextStart = 0
    private var nextEnd = 0
    private var previous: Int64?
    /// What `advance` found last.
    private(set) var entering: [Int32] = []
    private(set) var leaving: [Int32] = []

    /// Begins with the rows of one entity: `range` of arrays that hold the rows of all.
    mutating func begin(_ range: Range<Int>, _ rows: SourceRows, _ lifetimes: Lifetimes, _ frame: Frame) {
        starts.removeAll(keepingCapacity: true)
        ends.removeAll(keepingCapacity: true)
        byStart.removeAll(keepingCapacity: true)
        byEnd.removeAll(keepingCapacity: true)
        (nextStart, nextEnd, previous) = (0, 0, nil)
        var startsAscend = true, endsAscend = true
        for row in range {
            let (start, end) = lifetimes.counting(row, of: rows, in: frame)
            let index = Int32(starts.count)
            if start < end {
                if let last = byStart.last { startsAscend = startsAscend && starts[Int(last)] <= start }
                byStart.append(index)
                if end < .max {
                    if let last = byEnd.last { endsAscend = endsAscend && ends[Int(last)] <= end }
                    byEnd.append(index)
                }
            }
            starts.append(start)
            ends.append(end)
        }
        if !startsAscend { byStart.sort { starts[Int($0)] < starts[Int($1)] } }
        if !endsAscend { byEnd.sort { ends[Int($0)] < ends[Int($1)] } }
    }

    /// Advances to `instant`, which must not lie before that of the last call, and fills `entering` and `leaving` with
    /// rows numbered from the range's start.
    mutating func advance(to instant: Int64) {
        entering.removeAll(keepingCapacity: true)
        leaving.removeAll(keepingCapacity: true)
        while nextStart < byStart.count, starts[Int(byStart[nextStart])] <= instant {
            if ends[Int(byStart[nextStart])] > instant { entering.append(byStart[nextStart]) }
            nextStart += 1
        }
        while nextEnd < byEnd.count, ends[Int(byEnd[nextEnd])] <= instant {
            // Only rows that had entered by the previous instant can leave now.
            if let previous, starts[Int(byEnd[nextEnd])] <= previous { leaving.append(byEnd[nextEnd]) }
            nextEnd += 1
        }
        previous = instant
    }
}

extension Lifetimes {
    /// A row counts from `max(event_time + newest edge, stands from)` until `min(event_time + oldest edge, stands
    /// until)`.
    func counting(_ row: Int, of rows: SourceRows, in frame: Frame) -> (start: Int64, end: Int64) {
        let start = from[row], end = until?[row] ?? .max
        if rows.eventTimes.isEmpty { return (start, end) }
        let time = rows.eventTimes[row]
        return (
            max(start, time.addingClamped(frame.newer.microseconds)),
            frame.older.map { min(end, time.addingClamped($0.microseconds)) } ?? end
        )
    }
}
