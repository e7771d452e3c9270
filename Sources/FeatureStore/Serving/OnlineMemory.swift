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
        var counts = Counts()

        /// Copies the values of entities that are here and hold at now; nil where something has to be read or computed first.
        ///
        /// - Parameter keys: by part of the plan, then by row.
        mutating func copy(_ prepared: ServingPlan, _ keys: [[EntityKey]], now: Int64) -> Cells? {
            guard !isAway else { return nil }
            tick += 1
            var cells = Cells(rows: keys.first?.count ?? 0, width: prepared.plan.outputs.count)
            for (part, keys) in zip(prepared.parts, keys) {
                let table = tables[part.table]
                guard cuts[table.group.source.name] ?? nil != nil, table.copy(keys, at: now, tick: tick, part.fields, to: &cells) else { return nil }
            }
            counts.hits += 1
            return cells
        }

        /// - Parameter keys: by part of the plan, then by row; nil where a part of the key is NULL.
        mutating func read(_ prepared: ServingPlan, _ keys: [[EntityKey?]], now: Int64?, isRetry: Bool) -> Result<Here, NotHere> {
            tick += 1
            guard let now else { return .failure(.direct) }
            var here = Here(now: now)
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
                    counts.direct += 1
                    return .failure(.direct)
                }
            }
            guard missing.isEmpty else {
                counts.misses += isRetry ? 0 : 1
                return .failure(.missing(missing))
            }
            counts.hits += isRetry ? 0 : 1
            for (part, places) in zip(prepared.parts, places) {
                tables[part.table].advance(places.compactMap(\.self), to: now, tick: tick)
                for aggregate in part.aggregates { here.aggregates.append(tables[part.table].column(aggregate, of: places)) }
                here.isFound.append(places.map { tables[part.table].isFound($0, at: now) })
            }
            return .success(here)
        }
    }

    /// What happened so far.
    public struct Counts: Sendable {
        /// Lookups answered from memory, those that had to read entities first, and those of entities too large for it.
        public var hits = 0, misses = 0, direct = 0
        public var entities = 0, bytes = 0, recomputed = 0
    }

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
            }
            return counts
        }
    }

    // MARK: Plans

    /// What was prepared for a target; nil where nothing was.
    func plan(_ target: LookupRequest.Target) -> ServingPlan? { plans.withLock { $0[target] } }

    /// Makes room for what a plan needs, and remembers it.
    func prepare(_ plan: Plan, for target: LookupRequest.Target) -> ServingPlan {
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
            let prepared = ServingPlan(plan, set: target.set, parts: parts)
            plans.withLock { plans in
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
    ///   - isRetry: whether what was missing has been read.
    func answer(_ prepared: ServingPlan, _ asked: Spine, isRetry: Bool) -> Found {
        var spine = asked
        let count = spine.instants.count
        let keys = prepared.parts.map { part in
            let columns = part.keys.map { spine.columns[$0]! }
            return (0..<count).map { EntityKey(columns, $0) }
        }
        let here: Here
        switch state.withLock({ $0.read(prepared, keys, now: clock.now(), isRetry: isRetry) }) {
        case .failure(.direct): return .direct
        case .failure(.missing(let missing)): return .missing(missing)
        case .success(let found): here = found
        }
        spine.instants = Array(repeating: here.now, count: count)
        let columns = prepared.plan.outputs(spine, of: here.aggregates)
        return .answer(
            LookupAnswer(
                prepared.plan, columns, isFound: here.isFound, set: prepared.set, at: Instant(microseconds: here.now), cuts: here.cuts, rowCount: count, age: isAway ? silence : nil
            ))
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
            clock.now().flatMap { now in state.copy(prepared, keys, now: now).map { (cells: $0, now: now) } }
        }
        return copied.map { LookupAnswer.write($0.cells, prepared, rows: asked.count, at: Instant(microseconds: $0.now)) }
    }

    /// What memory has for an answer.
    private struct Here {
        var aggregates: [Column] = []
        var isFound: [[Bool]] = []
        var cuts: [String: Int64] = [:]
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
    func apply(_ heads: Heads, _ news: [Int: (generation: Int, delta: EntityTable.Delta)], received: ContinuousClock.Instant) {
        state.withLock { state in
            for index in state.tables.indices {
                let source = state.tables[index].group.source.name
                guard let cut = heads.cuts[source], let known = state.cuts[source] ?? nil, cut > known else { continue }
                if let (generation, delta) = news[index], generation == state.tables[index].generation, delta.after == known, delta.upTo == cut {
                    state.tables[index].apply(delta)
                } else {
                    state.tables[index].clear()
                }
            }
            for (source, cut) in heads.cuts where state.cuts.keys.contains(source) { state.cuts[source] = max(cut, (state.cuts[source] ?? nil) ?? 0) }
            clock.learn(heads.now, at: received)
            state.isAway = false
        }
    }

    /// Whether the database was heard of a moment ago, or is known to be away.
    var isFresh: Bool { silence <= Follower.moment || isAway }

    /// How long the database hasn't been heard of.
    var silence: Duration { clock.silence }

    /// Whether the database couldn't be reached when it was asked last: what memory says is stale then.
    var isAway: Bool { state.withLock { $0.isAway } }

    func lose() { state.withLock { $0.isAway = true } }

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
        /// Of each of the group's aggregates, its place in the table.
        var aggregates: [Int]
        /// Outputs that are nothing but an aggregate of this part, and its place in the table.
        var fields: [(field: Int, aggregate: Int)] = []
    }

    let plan: Plan
    let set: String?
    let parts: [Part]
    /// Whether every output is nothing but an aggregate.
    let isPlain: Bool
    /// An answer up to its instant; from there to its rows; and what follows a row's values where all are present.
    let opening: [UInt8]
    let middle: [UInt8]
    let allPresent: [UInt8]

    init(_ plan: Plan, set: String?, parts: [Part]) {
        self.plan = plan
        self.set = set
        let aggregates = plan.outputs.map { plan.aggregate(of: $0) }
        isPlain = !aggregates.contains { $0 == nil }
        self.parts = parts.enumerated().map { group, part in
            var part = part
            for (field, aggregate) in aggregates.enumerated() {
                if let aggregate, aggregate.group == group { part.fields.append((field, part.aggregates[aggregate.index])) }
            }
            return part
        }
        (opening, middle) = LookupAnswer.frame(set: set, features: plan.outputs.map(\.name))
        allPresent = Array(("],\"statuses\":[" + plan.outputs.map { _ in "\"present\"" }.joined(separator: ",") + "]}").utf8)
    }
}

/// What time it is for the database, as far as this process knows: never ahead of it, and never going back.
package final class DatabaseClock: Sendable {
    private struct Sample {
        /// The database's clock, and when an answer with it came.
        var time: Int64
        var received: ContinuousClock.Instant
    }

    private let state = Mutex<(sample: Sample?, latest: Int64)>((nil, .min))
    private let driven: (@Sendable () -> Int64)?

    /// - Parameter driven: what time it is instead.
    package init(driven: (@Sendable () -> Int64)? = nil) {
        self.driven = driven
    }

    func learn(_ time: Int64, at received: ContinuousClock.Instant) {
        state.withLock { state in
            state.sample = Sample(time: time, received: received)
            state.latest = max(state.latest, time)
        }
    }

    /// No *now* lies before this one from here on: an answer had it.
    func pass(_ time: Int64) { state.withLock { $0.latest = max($0.latest, time) } }

    /// How long ago something was learnt.
    var silence: Duration { state.withLock { $0.sample }.map { ContinuousClock.now - $0.received } ?? .seconds(Int64.max / 2) }

    /// Nil before anything was learnt.
    func now() -> Int64? {
        if let driven { return driven() }
        return state.withLock { state in
            guard let sample = state.sample else { return nil }
            let passed = (ContinuousClock.now - sample.received).components
            state.latest = max(state.latest, sample.time + passed.seconds * 1_000_000 + passed.attoseconds / 1_000_000_000_000)
            return state.latest
        }
    }
}
