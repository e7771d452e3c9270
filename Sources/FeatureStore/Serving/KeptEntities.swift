internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import ServingMemory
internal import StoreRecord
internal import StoreRows
internal import Synchronization
internal import Tables

/// What the database keeps of entities for servers: their rows as memory holds them, up to some offset. A server adds
/// what it remembers of the log since.
///
/// What servers were asked for decides which tables are kept; `OnlineWork` brings them up to date.
struct KeptEntities: Sendable {
    /// The most bytes of one answer from the database: an entity with more than its share of them is read from the
    /// source's rows.
    private static let mostBytes = 256 << 20

    /// Keys with more bytes aren't kept, since no index holds them.
    static let longestKey = 2000

    /// The generations of memory's tables for which something is kept; others aren't asked for.
    private let known = SharedSet()
    /// Called when something isn't what it was when it was kept.
    private let reportDamage: @Sendable (String) -> Void

    /// Entities marked with this number of rows are read again by `OnlineWork`.
    static let damaged = -2

    init(reportDamage: @escaping @Sendable (String) -> Void) {
        self.reportDamage = reportDamage
    }

    /// Reads entities that memory lacks, in one round trip for all; returns those that have to be read some other way.
    func read(_ missing: [MissingEntities], _ memory: OnlineMemory, _ connection: Connection) throws
        -> [MissingEntities]
    {
        let asked = missing.filter { known.contains($0.generation) }
        guard !asked.isEmpty else { return missing }
        let entities = asked.reduce(0) { $0 + $1.wanted.keys.count }
        let answers = try connection.pipeline(
            asked.map { KeptEntities.query($0, ofEach: KeptEntities.mostBytes / max(entities, 1)) })
        // Twice: as they came, and as they are taken out.
        try RowMemory.current?.take(2 * answers.reduce(0) { $0 + $1.bytes })
        var rest = missing.filter { !known.contains($0.generation) }
        for (missing, answer) in zip(asked, answers) {
            if let left = take(missing, answer, memory, connection) { rest.append(left) }
        }
        return rest
    }

    private static func query(_ missing: MissingEntities, ofEach most: Int) -> SQL {
        let group = missing.wanted.group
        return """
            select \(columns(ofEach: most)) from firn_cache.online_tables t left join firn_cache.online_entities e
                on e.online = t.online and e.entity = any(\(.array(.bytes, missing.wanted.keys.map { .bytes($0.bytes) })))
            where t.source = \(group.source.name) and t.keys = \(.array(.text, group.keys.map { .text($0.column) })) and \(KeptEntities.suffices(group))
            """
    }

    /// A condition over `t`: whether it has the columns and the rows that a group needs.
    private static func suffices(_ group: Plan.Group) -> SQL {
        let columns: Parameter = .array(.text, group.columns.sorted().map { .text($0) })
        return "t.columns @> \(columns) and (t.reach is null or t.reach >= \(group.reach))"
    }

    /// What is selected from `t`, a table.
    private static let tableColumns: SQL = "t.online, t.covered, to_json(t.columns)::text, t.reach, t.checksum"

    /// What is selected from `t`, a table, and `e`, its entities: one with more bytes comes as -1 rows without a body.
    private static func columns(ofEach most: Int) -> SQL {
        "\(tableColumns), e.entity, case when octet_length(e.body) <= \(Int64(most)) then e.rows else -1 end, case when octet_length(e.body) <= \(Int64(most)) then e.body end"
    }

    /// A table as it is kept; nil where it isn't what it was.
    ///
    /// - Parameter row: begins with `tableColumns`.
    private func table(_ row: Rows.Row, _ group: Plan.Group) -> KeptTable? {
        if let table = try? KeptTable(row),
            table.checksum(group.source.name, keys: group.keys.map(\.column)) == (try? row.int64(4)),
            (0...Heads.lastOffset).contains(table.covered)
        {
            return table
        }
        reportDamage(
            "\(KeptEntities.place(group)) isn't what it was when it was kept: rows are read instead, and it is kept anew"
        )
        return nil
    }

    private static func place(_ group: Plan.Group) -> String {
        "online state of \(group.source.name) by \(group.keys.isEmpty ? "no key" : group.keys.map(\.column).joined(separator: ", "))"
    }

    /// Takes what was kept into memory; returns the entities that are left, nil where none are.
    private func take(_ missing: MissingEntities, _ answer: Rows, _ memory: OnlineMemory, _ connection: Connection)
        -> MissingEntities?
    {
        let group = missing.wanted.group, types = group.keyTypes
        guard let first = answer.first, let table = table(first, group) else { return missing }
        let form = RowForm(group.source, columns: Set(table.columns))
        // A table that is ahead of this server's cut would show rows from beyond it.
        guard table.covered <= missing.wanted.cut,
            memory.remembers(missing.table, missing.generation, since: table.covered)
        else { return missing }
        var found: [EntityKey: (from: Int64, rows: EntityRows)] = [:],
            left = Set(missing.wanted.keys.filter { $0.bytes.count > KeptEntities.longestKey }), damaged: [[UInt8]] = []
        for row in answer.map({ $0 }) where !row.isNull(5) {
            guard let entity = row.optionalBytes(5), let key = EntityKey(bytes: entity, types) else { continue }
            let count = Int((try? row.int64(6)) ?? 0)
            if count >= 0, let body = row.optionalBytes(7),
                let kept = KeptPieces.read(body, of: key, in: table.online, count: count, form)
            {
                found[key] = kept
            } else {
                left.insert(key)
                if count >= 0 { damaged.append(entity) }
            }
        }
        if !damaged.isEmpty { mark(damaged, table, group, connection) }
        // An entity that isn't kept has no row.
        var taken = missing
        taken.wanted = missing.wanted.asking(for: missing.wanted.keys.filter { !left.contains($0) })
        taken.wanted.cut = table.covered
        let keys = taken.wanted.keys
        memory.insert(
            taken, foundFrom: keys.map { found[$0]?.from ?? .max },
            rows: form.rows(of: keys.compactMap { found[$0]?.rows }))
        guard !left.isEmpty else { return nil }
        var rest = missing
        rest.wanted = missing.wanted.asking(for: Array(left))
        return rest
    }

    /// Has damaged entities read again. If they can't be marked just now, or on a standby, lookups go on all the same.
    private func mark(_ entities: [[UInt8]], _ table: KeptTable, _ group: Plan.Group, _ connection: Connection) {
        reportDamage(
            "\(KeptEntities.place(group)): entities (\(entities.count)) aren't what they were when they were kept; their rows are read instead, and they are kept anew"
        )
        _ = try? connection.execute(
            """
            update firn_cache.online_entities set rows = \(KeptEntities.damaged)::int, body = ''
            where online = \(table.online) and entity = any(\(.array(.bytes, entities.map { .bytes($0) }))) and rows >= 0
            """)
    }

    func isConnected(_ need: TableNeed) -> Bool { known.contains(need.generation) }

    /// Has memory remember the log back to what is kept for a table; false where nothing is kept, or there is too much
    /// to remember.
    func connect(_ need: TableNeed, _ memory: OnlineMemory, _ connection: Connection) throws -> Bool {
        let group = need.group
        let row = try connection.execute(
            """
            select \(KeptEntities.tableColumns) from firn_cache.online_tables t
            where t.source = \(group.source.name) and t.keys = \(.array(.text, group.keys.map { .text($0.column) })) and \(KeptEntities.suffices(group))
            """
        ).first
        guard let covered = row.flatMap({ table($0, group)?.covered }), covered > 0 || need.cut == 0 else {
            return false
        }
        if covered < need.cut, !memory.remembers(need.table, need.generation, since: covered) {
            guard SourceTable.isShort(after: covered, upTo: need.cut) else { return false }
            memory.remember(need, try Follower.delta(group, after: covered, upTo: need.cut, connection))
        }
        known.insert(need.generation)
        return true
    }

    /// Takes all entities of a table into memory, until it is nearly full.
    func warm(_ need: TableNeed, _ memory: OnlineMemory, _ connection: Connection) throws {
        let group = need.group, types = group.keyTypes
        var after: [UInt8]? = []
        let count = 1000
        while let last = after, memory.counts.bytes < memory.maximumBytes / 10 * 8 {
            let answer = try connection.execute(
                prepared: """
                    select \(KeptEntities.columns(ofEach: KeptEntities.mostBytes / count)) from firn_cache.online_tables t join firn_cache.online_entities e on e.online = t.online
                    where t.source = \(group.source.name) and t.keys = \(.array(.text, group.keys.map { .text($0.column) })) and \(KeptEntities.suffices(group))
                        and e.entity > \(last) and e.rows >= 0 order by e.entity limit \(Int64(count))
                    """)
            let keys = try answer.map { try EntityKey(bytes: $0.bytes(5), types) }.compactMap(\.self)
            _ = take(
                MissingEntities(
                    table: need.table, generation: need.generation,
                    wanted: WantedEntities(group, keys, cut: need.cut, from: 0)), answer, memory, connection)
            after = try answer.count < count ? nil : answer[answer.count - 1].bytes(5)
        }
    }
}

/// A set of numbers that only grows.
private final class SharedSet: Sendable {
    private let numbers = Mutex<Set<Int>>([])

    func insert(_ number: Int) { _ = numbers.withLock { $0.insert(number) } }
    func contains(_ number: Int) -> Bool { numbers.withLock { $0.contains(number) } }
}

extension StoreServing {
    /// Has the database keep what a set needs from now on, and uses what is kept already. If that fails just now,
    /// lookups go on all the same.
    func keep(_ prepared: ServingPlan, in online: Online) async {
        let needs = online.memory.needs(of: prepared)
        if let set = prepared.asked.target.set {
            try? await pool.run { connection in
                _ = try connection.execute("insert into firn_cache.online_sets values (\(set)) on conflict do nothing")
            }
        }
        await connect(needs, in: online)
    }

    /// Checks again whether something is kept by now for the tables in memory. A server calls it now and then.
    public func connectKept() async {
        guard let online else { return }
        await connect(online.memory.needs.filter { !online.kept.isConnected($0) }, in: online)
    }

    private func connect(_ needs: [TableNeed], in online: Online) async {
        let memory = online.memory, kept = online.kept
        for need in needs {
            _ = try? await online.pool.run { connection in
                try connection.transaction(.repeatableReadOnly) { try kept.connect(need, memory, connection) }
            }
        }
    }

    /// Prepares the sets that servers were asked for, and takes what is kept of their entities into memory until it is
    /// nearly full. Does nothing without memory.
    public func warmUp() async throws {
        guard let online else { return }
        let memory = online.memory, kept = online.kept
        let sets = try await reading { connection, known in
            try connection.execute("select set_name from firn_cache.online_sets order by set_name").map {
                try $0.text(0)
            }.filter { (try? known.catalog.set(named: $0)) != nil }
        }
        for set in sets {
            let prepared = try await prepare(.set(set), in: online)
            for need in memory.needs(of: prepared) {
                try await online.pool.run { connection in
                    if try kept.connect(need, memory, connection) { try kept.warm(need, memory, connection) }
                }
            }
        }
    }
}
