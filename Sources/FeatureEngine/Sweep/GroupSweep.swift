internal import FeatureLanguage
internal import Synchronization

/// What a group's sweep finds for each spine row.
struct Swept: Sendable {
    /// The aggregates' values.
    let columns: [SharedColumn]
    /// The first instant at which a row of the spine row's entity is known, `Int64.max` if none ever is; nil unless
    /// asked for.
    let foundFrom: SharedColumn?
    /// The first instant after the spine row's at which a source's row enters or leaves a frame; nil unless asked for.
    let nextChanges: SharedColumn?

    init(_ group: Plan.Group, count: Int, threads: Int = 1, wantsFound: Bool = false, wantsChanges: Bool = false) {
        columns = parallel(group.aggregates.count, threads: threads) {
            SharedColumn(group.aggregates[$0].type, count: count)
        }
        foundFrom = wantsFound ? SharedColumn(.timestamp, count: count) : nil
        nextChanges = wantsChanges ? SharedColumn(.timestamp, count: count) : nil
    }
}

/// Sweeps a group's rows for a spine: entity after entity, each at its instants in order.
struct GroupSweep {
    private let group: Plan.Group
    private let spine: Spine
    private let reading: Reading

    init(_ group: Plan.Group, _ spine: Spine, _ reading: Reading) {
        self.group = group
        self.spine = spine
        self.reading = reading
    }

    /// Sweeps every bucket, several at once.
    func sweep(_ buckets: some RowBuckets, threads: Int, into swept: Swept, progress: @Sendable (Double) -> Void) throws
    {
        let count = spine.instants.count
        let keys = buckets.keys.map { column in spine.columns[group.keys.first { $0.column == column }!.spine]! }
        let assigned = Buckets.assign(keys, count: count, buckets: buckets.count)
        let members = Buckets.members(assigned, buckets: buckets.count)
        let visited = Atomic(0)
        // The largest first, so that none of them is left for the end.
        let order = members.indices.sorted { members[$0].count > members[$1].count }
        _ = try parallel(buckets.count, threads: threads) { place in
            let bucket = order[place]
            let before = visited.add(members[bucket].count, ordering: .relaxed).oldValue
            progress(Double(before) / Double(max(1, count)))
            if members[bucket].isEmpty { return }
            var rows = try buckets.rows(ofBucket: bucket)
            try sweep(members: buckets.count == 1 ? nil : members[bucket], into: swept) { try rows.next() }
        }
    }

    /// - Parameters:
    ///   - members: spine rows; nil for all.
    ///   - rows: all rows that concern the members' entities, part after part; nil after the last, and there is at
    ///     least one.
    func sweep(members: [Int32]?, into swept: Swept, rows part: () throws -> SourceRows?) rethrows {
        let keys = group.keys.map { key in
            members.map { spine.columns[key.spine]!.gathered($0) } ?? spine.columns[key.spine]!
        }
        let instants = members.map { spine.instants.picked($0) } ?? spine.instants
        let entities = TupleTable(keys, count: instants.count)
        var visits = Visits(entities, instants)
        var carried: Carried?
        var current = try part()
        while let given = current {
            var rows = given
            var next = try part()
            // Questions about whole entities need all of their rows.
            while swept.foundFrom != nil || swept.nextChanges != nil, let more = next {
                rows = rows.inOrder(before: more)
                next = try part()
            }
            let prepared = Prepared(group, carried?.rows.inOrder(before: rows) ?? rows, entities, reading)
            // The entity that continues in the next part, and from when on that part's rows may count.
            let first = carried?.entity
            let continuing = next.flatMap { group.continuing(prepared, $0, entities, carried: first) }
            var taken = visits.take(of: prepared.ranges, first: first, last: continuing?.entity, isAll: next == nil)
            if let continuing, let last = taken.last, last.entity == continuing.entity {
                let end = last.visits.first { visits.instants[$0] >= continuing.from } ?? last.visits.upperBound
                visits.giveBack(last.entity, end..<last.visits.upperBound)
                taken[taken.count - 1].visits = last.visits.lowerBound..<end
            }
            let count = taken.reduce(0) { $0 + $1.visits.count }
            var cursor = Cursor(prepared.rows, prepared.lifetimes, group.inputs(prepared.rows), instants: count)
            if let carried { cursor.inherit(carried.absorbed) }
            carried = nil
            var places: [Int32] = [], foundFrom: [Int64] = [], nextChanges: [Int64] = []
            places.reserveCapacity(count)
            for (entity, visited) in taken {
                // Spine rows with a NULL key belong to no entity, so they have no rows.
                let range = entity < 0 ? 0..<0 : prepared.ranges[entity]
                cursor.record(range, at: visits.instants[visited])
                places += visits.rows[visited]
                if let continuing, continuing.entity == entity, visits.isWaiting(entity) {
                    let rows = cursor.carry(range, from: continuing.from)
                    carried = Carried(entity: entity, rows: rows, absorbed: cursor.handOver())
                } else if entity == first {
                    _ = cursor.handOver()
                }
                if swept.nextChanges != nil {
                    nextChanges += visited.map { nextChange(prepared, range, after: visits.instants[$0]) }
                }
                if swept.foundFrom != nil {
                    let firstKnown = range.reduce(Int64.max) {
                        prepared.rows.isRetraction?[$1] ?? false ? $0 : min($0, prepared.lifetimes.from[$1])
                    }
                    foundFrom += visited.map { _ in firstKnown }
                }
            }
            if let members { places = members.picked(places) }
            for (column, values) in zip(swept.columns, cursor.finish()) { column.place(values, at: places) }
            swept.foundFrom?.place(Column(.timestamp, foundFrom), at: places)
            swept.nextChanges?.place(Column(.timestamp, nextChanges), at: places)
            current = next
        }
    }

    /// What is kept of an entity whose rows continue in the next part: the rows that may still be seen, and what the
    /// others came to.
    private struct Carried {
        var entity: Int
        var rows: SourceRows
        var absorbed: [Any?]
    }

    /// The first instant after `instant` at which one of an entity's rows begins or ceases to count in some frame, or
    /// has another weight.
    private func nextChange(_ prepared: Prepared, _ range: Range<Int>, after instant: Int64) -> Int64 {
        var next = Int64.max
        let decayed = Set(group.aggregates.filter(\.operator.entry.isDecayed).map(\.frame))
        for frame in Set(group.aggregates.map(\.frame)) {
            for row in range {
                let (start, end) = prepared.lifetimes.counting(row, of: prepared.rows, in: frame)
                if start >= end { continue }
                // Weights change all the time.
                if start <= instant, instant < end, decayed.contains(frame) { return instant + 1 }
                if start > instant { next = min(next, start) } else if end > instant { next = min(next, end) }
            }
        }
        return next
    }
}

extension Plan.Group {
    /// The entity that one part ends with and the next one begins with, and the first instant at which the next one's
    /// rows may matter; nil if the next one begins with another entity.
    fileprivate func continuing(_ part: Prepared, _ next: SourceRows, _ entities: TupleTable, carried: Int?) -> (
        entity: Int, from: Int64
    )? {
        guard next.count > 0 else { return nil }
        let number = Int(entities.find(keys.map { next.resolvedColumn($0.column).gathered([0]) }, count: 1)[0])
        // An entity that was carried here may have no admitted row.
        guard number >= 0, !part.ranges[number].isEmpty || number == carried else { return nil }
        let newest = aggregates.map(\.frame.newer.microseconds).min() ?? 0
        return (number, next.eventTimes.isEmpty ? .min : next.eventTimes[0].addingClamped(newest))
    }
}

extension SourceRows {
    /// These rows, followed by the next part of the same bucket, which is sorted throughout; no two of its rows are
    /// versions of one fact.
    fileprivate func inOrder(before next: SourceRows) -> SourceRows {
        var all = SourceRows(concatenating: [self, next])
        all.isSorted = true
        all.isOneVersionEach = next.isOneVersionEach
        return all
    }
}

/// A spine's rows by entity, each entity's by instant.
private struct Visits {
    private(set) var rows: [Int32]
    private(set) var instants: [Int64]
    /// Each entity with its visits; −1 stands for no entity, where a key is NULL.
    private(set) var ranges: [(entity: Int, visits: Range<Int>)] = []

    /// Hands out the visits of entities that have rows, or of all that are left.
    ///
    /// - Parameters:
    ///   - first: comes first, because it is carried over from the part before.
    ///   - last: comes last, to be carried over to the next part.
    mutating func take(of rows: [Range<Int>], first: Int?, last: Int?, isAll: Bool) -> [(
        entity: Int, visits: Range<Int>
    )] {
        if isAll, first == nil {
            defer { ranges = [] }
            return ranges
        }
        var taken: [(entity: Int, visits: Range<Int>)] = [], left: [(entity: Int, visits: Range<Int>)] = []
        for range in ranges {
            if isAll || range.entity == first || range.entity >= 0 && !rows[range.entity].isEmpty {
                taken.append(range)
            } else {
                left.append(range)
            }
        }
        ranges = left
        if let last, let place = taken.firstIndex(where: { $0.entity == last }) {
            taken.append(taken.remove(at: place))
        }
        if let first, let place = taken.firstIndex(where: { $0.entity == first }) {
            taken.insert(taken.remove(at: place), at: 0)
        }
        return taken
    }

    /// Whether an entity's visits were given back last.
    func isWaiting(_ entity: Int) -> Bool { ranges.last?.entity == entity }

    /// Takes back visits that wait for more rows.
    mutating func giveBack(_ entity: Int, _ visits: Range<Int>) {
        if !visits.isEmpty { ranges.append((entity, visits)) }
    }

    init(_ entities: TupleTable, _ spine: [Int64]) {
        // A counting sort by entity keeps the order of rows; then each entity's few rows are sorted by instant.
        var starts = Array(repeating: 0, count: entities.count + 2)
        for number in entities.numbers { starts[Int(number) + 2] += 1 }
        for entity in 1..<starts.count { starts[entity] += starts[entity - 1] }
        var places = starts
        rows = Array(repeating: 0, count: spine.count)
        for (row, number) in entities.numbers.enumerated() {
            rows[places[Int(number) + 1]] = Int32(row)
            places[Int(number) + 1] += 1
        }
        let instants = spine.span
        for entity in -1..<entities.count {
            let range = starts[entity + 1]..<(entity + 2 < starts.count ? starts[entity + 2] : spine.count)
            if range.isEmpty { continue }
            ranges.append((entity, range))
            rows[range].sort { (instants[Int($0)], $0) < (instants[Int($1)], $1) }
        }
        self.instants = spine.picked(rows)
    }
}

/// Rows as a cursor takes them: those of the spine's entities that are admitted, each entity's in the order in which
/// `latest` and `earliest` see them.
private struct Prepared {
    let rows: SourceRows
    let lifetimes: Lifetimes
    /// By entity; empty if it has no rows.
    private(set) var ranges: [Range<Int>]

    init(_ group: Plan.Group, _ given: SourceRows, _ entities: TupleTable, _ reading: Reading) {
        ranges = Array(repeating: 0..<0, count: entities.count)
        let lifetimes = Lifetimes(given, of: group.source, keys: group.keys.map(\.column), reading: reading)
        let keys = group.keys.map { given.columns[$0.column]! }
        if given.isSorted {
            let kept = lifetimes.isAdmitted.map { admitted in (0..<Int32(given.count)).filter { admitted[Int($0)] } }
            rows = kept.map { given.gathered($0, columns: group.columns) } ?? given
            self.lifetimes = kept.map(lifetimes.gathered) ?? lifetimes
            let starts =
                kept == nil
                ? TupleColumn.runs(keys, count: given.count)
                : TupleColumn.runs(group.keys.map { rows.columns[$0.column]! }, count: rows.count)
            let numbers = entities.find(
                group.keys.map { rows.columns[$0.column]!.gathered(starts) }, count: starts.count)
            for (run, number) in numbers.enumerated() where number >= 0 {
                ranges[Int(number)] = Int(starts[run])..<(run + 1 < starts.count ? Int(starts[run + 1]) : rows.count)
            }
            return
        }
        let wanted = entities.find(keys, count: given.count)
        let order = (0..<Int32(given.count)).filter { wanted[Int($0)] >= 0 && lifetimes.isAdmitted?[Int($0)] ?? true }
            .sorted { left, right in
                let a = Int(left), b = Int(right)
                return wanted[a] != wanted[b] ? wanted[a] < wanted[b] : given.precedes(a, b)
            }
        rows = given.gathered(order, columns: group.columns)
        self.lifetimes = lifetimes.gathered(order)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, wanted[Int(order[end])] == wanted[Int(order[start])] { end += 1 }
            ranges[Int(wanted[Int(order[start])])] = start..<end
            start = end
        }
    }
}

extension Lifetimes {
    /// The lifetimes of some rows, all admitted.
    fileprivate func gathered(_ rows: [Int32]) -> Lifetimes {
        var lifetimes = self
        lifetimes.from = from.picked(rows)
        lifetimes.until = until.map { $0.picked(rows) }
        lifetimes.isAdmitted = nil
        return lifetimes
    }
}
