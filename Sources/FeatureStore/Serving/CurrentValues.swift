internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import StoreRows

/// What a refresh of a set's current values did.
public struct RefreshedValues: Sendable {
    /// The table's name, as SQL writes it.
    public var table: String
    /// How many entities had their values computed: those with news or an expiry since the last time.
    public var refreshed: Int
    /// How many rows, one for each entity, the table has now.
    public var entities: Int
    /// The instant for which values were computed.
    public var asOf: Instant
}

extension StoreServing {
    /// Brings the table of a set's current values up to date: a row for each entity that a source has rows of.
    ///
    /// `firn_values.<set>_v<N>` has the set's keys, `as_of`, its features, and `changes_at`: when a value next changes
    /// even if no row arrives, NULL for never. A row holds from its `as_of` until then, or until a row of its entity
    /// arrives.
    ///
    /// - Throws: for a set with request inputs, or none of whose features has all its keys.
    public func refreshValues(of name: String) async throws -> RefreshedValues {
        let training = training, lastNow = context.lastNow, damage = FoundDamage()
        return try await withRegistry { connection, known in
            let catalog = known.catalog, set = try catalog.set(named: known.governance.set(named: name).set).served
            let plan = Plan(set, in: catalog)
            let values = try CurrentValues(set, plan, connection)
            // The lock comes before the transaction, which then sees what was done while it waited.
            defer { training.mend(damage, connection) }
            return try Lock.holding(values.lock, connection) {
                try connection.transaction(.repeatableRead) {
                    try values.prepare()
                    let heads = try Heads(plan.sources, connection)
                    let now = lastNow.advance(to: heads.now)
                    let keys = try values.entities(since: values.cuts(within: heads.cuts), upTo: heads.cuts, now: now)
                    let spine = Spine(
                        columns: Dictionary(uniqueKeysWithValues: zip(plan.keys.map(\.name), keys)),
                        instants: Array(repeating: now, count: keys.first?.count ?? 1))
                    if spine.instants.count > 0 {
                        let outputs = try plan.train(
                            spine, Reading(cuts: heads.cuts), training, connection, wantsChanges: true, damage: damage)
                        try values.write(keys, outputs, at: now)
                    }
                    try values.remember(heads.cuts, now: now)
                    return RefreshedValues(
                        table: values.name, refreshed: spine.instants.count, entities: try values.count(),
                        asOf: Instant(microseconds: now))
                }
            }
        }
    }
}

/// The table that keeps one set's values.
struct CurrentValues {
    private let served: FeatureSet
    private let plan: Plan
    private let connection: Connection
    /// Groups that have all of the set's keys: each row belongs to one entity of the set.
    private let whole: [Plan.Group]
    let name: String

    init(_ set: FeatureSet, _ plan: Plan, _ connection: Connection) throws {
        guard plan.requests.isEmpty else {
            throw StoreError(
                .invalidRequest,
                "\(set.definition.name) needs request inputs, which only a lookup brings: \(plan.requests.map(\.name).joined(separator: ", "))",
                advice: "make a set of its other features")
        }
        let keys = Swift.Set(plan.keys.map(\.name))
        whole = plan.groups.filter { Swift.Set($0.keys.map(\.spine)) == keys }
        guard keys.isEmpty || !whole.isEmpty else {
            throw StoreError(
                .invalidRequest,
                "no feature of \(set.definition.name) has all its keys (\(plan.keys.map(\.name).joined(separator: ", "))), so nothing says which entities there are",
                advice: "make a set of one entity's features")
        }
        served = set
        if let taken = (plan.keys.map(\.name) + plan.outputs.map(\.name)).first(where: {
            ["as_of", "changes_at", "firn_only"].contains($0)
        }) {
            throw StoreError(
                .invalidRequest, "'\(taken)' is a column that the table of current values has for itself",
                advice: "name the output otherwise in a set of its own")
        }
        self.plan = plan
        self.connection = connection
        var table = "\(set.definition.name.name)_v\(set.definition.name.version)"
        // PostgreSQL would cut the name, and two versions might share one table.
        if table.utf8.count > 63 { table = SourceTable.name(String(table.prefix(48)), [table]) }
        name = "firn_values." + SQL.quoted(table)
    }

    var lock: Int { Lock.segments(of: setName) }
    private var table: SQL { SQL(raw: name) }
    private var setName: String { served.definition.name.description }
    private var keyList: SQL { SQL.joined(plan.keys.map { "\(identifier: $0.name)" }, by: ", ") }

    /// The columns after the keys.
    private var columns: [(name: String, type: SQL)] {
        [("as_of", "timestamptz")] + plan.outputs.map { ($0.name, $0.type.sql) } + [("changes_at", "timestamptz")]
    }

    func prepare() throws {
        if try connection.execute("select to_regclass(\(name)) is not null").single().bool(0) { return }
        try RowWidth.check(
            plan.keys.map(\.type) + [.timestamp] + plan.outputs.map(\.type) + [.timestamp],
            of: "the table of current values of \(setName)"
        ) {
            "make sets of fewer outputs for what is to be kept as tables"
        }
        var parts = plan.keys.map { key -> SQL in "\(identifier: key.name) \(key.type.sql) not null" }
        parts += columns.map { column -> SQL in "\(identifier: column.name) \(column.type)" }
        let hasTexts = plan.keys.contains { $0.type == .string }
        // Without keys there is one entity, and one row.
        if plan.keys.isEmpty {
            parts.append("firn_only boolean not null default true primary key check (firn_only)")
        } else if !hasTexts {
            parts.append("primary key (\(keyList))")
        }
        try connection.execute("create table \(table) (\(SQL.joined(parts, by: ", ")))")
        // A primary key can't hold a text of any length.
        if hasTexts {
            let index = SourceTable.name("values", [name]),
                keys = Parameter.array(.text, plan.keys.map { .text($0.name) })
            try connection.execute(
                plan.keys.count == 1
                    ? "create index on \(table) using hash (\(keyList))"
                    : "select firn.index_table(\(index), \(name)::regclass, \(keys))")
        }
        try connection.execute("create index on \(table) (changes_at)")
        try connection.execute("delete from firn_cache.current_values where set_name = \(setName)")
    }

    /// Empties the table, and the cuts with it: their absence tells the next refresh to fill it anew.
    func clear() throws {
        if try connection.execute("select to_regclass(\(name)) is not null").single().bool(0) {
            try connection.execute("truncate \(table)")
        }
        try connection.execute("update firn_cache.current_values set cuts = '{}' where set_name = \(setName)")
    }

    /// How far each source was read the last time; nil where there was no last time, or the record can't be true. Then
    /// everything is computed again.
    func cuts(within heads: [String: Int64]) throws -> [String: Int64]? {
        guard
            let row = try connection.execute(
                "select cuts::text from firn_cache.current_values where set_name = \(setName)"
            ).first
        else { return nil }
        let cuts = try? JSONDecoder().decode([String: Int64].self, from: Data(row.bytes(0)))
        return cuts.flatMap { cuts in
            cuts.allSatisfy { $0.value >= 0 && $0.value <= heads[$0.key] ?? .max } ? cuts : nil
        }
    }

    func remember(_ cuts: [String: Int64], now: Int64) throws {
        let text = try canonicalJSON(cuts)
        try connection.execute(
            """
            insert into firn_cache.current_values values (\(setName), \(.timestamp(now)), \(text)::jsonb)
            on conflict (set_name) do update set as_of = excluded.as_of, cuts = excluded.cuts
            """)
    }

    func count() throws -> Int { Int(try connection.execute("select count(*) from \(table)").single().int64(0)) }

    /// The keys of the entities to compute, a column for each of the plan's: all that are new, have new rows, or whose
    /// `changes_at` has come.
    func entities(since last: [String: Int64]?, upTo cuts: [String: Int64], now: Int64) throws -> [Column] {
        guard !plan.keys.isEmpty else { return [] }
        var parts: [SQL] = []
        for group in plan.groups {
            let after = last?[group.source.name] ?? 0, upTo = cuts[group.source.name] ?? 0
            if after < upTo { parts.append(touched(group, after, upTo)) }
        }
        if last != nil { parts.append("select \(keyList) from \(table) where changes_at <= \(.timestamp(now))") }
        guard !parts.isEmpty else { return plan.keys.map { Column(repeating: .null, type: $0.type, count: 0) } }
        var builders = plan.keys.map { ColumnBuilder($0.type) }
        let all: SQL = "select distinct * from (\(SQL.joined(parts, by: " union all "))) entities"
        try connection.stream(all) { row in for index in builders.indices { builders[index].append(&row) } }
        return builders.indices.map { builders[$0].finish() }
    }

    /// The set's entities that a group has new rows of, and those that lost a fact to such rows.
    private func touched(_ group: Plan.Group, _ after: Int64, _ upTo: Int64) -> SQL {
        let rows = SourceTable(group.source).touched(after: after, upTo: upTo)
        let notNull = SQL.joined(group.keys.map { "r.\(identifier: $0.column) is not null" }, by: " and ")
        if Swift.Set(group.keys.map(\.spine)).count == plan.keys.count {
            let list = SQL.joined(
                plan.keys.map { key in "r.\(identifier: group.keys.first { $0.spine == key.name }!.column)" }, by: ", ")
            return "select \(list) from \(rows) and \(notNull)"
        }
        // The group has only some of the keys: these are the known entities that have them. New ones come from the
        // groups with all keys.
        let keys = SQL.joined(group.keys.map { "v.\(identifier: $0.spine)" }, by: ", ")
        let list = SQL.joined(plan.keys.map { "v.\(identifier: $0.name)" }, by: ", ")
        if group.keys.isEmpty { return "select \(list) from \(table) v where exists (select from \(rows))" }
        let columns = SQL.joined(group.keys.map { "r.\(identifier: $0.column)" }, by: ", ")
        return "select \(list) from \(table) v where (\(keys)) in (select \(columns) from \(rows) and \(notNull))"
    }

    func write(_ keys: [Column], _ outputs: Outputs, at now: Int64) throws {
        let count = outputs.nextChanges.count
        let names = SQL.joined((plan.keys.map(\.name) + columns.map(\.name)).map { "\(identifier: $0)" }, by: ", ")
        try connection.execute("create temp table firn_fresh (like \(table) including defaults) on commit drop")
        let changes = Column(
            .timestamp, outputs.nextChanges.map { min($0, Instant.range.upperBound.microseconds) },
            validity: outputs.nextChanges.map { $0 != .max })
        let all =
            keys + [Column(repeating: .timestamp(Instant(microseconds: now)), type: .timestamp, count: count)]
            + outputs.columns + [changes]
        try connection.copyIn("copy pg_temp.firn_fresh (\(names)) from stdin (format binary)") { writer in
            for row in 0..<count {
                try writer.beginRow(fields: all.count)
                for column in all { writer.write(column, row) }
            }
        }
        let isFresh = SQL.joined(
            plan.keys.map { $0.type.equal("v.\(identifier: $0.name)", "f.\(identifier: $0.name)") } + ["true"],
            by: " and ")
        try connection.execute("delete from \(table) v using pg_temp.firn_fresh f where \(isFresh)")
        try connection.execute("insert into \(table) (\(names)) select \(names) from pg_temp.firn_fresh")
    }
}

extension CurrentValues {
    /// How many rows are computed again at once.
    private static let page = 50_000

    /// Computes current values again, a random sample or all, each row as of its own instant.
    static func check(
        _ catalog: Catalog, atMost limit: Int?, _ training: StoreTraining, _ check: inout HistoryCheck,
        _ connection: Connection
    ) throws {
        for row in try connection.execute(
            "select set_name, cuts::text from firn_cache.current_values order by set_name"
        ).map({ $0 }) {
            try Task.checkCancellation()
            let name = try row.text(0)
            guard let set = try? catalog.set(named: name).served else {
                check.faults.append("there are current values of \(name), which isn't registered")
                continue
            }
            let plan = Plan(set, in: catalog), values = try CurrentValues(set, plan, connection),
                heads = try Heads(plan.sources, connection).cuts
            // A dropped table is made anew, and an emptied one is filled, by the next refresh.
            guard try connection.execute("select to_regclass(\(values.name)) is not null").single().bool(0) else {
                continue
            }
            guard let cuts = try? JSONDecoder().decode([String: Int64].self, from: Data(row.bytes(1))),
                cuts.allSatisfy({ 0 <= $0.value && $0.value <= heads[$0.key] ?? .max })
            else {
                check.faults.append("the current values of \(name) say that logs were read which aren't there")
                continue
            }
            if try !values.hold(cuts, atMost: limit, training, &check) {
                check.faults.append("the current values of \(name) in \(values.name) aren't what their rows make")
            }
        }
    }

    private func hold(
        _ cuts: [String: Int64], atMost limit: Int?, _ training: StoreTraining, _ check: inout HistoryCheck
    ) throws -> Bool {
        let names = SQL.joined((plan.keys.map(\.name) + columns.map(\.name)).map { "\(identifier: $0)" }, by: ", ")
        let chosen: SQL = limit.map { "order by random() limit \($0)" } ?? ""
        try connection.execute("declare firn_values_check no scroll cursor for select \(names) from \(table) \(chosen)")
        defer { _ = try? connection.execute("close firn_values_check") }
        while true {
            try Task.checkCancellation()
            var builders = (plan.keys.map(\.type) + [.timestamp] + plan.outputs.map(\.type) + [.timestamp]).map {
                ColumnBuilder($0)
            }
            let rows = try connection.execute("fetch \(literal: Int64(CurrentValues.page)) from firn_values_check")
            rows.read { row in for index in builders.indices { builders[index].append(&row) } }
            guard rows.count > 0 else { break }
            check.values += rows.count
            var read = builders.indices.map { builders[$0].finish() }[...]
            let keys = read.prefix(plan.keys.count)
            read = read.dropFirst(keys.count)
            guard let instants = read.popFirst(), let changes = read.popLast() else { return false }
            let spine = Spine(
                columns: Dictionary(zip(plan.keys.map(\.name), keys)) { first, _ in first }, instants: instants.integers
            )
            let outputs = try plan.train(spine, Reading(cuts: cuts), training, connection, wantsChanges: true)
            for (kept, made) in zip(read, outputs.columns) {
                for row in 0..<rows.count where kept[row] != made[row] { return false }
            }
            for (row, next) in outputs.nextChanges.enumerated() {
                let isRight =
                    next == .max
                    ? changes.isNull(row)
                    : !changes.isNull(row) && changes.integers[row] == min(next, Instant.range.upperBound.microseconds)
                if !isRight { return false }
            }
        }
        return try limit != nil || plan.keys.isEmpty || hasAllEntities(cuts)
    }

    /// Whether there is a row for each entity up to the cuts, and for no other.
    private func hasAllEntities(_ cuts: [String: Int64]) throws -> Bool {
        let parts = whole.compactMap { group in cuts[group.source.name].flatMap { $0 > 0 ? touched(group, 0, $0) : nil }
        }
        let there: SQL = "select \(keyList) from \(table)"
        guard !parts.isEmpty else { return try connection.execute("\(there) limit 1").count == 0 }
        let wanted: SQL = "(\(SQL.joined(parts, by: " union ")))"
        return try connection.execute("(\(there) except \(wanted)) union all (\(wanted) except \(there)) limit 1").count
            == 0
    }
}
