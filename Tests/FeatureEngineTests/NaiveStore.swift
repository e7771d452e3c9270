import FeatureEngine
import FeatureLanguage
import TestSupport

/// The rules of time applied literally: admit, let stand, count, compute. Slow, and obviously right.
struct NaiveStore {
    struct Row {
        var values: [String: Literal]
        var eventTime: Int64
        /// Nil: never known.
        var knownAt: Int64?
        var offset: Int64
        var isTombstone: Bool
    }

    let source: Source
    var rows: [Row] = []

    init(_ trial: Trial) {
        source = trial.source
        for (index, row) in trial.rows.enumerated() {
            let values = Dictionary(uniqueKeysWithValues: zip(Trial.columns.map(\.name), row))
            guard case .timestamp(let time)? = values[source.eventTime!] else {
                preconditionFailure("an event time is never NULL")
            }
            var known: Int64? = time.microseconds
            switch source.knownAt {
            case .eventTime: break
            case .after(let delay): known = time.microseconds + delay
            case .column(let name):
                if case .timestamp(let instant)? = values[name] { known = instant.microseconds } else { known = nil }
            }
            if let pushed = trial.pushedAt[index] { known = pushed }
            let row = Row(
                values: values, eventTime: time.microseconds, knownAt: known, offset: Int64(index + 1),
                isTombstone: source.tombstone.map { values[$0] == .bool(true) } ?? false)
            if !isDuplicate(row) { rows.append(row) }
        }
    }

    private func fact(_ row: Row) -> [Literal] { source.id.map { row.values[$0]! } }

    private static func isBefore(_ a: Row, _ b: Row) -> Bool {
        switch (a.knownAt, b.knownAt) {
        case (nil, nil): a.offset < b.offset
        case (nil, _): true
        case (_, nil): false
        case (let x?, let y?): (x, a.offset) < (y, b.offset)
        }
    }

    private func isDuplicate(_ row: Row) -> Bool {
        guard !source.id.isEmpty else { return false }
        let earlier = rows.filter { fact($0) == fact(row) && NaiveStore.isBefore($0, row) }
        guard let before = earlier.max(by: NaiveStore.isBefore) else { return false }
        return before.values == row.values && (before.knownAt != nil || row.knownAt == nil)
    }

    func admitted(at instant: Int64, _ reading: Reading) -> [Row] {
        rows.filter { row in
            if row.offset > reading.cuts[source.name] ?? .max { return false }
            if reading.mode == .asServed, row.knownAt.map({ $0 > instant }) ?? true { return false }
            if let knownBy = reading.knownBy, row.knownAt.map({ $0 > knownBy }) ?? true { return false }
            return true
        }
    }

    /// The rows that stand at an instant.
    func standing(at instant: Int64, _ reading: Reading) -> [Row] {
        let admitted = admitted(at: instant, reading)
        guard !source.id.isEmpty else { return admitted }
        return admitted.filter { row in
            !row.isTombstone && !admitted.contains { fact($0) == fact(row) && NaiveStore.isBefore(row, $0) }
        }
    }

    /// One aggregate's value: `test` is the filter, `value` the argument.
    func value(
        _ call: Trial.Call, frame: Frame, key: [String: Literal], at instant: Int64, _ reading: Reading,
        hasFilter: Bool, test: (Row) -> Bool, value: (Row) -> Literal, second: (Row) -> Literal
    ) -> Literal {
        let seesTombstones = source.id.isEmpty && call.operator == .latest && !hasFilter
        let counting = standing(at: instant, reading).filter { row in
            if row.isTombstone, !seesTombstones { return false }
            guard key.allSatisfy({ $0.value != .null && row.values[$0.key] == $0.value }) else { return false }
            if let older = frame.older, row.eventTime <= instant - older.microseconds { return false }
            return row.eventTime <= instant - frame.newer.microseconds && test(row)
        }
        let ordered = counting.sorted { a, b in
            a.eventTime != b.eventTime ? a.eventTime < b.eventTime : NaiveStore.isBefore(a, b)
        }
        return AggregateProof.of(call.operator).twin(
            CountingRows(
                values: ordered.map { $0.isTombstone ? .null : value($0) }, seconds: ordered.map(second),
                ages: ordered.map { instant - $0.eventTime }), call.parameters)
    }

    /// Shewchuk's algorithm as Python's `math.fsum` has it: non-overlapping partial sums, then one correct rounding.
    static func exactSum(_ values: [Double]) -> Double {
        if values.contains(where: { !$0.isFinite }) { return values.filter { !$0.isFinite }.reduce(0, +) }
        var partials: [Double] = []
        for var x in values {
            var kept: [Double] = []
            for var y in partials {
                if x.magnitude < y.magnitude { swap(&x, &y) }
                let high = x + y
                let low = y - (high - x)
                if low != 0 { kept.append(low) }
                x = high
            }
            partials = kept + [x]
        }
        guard var high = partials.popLast() else { return 0 }
        var low = 0.0
        while let y = partials.popLast() {
            let x = high
            high = x + y
            low = y - (high - x)
            if low != 0 { break }
        }
        // Half-way cases: the next partial decides to which side.
        if let next = partials.last, low < 0 && next < 0 || low > 0 && next > 0 {
            let twice = low * 2, x = high + twice
            if twice == x - high { high = x }
        }
        return high + 0.0
    }
}
