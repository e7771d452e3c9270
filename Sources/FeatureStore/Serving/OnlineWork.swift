internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import ServingMemory
internal import StoreRecord
internal import StoreRows

/// A part of online state that was brought up to date: one source's entities by one choice of key columns.
public struct KeptOnline: Sendable {
    /// The source whose rows are kept.
    public var source: String
    /// The source's columns that make up the key, sorted; empty where all rows are one entity's.
    public var keys: [String]
    /// How many entities were written.
    public var entities: Int
    /// The offset up to which all entities' rows are whole.
    public var upTo: Int64
}

extension StoreServing {
    /// Brings online state up to date: for every set that a server was asked for, the rows of all entities as a
    /// server's memory holds them.
    ///
    /// - Parameter sets: kept from now on, too.
    /// - Returns: the parts that had something new, and that no other process is working on.
    public func keepOnline(_ sets: [String] = []) async throws -> [KeptOnline] {
        try await withRegistry { connection, known in
            let catalog = known.catalog
            for set in try sets.map({ try known.governance.set(named: $0).set }) {
                _ = try catalog.set(named: set)
                try connection.execute("insert into firn_cache.online_sets values (\(set)) on conflict do nothing")
            }
            return try OnlineWork.needs(catalog, connection).compactMap {
                try OnlineWork(group: $0, connection: connection).run()
            }
        }
    }

    /// Deletes all online state. `keepOnline` builds it again, since the sets stay known.
    public func dropOnline() async throws {
        try await withCatalog { connection, _ in _ = try connection.execute("delete from firn_cache.online_tables") }
    }
}

/// Brings online state of one source's entities by one key up to date.
struct OnlineWork {
    /// Its keys are named as the source's columns.
    let group: Plan.Group
    let connection: Connection

    /// If more rows than this have come, their entities are read again instead.
    private static let mostNews: Int64 = 200_000
    /// Rows are kept this much longer than windows reach (microseconds), since a server's clock may be behind.
    private static let margin: Int64 = 60_000_000

    private var source: Source { group.source }
    private var keys: [String] { group.keys.map(\.column) }
    private var form: RowForm { RowForm(source, columns: group.columns) }

    /// What the sets that servers were asked for need: each source and key once.
    static func needs(_ catalog: Catalog, _ connection: Connection) throws -> [Plan.Group] {
        let registry = Registry(connection)
        let plans = try connection.execute("select set_name from firn_cache.online_sets order by set_name").map {
            try $0.text(0)
        }.compactMap { name -> Plan? in
            guard let set = try? catalog.set(named: name) else { return nil }
            return try Plan(set.served, in: catalog, fresh: registry.fresh(name))
        }
        var needs: [Plan.Group] = []
        for group in plans.flatMap(\.groups) {
            let columns = group.keys.map(\.column).sorted()
            if let index = needs.firstIndex(where: {
                $0.source.name == group.source.name && $0.keys.map(\.column) == columns
            }) {
                needs[index].aggregates += group.aggregates.filter { !needs[index].aggregates.contains($0) }
            } else {
                needs.append(
                    Plan.Group(
                        source: group.source, keys: columns.map { (spine: $0, column: $0) },
                        aggregates: group.aggregates))
            }
        }
        return needs
    }

    func run() throws -> KeptOnline? {
        try connection.transaction {
            // One process at a time; a second one leaves it to the first.
            guard
                try connection.execute(
                    "select pg_try_advisory_xact_lock(\(Lock.space)::int, \(Lock.online(of: source.name))::int)"
                ).single().bool(0)
            else { return nil }
            var table = try table()
            let (online, covered) = (table.online, table.covered)
            let state = try BatchLog(source: source, connection: connection).state()
            let upTo = state.head.offset
            let damaged = try connection.execute(
                "select entity from firn_cache.online_entities where online = \(online) and rows < -1"
            ).map { try $0.bytes(0) }
            guard upTo > covered || !damaged.isEmpty else { return nil }
            let entities: Int
            if upTo == covered {
                entities = damaged.count
            } else if covered == 0 || upTo - covered > OnlineWork.mostNews {
                entities = try reload(keysSince: covered, upTo: upTo, online, at: state.clock)
            } else {
                let delta = try Follower.delta(group, after: covered, upTo: upTo, connection)
                entities =
                    try delta.evicts
                    ? reload(keysSince: covered, upTo: upTo, online, at: state.clock)
                    : append(delta.rows, online, upTo: upTo, at: state.clock)
            }
            try keepAnew(damaged, upTo: upTo, online, at: state.clock)
            table.covered = upTo
            try put(table)
            return KeptOnline(source: source.name, keys: keys, entities: entities, upTo: upTo)
        }
    }

    /// The table as it is kept; begun anew where that has other columns, doesn't reach back far enough, or isn't what
    /// it was.
    private func table() throws -> KeptTable {
        let names: Parameter = .array(.text, keys.map { .text($0) }), columns = group.columns.sorted(),
            list: Parameter = .array(.text, columns.map { .text($0) })
        if let (known, isWhole) = try kept() {
            if isWhole, known.columns == columns, known.reach.map({ $0 >= group.reach }) ?? true { return known }
            try connection.execute("delete from firn_cache.online_tables where online = \(known.online)")
        }
        let reach = group.reach == .max ? nil : group.reach
        let online = try connection.execute(
            """
            insert into firn_cache.online_tables (source, keys, columns, reach, covered, checksum) values (\(source.name), \(names), \(list), \(reach), 0, 0) returning online
            """
        ).single().int64(0)
        let table = KeptTable(online: online, covered: 0, columns: columns, reach: reach)
        try put(table)
        return table
    }

    /// Records how far a table goes.
    private func put(_ table: KeptTable) throws {
        try connection.execute(
            "update firn_cache.online_tables set covered = \(table.covered), checksum = \(table.checksum(source.name, keys: keys)) where online = \(table.online)"
        )
    }

    /// The table that is kept, and whether it is what it was; nil where there is none.
    private func kept() throws -> (table: KeptTable, isWhole: Bool)? {
        let row = try connection.execute(
            """
            select online, covered, to_json(columns)::text, reach, checksum from firn_cache.online_tables
            where source = \(source.name) and keys = \(.array(.text, keys.map { .text($0) }))
            """
        ).first
        guard let row else { return nil }
        guard let table = try? KeptTable(row) else {
            return (KeptTable(online: try row.int64(0), covered: 0, columns: [], reach: nil), false)
        }
        return (
            table,
            (try? row.int64(4)) == table.checksum(source.name, keys: keys)
                && (0...Heads.lastOffset).contains(table.covered)
        )
    }

    /// Reads entities again that aren't what they were.
    private func keepAnew(_ entities: [[UInt8]], upTo: Int64, _ online: Int64, at now: Int64) throws {
        try reload(entities.compactMap { EntityKey(bytes: $0, group.keyTypes) }, upTo: upTo, online, at: now)
    }

    // MARK: Entities anew

    /// Reads every entity that has since gained or lost a row, and keeps it as it is now.
    private func reload(keysSince covered: Int64, upTo: Int64, _ online: Int64, at now: Int64) throws -> Int {
        let table = SourceTable(source)
        let notNull = SQL.joined(keys.map { "r.\(identifier: $0) is not null" } + ["true"], by: " and ")
        let list = keys.isEmpty ? "1" : SQL.joined(keys.map { "r.\(identifier: $0)" }, by: ", ")
        var builders = group.keyTypes.map { ColumnBuilder($0) }, count = 0
        try table.reading(after: covered, upTo: upTo, connection) {
            try connection.stream(
                "select distinct \(list) from \(table.touched(after: covered, upTo: upTo)) and \(notNull)"
            ) { row in
                for index in builders.indices { builders[index].append(&row) }
                count += 1
            }
        }
        let columns = builders.indices.map { builders[$0].finish() }
        let entities = (0..<count).compactMap { EntityKey(columns, $0) }
        try reload(Array(Set(entities)), upTo: upTo, online, at: now)
        return entities.count
    }

    private func reload(_ entities: [EntityKey], upTo: Int64, _ online: Int64, at now: Int64) throws {
        for start in stride(from: 0, to: entities.count, by: RowLoader.fewKeys) {
            try Task.checkCancellation()
            let some = Array(entities[start..<min(start + RowLoader.fewKeys, entities.count)])
            let wanted = WantedEntities(group, some, cut: upTo, from: now - OnlineWork.margin)
            let (rows, foundFrom) = try connection.byIndex {
                try RowLoader.load([wanted], connection, mostRows: .max - 1)[0]!
            }
            let packed = pack(rows)
            var kept: [Kept] = []
            for (entity, from) in zip(some, foundFrom) {
                kept.append(Kept(entity: entity, from: from, rows: packed[entity] ?? EntityRows()))
            }
            try write(kept, online, replacing: true)
        }
    }

    // MARK: Entities with news

    private func append(_ rows: SourceRows, _ online: Int64, upTo: Int64, at now: Int64) throws -> Int {
        let columns = keys.map { rows.columns[$0]! }
        var first: [EntityKey: Int64] = [:]
        for row in 0..<rows.count where !(rows.isRetraction?[row] ?? false) {
            // A row that is never known leaves its entity as unknown as it was.
            let known = source.isStatic ? Int64.min : rows.knownAt[row] == SourceRows.unknown ? .max : rows.knownAt[row]
            if let key = EntityKey(columns, row) { first[key] = min(first[key] ?? .max, known) }
        }
        let packed = pack(rows).map { Kept(entity: $0, from: first[$0] ?? .max, rows: $1) }
        let grown = try write(packed, online, replacing: false)
        try reload(grown, upTo: upTo, online, at: now)
        return packed.count
    }

    // MARK: Writing

    private struct Kept {
        var entity: EntityKey
        var from: Int64
        var rows: EntityRows
    }

    /// The rows of each entity.
    private func pack(_ rows: SourceRows) -> [EntityKey: EntityRows] {
        let columns = keys.map { rows.columns[$0]! }, form = form
        var packed: [EntityKey: EntityRows] = [:]
        for row in 0..<rows.count {
            if let key = EntityKey(columns, row) { form.append(rows, row, to: &packed[key, default: EntityRows()]) }
        }
        return packed
    }

    /// Writes entities; returns those with more than twice the rows they were read with, some of which no window
    /// reaches any more.
    @discardableResult
    private func write(_ kept: [Kept], _ online: Int64, replacing: Bool) throws -> [EntityKey] {
        let most = EntityTable.maximumEntityBytes,
            kept = kept.filter { $0.entity.bytes.count <= KeptEntities.longestKey }
        var grown: [EntityKey] = []
        for start in stride(from: 0, to: kept.count, by: 1000) {
            let some = kept[start..<min(start + 1000, kept.count)]
            let tooLarge = some.map { $0.rows.bytes.count > most }
            let entities: Parameter = .array(.bytes, some.map { .bytes($0.entity.bytes) })
            let counts: Parameter = .array(.int64, zip(some, tooLarge).map { .int64($1 ? -1 : Int64($0.rows.count)) })
            let bodies: Parameter = .array(
                .bytes,
                zip(some, tooLarge).map {
                    .bytes($1 ? [] : KeptPieces.piece($0.entity, in: online, knownFrom: $0.from, $0.rows))
                })
            // A damaged entity stays marked until it is read again, whatever comes.
            let isTooLarge: SQL = "excluded.rows < 0 or length(e.body) + length(excluded.body) > \(most)"
            let update: SQL =
                replacing
                ? "rows = excluded.rows, rows_at_first = excluded.rows_at_first, body = excluded.body"
                : """
                rows = case when e.rows < 0 then e.rows when \(isTooLarge) then -1 else least(e.rows::bigint + excluded.rows, 2147483647)::int end,
                body = case when e.rows < 0 or \(isTooLarge) then '' else e.body || excluded.body end
                """
            let answer = try connection.execute(
                prepared: """
                    insert into firn_cache.online_entities as e (online, entity, rows, rows_at_first, body)
                    select \(online), entity, rows::int, rows::int, body from unnest(\(entities), \(counts), \(bodies)) u(entity, rows, body)
                    on conflict (online, entity) do update set \(update)
                    returning case when rows > 2 * rows_at_first::bigint + 256 then entity end
                    """)
            grown += answer.map { $0.optionalBytes(0) }.compactMap {
                $0.flatMap { EntityKey(bytes: $0, group.keyTypes) }
            }
        }
        return replacing ? [] : grown
    }
}

extension OnlineWork {
    /// Compares what is kept of entities, a random sample or all, with their rows: what every aggregate comes to now,
    /// and whether they are known.
    static func check(_ catalog: Catalog, atMost limit: Int?, _ check: inout HistoryCheck, _ connection: Connection)
        throws
    {
        for group in try needs(catalog, connection) {
            try OnlineWork(group: group, connection: connection).check(atMost: limit, &check)
        }
    }

    private func check(atMost limit: Int?, _ check: inout HistoryCheck) throws {
        guard let (kept, isWhole) = try kept() else { return }
        let place = "online state of \(source.name) by \(keys.isEmpty ? "no key" : keys.joined(separator: ", "))",
            log = BatchLog(source: source, connection: connection)
        guard isWhole, try log.head().offset >= kept.covered else {
            check.faults.append("\(place) isn't what it was when it was kept")
            return
        }
        // A table of another shape is begun anew before it is used.
        guard kept.columns == group.columns.sorted(), kept.covered > 0 else { return }
        let table = SourceTable(source), now = try log.state().clock
        let chosen: SQL = limit.map { "order by random() limit \($0)" } ?? ""
        var builders = group.keyTypes.map { ColumnBuilder($0) }, count = 0
        let list = keys.isEmpty ? "1" : SQL.joined(keys.map { "r.\(identifier: $0)" }, by: ", ")
        try connection.byScan {
            try connection.stream(
                "select k.* from (select distinct \(list) from \(table.rows) where \(table.offsets(after: 0, upTo: kept.covered))) k \(chosen)"
            ) { row in
                for index in builders.indices { builders[index].append(&row) }
                count += 1
            }
        }
        let columns = builders.indices.map { builders[$0].finish() }
        var entities = Set((0..<count).compactMap { EntityKey(columns, $0) })
        for row in try connection.execute(
            "select entity from firn_cache.online_entities where online = \(kept.online) \(chosen)"
        ).map({ $0 }) {
            guard let entity = try EntityKey(bytes: row.bytes(0), group.keyTypes) else {
                check.faults.append("\(place) has an entity that is none")
                return
            }
            entities.insert(entity)
        }
        let all = entities.filter { $0.bytes.count <= KeptEntities.longestKey }
        check.entities += all.count
        for start in stride(from: 0, to: all.count, by: RowLoader.fewKeys) {
            try Task.checkCancellation()
            let some = Array(all.dropFirst(start).prefix(RowLoader.fewKeys))
            if try !holds(some, kept, at: now) {
                check.faults.append("\(place) isn't what its rows make")
                return
            }
        }
    }

    /// Whether entities come to the same values from what is kept as from their rows.
    private func holds(_ entities: [EntityKey], _ table: KeptTable, at now: Int64) throws -> Bool {
        var kept: [EntityKey: (from: Int64, rows: EntityRows)] = [:], isElsewhere: Set<EntityKey> = []
        for row in try connection.execute(
            "select entity, rows, body from firn_cache.online_entities where online = \(table.online) and entity = any(\(.array(.bytes, entities.map { .bytes($0.bytes) })))"
        ).map({ $0 }) {
            guard let entity = try EntityKey(bytes: row.bytes(0), group.keyTypes) else { return false }
            // Nothing is believed of an entity that has too many rows or was found damaged.
            if try row.int64(1) < 0 {
                isElsewhere.insert(entity)
            } else if let rows = try KeptPieces.read(
                row.bytes(2), of: entity, in: table.online, count: Int(row.int64(1)), form)
            {
                kept[entity] = rows
            } else {
                return false
            }
        }
        let some = entities.filter { !isElsewhere.contains($0) }
        guard !some.isEmpty else { return true }
        let wanted = WantedEntities(group, some, cut: table.covered, from: now)
        guard let read = try connection.byIndex({ try RowLoader.load([wanted], connection, mostRows: .max - 1) }).first,
            let (rows, foundFrom) = read
        else { return false }
        let here = group.values(
            of: wanted.keyColumns, count: some.count, at: now, rows: form.rows(of: some.compactMap { kept[$0]?.rows }))
        let there = group.values(of: wanted.keyColumns, count: some.count, at: now, rows: rows)
        return some.indices.allSatisfy { index in
            let isKnown = min(kept[some[index]]?.from ?? .max, here.foundFrom[index]) <= now
            return isKnown == (min(foundFrom[index], there.foundFrom[index]) <= now)
                && zip(here.columns, there.columns).allSatisfy { $0[index] == $1[index] }
        }
    }
}
