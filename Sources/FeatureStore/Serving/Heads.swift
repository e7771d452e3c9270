internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// How far the logs go and what time it is, read in one statement: the cuts of an answer or snapshot.
struct Heads: Sendable {
    /// By source; 0 where nothing was loaded yet.
    var cuts: [String: Int64] = [:]
    /// When the newest batch at the cut was committed.
    var newestCommits: [String: Int64] = [:]
    /// The database's clock, never behind a push that the cuts hold.
    var now: Int64 = .min

    init(_ sources: [String], _ connection: Connection) throws {
        let names = Parameter.array(.text, sources.map { .text($0) })
        let rows = try connection.execute(
            """
            select s.name, h.end_offset, h.committed_at, p.known_at, clock_timestamp()
            from unnest(\(names)) s(name)
            left join lateral (select base_offset + count as end_offset, committed_at from firn.batches
                where source = s.name order by base_offset desc limit 1) h on true
            left join lateral (select known_at from firn.batches
                where source = s.name and known_at is not null order by base_offset desc limit 1) p on true
            """)
        for row in 0..<rows.count {
            cuts[rows[row].text(0)] = rows[row].optionalInt64(1) ?? 0
            newestCommits[rows[row].text(0)] = rows[row].optionalTimestamp(2)
            now = max(now, rows[row].optionalTimestamp(3) ?? .min, rows[row].timestamp(4))
        }
        // A plan that reads no source still asks for the time.
        if rows.count == 0 { now = try connection.execute("select clock_timestamp()").first!.timestamp(0) }
    }
}

/// Reads the rows that a plan needs for a spine.
struct RowLoader {
    let plan: Plan
    let connection: Connection

    /// Up to so many distinct keys, rows are looked up by key; beyond, the whole source is read.
    private static let fewKeys = 1000

    /// Every version of every fact that may count for the spine's entities, up to the cuts.
    func load(_ spine: Spine, cuts: [String: Int64]) throws -> [String: SourceRows] {
        var rows: [String: SourceRows] = [:]
        for name in plan.sources {
            let groups = plan.groups.filter { $0.source.name == name }
            let source = groups[0].source
            let columns = groups.reduce(into: Set<String>()) { $0.formUnion($1.columns) }
            let upTo: SQL = "b.source = \(name) and b.base_offset + b.count <= \(cuts[name] ?? 0)"
            let wanted = groups.map { keyCondition($0, spine) }
            let condition: SQL = wanted.contains { $0 == nil } ? upTo : "\(upTo) and (\(SQL.joined(wanted.map { ofFacts($0!, source) }, by: " or ")))"
            rows[name] = try SourceTable(source).read(columns.sorted(), where: condition, connection)
        }
        return rows
    }

    /// Over `r`: rows of the spine's entities; nil where the whole source is to be read.
    private func keyCondition(_ group: Plan.Group, _ spine: Spine) -> SQL? {
        guard !group.keys.isEmpty, spine.instants.count <= RowLoader.fewKeys else { return nil }
        let names = SQL.joined(group.keys.map { "r.\(identifier: $0.column)" }, by: ", ")
        let values = group.keys.map { key -> SQL in "\(spine.columns[key.spine]!.parameter)" }
        return "(\(names)) in (select * from unnest(\(SQL.joined(values, by: ", "))))"
    }

    /// With an id, the other versions of the same facts too: one of another key may hide ours.
    private func ofFacts(_ condition: SQL, _ source: Source) -> SQL {
        guard !source.id.isEmpty, !source.isStatic else { return condition }
        let ids = SQL.joined(source.id.map { "r.\(identifier: $0)" }, by: ", ")
        return "(\(ids)) in (select \(ids) from \(SourceTable(source).name) r where \(condition))"
    }
}
