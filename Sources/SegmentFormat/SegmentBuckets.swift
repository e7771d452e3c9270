package import FeatureEngine
internal import FeatureLanguage

/// A group's rows, sealed in runs or not, in as many buckets as the largest run has.
package struct SegmentBuckets: RowBuckets {
    /// Which segments may have rows that matter to a request.
    package struct Reach: Sendable {
        /// The event times that windows reach: after one (nil: from the beginning), up to and including the other.
        package var times: (after: Int64?, upTo: Int64)?
        /// As served, rows that become known after this instant don't count.
        package var lastInstant: Int64
        package var mode: Reading.Mode
        /// The last offset that is read.
        package var cut: Int64

        package init(times: (after: Int64?, upTo: Int64)?, lastInstant: Int64, mode: Reading.Mode, cut: Int64) {
            (self.times, self.lastInstant, self.mode, self.cut) = (times, lastInstant, mode, cut)
        }

        /// Whether some row may matter: windows reach its event time or, if facts have versions, it is known in time.
        fileprivate func includes(_ segment: Segment, _ group: Plan.Group) -> Bool {
            if mode == .asServed, !group.hindsight, !group.source.isStatic, segment.firstKnown > lastInstant {
                return false
            }
            guard group.source.id.isEmpty, let there = segment.times, let times else { return true }
            return there.lowerBound <= times.upTo && times.after.map { there.upperBound > $0 } ?? true
        }
    }

    package let count: Int
    package let keys: [String]
    private let source: Source
    private let reader: SegmentRows
    /// For each bucket and run, its segments in order.
    private let segments: [[[Segment]]]
    /// Rows of small runs and of no run, and which of them each bucket has; nil if there are none.
    private let loose: (rows: SourceRows, members: [[Int32]])?
    /// Whether a run extends beyond the cut.
    private let isStraddling: Bool

    /// - Parameters:
    ///   - runs: one after another; at least one.
    ///   - recent: rows after the last of them, with their retractions of facts under other keys.
    package init(_ group: Plan.Group, _ runs: [Run], recent: SourceRows?, _ reach: Reach, blocks: any BlockSupply)
        throws
    {
        let count = runs.map(\.buckets).max() ?? 1
        keys = group.segmentKeys
        source = group.source
        reader = SegmentRows(group: group, runs: runs, blocks: blocks)
        isStraddling = runs.contains { $0.upTo > reach.cut }
        // Runs with few buckets are small: they are read once, together with the recent rows, and divided here.
        var parts: [SourceRows] = []
        for run in runs where run.buckets < count {
            let reached = run.segments.filter { reach.includes($0, group) }
            if !reached.isEmpty { parts.append(try reader.rows(reached, versions: true, offsets: true, defers: false)) }
        }
        if let recent { parts.append(recent) }
        if parts.isEmpty {
            loose = nil
        } else {
            let rows = SourceRows(concatenating: parts),
                assigned = Buckets.assign(keys.map { rows.columns[$0]! }, count: rows.count, buckets: count)
            loose = (rows, Buckets.members(assigned, buckets: count))
        }
        let sealed = runs.filter { $0.buckets == count }
        var segments: [[[Segment]]] = Array(repeating: sealed.map { _ in [] }, count: count)
        for (index, run) in sealed.enumerated() {
            for segment in run.segments where reach.includes(segment, group) {
                segments[segment.bucket][index].append(segment)
            }
        }
        self.segments = segments
        self.count = count
    }

    package func rows(ofBucket bucket: Int) throws -> any BucketRows {
        let runs = segments[bucket].filter { !$0.isEmpty }
        var rest = loose.map { rows, members in rows.gathered(members[bucket]) }
        if rest?.count == 0 { rest = nil }
        let isOneRun = runs.count <= 1 && rest == nil
        // Versions of a fact may be anywhere, unless there is only one run and it has none.
        if !source.id.isEmpty, !source.isStatic, !(isOneRun && runs.allSatisfy { $0.allSatisfy(\.isOneVersionEach) }) {
            var parts =
                try runs.isEmpty
                ? []
                : [reader.rows(runs.flatMap(\.self), versions: true, offsets: true, defers: isOneRun && !isStraddling)]
            if let rest { parts.append(rest) }
            var rows = SourceRows(concatenating: parts)
            rows.isSorted = isOneRun
            return OnePart(rows.sorted(by: keys))
        }
        if !isOneRun { return MergedRuns(runs, rest, keys: keys, reader) }
        guard let run = runs.first else { return OnePart(reader.none()) }
        return OneRun(left: run[...], reader: reader, isStraddling: isStraddling)
    }
}

/// One run's rows of one bucket, segment after segment.
private struct OneRun: BucketRows {
    var left: ArraySlice<Segment>
    let reader: SegmentRows
    let isStraddling: Bool

    mutating func next() throws -> SourceRows? {
        guard let segment = left.popFirst() else { return nil }
        var rows = try reader.rows([segment], versions: false, offsets: isStraddling, defers: !isStraddling)
        rows.isSorted = true
        rows.isOneVersionEach = true
        return rows
    }
}

/// Several runs' rows of one bucket in one order, a part at a time, while one segment of each run is held.
private struct MergedRuns: BucketRows {
    private let keys: [String]
    private let reader: SegmentRows
    /// For each run, the segments that are still to be read, and the offset of the last row read; nil if all rows read
    /// so far have been handed out.
    private var runs: [(left: ArraySlice<Segment>, last: Int64?)]
    /// Rows that were read but not yet handed out, in order.
    private var pending: SourceRows?

    /// - Parameter rest: rows of no run, in any order.
    init(_ runs: [[Segment]], _ rest: SourceRows?, keys: [String], _ reader: SegmentRows) {
        self.keys = keys
        self.reader = reader
        self.runs = runs.map { ($0[...], nil) }
        pending = rest
    }

    mutating func next() throws -> SourceRows? {
        var parts = pending.map { [$0] } ?? []
        for index in runs.indices where runs[index].last == nil {
            guard let segment = runs[index].left.popFirst() else { continue }
            let rows = try reader.rows([segment], versions: false, offsets: true, defers: false)
            runs[index].last = rows.offsets.last
            parts.append(rows)
        }
        pending = nil
        if parts.isEmpty { return nil }
        var whole = SourceRows(concatenating: parts)
        whole.isSorted = false
        whole = whole.sorted(by: keys)
        whole.isOneVersionEach = true
        // Rows are complete up to where the first run with more segments ends. Offsets identify rows.
        let ends = Set(runs.filter { !$0.left.isEmpty }.compactMap(\.last))
        guard let end = whole.offsets.firstIndex(where: ends.contains) else { return whole }
        for index in runs.indices where runs[index].last == whole.offsets[end] { runs[index].last = nil }
        pending = end + 1 < whole.count ? whole.gathered((Int32(end) + 1..<Int32(whole.count)).map(\.self)) : nil
        var part = whole.gathered((0...Int32(end)).map(\.self))
        part.isSorted = true
        return part
    }
}
