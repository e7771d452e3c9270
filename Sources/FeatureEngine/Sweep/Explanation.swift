public import FeatureLanguage

/// Why an aggregate has its value for one entity at one instant: the rows that counted, and the nearest that didn't.
public struct Explanation: Sendable {
    /// What became of a row: that it counted, or the first of the rules of time that kept it out.
    public enum Verdict: Sendable, Hashable {
        case counted
        /// It counts, but its value is NULL, which the aggregate skips.
        case skipped
        /// A tombstone of a source without `id`, which a plain latest sees: if it is the newest row, the value is NULL.
        case takesBack
        /// Its `known_at` is NULL.
        case neverKnown
        case notYetKnown
        /// Known only after the *known by* that was asked for.
        case knownAfter(Instant)
        /// Another version of its fact stands: the one at this offset, which may be a tombstone.
        case replaced(offset: Int64, isTombstone: Bool)
        case isTombstone
        /// It is the version that stands, but has other keys: the fact has left the entity, or hasn't come to it.
        case otherEntity
        case tooOld
        case tooNew
        case filtered
    }

    /// One row of the source, and what became of it.
    public struct Row: Sendable {
        /// Nil in a static source.
        public var eventTime: Instant?
        /// Nil if it was never known.
        public var knownAt: Instant?
        /// Its place in the source's log.
        public var offset: Int64
        /// The declared columns that the plan reads, in the source's order.
        public var values: [(name: String, value: Literal)]
        /// Whether it counted, and why not if it didn't.
        public var verdict: Verdict
    }

    /// The aggregate that is explained.
    public var aggregate: Aggregate
    /// The source whose rows it reads.
    public var source: Source
    /// The source's key columns, each with the entity's value.
    public var keys: [(column: String, value: Literal)]
    /// How the rows were read: in hindsight for labels, else as asked for.
    public var mode: Reading.Mode
    /// The aggregate's value, possibly NULL.
    public var value: Literal
    /// The frame covers event times after this one; nil if it has no beginning.
    public var after: Instant?
    /// The last event time that the frame covers.
    public var upTo: Instant
    /// How many rows counted, of which `counted` may list only some.
    public var countedTotal: Int
    /// Rows that counted: first those with the value itself (a minimum, maximum or mode), then the newest first; for
    /// `earliest` the oldest first.
    public var counted: [Row]
    /// Rows that didn't count, those with event times nearest to the frame first.
    public var missed: [Row]
}

extension Plan {
    /// Explains each aggregate's value.
    ///
    /// - Parameters:
    ///   - spine: one row.
    ///   - limit: how many rows of each kind, counted and missed, are listed at most.
    ///   - rows: as `evaluate` takes them; its errors are rethrown. Rows that it leaves out can't be listed as missed.
    /// - Returns: the outputs, and an explanation for each aggregate in the order of the plan's outline.
    public func explain(_ spine: Spine, _ reading: Reading, limit: Int, rows: (Group) throws -> SourceRows) rethrows
        -> (outputs: Outputs, explanations: [Explanation])
    {
        var loaded: [SourceRows] = []
        for group in groups { loaded.append(try rows(group)) }
        var remaining = loaded[...]
        let outputs = evaluate(spine, reading) { _ in remaining.removeFirst() }
        var explanations: [Explanation] = []
        for (group, rows) in zip(groups, loaded) {
            let fates = Fates(group, rows, spine, reading)
            for input in group.inputs(rows) {
                explanations.append(
                    fates.explain(input.aggregate, input.input, outputs.aggregates[explanations.count][0], limit))
            }
        }
        return (outputs, explanations)
    }
}

extension Plan {
    /// What makes an output NULL whatever its aggregates are, in words: a NULL key, or a future that isn't known yet.
    /// Empty if nothing does.
    ///
    /// - Parameter spine: one row.
    public func overrides(_ output: Int, _ spine: Spine, _ reading: Reading) -> [String] {
        var reasons = outputs[output].keys.filter { spine.columns[$0]!.isNull(0) }.map {
            "the key \($0) is NULL, which makes every value NULL"
        }
        for (source, span) in outputs[output].forward {
            let end = spine.instants[0].addingClamped(span), limit = reading.ripeUntil(source)
            if end <= limit { continue }
            let known = limit == .min ? "nothing is" : "rows are known up to \(Instant(microseconds: limit)) only"
            reasons.append(
                "the label isn't ripe: its window reaches \(Instant(microseconds: end)), and of \(source) \(known)")
        }
        return reasons
    }
}

/// What became of a group's rows at one instant, as far as it is the same for all its aggregates.
private struct Fates {
    let group: Plan.Group
    let rows: SourceRows
    let spine: Spine
    let mode: Reading.Mode
    /// For each row, why it can't count, whatever the frame and the filter; `counted` if it can. Nil for rows beyond
    /// the cut, and of facts that never had this entity's keys.
    let verdicts: [Explanation.Verdict?]
    let tombstones: [Bool]?
    /// The columns to show, in the source's order.
    let columns: [(name: String, column: Column)]

    init(_ group: Plan.Group, _ rows: SourceRows, _ spine: Spine, _ reading: Reading) {
        let source = group.source, instant = spine.instants[0]
        let reading = group.reading(reading)
        self.group = group
        self.rows = rows
        self.spine = spine
        mode = reading.mode
        let names = group.columns
        columns = source.columns.filter { names.contains($0.name) }.map { ($0.name, rows.columns[$0.name]!) }
        let tombstones = source.tombstone.map { rows.columns[$0]!.truths }
        self.tombstones = tombstones
        let isOurs = TupleTable(group.keys.map { spine.columns[$0.spine]! }, count: 1).find(
            group.keys.map { rows.columns[$0.column]! }, count: rows.count
        ).map { $0 >= 0 }
        let lifetimes = Lifetimes(rows, of: source, reading: reading)
        let always = reading.mode == .hindsight || source.isStatic
        func isAdmitted(_ row: Int) -> Bool {
            (lifetimes.isAdmitted?[row] ?? true) && (always || lifetimes.from[row] <= instant)
        }

        // Each fact's last admitted version, and whether any of its versions was ever ours.
        var last: [Int] = Array(0..<rows.count)
        var concerns = isOurs
        if !source.id.isEmpty, !source.isStatic {
            let facts = TupleTable(source.id.map { rows.columns[$0]! }, count: rows.count)
            var newest = Array(repeating: -1, count: facts.count)
            var ever = Array(repeating: false, count: facts.count)
            for row in rows.orderByVersion(Array(0..<rows.count), facts: facts.numbers) {
                let fact = Int(facts.numbers[row])
                if isAdmitted(row) { newest[fact] = row }
                if isOurs[row] { ever[fact] = true }
            }
            for row in 0..<rows.count {
                last[row] = newest[Int(facts.numbers[row])]
                concerns[row] = ever[Int(facts.numbers[row])]
            }
        }
        let cut = reading.cuts[source.name] ?? .max, knownBy = reading.knownBy
        verdicts = (0..<rows.count).map { row in
            guard concerns[row], rows.offsets[row] <= cut else { return nil }
            let known = rows.knownAt[row]
            if !isAdmitted(row) {
                if known == SourceRows.unknown { return .neverKnown }
                if let knownBy, known > knownBy { return .knownAfter(Instant(microseconds: knownBy)) }
                return .notYetKnown
            }
            if last[row] != row {
                return .replaced(offset: rows.offsets[last[row]], isTombstone: tombstones?[last[row]] ?? false)
            }
            if !source.id.isEmpty, tombstones?[row] ?? false { return .isTombstone }
            return isOurs[row] ? .counted : .otherEntity
        }
    }

    func explain(_ aggregate: Aggregate, _ input: AggregateInput, _ value: Literal, _ limit: Int) -> Explanation {
        let instant = spine.instants[0], entry = aggregate.operator.entry
        let upTo = instant.addingClamped(-aggregate.frame.newer.microseconds),
            after = aggregate.frame.older.map { instant.addingClamped(-$0.microseconds) }
        func verdict(_ row: Int) -> Explanation.Verdict? {
            guard verdicts[row] == .counted else { return verdicts[row] }
            if !rows.eventTimes.isEmpty {
                if let after, rows.eventTimes[row] <= after { return .tooOld }
                if rows.eventTimes[row] > upTo { return .tooNew }
            }
            let isTombstone = tombstones?[row] ?? false
            if let mask = input.mask, !mask[row] { return isTombstone ? .isTombstone : .filtered }
            if isTombstone { return .takesBack }
            let isNull = input.argument?.isNull(row) ?? false || input.second?.isNull(row) ?? false
            return entry.skipsNull && isNull ? .skipped : .counted
        }
        func distance(_ row: Int) -> UInt64 {
            if rows.eventTimes.isEmpty { return 0 }
            let time = rows.eventTimes[row]
            if time > upTo { return UInt64(bitPattern: time &- upTo) }
            return after.map { time <= $0 ? UInt64(bitPattern: $0 &- time) : 0 } ?? 0
        }
        func isNewer(_ a: Int, _ b: Int) -> Bool { rows.precedes(b, a) }
        func row(_ row: Int, _ verdict: Explanation.Verdict) -> Explanation.Row {
            Explanation.Row(
                eventTime: rows.eventTimes.isEmpty ? nil : Instant(microseconds: rows.eventTimes[row]),
                knownAt: rows.knownAt[row] == SourceRows.unknown ? nil : Instant(microseconds: rows.knownAt[row]),
                offset: rows.offsets[row],
                values: columns.map { ($0.name, $0.column[row]) }, verdict: verdict)
        }
        var counted: [(row: Int, verdict: Explanation.Verdict)] = [],
            missed: [(row: Int, verdict: Explanation.Verdict)] = []
        for row in 0..<rows.count {
            guard let verdict = verdict(row) else { continue }
            switch verdict {
            case .counted, .skipped, .takesBack: counted.append((row, verdict))
            default: missed.append((row, verdict))
            }
        }
        // The rows that decide come first, so they are shown however few are asked for.
        counted.sort { isNewer($0.row, $1.row) }
        switch entry.decides {
        case .all, .newest: break
        case .oldest: counted.reverse()
        case .equal:
            guard let argument = input.argument, value != .null else { break }
            counted = counted.filter { argument[$0.row] == value } + counted.filter { argument[$0.row] != value }
        }
        missed.sort { a, b in
            let left = distance(a.row), right = distance(b.row)
            return left != right ? left < right : isNewer(a.row, b.row)
        }
        return Explanation(
            aggregate: aggregate, source: group.source,
            keys: group.keys.map { ($0.column, spine.columns[$0.spine]![0]) }, mode: mode, value: value,
            after: after.map { Instant(microseconds: $0) }, upTo: Instant(microseconds: upTo),
            countedTotal: counted.count, counted: counted.prefix(limit).map(row),
            missed: missed.prefix(limit).map(row))
    }
}
