internal import FeatureLanguage

/// For each row, the instants between which it stands, regardless of its event time.
///
/// Corrections are settled here: of a fact's admitted versions, only the one with the greatest (`known_at`, offset)
/// stands. So as served, a version stands from its own `known_at` to that of the next one, and in hindsight only the
/// last one stands. A tombstone hides the others and never stands itself; nor does a retraction.
///
///     known_at   1        5            9
///     v1         ├────────┤                      as served: three lifetimes
///     v2                  ├────────────┤
///     v3                               ├───────▶  hindsight: v3 alone, always
struct Lifetimes {
    /// The first instant at which each row stands; `Int64.min` for always.
    var from: [Int64]
    /// The first instant at which each row no longer stands; `Int64.max` for never. A row with `until <= from` never
    /// stands. Nil if no row ever stops standing.
    var until: [Int64]?
    /// Whether each row is known at some instant, whether or not it stands; nil if all are.
    var isAdmitted: [Bool]?

    /// - Parameter keys: the columns of the key for which sorted rows are complete: versions under another key are
    ///   present as retractions.
    init(_ rows: SourceRows, of source: Source, keys: [String] = [], reading: Reading) {
        let cut = reading.cuts[source.name] ?? .max
        // A static source's rows are admitted by cut alone.
        let asServed = reading.mode == .asServed && !source.isStatic
        let knownBy = source.isStatic ? nil : reading.knownBy
        isAdmitted = Lifetimes.admitted(rows, upTo: cut, asServed: asServed, knownBy: knownBy)
        from = asServed ? rows.knownAt : Array(repeating: .min, count: rows.count)
        guard !source.id.isEmpty, !source.isStatic else { return }
        let tombstone = source.tombstone.flatMap { (rows.columns[$0] ?? rows.deferred[$0]?.whole())?.truths }
        if rows.isOneVersionEach, rows.isRetraction == nil, !(tombstone?.contains(true) ?? false) { return }
        var until = Array(repeating: Int64.max, count: rows.count)
        if !rows.isOneVersionEach {
            let facts = TupleTable(
                (source.id + (rows.isSorted ? keys : [])).map { rows.columns[$0]! }, count: rows.count)
            let order = rows.orderByVersion(
                facts.numbers.indices.filter { isAdmitted?[$0] ?? true }, facts: facts.numbers)
            for (earlier, later) in zip(order, order.dropFirst()) where facts.numbers[earlier] == facts.numbers[later] {
                until[earlier] = asServed ? rows.knownAt[later] : .min
            }
        }
        if let tombstone {
            for row in 0..<rows.count where tombstone[row] { until[row] = .min }
        }
        if let isRetraction = rows.isRetraction {
            for row in 0..<rows.count where isRetraction[row] { until[row] = .min }
        }
        self.until = until
    }

    private static func admitted(_ rows: SourceRows, upTo cut: Int64, asServed: Bool, knownBy: Int64?) -> [Bool]? {
        // Mostly all rows are admitted, and a scan of their `known_at` shows it.
        let isCut = cut < .max && rows.offsets.contains { $0 > cut }
        if !isCut, knownBy == nil, !asServed || !rows.knownAt.contains(SourceRows.unknown) { return nil }
        func isAdmitted(_ row: Int) -> Bool {
            let known = rows.knownAt[row]
            return rows.offset(row) <= cut && !(asServed && known == SourceRows.unknown)
                && knownBy.map { known <= $0 && known != SourceRows.unknown } ?? true
        }
        for row in 0..<rows.count where !isAdmitted(row) { return (0..<rows.count).map(isAdmitted) }
        return nil
    }
}

extension SourceRows {
    /// Rows sorted by (fact, `known_at`, offset): each fact's versions in the order in which they replace each other.
    func orderByVersion(_ rows: [Int], facts: [Int32]) -> [Int] {
        rows.sorted { (facts[$0], knownAt[$0], offsets[$0]) < (facts[$1], knownAt[$1], offsets[$1]) }
    }
}
