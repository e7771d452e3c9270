package import FeatureEngine
package import FeatureLanguage

/// What lookups have asked for, and how far the logs have been read: the rows and values of entities, all as of one
/// place in the logs.
///
/// A state machine: what happens comes in as values (a plan, entities' rows, news from the logs, rows that were
/// pushed), and what to do about it goes out as one (`Found`). It knows no database, no lock and no clock: the caller
/// says what time it is, and how long the database hasn't been heard from.
package struct MemoryState {
    /// Beyond this, what was asked for longest ago is forgotten.
    package let maximumBytes: Int
    private var tables: [EntityTable] = []
    package private(set) var cuts = Cuts()
    private var tick = 0
    private var generations = 0
    /// Whether the database couldn't be reached when it was last asked; what memory says is stale then.
    package private(set) var isAway = false
    /// How far the database was behind its primary when it was last heard from.
    package private(set) var lag = Duration.zero
    /// When each source's newest batch was committed, as far as is known; microseconds since 1970.
    package private(set) var newestCommits: [String: Int64] = [:]
    /// Whether a standby is followed, which doesn't have yet what is pushed here.
    private var isOfStandby = false
    /// How far each source must be read before it is looked up: what was pushed here and not taken at once.
    private var owed: [String: Int64] = [:]
    /// The newest ledger entry that erased something.
    private var erased: Int64 = 0
    private var happened = OnlineMemory.Counts()
    /// How many values had which status, for each set that was asked for.
    package private(set) var tallies: [OnlineMemory.Tally] = []

    /// If a standby is further behind than this, what it says is stale.
    package static let mostLag = Duration.seconds(2)

    package init(maximumBytes: Int) {
        self.maximumBytes = maximumBytes
    }

    // MARK: Figures

    package var counts: OnlineMemory.Counts {
        var counts = happened
        for table in tables {
            counts.entities += table.count
            counts.bytes += table.bytes
            counts.recomputed += table.recomputed
            counts.oversized += table.oversized
        }
        return counts
    }

    /// Counts an answer's statuses.
    mutating func count(_ answer: LookupAnswer, _ prepared: ServingPlan) {
        if let tally = prepared.tally { tallies[tally].add(answer.statuses) }
    }

    // MARK: Plans

    /// Makes room for what a plan needs.
    ///
    /// - Parameters:
    ///   - asked: what the target stands for.
    ///   - functions: what its outputs compute.
    ///   - warnings: what each answer has to say.
    package mutating func prepare(
        _ plan: Plan, _ asked: LookupRequest.Resolved, functions: [Function], warnings: [String]
    ) -> ServingPlan {
        follow(plan.sources)
        var parts: [ServingPlan.Part] = []
        for group in plan.groups { parts.append(prepare(group)) }
        let tally = asked.target.set.map { set in
            if let there = tallies.firstIndex(where: { $0.set == set }) { return there }
            tallies.append(OnlineMemory.Tally(set, plan.outputs.map(\.name)))
            return tallies.count - 1
        }
        return ServingPlan(plan, asked, functions: functions, warnings: warnings, parts: parts, tally: tally)
    }

    private mutating func prepare(_ group: Plan.Group) -> ServingPlan.Part {
        let keys = group.keys.map(\.column).sorted()
        let spine = keys.map { column in group.keys.first { $0.column == column }!.spine }
        let table = tables.firstIndex {
            $0.group.source.name == group.source.name && $0.group.keys.map(\.column) == keys
        }
        var aggregates = table.map { tables[$0].group.aggregates } ?? []
        let fresh = group.aggregates.filter { !aggregates.contains($0) }
        aggregates += fresh
        if table == nil || !fresh.isEmpty {
            // The table there lacks columns, or rows of longer windows; they are read again when they are asked for.
            let merged = Plan.Group(
                source: group.source, keys: keys.map { (spine: $0, column: $0) }, aggregates: aggregates)
            if let table { tables[table] = begun(merged) } else { tables.append(begun(merged)) }
        }
        return ServingPlan.Part(
            table: table ?? tables.count - 1, keys: spine,
            aggregates: group.aggregates.map { aggregates.firstIndex(of: $0)! })
    }

    /// A table without entities, distinct from all tables before it.
    private mutating func begun(_ group: Plan.Group) -> EntityTable {
        generations += 1
        return EntityTable(group, generation: generations)
    }

    /// Follows these sources too.
    package mutating func follow(_ sources: [String]) { for source in sources { cuts.follow(source) } }

    // MARK: Lookups

    /// Which attempt at a request it is, so that each request is counted once.
    package enum Attempt {
        /// Made while a request comes in; what it doesn't answer is attempted again.
        case ahead
        case first
        /// After what was missing has been read.
        case again
    }

    /// What memory has for an answer.
    package struct Here {
        /// Every group's, group after group.
        package var aggregates: [Column] = []
        /// By group, then by row.
        package var isFound: [[Bool]] = []
        package var cuts: [String: Int64] = [:]
        package var age: (age: Duration, isStale: Bool)?
    }

    package enum Found {
        case here(Here)
        /// These entities have to be read first.
        case missing([MissingEntities])
        /// The database has to be asked: an entity is too large for memory, or a log hasn't been read yet.
        case direct
    }

    /// How old the data may be, and whether that makes it stale; nil if it is what the primary said a moment ago.
    private func age(_ silence: Duration) -> (age: Duration, isStale: Bool)? {
        guard isAway || lag > .zero else { return nil }
        return (lag + silence, isAway || lag + silence > MemoryState.mostLag)
    }

    /// Copies the values of entities that are here and hold at now; nil if something has to be read or computed first.
    ///
    /// - Parameter keys: by part of the plan, then by row.
    mutating func copy(_ prepared: ServingPlan, _ keys: [[EntityKey]], now: Int64, silence: Duration) -> Cells? {
        let age = age(silence)
        if age?.isStale ?? false { return nil }
        if !owed.isEmpty, prepared.plan.sources.contains(where: { owed[$0] != nil }) { return nil }
        tick += 1
        var cells = Cells(rows: keys.first?.count ?? 0, width: prepared.plan.outputs.count)
        cells.age = age?.age
        for (part, keys) in zip(prepared.parts, keys) {
            let table = tables[part.table]
            guard cuts[table.group.source.name] != nil, table.copy(keys, at: now, tick: tick, part, to: &cells) else {
                return nil
            }
        }
        happened.hits += 1
        if let tally = prepared.tally { tallies[tally].add(cells) }
        return cells
    }

    /// Gives what is known of entities at now, after recomputing what has changed.
    ///
    /// - Parameter keys: by part of the plan, then by row; nil if a part of the key is NULL.
    package mutating func find(
        _ prepared: ServingPlan, _ keys: [[EntityKey?]], now: Int64, silence: Duration, _ attempt: Attempt
    ) -> Found {
        tick += 1
        var here = Here(age: age(silence))
        for source in prepared.plan.sources {
            guard let cut = cuts[source] else { return .direct }
            here.cuts[source] = cut
        }
        var places: [[Int?]] = [], missing: [MissingEntities] = []
        for (part, keys) in zip(prepared.parts, keys) {
            let table = tables[part.table]
            var absent: Set<EntityKey> = []
            let found = keys.map { key -> Int? in
                guard let key else { return nil }
                let place = table.place(of: key)
                if place == nil { absent.insert(key) }
                return place
            }
            if !absent.isEmpty {
                let wanted = WantedEntities(
                    table.group, Array(absent), cut: here.cuts[table.group.source.name]!, from: now)
                missing.append(MissingEntities(table: part.table, generation: table.generation, wanted: wanted))
            }
            if found.contains(where: { $0.map(table.isTooLarge) ?? false }) {
                happened.direct += attempt == .first ? 1 : 0
                return .direct
            }
            places.append(found)
        }
        guard missing.isEmpty else {
            happened.misses += attempt == .first ? 1 : 0
            return .missing(missing)
        }
        happened.hits += attempt == .again ? 0 : 1
        for (part, places) in zip(prepared.parts, places) {
            let table = tables[part.table]
            table.advance(places.compactMap(\.self), to: now, tick: tick)
            for aggregate in part.aggregates { here.aggregates.append(table.column(aggregate, of: places)) }
            here.isFound.append(places.map { table.isFound($0, at: now) })
        }
        return .here(here)
    }

    // MARK: Entities

    /// Takes entities that were missing.
    ///
    /// - Parameters:
    ///   - foundFrom: for each, the first instant at which a row of it is known.
    ///   - rows: the rows of all of them.
    package mutating func insert(_ missing: MissingEntities, foundFrom: [Int64], rows: SourceRows) {
        let wanted = missing.wanted
        guard tables[missing.table].generation == missing.generation, let cut = cuts[wanted.group.source.name] else {
            return
        }
        tables[missing.table].insert(
            wanted.keys, foundFrom: foundFrom, rows: rows, readUpTo: wanted.cut, now: cut, tick: tick)
        let total = tables.reduce(0) { $0 + $1.bytes }
        guard total > maximumBytes else { return }
        // Each table gives up in proportion to its size.
        for table in tables { table.shrink(to: Int(Double(maximumBytes) * 0.9 * Double(table.bytes) / Double(total))) }
    }

    /// All tables whose sources have been read.
    package var needs: [TableNeed] {
        tables.enumerated().compactMap { place, table in
            cuts[table.group.source.name].map {
                TableNeed(table: place, generation: table.generation, group: table.group, cut: $0)
            }
        }
    }

    /// Whether a table remembers what came since an offset.
    package func remembers(_ table: Int, _ generation: Int, since cut: Int64) -> Bool {
        let table = tables[table]
        guard table.generation == generation, let end = cuts[table.group.source.name] else { return false }
        return table.remembers(since: cut, upTo: end)
    }

    /// Adds what came just before what a table remembers.
    package mutating func remember(_ need: TableNeed, _ delta: EntityTable.Delta) {
        let table = tables[need.table]
        guard table.generation == need.generation, let end = cuts[table.group.source.name] else { return }
        table.remember(delta, now: end)
    }

    // MARK: News

    /// The tables, and what it takes to collect news for each.
    package var followed: [TableKind] {
        tables.enumerated().map { TableKind(table: $0, generation: $1.generation, group: $1.group) }
    }

    /// Takes in how far the logs have come and what is new, all at once.
    ///
    /// - Parameter news: by table. If a source's cut has moved on, a table without news of it is emptied.
    package mutating func hear(_ heads: Heads, _ news: [Int: TableNews]) {
        for (index, table) in tables.enumerated() {
            let source = table.group.source.name
            guard let cut = heads.cuts[source], let known = cuts[source], cut > known else { continue }
            if let news = news[index], news.generation == table.generation, news.delta.after <= known,
                news.delta.upTo == cut
            {
                // Some of it may have been taken already, when it was pushed here.
                table.apply(news.delta.after == known ? news.delta : news.delta.rest(after: known))
            } else {
                table.clear()
            }
        }
        for (source, cut) in heads.cuts { cuts.advance(source, to: cut) }
        if !owed.isEmpty { owed = owed.filter { $0.value > cuts[$0.key] ?? 0 } }
        newestCommits.merge(heads.newestCommits) { $1 }
        isAway = false
        lag = heads.lag
        if heads.erased > erased {
            erased = heads.erased
            // Nothing that was erased may stay, or come back with what is being read at this moment.
            for index in tables.indices { tables[index] = begun(tables[index].group) }
        }
    }

    /// Takes rows that were pushed here without reading them again.
    ///
    /// - Parameter deltas: what each table of the source takes of them; tables made since are missing.
    /// - Returns: false if they can't be taken, because others came before them or nobody follows the source.
    package mutating func take(_ pushed: CommittedRows, _ deltas: [Int: TableNews]) -> Bool {
        let source = pushed.source.name
        let those = tables.indices.filter { tables[$0].group.source.name == source }
        // A table made since then has no entities yet, but would miss these rows for entities that are being read.
        guard !isOfStandby, !isAway, cuts[source] == pushed.after,
            those.allSatisfy({ deltas[$0]?.generation == tables[$0].generation })
        else { return false }
        for (index, news) in deltas { tables[index].apply(news.delta) }
        cuts.advance(source, to: pushed.end)
        newestCommits[source] = pushed.knownAt
        return true
    }

    package mutating func lose() { isAway = true }

    package mutating func followStandby() { isOfStandby = true }

    /// Makes lookups of these sources wait until they have been read up to these offsets.
    package mutating func owe(_ offsets: [String: Int64]) {
        for (source, offset) in offsets where cuts.follows(source) && offset > cuts[source] ?? 0 {
            owed[source] = max(offset, owed[source] ?? 0)
        }
    }

    /// The offsets for which lookups of these sources wait.
    package func owed(to sources: [String]) -> [String: Int64] { owed.filter { sources.contains($0.key) } }

    /// Whether every one of these offsets has been read.
    package func hasReached(_ offsets: [String: Int64]) -> Bool { offsets.allSatisfy { cuts[$0] ?? 0 >= $1 } }
}

/// How far the logs of the sources that are followed have been read.
package struct Cuts: Sendable {
    private var offsets: [String: Int64] = [:]
    private var sources: Set<String> = []

    /// The sources that are followed, sorted.
    package var followed: [String] { sources.sorted() }

    package func follows(_ source: String) -> Bool { sources.contains(source) }

    /// The last offset of a source that was read; nil if none was yet.
    package subscript(source: String) -> Int64? { offsets[source] }

    mutating func follow(_ source: String) { sources.insert(source) }

    /// Notes that a source was read up to an offset, which never goes back. Sources that aren't followed are ignored.
    mutating func advance(_ source: String, to offset: Int64) {
        if sources.contains(source) { offsets[source] = max(offset, offsets[source] ?? 0) }
    }
}
