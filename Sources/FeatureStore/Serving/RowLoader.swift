internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// Reads the rows that a plan's groups need for a spine: only its columns, only the spine's entities where they are few, and only event times that
/// some window reaches.
struct RowLoader {
    let spine: Spine
    let cuts: [String: Int64]
    let connection: Connection

    /// Up to so many keys, rows are looked up by key; beyond, the whole source is read.
    private static let fewKeys = 1000

    /// Every version of every fact that may count for the spine's entities, up to the cuts.
    func load(_ group: Plan.Group) throws -> SourceRows {
        let source = group.source
        let conditions = [keyCondition(group), timeCondition(group)].compactMap { $0 }
        let wanted = conditions.isEmpty ? "true" : withOtherVersions(SQL.joined(conditions, by: " and "), source)
        let condition: SQL = "b.source = \(source.name) and b.base_offset + b.count <= \(cuts[source.name] ?? 0) and \(wanted)"
        return try SourceTable(source).read(group.columns.sorted(), where: condition, connection)
    }

    /// For each spine row, whether its entity has any row known at an instant, whatever its event time.
    func isKnown(_ group: Plan.Group, at instant: Int64) throws -> [Bool] {
        let source = group.source
        let names = group.keys.indices.map { SQL(stringLiteral: "k\($0)") }
        var conditions: [SQL] = zip(group.keys, names).map { "r.\(identifier: $0.column) = u.\($1)" }
        conditions.append("b.source = \(source.name) and b.base_offset + b.count <= \(cuts[source.name] ?? 0)")
        if !source.isStatic { conditions.append("coalesce(b.known_at, r.firn_known_at) <= \(.timestamp(instant))") }
        let exists: SQL = """
            exists (select from \(SourceTable(source).name) r join firn.batches b on b.batch = r.firn_batch where \(SQL.joined(conditions, by: " and ")))
            """
        guard !group.keys.isEmpty else {
            let isKnown = try connection.execute("select \(exists)").first!.bool(0)
            return Array(repeating: isKnown, count: spine.instants.count)
        }
        let values = SQL.joined(group.keys.map { "\(spine.columns[$0.spine]!.parameter)" }, by: ", ")
        let rows = try connection.execute("select \(exists) from unnest(\(values)) with ordinality u(\(SQL.joined(names, by: ", ")), n) order by n")
        return rows.map { $0.bool(0) }
    }

    /// Over `r`: rows of the spine's entities; nil where the whole source is to be read.
    private func keyCondition(_ group: Plan.Group) -> SQL? {
        guard !group.keys.isEmpty, spine.instants.count <= RowLoader.fewKeys else { return nil }
        let names = SQL.joined(group.keys.map { "r.\(identifier: $0.column)" }, by: ", ")
        let values = group.keys.map { key -> SQL in "\(spine.columns[key.spine]!.parameter)" }
        return "(\(names)) in (select * from unnest(\(SQL.joined(values, by: ", "))))"
    }

    /// Over `r`: event times that a window reaches from some instant of the spine; nil where all are.
    private func timeCondition(_ group: Plan.Group) -> SQL? {
        guard let eventTime = group.source.eventTime, let first = spine.instants.min(), let last = spine.instants.max() else { return nil }
        let newest = group.aggregates.map(\.frame.newer.microseconds).min() ?? 0
        let upper = RowLoader.clamped(last, minus: newest)
        let upTo: SQL = "r.\(identifier: eventTime) <= \(.timestamp(upper))"
        let olders = group.aggregates.map(\.frame.older?.microseconds)
        guard !olders.contains(nil), let oldest = olders.compactMap({ $0 }).max() else { return upTo }
        return "\(upTo) and r.\(identifier: eventTime) > \(.timestamp(RowLoader.clamped(first, minus: oldest)))"
    }

    /// Within what PostgreSQL's timestamps hold.
    private static func clamped(_ instant: Int64, minus span: Int64) -> Int64 {
        let (difference, overflow) = instant.subtractingReportingOverflow(span)
        if overflow { return span > 0 ? Instant.range.lowerBound.microseconds : Instant.range.upperBound.microseconds }
        return min(max(difference, Instant.range.lowerBound.microseconds), Instant.range.upperBound.microseconds)
    }

    /// With an id, the other versions of the same facts too, wherever they lie: they may hide ours.
    private func withOtherVersions(_ condition: SQL, _ source: Source) -> SQL {
        guard !source.id.isEmpty, !source.isStatic else { return condition }
        let ids = SQL.joined(source.id.map { "r.\(identifier: $0)" }, by: ", ")
        return "(\(ids)) in (select \(ids) from \(SourceTable(source).name) r where \(condition))"
    }
}
