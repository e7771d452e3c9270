internal import FeatureLanguage

/// For each row, the instants between which it stands, before its event time is looked at.
///
/// This is where corrections end: of the admitted versions of a fact only the one with the greatest (`known_at`, offset) stands, so as
/// served a version stands from its own `known_at` to that of the next one, and in hindsight only the last one stands. A tombstone
/// hides the others and never stands itself.
///
///     known_at   1        5            9
///     v1         ├────────┤                      as served: three lifetimes
///     v2                  ├────────────┤
///     v3                               ├───────▶  hindsight: v3 alone, always
struct Lifetimes {
    /// First instant of standing; `Int64.min` for always.
    var from: [Int64]
    /// First instant of no longer standing; `Int64.max` for never. A row with `until <= from` never stands.
    var until: [Int64]
    /// From when on anything of the row is known, standing or not; `Int64.max` where it isn't admitted.
    var admittedFrom: [Int64]

    init(_ rows: SourceRows, of source: Source, reading: Reading) {
        let cut = reading.cuts[source.name] ?? .max
        // A static source's rows are admitted by cut alone.
        let asServed = reading.mode == .asServed && !source.isStatic
        let knownBy = source.isStatic ? nil : reading.knownBy
        from = Array(repeating: .max, count: rows.count)
        until = Array(repeating: .min, count: rows.count)
        admittedFrom = Array(repeating: .max, count: rows.count)
        for row in 0..<rows.count where rows.offsets[row] <= cut {
            let known = rows.knownAt[row]
            if let knownBy, known > knownBy || known == SourceRows.unknown { continue }
            if asServed, known == SourceRows.unknown { continue }
            from[row] = asServed ? known : .min
            until[row] = .max
            admittedFrom[row] = from[row]
        }
        guard !source.id.isEmpty, !source.isStatic else { return }
        let facts = TupleTable(source.id.map { rows.columns[$0]! }, count: rows.count)
        let order = rows.orderByVersion(facts.numbers.indices.filter { admittedFrom[$0] != .max }, facts: facts.numbers)
        for (earlier, later) in zip(order, order.dropFirst()) where facts.numbers[earlier] == facts.numbers[later] {
            until[earlier] = asServed ? rows.knownAt[later] : .min
        }
        guard let tombstone = source.tombstone.flatMap({ rows.columns[$0] }) else { return }
        for row in 0..<rows.count where !tombstone.isNull(row) && tombstone.bools[row] { until[row] = .min }
    }
}

extension SourceRows {
    /// Rows sorted by (fact, `known_at`, offset): each fact's versions in the order they replace each other.
    func orderByVersion(_ rows: [Int], facts: [Int32]) -> [Int] {
        rows.sorted { (facts[$0], knownAt[$0], offsets[$0]) < (facts[$1], knownAt[$1], offsets[$1]) }
    }
}
