package import FeatureEngine
internal import FeatureLanguage
package import Postgres

/// Reads the rows that a plan's groups need for a spine: only the columns that are used, only the spine's entities if
/// they are few, and only event times that some window reaches.
package struct RowLoader {
    package let spine: Spine
    let cuts: [String: Int64]
    /// Whether rows that begin to count after the last instant are wanted too.
    var wantsChanges = false
    /// Called now and then with how many rows of a group have arrived.
    var progress: (Int) -> Void = { _ in }
    let connection: Connection

    package init(
        spine: Spine, cuts: [String: Int64], wantsChanges: Bool = false, progress: @escaping (Int) -> Void = { _ in },
        connection: Connection
    ) {
        self.spine = spine
        self.cuts = cuts
        self.wantsChanges = wantsChanges
        self.progress = progress
        self.connection = connection
    }

    /// Up to this many keys, rows are looked up by key; beyond, the whole source is read.
    package static let fewKeys = 1000
    /// The most rows that an answer in one piece may have: memory holds no entity with as many.
    static let mostRows = 500_000

    /// Every version of every fact that may count for the spine's entities, up to the cuts.
    package func load(_ group: Plan.Group) throws -> SourceRows {
        let table = SourceTable(group.source, progress: progress), names = group.columns.sorted()
        if isFew(group) { return try table.read(few: names, from: few(group), connection) }
        let condition =
            timeCondition(group).map {
                table.hasFacts ? "(\(table.ids)) in (select \(table.ids) from \(table.name) r where \($0))" : $0
            } ?? "true"
        return try table.read(names, where: "\(upToCut(group)) and \(condition)", connection)
    }

    /// Loads what a spine of one row needs, plus this many rows beyond each edge of the windows: those that nearly
    /// counted.
    package func load(_ group: Plan.Group, beyond count: Int) throws -> SourceRows {
        guard let (after, upTo) = times(group), let eventTime = group.source.eventTime else { return try load(group) }
        let table = SourceTable(group.source, progress: progress), time: SQL = "r.\(identifier: eventTime)"
        let key =
            group.keys.isEmpty
            ? "true" : table.equal(group.keys.map(\.column), to: keyArrays(group).map { "(\($0))[1]" })
        var parts: [SQL] = ["(select ctid from \(table.name) r where \(key) and \(timeCondition(group)!))"]
        parts.append(
            "(select ctid from \(table.name) r where \(key) and \(time) > \(.timestamp(upTo)) order by \(time) limit \(count))"
        )
        if let after {
            parts.append(
                "(select ctid from \(table.name) r where \(key) and \(time) <= \(.timestamp(after)) order by \(time) desc limit \(count))"
            )
        }
        let places: SQL = "(select distinct ctid as place from (\(SQL.joined(parts, by: " union all "))) c) c"
        return try table.read(
            few: group.columns.sorted(),
            from: whole(group, table.found(by: [], in: [], of: places, where: "r.ctid = c.place")), connection)
    }

    /// Whether rows are looked up by key, using what index there is for it; otherwise the whole source is read.
    private func isFew(_ group: Plan.Group) -> Bool { !group.keys.isEmpty && spine.instants.count <= RowLoader.fewKeys }

    /// The rows of the spine's entities that a window reaches, with every version of their facts.
    private func few(_ group: Plan.Group) -> SQL {
        let names = keyNames(group), values = SQL.joined(keyArrays(group), by: ", "), list = SQL.joined(names, by: ", ")
        let keys: SQL =
            group.keys.isEmpty ? "(values (true)) one" : "(select distinct \(list) from unnest(\(values)) u(\(list))) u"
        return whole(
            group,
            SourceTable(group.source).found(
                by: group.keys.map(\.column), in: names.map { "u.\($0)" }, of: keys, where: timeCondition(group)))
    }

    /// A list of rows with their batches up to the cut. With an id, it includes the other versions of the same facts,
    /// wherever they are, since they may hide ours.
    private func whole(_ group: Plan.Group, _ list: SQL) -> SQL {
        let table = SourceTable(group.source)
        return table.withBatches(
            table.hasFacts ? table.versions(of: table.facts(of: list)) : list, where: upToCut(group))
    }

    private func upToCut(_ group: Plan.Group) -> SQL {
        "b.source = \(group.source.name) and b.base_offset + b.count <= \(cuts[group.source.name] ?? 0)"
    }

    private func keyNames(_ group: Plan.Group) -> [SQL] { group.keys.indices.map { SQL(raw: "k\($0)") } }

    /// The spine's values of each key, as an array.
    private func keyArrays(_ group: Plan.Group) -> [SQL] { group.keys.map { "\(spine.columns[$0.spine]!.parameter)" } }

    /// What `load` asks for few entities, or if there are no keys.
    func query(_ group: Plan.Group) -> SQL {
        SourceTable(group.source).query(group.columns.sorted(), from: few(group))
    }

    /// Asks, for each spine row, since when its entity has had a known row of any event time: -infinity if it had one
    /// at the spine's first instant, NULL if it never will.
    func firstKnownQuery(_ group: Plan.Group) -> SQL {
        asking(group) { rows in
            let isKnown: SQL = group.source.isStatic ? "true" : "\(RowLoader.known) <= \(.timestamp(spine.instants[0]))"
            return
                "case when exists (select from \(rows) and \(isKnown)) then '-infinity'::timestamptz else (select min(\(RowLoader.known)) from \(rows)) end"
        }
    }

    /// The answer as instants, with `.min` and `.max` for those two.
    static func firstKnown(_ answer: Rows) throws -> [Int64] {
        try answer.map { row in
            guard let first = try row.optionalTimestamp(0) else { return .max }
            return first < Instant.range.lowerBound.microseconds ? .min : first
        }
    }

    /// For each spine row, whether its entity has any row known at an instant, whatever the row's event time.
    package func isKnown(_ group: Plan.Group, at instant: Int64) throws -> [Bool] {
        let isKnown: SQL = group.source.isStatic ? "true" : "\(RowLoader.known) <= \(.timestamp(instant))"
        let answers = try connection.byIndex {
            try connection.execute(asking(group) { "exists (select from \($0) and \(isKnown))" }).map { try $0.bool(0) }
        }
        // Without keys, all rows belong to one entity.
        return group.keys.isEmpty ? Array(repeating: answers[0], count: spine.instants.count) : answers
    }

    /// When a row became known, over `r` and `b`.
    private static let known: SQL = "coalesce(b.known_at, r.firn_known_at)"

    /// Asks a question about the rows of each spine row's entity, up to the cut; only once if there are no keys.
    ///
    /// - Parameter question: over an entity's rows, given as a table and its condition, to which more may be added.
    private func asking(_ group: Plan.Group, _ question: (SQL) -> SQL) -> SQL {
        let table = SourceTable(group.source), names = keyNames(group)
        let rows = table.withBatches(
            table.found(by: group.keys.map(\.column), in: names.map { "u.\($0)" }, of: "(values (true)) one"),
            where: upToCut(group))
        let asked = question("\(rows) where true")
        if group.keys.isEmpty { return "select \(asked)" }
        return
            "select \(asked) from unnest(\(SQL.joined(keyArrays(group), by: ", "))) with ordinality u(\(SQL.joined(names, by: ", ")), n) order by n"
    }

    /// A condition over `r`: event times that a window reaches from some instant of the spine; nil if all of them are.
    private func timeCondition(_ group: Plan.Group) -> SQL? {
        guard let eventTime = group.source.eventTime, let (after, upTo) = times(group) else { return nil }
        let condition: SQL = "r.\(identifier: eventTime) <= \(.timestamp(upTo))"
        return after.map { "\(condition) and r.\(identifier: eventTime) > \(.timestamp($0))" } ?? condition
    }

    private func times(_ group: Plan.Group) -> (after: Int64?, upTo: Int64)? {
        RowLoader.reach(group, spine, wantsChanges: wantsChanges)
    }

    /// The event times that a group's windows reach from a spine: after the first bound (nil: from the beginning), up
    /// to and including the second. Nil if there is no instant.
    ///
    /// - Parameter wantsChanges: reaches up to the end of time, since what lies ahead will be reached.
    static func reach(_ group: Plan.Group, _ spine: Spine, wantsChanges: Bool = false) -> (after: Int64?, upTo: Int64)?
    {
        guard let first = spine.instants.min(), let last = spine.instants.max() else { return nil }
        let newest = RowLoader.clamped(last, minus: group.aggregates.map(\.frame.newer.microseconds).min() ?? 0)
        let upTo = wantsChanges ? Instant.range.upperBound.microseconds : newest
        let olders = group.aggregates.map(\.frame.older?.microseconds)
        let oldest = olders.contains(nil) ? nil : olders.compactMap { $0 }.max()
        return (oldest.map { RowLoader.clamped(first, minus: $0) }, upTo)
    }

    /// Clamped to what PostgreSQL's timestamps hold.
    package static func clamped(_ instant: Int64, minus span: Int64) -> Int64 {
        let (difference, overflow) = instant.subtractingReportingOverflow(span)
        if overflow { return span > 0 ? Instant.range.lowerBound.microseconds : Instant.range.upperBound.microseconds }
        return min(max(difference, Instant.range.lowerBound.microseconds), Instant.range.upperBound.microseconds)
    }
}

extension RowLoader {
    /// Reads entities: the rows that windows reach from an instant on, and since when each entity has had any. One
    /// round trip for all. An element is nil if it has more than `mostRows` rows.
    package static func load(_ wanted: [WantedEntities], _ connection: Connection, mostRows: Int = RowLoader.mostRows)
        throws -> [(
            rows: SourceRows, foundFrom: [Int64]
        )?]
    {
        let queries = wanted.flatMap { wanted -> [SQL] in
            let group = wanted.group
            let spine = Spine(
                columns: Dictionary(uniqueKeysWithValues: zip(group.keys.map(\.spine), wanted.keyColumns)),
                instants: Array(repeating: wanted.from, count: wanted.keys.count))
            let loader = RowLoader(
                spine: spine, cuts: [group.source.name: wanted.cut], wantsChanges: true, connection: connection)
            return ["\(loader.query(group)) limit \(Int64(mostRows) + 1)", loader.firstKnownQuery(group)]
        }
        let answers = try connection.pipeline(queries)
        return try wanted.enumerated().map { place, wanted in
            let group = wanted.group
            guard answers[2 * place].count <= mostRows else { return nil }
            var rows = SourceTable(group.source).rows(group.columns.sorted(), of: answers[2 * place])
            if !group.source.id.isEmpty, !group.source.isStatic {
                rows = rows.followed(by: rows.retractions(of: group.source, keys: group.keys.map(\.column), after: 0))
            }
            let first = try RowLoader.firstKnown(answers[2 * place + 1])
            // Without keys, all rows belong to one entity.
            return (rows, group.keys.isEmpty ? Array(repeating: first[0], count: wanted.keys.count) : first)
        }
    }
}
