public import FeatureLanguage

/// Why an aggregate has its value for one entity at one instant: the rows that counted, and the nearest that didn't.
public struct Explanation: Sendable {
    /// What became of a row, in the order in which the rules of time ask.
    public enum Verdict: Sendable, Hashable {
        case counted
        /// It counts, but its value is NULL, which the aggregate passes over.
        case skipped
        /// Its `known_at` is NULL.
        case neverKnown
        case notYetKnown
        /// Known only after the *known by* asked for.
        case knownAfter(Instant)
        /// Another version of its fact stands: the one at this offset, which may be a tombstone.
        case replaced(offset: Int64, isTombstone: Bool)
        case isTombstone
        /// The version that stands has other keys: the fact has left the entity, or not come to it.
        case otherEntity
        case tooOld
        case tooNew
        case filtered
    }

    public struct Row: Sendable {
        /// Nil in a static source.
        public var eventTime: Instant?
        /// Nil where it was never known.
        public var knownAt: Instant?
        public var offset: Int64
        /// The declared columns that the plan reads, in the source's order.
        public var values: [(name: String, value: Literal)]
        public var verdict: Verdict
    }

    public var aggregate: Aggregate
    public var source: Source
    /// Which column of the source is held against which value.
    public var keys: [(column: String, value: Literal)]
    public var mode: Reading.Mode
    public var value: Literal
    /// The event times that the frame covers: after `after`, up to `upTo`. Nil: no bound.
    public var after: Instant?
    public var upTo: Instant
    public var countedTotal: Int
    /// The newest rows that counted, the newest first.
    public var counted: [Row]
    /// Rows that didn't, those whose event time is nearest to the frame first.
    public var missed: [Row]
}

extension Plan {
    /// Takes each aggregate's value apart.
    ///
    /// - Parameters:
    ///   - spine: one row.
    ///   - limit: of the rows given of each sort.
    ///   - rows: as `evaluate` takes them. What isn't there can't be named as missed.
    /// - Returns: the outputs, and an explanation for each aggregate in the order of the plan's outline.
    public func explain(_ spine: Spine, _ reading: Reading, limit: Int, rows: (Group) throws -> SourceRows) rethrows -> (outputs: Outputs, explanations: [Explanation]) {
        var loaded: [SourceRows] = []
        for group in groups { loaded.append(try rows(group)) }
        var remaining = loaded[...]
        let outputs = evaluate(spine, reading) { _ in remaining.removeFirst() }
        var explanations: [Explanation] = []
        for (group, rows) in zip(groups, loaded) {
            for index in group.aggregates.indices {
                let value = outputs.aggregates[explanations.count][0]
                explanations.append(group.explain(index, value, rows, spine, reading, limit))
            }
        }
        return (outputs, explanations)
    }
}

extension Plan {
    /// What makes every value of an output NULL whatever its aggregates are: a NULL key, a future that isn't known yet.
    ///
    /// - Parameter spine: one row.
    public func overrides(_ output: Int, _ spine: Spine, _ reading: Reading) -> [String] {
        var reasons = outputs[output].keys.filter { spine.columns[$0]!.isNull(0) }.map { "the key \($0) is NULL, which makes every value NULL" }
        for (source, span) in outputs[output].forward {
            let end = spine.instants[0].addingClamped(span), limit = reading.ripeUntil(source)
            if end <= limit { continue }
            let known = limit == .min ? "nothing is" : "rows are known up to \(Instant(microseconds: limit)) only"
            reasons.append("the label isn't ripe: its window reaches \(Instant(microseconds: end)), and of \(source) \(known)")
        }
        return reasons
    }
}

extension Plan.Group {
    fileprivate func explain(_ index: Int, _ value: Literal, _ rows: SourceRows, _ spine: Spine, _ reading: Reading, _ limit: Int) -> Explanation {
        var reading = reading
        if hindsight { reading.mode = .hindsight }
        let aggregate = aggregates[index], instant = spine.instants[0]
        let upTo = instant.addingClamped(-aggregate.frame.newer.microseconds), after = aggregate.frame.older.map { instant.addingClamped(-$0.microseconds) }
        var explanation = Explanation(
            aggregate: aggregate, source: source, keys: keys.map { ($0.column, spine.columns[$0.spine]![0]) }, mode: reading.mode, value: value,
            after: after.map { Instant(microseconds: $0) }, upTo: Instant(microseconds: upTo), countedTotal: 0, counted: [], missed: [])
        let verdicts = verdicts(aggregate, inputs(rows)[index].input, rows, spine, reading, after, upTo)
        func distance(_ row: Int32) -> UInt64 {
            if rows.eventTimes.isEmpty { return 0 }
            let time = rows.eventTimes[Int(row)]
            if time > upTo { return UInt64(bitPattern: time &- upTo) }
            return after.map { time <= $0 ? UInt64(bitPattern: $0 &- time) : 0 } ?? 0
        }
        func isNewer(_ a: Int32, _ b: Int32) -> Bool { precedes(Int(b), Int(a), rows) }
        let known = (0..<Int32(rows.count)).filter { verdicts[Int($0)] != nil }
        let counted = known.filter { verdicts[Int($0)] == .counted || verdicts[Int($0)] == .skipped }.sorted(by: isNewer)
        let missed = known.filter { verdicts[Int($0)] != .counted && verdicts[Int($0)] != .skipped }
            .sorted { distance($0) != distance($1) ? distance($0) < distance($1) : isNewer($0, $1) }
        explanation.countedTotal = counted.count
        func row(_ row: Int32) -> Explanation.Row {
            let index = Int(row), known = rows.knownAt[index]
            return Explanation.Row(
                eventTime: rows.eventTimes.isEmpty ? nil : Instant(microseconds: rows.eventTimes[index]), knownAt: known == SourceRows.unknown ? nil : Instant(microseconds: known),
                offset: rows.offsets[index], values: source.columns.filter { columns.contains($0.name) }.map { ($0.name, rows.columns[$0.name]![index]) }, verdict: verdicts[index]!
            )
        }
        explanation.counted = counted.prefix(limit).map(row)
        explanation.missed = missed.prefix(limit).map(row)
        return explanation
    }

    /// For each row what became of it at the instant; nil for rows of facts that never had this entity's keys, and beyond the cut.
    private func verdicts(
        _ aggregate: Aggregate, _ input: AggregateInput, _ rows: SourceRows, _ spine: Spine, _ reading: Reading, _ after: Int64?, _ upTo: Int64
    ) -> [Explanation.Verdict?] {
        let instant = spine.instants[0]
        let isOurs = TupleTable(keys.map { spine.columns[$0.spine]! }, count: 1).find(keys.map { rows.columns[$0.column]! }, count: rows.count).map { $0 >= 0 }
        let lifetimes = Lifetimes(rows, of: source, reading: reading)
        let tombstones = source.tombstone.map { rows.columns[$0]!.truths }
        func isAdmitted(_ row: Int) -> Bool { lifetimes.admittedFrom[row] != .max && (reading.mode == .hindsight || source.isStatic || lifetimes.admittedFrom[row] <= instant) }

        // The version of each fact that is the last one admitted, and whether any version was ever ours.
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
        let cut = reading.cuts[source.name] ?? .max
        return (0..<rows.count).map { row in
            guard concerns[row], rows.offsets[row] <= cut else { return nil }
            let known = rows.knownAt[row]
            if !isAdmitted(row) {
                if known == SourceRows.unknown { return .neverKnown }
                if let knownBy = reading.knownBy, known > knownBy { return .knownAfter(Instant(microseconds: knownBy)) }
                return .notYetKnown
            }
            let isTombstone = tombstones?[row] ?? false
            if last[row] != row { return .replaced(offset: rows.offsets[last[row]], isTombstone: tombstones?[last[row]] ?? false) }
            if isTombstone, !source.id.isEmpty { return .isTombstone }
            if !isOurs[row] { return .otherEntity }
            if !rows.eventTimes.isEmpty {
                if let after, rows.eventTimes[row] <= after { return .tooOld }
                if rows.eventTimes[row] > upTo { return .tooNew }
            }
            if let mask = input.mask, !mask[row] { return isTombstone ? .isTombstone : .filtered }
            let givesNull = aggregate.operator == .latest || aggregate.operator == .earliest
            return !givesNull && input.argument?.isNull(row) ?? false ? .skipped : .counted
        }
    }
}
