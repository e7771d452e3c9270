internal import FeatureEngine
internal import FeatureLanguage
internal import Synchronization

/// What lookups have asked for, kept in memory and up to date with the logs: the entities' rows, and their values until something changes.
///
/// All of it is at one place of the logs at any moment, the cuts of an answer.
public final class OnlineMemory: Sendable {
    private let state: Mutex<State>
    private let plans = Mutex<[LookupRequest.Target: ServingPlan]>([:])
    let clock: DatabaseClock

    private static let mostPlans = 1000

    private struct State {
        let maximumBytes: Int
        var tables: [EntityTable] = []
        /// By source: how far its log was read; nil before it was.
        var cuts: [String: Int64?] = [:]
        var tick = 0
        var generations = 0
        var isAway = false
        /// How far the database was behind its primary when it was heard of.
        var lag = Duration.zero
        var newestCommits: [String: Int64] = [:]
        /// Whether it is a standby that is followed: what is pushed here isn't there yet.
        var isOfStandby = false
        /// How far sources have to be read before they are looked up: what was pushed here and not taken at once.
        var owed: [String: Int64] = [:]
        /// The newest ledger entry that was heard of: plans are made of what was registered and decided up to it.
        var governed: Int64 = 0
        /// The newest that erased something.
        var erased: Int64 = 0
        var counts = Counts()
        /// How many values had which status, for each set that was asked for.
        var tallies: [Tally] = []

        /// How old what is here may be, and whether that makes it stale; nil where it is what the primary said a moment ago.
        func age(_ silence: Duration) -> (age: Duration, isStale: Bool)? {
            guard isAway || lag > .zero else { return nil }
            return (lag + silence, isAway || lag + silence > OnlineMemory.mostLag)
        }

        /// Copies the values of entities that are here and hold at now; nil where something has to be read or computed first.
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
                guard cuts[table.group.source.name] ?? nil != nil, table.copy(keys, at: now, tick: tick, part, to: &cells) else { return nil }
            }
            counts.hits += 1
            if let tally = prepared.tally { tallies[tally].add(cells) }
            return cells
        }

        /// - Parameter keys: by part of the plan, then by row; nil where a part of the key is NULL.
        mutating func read(_ prepared: ServingPlan, _ keys: [[EntityKey?]], now: Int64?, silence: Duration, _ attempt: Attempt) -> Result<Here, NotHere> {
            tick += 1
            guard let now else { return .failure(.direct) }
            var here = Here(age: age(silence), now: now)
            for source in prepared.plan.sources {
                guard let cut = cuts[source] ?? nil else { return .failure(.direct) }
                here.cuts[source] = cut
            }
            var places: [[Int?]] = [], missing: [Missing] = []
            for (part, keys) in zip(prepared.parts, keys) {
                let table = tables[part.table]
                var absent: Set<EntityKey> = []
                places.append(
                    keys.map { key in
                        guard let key else { return nil }
                        let place = table.place(of: key)
                        if place == nil { absent.insert(key) }
                        return place
                    })
                if !absent.isEmpty { missing.append(Missing(part.table, table, Array(absent), cut: here.cuts[table.group.source.name]!, now: now)) }
                if places.last!.contains(where: { $0.map(table.isTooLarge) ?? false }) {
                    counts.direct += attempt == .first ? 1 : 0
                    return .failure(.direct)
                }
            }
            guard missing.isEmpty else {
                counts.misses += attempt == .first ? 1 : 0
                return .failure(.missing(missing))
            }
            counts.hits += attempt == .again ? 0 : 1
            for (part, places) in zip(prepared.parts, places) {
                tables[part.table].advance(places.compactMap(\.self), to: now, tick: tick)
                for aggregate in part.aggregates { here.aggregates.append(tables[part.table].column(aggregate, of: places)) }
                here.isFound.append(places.map { tables[part.table].isFound($0, at: now) })
            }
            return .success(here)
        }
    }

    /// A standby that is further behind makes what it says stale.
    static let mostLag = Duration.seconds(2)

    /// What happened so far.
    public struct Counts: Sendable {
        /// Lookups answered from memory, those that had to read entities first, and those of entities too large for it.
        public var hits = 0, misses = 0, direct = 0
        public var entities = 0, bytes = 0, recomputed = 0
        /// Entities that have more rows than memory holds for one.
        public var oversized = 0
    }

    /// How many values of a set were served with which status.
    public struct Tally: Sendable {
        public let set: String
        public let features: [String]
        /// By feature, then by status: present, null, not found, stale.
        public fileprivate(set) var counts: [[Int]]

        fileprivate init(_ set: String, _ features: [String]) {
            self.set = set
            self.features = features
            counts = features.map { _ in LookupAnswer.Status.allCases.map { _ in 0 } }
        }

        fileprivate mutating func add(_ cells: Cells) {
            for (index, kind) in cells.kinds.enumerated() { counts[index % cells.width][kind.status.place] += 1 }
        }

        fileprivate mutating func add(_ statuses: [[LookupAnswer.Status]]) {
            for (index, statuses) in statuses.enumerated() { for status in statuses { counts[index][status.place] += 1 } }
        }
    }

    /// What was served of each set that was asked for.
    public var tallies: [Tally] { state.withLock { $0.tallies } }

    /// The newest ledger entry that changed what is registered or served, as far as it was heard of.
    var governed: Int64 { state.withLock { $0.governed } }

    /// When each source's newest batch was committed, as far as it was heard of; microseconds since 1970.
    var newestCommits: [String: Int64] { state.withLock { $0.newestCommits } }

    /// How far the database was behind its primary when it was heard of last.
    var lag: Duration { state.withLock { $0.lag } }

    public var maximumBytes: Int { state.withLock { $0.maximumBytes } }

    /// - Parameter maximumBytes: beyond, what was asked for longest ago is forgotten.
    public convenience init(maximumBytes: Int) { self.init(maximumBytes: maximumBytes, clock: DatabaseClock()) }

    /// - Parameter clock: tests drive it.
    package init(maximumBytes: Int, clock: DatabaseClock) {
        state = Mutex(State(maximumBytes: maximumBytes))
        self.clock = clock
    }

    public var counts: Counts {
        state.withLock { state in
            var counts = state.counts
            for table in state.tables {
                counts.entities += table.count
                counts.bytes += table.bytes
                counts.recomputed += table.recomputed
                counts.oversized += table.oversized
            }
            return counts
        }
    }

    // MARK: Plans

    /// What was prepared for a target; nil where nothing was.
    func plan(_ target: LookupRequest.Target) -> ServingPlan? { plans.withLock { $0[target] } }

    /// Makes room for what a plan needs, and remembers it.
    ///
    /// - Parameters:
    ///   - asked: what the target stands for.
    ///   - functions: of its outputs, what is computed.
    ///   - warnings: what is to be said with each answer.
    ///   - governed: the ledger entry up to which it was read what is registered and decided.
    func prepare(_ plan: Plan, for target: LookupRequest.Target, _ asked: LookupRequest.Resolved, functions: [Function], warnings: [String], governed: Int64) -> ServingPlan {
        state.withLock { state in
            if let known = self.plan(target) { return known }
            for source in plan.sources where state.cuts[source] == nil { state.cuts[source] = .some(nil) }
            let parts = plan.groups.map { group in
                let keys = group.keys.map(\.column).sorted()
                let spine = keys.map { column in group.keys.first { $0.column == column }!.spine }
                let table = state.tables.firstIndex { $0.group.source.name == group.source.name && $0.group.keys.map(\.column) == keys }
                var aggregates = table.map { state.tables[$0].group.aggregates } ?? []
                let fresh = group.aggregates.filter { !aggregates.contains($0) }
                aggregates += fresh
                let place = table ?? state.tables.count
                if table == nil || !fresh.isEmpty {
                    // What is there lacks columns, or rows of longer windows: it is read again as it is asked for.
                    state.generations += 1
                    let merged = EntityTable(
                        Plan.Group(source: group.source, keys: keys.map { (spine: $0, column: $0) }, aggregates: aggregates), generation: state.generations)
                    if table == nil { state.tables.append(merged) } else { state.tables[place] = merged }
                }
                return ServingPlan.Part(table: place, keys: spine, aggregates: group.aggregates.map { aggregates.firstIndex(of: $0)! })
            }
            let tally = asked.target.set.map { set in
                if let there = state.tallies.firstIndex(where: { $0.set == set }) { return there }
                state.tallies.append(Tally(set, plan.outputs.map(\.name)))
                return state.tallies.count - 1
            }
            let prepared = ServingPlan(plan, asked, functions: functions, warnings: warnings, parts: parts, tally: tally)
            // Something was decided meanwhile: a new bound on freshness, or where a pointer points.
            guard governed >= state.governed else { return prepared }
            plans.withLock { plans in
                if governed > state.governed { plans.removeAll() }
                state.governed = governed
                // Anybody may ask for any combination of features.
                if plans.count >= OnlineMemory.mostPlans { plans.removeAll() }
                plans[target] = prepared
            }
            return prepared
        }
    }

    /// Watches these sources too.
    func follow(_ sources: some Sequence<String>) {
        state.withLock { state in for source in sources where state.cuts[source] == nil { state.cuts[source] = .some(nil) } }
    }

    // MARK: Lookups

    /// Entities of a table that aren't here, to be read up to a cut.
    struct Missing: Sendable {
        var table: Int
        var generation: Int
        var group: Plan.Group
        var keys: [EntityKey]
        /// A column for each of the group's keys.
        var keyColumns: [Column]
        var cut: Int64
        var now: Int64

        /// Entities of a table that are taken though nobody asked for them yet.
        init(_ need: Need, _ keys: [EntityKey], cut: Int64) {
            (table, generation, group, self.keys, self.cut, now) = (need.table, need.generation, need.group, keys, cut, 0)
            keyColumns = []
        }

        fileprivate init(_ place: Int, _ table: EntityTable, _ keys: [EntityKey], cut: Int64, now: Int64) {
            self.table = place
            generation = table.generation
            group = table.group
            self.keys = keys
            keyColumns = EntityKey.columns(keys, table.keyTypes)
            self.cut = cut
            self.now = now
        }
    }

    /// A table's place, what it is told by, and what it needs.
    struct Need: Sendable {
        var table: Int
        var generation: Int
        var group: Plan.Group
        var cut: Int64
    }

    /// All tables whose sources were read.
    var needs: [Need] {
        state.withLock { state in
            state.tables.enumerated().compactMap { place, table in
                (state.cuts[table.group.source.name] ?? nil).map { Need(table: place, generation: table.generation, group: table.group, cut: $0) }
            }
        }
    }

    /// Those that a plan reads.
    func needs(of prepared: ServingPlan) -> [Need] { needs.filter { need in prepared.parts.contains { $0.table == need.table } } }

    /// Whether a table remembers what came since an offset.
    func remembers(_ table: Int, _ generation: Int, since cut: Int64) -> Bool {
        state.withLock { state in
            let table = state.tables[table]
            guard table.generation == generation, let end = state.cuts[table.group.source.name] ?? nil else { return false }
            return table.remembers(since: cut, upTo: end)
        }
    }

    /// Takes what came before what a table remembers.
    func remember(_ need: Need, _ delta: EntityTable.Delta) {
        state.withLock { state in
            let table = state.tables[need.table]
            guard table.generation == need.generation, let end = state.cuts[table.group.source.name] ?? nil else { return }
            table.remember(delta, now: end)
        }
    }

    enum Attempt {
        /// Where a request comes in; what isn't answered there is asked again.
        case ahead
        case first
        /// Once what was missing has been read.
        case again
    }

    enum Found: Sendable {
        case answer(LookupAnswer)
        case missing([Missing])
        /// An entity is too large for memory, or a log hasn't been read yet.
        case direct
    }

    /// Answers a lookup at now, if all of it is here.
    ///
    /// - Parameters:
    ///   - asked: the spine of the request, whatever its instants.
    ///   - attempt: which of those for one request, so that it is counted once.
    func answer(_ prepared: ServingPlan, _ asked: Spine, _ attempt: Attempt) -> Found {
        var spine = asked
        let count = spine.instants.count
        let keys = prepared.parts.map { part in
            let columns = part.keys.map { spine.columns[$0]! }
            return (0..<count).map { EntityKey(columns, $0) }
        }
        let here: Here
        switch state.withLock({ $0.read(prepared, keys, now: clock.now(), silence: silence, attempt) }) {
        case .failure(.direct): return .direct
        case .failure(.missing(let missing)): return .missing(missing)
        case .success(let found): here = found
        }
        spine.instants = Array(repeating: here.now, count: count)
        let answer = LookupAnswer(
            prepared.plan, prepared.plan.outputs(spine, of: here.aggregates), here.aggregates, isFound: here.isFound, set: prepared.asked.target.set,
            at: Instant(microseconds: here.now), cuts: here.cuts, rowCount: count, age: here.age, warnings: prepared.warnings)
        if let tally = prepared.tally { state.withLock { $0.tallies[tally].add(answer.statuses) } }
        return .answer(answer)
    }

    /// An answer's bytes, where memory has all of its values as they are.
    func write(_ prepared: ServingPlan, _ asked: PlainLookup) -> [UInt8]? {
        guard prepared.isPlain, !prepared.parts.isEmpty else { return nil }
        var keys: [[EntityKey]] = []
        for part in prepared.parts {
            let columns = part.keys.map { asked.column($0) }
            var entities: [EntityKey] = []
            entities.reserveCapacity(asked.count)
            for row in 0..<asked.count {
                guard let key = EntityKey(columns, row) else { return nil }
                entities.append(key)
            }
            keys.append(entities)
        }
        // What time it is is asked under the lock: no earlier than what was applied or computed before.
        let copied = state.withLock { state in
            clock.now().flatMap { now in state.copy(prepared, keys, now: now, silence: silence).map { (cells: $0, now: now) } }
        }
        return copied.map { LookupAnswer.write($0.cells, prepared, rows: asked.count, at: Instant(microseconds: $0.now)) }
    }

    /// What memory has for an answer.
    private struct Here {
        var aggregates: [Column] = []
        var isFound: [[Bool]] = []
        var cuts: [String: Int64] = [:]
        var age: (age: Duration, isStale: Bool)?
        var now: Int64
    }

    private enum NotHere: Error {
        case missing([Missing])
        case direct
    }

    /// Takes entities that were missing.
    func insert(_ missing: Missing, foundFrom: [Int64], rows: SourceRows) {
        state.withLock { state in
            guard state.tables[missing.table].generation == missing.generation, let cut = state.cuts[missing.group.source.name] ?? nil else { return }
            state.tables[missing.table].insert(missing.keys, foundFrom: foundFrom, rows: rows, readUpTo: missing.cut, now: cut, tick: state.tick)
            let total = state.tables.reduce(0) { $0 + $1.bytes }
            if total > state.maximumBytes {
                // Each table gives up its share.
                for index in state.tables.indices {
                    let share = Double(state.tables[index].bytes) / Double(total)
                    state.tables[index].shrink(to: Int(Double(state.maximumBytes) * 0.9 * share))
                }
            }
        }
    }

    // MARK: News

    /// What is followed: how far each source's log was read, and the tables over it.
    func followed() -> (cuts: [String: Int64?], tables: [(table: Int, generation: Int, group: Plan.Group)]) {
        state.withLock { state in (state.cuts, state.tables.enumerated().map { ($0, $1.generation, $1.group) }) }
    }

    /// Takes how far the logs are, what came since, and what time it is: all at once.
    ///
    /// - Parameters:
    ///   - news: by table. A source whose cut moves on and that has none for a table empties it.
    func apply(_ heads: Heads, _ news: [Int: (generation: Int, delta: EntityTable.Delta)], _ reading: DatabaseClock.Reading) {
        state.withLock { state in
            for index in state.tables.indices {
                let source = state.tables[index].group.source.name
                guard let cut = heads.cuts[source], let known = state.cuts[source] ?? nil, cut > known else { continue }
                if let (generation, delta) = news[index], generation == state.tables[index].generation, delta.after <= known, delta.upTo == cut {
                    // Some of it may have been taken already, as it was pushed here.
                    state.tables[index].apply(delta.after == known ? delta : delta.rest(after: known))
                } else {
                    state.tables[index].clear()
                }
            }
            for (source, cut) in heads.cuts where state.cuts.keys.contains(source) { state.cuts[source] = max(cut, (state.cuts[source] ?? nil) ?? 0) }
            if !state.owed.isEmpty { state.owed = state.owed.filter { $0.value > (state.cuts[$0.key] ?? nil) ?? 0 } }
            state.newestCommits.merge(heads.newestCommits) { $1 }
            clock.learn(heads.now, raw: heads.clock, reading)
            state.isAway = false
            state.lag = heads.lag
            if heads.governed > state.governed {
                state.governed = heads.governed
                plans.withLock { $0.removeAll() }
            }
            if heads.erased > state.erased {
                state.erased = heads.erased
                // Of what was erased nothing stays, nor comes of what is being read at this moment.
                for index in state.tables.indices {
                    state.generations += 1
                    state.tables[index] = EntityTable(state.tables[index].group, generation: state.generations)
                }
            }
        }
    }

    /// Whether the database was heard of a moment ago, or is known to be away.
    var isFresh: Bool { silence <= Follower.moment || isAway }

    /// How long the database hasn't been heard of.
    var silence: Duration { clock.silence }

    /// Whether the database couldn't be reached when it was asked last: what memory says is stale then.
    var isAway: Bool { state.withLock { $0.isAway } }

    func lose() { state.withLock { $0.isAway = true } }

    func followStandby() { state.withLock { $0.isOfStandby = true } }

    /// Takes rows that were pushed here without reading them again; false where others came before them, or nobody watches the source.
    func take(_ news: CommittedRows) -> Bool {
        let source = news.source
        let tables = followed().tables.filter { $0.group.source.name == source.name }
        let deltas = tables.map { ($0.table, $0.generation, news.delta(of: source, columns: $0.group.columns)) }
        return state.withLock { state in
            // A table made since lacks nothing: it has no entity yet, but would miss these rows for those that are being read.
            guard !state.isOfStandby, !state.isAway, state.cuts[source.name] ?? nil == news.after,
                state.tables.indices.allSatisfy({ index in
                    state.tables[index].group.source.name != source.name || deltas.contains { $0.0 == index && $0.1 == state.tables[index].generation }
                })
            else { return false }
            for (index, _, delta) in deltas { state.tables[index].apply(delta) }
            state.cuts[source.name] = news.end
            state.newestCommits[source.name] = news.knownAt
            clock.pass(news.knownAt)
            return true
        }
    }

    /// Lookups of these sources wait until they have been read so far.
    func owe(_ offsets: [String: Int64]) {
        state.withLock { state in
            for (source, offset) in offsets where state.cuts.keys.contains(source) && offset > (state.cuts[source] ?? nil) ?? 0 {
                state.owed[source] = max(offset, state.owed[source] ?? 0)
            }
        }
    }

    /// What is owed to lookups of these sources.
    func owed(to sources: [String]) -> [String: Int64] { state.withLock { state in state.owed.filter { sources.contains($0.key) } } }

    /// Whether every one of these offsets has been read.
    func hasReached(_ offsets: [String: Int64]) -> Bool {
        state.withLock { state in offsets.allSatisfy { source, offset in ((state.cuts[source] ?? nil) ?? 0) >= offset } }
    }
}

/// A target of lookups, compiled, and where its aggregates are in memory.
struct ServingPlan: Sendable {
    struct Part: Sendable {
        var table: Int
        /// The spine's columns that carry the table's keys, in the table's order.
        var keys: [String]
        /// The place in the table of each of the group's aggregates.
        var aggregates: [Int]
        /// Which of the table's aggregates counts the rows that are younger than the bound on freshness; nil without a bound.
        var fresh: Int?
        /// Outputs that are nothing but an aggregate of this part, and its place in the table.
        var fields: [(field: Int, aggregate: Int)] = []
    }

    let plan: Plan
    let asked: LookupRequest.Resolved
    /// The functions that the outputs are.
    let functions: [Function]
    /// What is said with each answer.
    let warnings: [String]
    let parts: [Part]
    /// Where the statuses of its values are counted; nil where it isn't a set.
    let tally: Int?
    /// Whether every output is nothing but an aggregate.
    let isPlain: Bool
    /// An answer up to its instant; from there to its rows; and what follows a row's values where all are present.
    let opening: [UInt8]
    let middle: [UInt8]
    let allPresent: [UInt8]

    init(_ plan: Plan, _ asked: LookupRequest.Resolved, functions: [Function], warnings: [String], parts: [Part], tally: Int?) {
        self.plan = plan
        self.asked = asked
        self.functions = functions
        self.warnings = warnings
        self.tally = tally
        let aggregates = plan.outputs.map { plan.aggregate(of: $0) }
        isPlain = !aggregates.contains { $0 == nil }
        self.parts = parts.enumerated().map { group, part in
            var part = part
            part.fresh = plan.freshness[group].map { part.aggregates[$0] }
            for (field, aggregate) in aggregates.enumerated() {
                if let aggregate, aggregate.group == group { part.fields.append((field, part.aggregates[aggregate.index])) }
            }
            return part
        }
        (opening, middle) = LookupAnswer.frame(set: asked.target.set, features: plan.outputs.map(\.name), warnings: warnings)
        allPresent = Array(("],\"statuses\":[" + plan.outputs.map { _ in "\"present\"" }.joined(separator: ",") + "]}").utf8)
    }
}

extension CommittedRows {
    fileprivate var end: Int64 { rows.reduce(after) { $0 + Int64($1.rowCount) } }

    /// What a table takes of it.
    fileprivate func delta(of source: Source, columns: Set<String>) -> EntityTable.Delta {
        let count = Int(end - after)
        var gathered: [String: Column] = [:], times: [Int64] = []
        for definition in source.columns where columns.contains(definition.name) || definition.name == source.eventTime {
            let column = Column(concatenating: rows.map { $0[definition.name]! })
            if definition.name == source.eventTime, case .timestamp(let instants) = column.values { times = instants }
            if columns.contains(definition.name) { gathered[definition.name] = column }
        }
        let known = SourceRows(
            columns: gathered, eventTimes: times, knownAt: Array(repeating: knownAt, count: count), offsets: (0..<count).map { after + 1 + Int64($0) })
        return EntityTable.Delta(after: after, upTo: end, rows: known, evicts: false)
    }
}
