internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Tables

/// What was brought up to date of online state.
public struct KeptOnline: Sendable {
    public var source: String
    public var keys: [String]
    /// Entities that got rows, and the offset up to which all are whole.
    public var entities: Int
    public var upTo: Int64
}

extension Store {
    /// Brings online state up to date: of every set that a server was asked for, the rows of all entities as a server's memory holds them.
    ///
    /// - Parameter sets: kept from now on, too.
    public func keepOnline(_ sets: [String] = []) async throws -> [KeptOnline] {
        try await withRegistry { connection, known in
            let catalog = known.catalog
            for set in try sets.map({ try known.governance.set(named: $0).set }) {
                _ = try catalog.set(named: set)
                try connection.execute("insert into firn_cache.online_sets values (\(set)) on conflict do nothing")
            }
            let registry = Registry(connection)
            let plans = try connection.execute("select set_name from firn_cache.online_sets").map { $0.text(0) }.compactMap { name -> Plan? in
                guard let set = try? catalog.set(named: name) else { return nil }
                return try Plan(set.served, in: catalog, fresh: registry.fresh(name))
            }
            return try OnlineWork.needs(plans).compactMap { try OnlineWork(group: $0, connection: connection).run() }
        }
    }

    /// Forgets what is kept of entities for servers.
    public func dropOnline() async throws {
        try await withCatalog { connection, _ in _ = try connection.execute("delete from firn_cache.online_tables") }
    }
}

/// Brings what is kept of one source's entities by one key up to date.
private struct OnlineWork {
    /// Its keys go by the source's columns.
    let group: Plan.Group
    let connection: Connection

    /// News of more rows than this is read entity by entity.
    private static let mostNews: Int64 = 200_000
    /// So much longer than windows reach, rows are kept: a server's clock may be behind.
    private static let margin: Int64 = 60_000_000

    private var source: Source { group.source }
    private var keys: [String] { group.keys.map(\.column) }
    private var form: RowForm { RowForm(source, columns: group.columns) }

    /// What plans need, each source and key once.
    static func needs(_ plans: [Plan]) -> [Plan.Group] {
        var needs: [Plan.Group] = []
        for group in plans.flatMap(\.groups) {
            let columns = group.keys.map(\.column).sorted()
            if let index = needs.firstIndex(where: { $0.source.name == group.source.name && $0.keys.map(\.column) == columns }) {
                needs[index].aggregates += group.aggregates.filter { !needs[index].aggregates.contains($0) }
            } else {
                needs.append(Plan.Group(source: group.source, keys: columns.map { (spine: $0, column: $0) }, aggregates: group.aggregates))
            }
        }
        return needs
    }

    func run() throws -> KeptOnline? {
        try connection.transaction {
            // One at a time; a second one leaves it to the first.
            guard try connection.execute("select pg_try_advisory_xact_lock(\(Lock.space)::int, \(Lock.online(of: source.name))::int)").first!.bool(0) else { return nil }
            let (online, covered) = try table()
            let state = try BatchLog(source: source, connection: connection).state()
            guard state.head.offset > covered else { return nil }
            let upTo = state.head.offset
            let entities: Int
            if covered == 0 || upTo - covered > OnlineWork.mostNews {
                entities = try reload(keysSince: covered, upTo: upTo, online, at: state.clock)
            } else {
                let delta = try Follower.delta(group, after: covered, upTo: upTo, connection)
                entities = try delta.evicts ? reload(keysSince: covered, upTo: upTo, online, at: state.clock) : append(delta.rows, online, upTo: upTo, at: state.clock)
            }
            try connection.execute("update firn_cache.online_tables set covered = \(upTo) where online = \(online)")
            return KeptOnline(source: source.name, keys: keys, entities: entities, upTo: upTo)
        }
    }

    /// Its number, and how far it goes; begun anew where what is kept has too few columns or rows.
    private func table() throws -> (online: Int64, covered: Int64) {
        let names: Parameter = .array(.text, keys.map { .text($0) }), columns: Parameter = .array(.text, group.columns.sorted().map { .text($0) })
        let known = try connection.execute(
            """
            select online, covered, columns @> \(columns) and (reach is null or reach >= \(group.reach)) from firn_cache.online_tables
            where source = \(source.name) and keys = \(names)
            """
        ).first
        if let known, known.bool(2) { return (known.int64(0), known.int64(1)) }
        if let known { try connection.execute("delete from firn_cache.online_tables where online = \(known.int64(0))") }
        let reach: Parameter = group.reach == .max ? .null(.int64) : .int64(group.reach)
        let made = try connection.execute(
            "insert into firn_cache.online_tables (source, keys, columns, reach, covered) values (\(source.name), \(names), \(columns), \(reach), 0) returning online")
        return (made.first!.int64(0), 0)
    }

    // MARK: Entities anew

    /// Reads every entity that got a row since, or lost one, and keeps it as it is now.
    private func reload(keysSince covered: Int64, upTo: Int64, _ online: Int64, at now: Int64) throws -> Int {
        let table = SourceTable(source)
        let notNull = SQL.joined(keys.map { "r.\(identifier: $0) is not null" } + ["true"], by: " and ")
        let list = keys.isEmpty ? "1" : SQL.joined(keys.map { "r.\(identifier: $0)" }, by: ", ")
        var builders = group.keyTypes.map { ColumnBuilder($0) }, count = 0
        try table.reading(after: covered, upTo: upTo, connection) {
            try connection.stream("select distinct \(list) from \(table.touched(after: covered, upTo: upTo)) and \(notNull)") { row in
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
            let need = OnlineMemory.Need(table: 0, generation: 0, group: group, cut: upTo)
            var missing = OnlineMemory.Missing(need, some, cut: upTo)
            missing.keyColumns = EntityKey.columns(some, group.keyTypes)
            missing.now = now - OnlineWork.margin
            let (rows, foundFrom) = try connection.byIndex { try RowLoader.load([missing], connection)[0] }
            let packed = pack(rows)
            var kept: [Kept] = []
            for (entity, from) in zip(some, foundFrom) { kept.append(Kept(entity: entity, from: from, rows: packed[entity] ?? EntityRows())) }
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
        for row in 0..<rows.count { if let key = EntityKey(columns, row) { form.append(rows, row, to: &packed[key, default: EntityRows()]) } }
        return packed
    }

    /// Writes entities; gives those that have twice the rows they were read with, some of which no window reaches any more.
    @discardableResult
    private func write(_ kept: [Kept], _ online: Int64, replacing: Bool) throws -> [EntityKey] {
        let most = EntityTable.maximumEntityBytes, kept = kept.filter { $0.entity.bytes.count <= KeptEntities.longestKey }
        var grown: [EntityKey] = []
        for start in stride(from: 0, to: kept.count, by: 1000) {
            let some = kept[start..<min(start + 1000, kept.count)]
            let tooLarge = some.map { $0.rows.bytes.count > most }
            let entities: Parameter = .array(.bytes, some.map { .bytes($0.entity.bytes) }), from: Parameter = .array(.int64, some.map { .int64($0.from) })
            let counts: Parameter = .array(.int64, zip(some, tooLarge).map { .int64($1 ? -1 : Int64($0.rows.count)) })
            let bodies: Parameter = .array(.bytes, zip(some, tooLarge).map { .bytes($1 ? [] : $0.rows.bytes) })
            let update: SQL =
                replacing
                ? "found_from = excluded.found_from, rows = excluded.rows, rows_at_first = excluded.rows_at_first, body = excluded.body"
                : """
                found_from = least(e.found_from, excluded.found_from),
                rows = case when e.rows < 0 or excluded.rows < 0 or length(e.body) + length(excluded.body) > \(most) then -1 else e.rows + excluded.rows end,
                body = case when e.rows < 0 or excluded.rows < 0 or length(e.body) + length(excluded.body) > \(most) then '' else e.body || excluded.body end
                """
            let answer = try connection.execute(
                prepared: """
                    insert into firn_cache.online_entities as e (online, entity, found_from, rows, rows_at_first, body)
                    select \(online), entity, found_from, rows::int, rows::int, body from unnest(\(entities), \(from), \(counts), \(bodies)) u(entity, found_from, rows, body)
                    on conflict (online, entity) do update set \(update)
                    returning case when rows > 2 * rows_at_first + 256 then entity end
                    """)
            grown += answer.map { $0.optionalBytes(0) }.compactMap { $0.flatMap { EntityKey(bytes: $0, group.keyTypes) } }
        }
        return replacing ? [] : grown
    }
}

extension RowForm {
    init(_ source: Source, columns: Set<String>) {
        self.init(columns: source.columns.filter { columns.contains($0.name) }, isStatic: source.isStatic)
    }

    /// - Parameter columnsAsJSON: a list of names, as it is kept.
    init?(_ source: Source, columnsAsJSON: [UInt8]) throws {
        guard case .array(let names) = try JSON(parsing: columnsAsJSON) else { return nil }
        self.init(source, columns: Set(names.compactMap { if case .string(let name) = $0 { name } else { nil } }))
    }
}
