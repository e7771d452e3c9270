package import FeatureEngine
package import FeatureLanguage
internal import Synchronization

/// What lookups have asked for, kept in memory and up to date with the logs: a `MemoryState` under a lock, the plans
/// that were made, and the database's clock.
public final class OnlineMemory: Sendable {
    private let state: Mutex<MemoryState>
    private let plans = Mutex(PlanCache())
    package let clock: DatabaseClock

    /// How old memory may be without word from the database: ten times the interval at which it is asked.
    package static let moment = Duration.milliseconds(100)

    /// - Parameter maximumBytes: beyond this, what was asked for longest ago is forgotten.
    public convenience init(maximumBytes: Int) { self.init(maximumBytes: maximumBytes, clock: DatabaseClock()) }

    /// - Parameter clock: tests drive it.
    package init(maximumBytes: Int, clock: DatabaseClock) {
        state = Mutex(MemoryState(maximumBytes: maximumBytes))
        self.clock = clock
    }

    // MARK: Figures

    /// Beyond this, what was asked for longest ago is forgotten.
    public var maximumBytes: Int { state.withLock { $0.maximumBytes } }
    /// What has happened so far, and what memory holds now.
    public var counts: Counts { state.withLock { $0.counts } }
    /// How many values were served with each status, for each set that was asked for.
    public var tallies: [Tally] { state.withLock { $0.tallies } }
    /// When each source's newest batch was committed, as far as is known; microseconds since 1970.
    package var newestCommits: [String: Int64] { state.withLock { $0.newestCommits } }
    /// How far the database was behind its primary when it was last heard from.
    package var lag: Duration { state.withLock { $0.lag } }
    /// How long the database hasn't been heard from.
    package var silence: Duration { clock.silence }
    /// Whether the database couldn't be reached when it was last asked; what memory says is stale then.
    package var isAway: Bool { state.withLock { $0.isAway } }
    /// Whether the database was heard from a moment ago, or is known to be away.
    package var isFresh: Bool { silence <= OnlineMemory.moment || isAway }
    /// The newest ledger entry that changed what is registered or served, as far as is known.
    package var governed: Int64 { plans.withLock { $0.governed } }

    // MARK: Plans

    /// What was prepared for a target; nil if nothing was.
    package func plan(_ target: LookupRequest.Target) -> ServingPlan? { plans.withLock { $0[target] } }

    /// Makes room for what a plan needs, and remembers it.
    ///
    /// - Parameters:
    ///   - asked: what the target stands for.
    ///   - functions: what its outputs compute.
    ///   - warnings: what each answer has to say.
    ///   - governed: the ledger entry up to which it is known what is registered and decided.
    package func prepare(
        _ plan: Plan, for target: LookupRequest.Target, _ asked: LookupRequest.Resolved, functions: [Function],
        warnings: [String], governed: Int64
    )
        -> ServingPlan
    {
        if let known = self.plan(target) { return known }
        let prepared = state.withLock { $0.prepare(plan, asked, functions: functions, warnings: warnings) }
        plans.withLock { $0.keep(prepared, for: target, governed: governed) }
        return prepared
    }

    /// Follows these sources too.
    package func follow(_ sources: [String]) { state.withLock { $0.follow(sources) } }

    // MARK: Lookups

    package enum Found: Sendable {
        case answer(LookupAnswer)
        case missing([MissingEntities])
        /// The database has to be asked: an entity is too large for memory, a log hasn't been read yet, or nobody knows
        /// what time it is.
        case direct
    }

    /// Answers a lookup at now, if everything for it is here.
    ///
    /// - Parameter asked: the spine of the request; its instants are ignored.
    package func answer(_ prepared: ServingPlan, _ asked: Spine, _ attempt: MemoryState.Attempt) -> Found {
        var spine = asked
        let count = spine.instants.count
        let keys = prepared.parts.map { part in
            let columns = part.keys.map { spine.columns[$0]! }
            return (0..<count).map { EntityKey(columns, $0) }
        }
        let found = state.withLock { state in
            clock.now().map { now in (state.find(prepared, keys, now: now, silence: silence, attempt), now) }
        }
        switch found {
        case nil, (.direct, _)?: return .direct
        case (.missing(let missing), _)?: return .missing(missing)
        case (.here(let here), let now)?:
            spine.instants = Array(repeating: now, count: count)
            let answer = LookupAnswer(
                prepared.plan, prepared.plan.outputs(spine, of: here.aggregates), here.aggregates,
                isFound: here.isFound, set: prepared.asked.target.set,
                at: Instant(microseconds: now), cuts: here.cuts, rowCount: count, age: here.age,
                warnings: prepared.warnings)
            state.withLock { $0.count(answer, prepared) }
            return .answer(answer)
        }
    }

    /// An answer's bytes, if memory has all of its values ready; nil otherwise.
    package func write(_ prepared: ServingPlan, _ asked: PlainLookup) -> [UInt8]? {
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
        // The time is asked for under the lock, so it is no earlier than anything applied or computed before.
        let copied = state.withLock { state in
            clock.now().flatMap { now in
                state.copy(prepared, keys, now: now, silence: silence).map { (cells: $0, now: now) }
            }
        }
        return copied.map {
            LookupAnswer.write($0.cells, prepared, rows: asked.count, at: Instant(microseconds: $0.now))
        }
    }

    // MARK: Entities

    /// Takes entities that were missing.
    package func insert(_ missing: MissingEntities, foundFrom: [Int64], rows: SourceRows) {
        state.withLock { $0.insert(missing, foundFrom: foundFrom, rows: rows) }
    }

    /// All tables whose sources have been read.
    package var needs: [TableNeed] { state.withLock { $0.needs } }

    /// The tables that a plan reads.
    package func needs(of prepared: ServingPlan) -> [TableNeed] {
        needs.filter { need in prepared.parts.contains { $0.table == need.table } }
    }

    /// Whether a table remembers what came since an offset.
    package func remembers(_ table: Int, _ generation: Int, since cut: Int64) -> Bool {
        state.withLock { $0.remembers(table, generation, since: cut) }
    }

    /// Adds what came just before what a table remembers.
    package func remember(_ need: TableNeed, _ delta: EntityTable.Delta) { state.withLock { $0.remember(need, delta) } }

    // MARK: News

    /// What is followed: how far each source's log has been read, and the tables over it.
    package func followed() -> (cuts: Cuts, tables: [TableKind]) { state.withLock { ($0.cuts, $0.followed) } }

    /// Takes in how far the logs have come, what is new, and what time it is, all at once.
    ///
    /// - Parameter news: by table. If a source's cut has moved on, a table without news of it is emptied.
    package func hear(_ heads: Heads, _ news: [Int: TableNews], _ reading: DatabaseClock.Reading) {
        state.withLock { state in
            state.hear(heads, news)
            clock.learn(heads.now, raw: heads.clock, reading)
        }
        plans.withLock { $0.advance(to: heads.governed) }
    }

    package func lose() { state.withLock { $0.lose() } }

    package func followStandby() { state.withLock { $0.followStandby() } }

    /// Takes rows that were pushed here without reading them again; false if others came before them, or nobody follows
    /// the source.
    package func take(_ pushed: CommittedRows) -> Bool {
        var deltas: [Int: TableNews] = [:]
        for kind in followed().tables where kind.group.source.name == pushed.source.name {
            deltas[kind.table] = TableNews(
                generation: kind.generation, delta: pushed.delta(columns: kind.group.columns))
        }
        return state.withLock { state in
            guard state.take(pushed, deltas) else { return false }
            clock.pass(pushed.knownAt)
            return true
        }
    }

    /// Makes lookups of these sources wait until they have been read up to these offsets.
    package func owe(_ offsets: [String: Int64]) { state.withLock { $0.owe(offsets) } }

    /// The offsets for which lookups of these sources wait.
    package func owed(to sources: [String]) -> [String: Int64] { state.withLock { $0.owed(to: sources) } }

    /// Whether every one of these offsets has been read.
    package func hasReached(_ offsets: [String: Int64]) -> Bool { state.withLock { $0.hasReached(offsets) } }
}

/// What was prepared for targets, as long as what it was made from is still what is registered and decided.
private struct PlanCache {
    private var plans: [LookupRequest.Target: ServingPlan] = [:]
    /// The newest ledger entry that is known: plans are made from what was registered and decided up to it.
    private(set) var governed: Int64 = 0

    /// Bounded, because anybody may ask for any combination of features.
    private static let most = 1000

    subscript(target: LookupRequest.Target) -> ServingPlan? { plans[target] }

    mutating func keep(_ plan: ServingPlan, for target: LookupRequest.Target, governed: Int64) {
        // Something was decided meanwhile: a new bound on freshness, or where a pointer points.
        guard governed >= self.governed else { return }
        advance(to: governed)
        if plans.count >= PlanCache.most { plans.removeAll() }
        plans[target] = plan
    }

    mutating func advance(to governed: Int64) {
        guard governed > self.governed else { return }
        self.governed = governed
        plans.removeAll()
    }
}
