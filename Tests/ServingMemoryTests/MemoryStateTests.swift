import FeatureEngine
import FeatureLanguage
import ServingMemory
import TestSupport
import Testing

/// Memory's state machine without a database: logs are arrays, time is a number, and what memory says is held against
/// the engine over all rows.
@Suite struct MemoryStateTests {
    @Test(arguments: 0..<8)
    func `memory says what all rows say, whatever came in between`(round: Int) throws {
        for seed in UInt64(round * 25)..<UInt64(round * 25 + 25) {
            var random = Randomness(seed: seed), world = try World(bytes: random.pick([8_000, 1 << 20]))
            for step in 0..<60 {
                let event = try world.happen(&random)
                if let fault = try world.fault(&random) {
                    Issue.record("seed \(seed), step \(step), after \(event): \(fault)")
                    return
                }
            }
            #expect(world.answered > 0)
        }
    }

    @Test func `what was missing is read once, and then answered from here`() throws {
        var random = Randomness(seed: 1), world = try World(bytes: 1 << 20)
        for _ in 0..<10 { world.commit(&random, "events") }
        world.hear()
        guard case .missing(let missing) = world.find([1, 2, nil], .first) else {
            Issue.record("nothing was read yet")
            return
        }
        #expect(
            missing.allSatisfy {
                Set($0.wanted.keys) == [.word(1), .word(2)]
                    && $0.wanted.cut == world.state.cuts[$0.wanted.group.source.name]
            })
        missing.forEach { world.read($0) }
        guard case .here(let here) = world.find([1, 2, nil], .again) else {
            Issue.record("all was read")
            return
        }
        #expect(here.aggregates.allSatisfy { $0.count == 3 } && here.isFound.allSatisfy { !$0[2] })
        #expect(world.state.counts.hits == 0 && world.state.counts.misses == 1)
    }

    @Test func `what was read for a table that was replaced meanwhile isn't taken`() throws {
        var random = Randomness(seed: 2), world = try World(bytes: 1 << 20)
        for _ in 0..<10 { world.commit(&random, "facts") }
        world.hear()
        guard case .missing(let missing) = world.find([1], .first) else {
            Issue.record("nothing was read yet")
            return
        }
        world.erased += 1
        world.hear()
        missing.forEach { world.read($0) }
        #expect(world.state.counts.entities == 0)
    }

    @Test func `rows that were pushed here are taken where they lie right behind, and owed where they don't`() throws {
        var random = Randomness(seed: 3), world = try World(bytes: 1 << 20)
        world.hear()
        let first = world.commit(&random, "events")
        let isTaken = world.take(first)
        #expect(isTaken && world.state.cuts["events"] == first.end)
        // Another server's come first.
        world.commit(&random, "events")
        let third = world.commit(&random, "events")
        let isTakenToo = world.take(third)
        #expect(!isTakenToo && world.state.cuts["events"] == first.end)
        world.state.owe(["events": third.end, "unknown": 1])
        #expect(
            world.state.owed(to: ["events", "facts"]) == ["events": third.end]
                && !world.state.hasReached(["events": third.end]))
        world.hear()
        #expect(world.state.owed(to: ["events"]).isEmpty && world.state.hasReached(["events": third.end]))
        // What a standby has not replayed yet isn't there.
        world.state.followStandby()
        let isTakenByStandby = world.take(world.commit(&random, "events"))
        #expect(!isTakenByStandby)
    }

    @Test func `a database that is away, or a standby far behind, makes what memory says stale`() throws {
        var random = Randomness(seed: 4), world = try World(bytes: 1 << 20)
        world.commit(&random, "events")
        world.hear()
        func age(_ silence: Duration) throws -> (age: Duration, isStale: Bool)? {
            while true {
                switch world.find([1], .first, silence: silence) {
                case .here(let here): return here.age
                case .missing(let missing): missing.forEach { world.read($0) }
                case .direct: throw Surprise()
                }
            }
        }
        #expect(try age(.seconds(9)) == nil)
        world.hear(lag: .seconds(1))
        var known = try age(.milliseconds(10))
        #expect(known?.age == .milliseconds(1010) && known?.isStale == false)
        known = try age(.seconds(2))
        #expect(known?.isStale == true)
        world.state.lose()
        known = try age(.milliseconds(1))
        #expect(known?.isStale == true)
        world.hear()
        #expect(try age(.zero) == nil)
    }

    @Test func `memory stays within its bound, and each table gives up its share`() throws {
        var random = Randomness(seed: 5), world = try World(bytes: 60_000)
        for _ in 0..<40 {
            world.commit(&random, "events", count: 20, keys: 500)
            world.commit(&random, "facts", count: 20, keys: 500)
        }
        world.hear()
        for key in 0..<500 {
            while case .missing(let missing) = world.find([Int64(key)], .first) { missing.forEach { world.read($0) } }
            #expect(world.state.counts.bytes <= 60_000)
        }
        #expect(world.state.counts.entities > 20)
    }

    @Test func `cuts never go back, and a source that isn't followed has none`() throws {
        var world = try World(bytes: 1 << 20), heads = Heads()
        #expect(world.state.cuts.followed == ["events", "facts"] && world.state.cuts["events"] == nil)
        heads.cuts = ["events": 7, "facts": 0, "others": 5]
        world.state.hear(heads, [:])
        heads.cuts = ["events": 3]
        world.state.hear(heads, [:])
        #expect(world.state.cuts["events"] == 7 && world.state.cuts["facts"] == 0 && world.state.cuts["others"] == nil)
        world.state.follow(["others"])
        #expect(world.state.cuts.follows("others") && world.state.cuts["others"] == nil)
        // A log that nobody has read yet is no empty log.
        var unread = try World(bytes: 1 << 20)
        guard case .direct = unread.find([1], .first) else {
            Issue.record("an answer of logs that nobody has read")
            return
        }
    }

    private struct Surprise: Error {}
}

/// Two logs, a clock, and memory that follows them.
private struct World {
    var state: MemoryState
    private(set) var plans: [ServingPlan] = []
    /// How many lookups were compared.
    private(set) var answered = 0
    var erased: Int64 = 0
    private let catalog: Catalog
    private var logs: [String: SourceRows] = [:]
    /// Ends of the batches of imports, whose rows may have been known long before.
    private var imports: [String: [Int64]] = [:]
    private var now: Int64 = 1000

    private static let columns: [ColumnDefinition] = [
        .init("k", .int64), .init("fact", .int64), .init("gone", .bool), .init("x", .float64), .init("s", .string),
        .init("at", .timestamp),
    ]
    private static let features = [
        "events": [
            "sum(x) over last_40us", "count(*) over last_9us", "latest(s)", "max(x)", "last_k(s, 2)",
            "approx_count_distinct(x)", "decayed_sum(x, 2us)",
            "corr(x, k) over last_40us",
        ],
        "facts": [
            "sum(x) over last_60us", "count(distinct fact)", "latest(x) over last_20us", "distinct_values(x)",
            "decayed_count(3us)",
        ],
    ]
    private static let sets = [
        ["events0", "facts0"], ["events1", "events2"], ["events0", "events3", "facts1", "facts2"],
        ["events4", "events5", "facts3"], ["events6", "events7", "facts4"],
    ]

    init(bytes: Int) throws {
        state = MemoryState(maximumBytes: bytes)
        let sources = [
            Source(
                name: "events", columns: World.columns, eventTime: "at", id: [], tombstone: nil, knownAt: .eventTime),
            Source(
                name: "facts", columns: World.columns, eventTime: "at", id: ["fact"], tombstone: "gone",
                knownAt: .eventTime),
        ]
        var definitions: [Definition] =
            [.entity(Entity(name: "e", keys: [.init("k", .int64)]))] + sources.map { .source($0) }
        for (source, expressions) in World.features {
            for (number, expression) in expressions.enumerated() {
                let name = VersionedName(name: "\(source)\(number)", version: 1)
                definitions.append(
                    .function(
                        FunctionDefinition(
                            name: name, kind: .feature, entity: "e", source: source, expression: expression)))
            }
        }
        catalog = try Catalog(definitions)
        for source in sources { logs[source.name] = SourceRows(importing: World.table([]), into: source) }
        try prepare(0)
        state.follow(["events", "facts"])
    }

    private static func table(_ rows: [[Literal]]) -> Table {
        var builders = columns.map { ColumnBuilder($0.type) }
        for row in rows { for (index, value) in row.enumerated() { builders[index].append(value) } }
        return Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
    }

    /// The next set that is asked for; its tables take the place of those before.
    private mutating func prepare(_ set: Int) throws {
        let names = World.sets[set].map { "\($0).v1" }, plan = Plan(try catalog.resolve(features: names), in: catalog)
        plans.append(state.prepare(plan, LookupRequest.Resolved(target: .features(names)), functions: [], warnings: []))
    }

    // MARK: Events

    mutating func happen(_ random: inout Randomness) throws -> String {
        now += Int64.random(in: 0...5, using: &random)
        let source = random.pick(["events", "facts"])
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3:
            let isFresh = isCaughtUp(source), pushed = commit(&random, source)
            // Only first versions are taken over as they are.
            if isFresh, areFirstVersions(pushed), random.chance(70) { return "taken: \(take(pushed))" }
            return "a commit elsewhere"
        case 4:
            importRows(&random, source)
            return "an import"
        case 5...7:
            hear(skipsNews: random.chance(15))
            return "news"
        case 8:
            if plans.count < World.sets.count { try prepare(plans.count) }
            return "a plan"
        case 9:
            if random.chance(30) { erased += 1 }
            hear()
            return "an erasure"
        case 10:
            // Two that ask for the same at once, and news in between.
            let keys = World.keys(&random)
            if case .missing(let missing) = find(keys, .first) {
                commit(&random, source)
                if random.chance(50) { hear() }
                missing.forEach { read($0) }
                missing.forEach { read($0) }
            }
            return "reading at once"
        default:
            state.lose()
            hear()
            return "a loss"
        }
    }

    private static func keys(_ random: inout Randomness) -> [Int64?] {
        (0..<Int.random(in: 1...4, using: &random)).map { _ in
            random.chance(10) ? nil : Int64.random(in: 0..<6, using: &random)
        }
    }

    private func isCaughtUp(_ source: String) -> Bool { state.cuts[source] == Int64(logs[source]!.count) }

    /// Rows that are pushed: known from now on.
    @discardableResult
    mutating func commit(_ random: inout Randomness, _ name: String, count: Int? = nil, keys: Int64 = 6)
        -> CommittedRows
    {
        let table = rows(&random, count ?? Int.random(in: 1...4, using: &random), keys: keys),
            after = Int64(logs[name]!.count)
        append(table, to: name, knownAt: Array(repeating: now, count: table.rowCount))
        return CommittedRows(source: catalog.sources[name]!, after: after, rows: [table], knownAt: now)
    }

    /// Rows of the past: known at their event times.
    private mutating func importRows(_ random: inout Randomness, _ name: String) {
        let table = rows(&random, Int.random(in: 1...4, using: &random), keys: 6)
        append(table, to: name, knownAt: table["at"]!.integers)
        imports[name, default: []].append(Int64(logs[name]!.count))
    }

    private func rows(_ random: inout Randomness, _ count: Int, keys: Int64) -> Table {
        World.table(
            (0..<count).map { _ in
                [
                    random.chance(8) ? .null : .int64(Int64.random(in: 0..<keys, using: &random)),
                    .int64(Int64.random(in: 0..<30, using: &random)),
                    random.chance(15) ? .bool(true) : .null,
                    random.chance(10) ? .null : .float64(random.pick([0.5, -0.0, 7, .infinity, 1e16, 0.1])),
                    random.chance(10) ? .null : .string(random.pick(["", "é", "xy"])),
                    .timestamp(Instant(microseconds: now - Int64.random(in: -10...50, using: &random))),
                ]
            })
    }

    private mutating func append(_ table: Table, to name: String, knownAt: [Int64]) {
        var rows = SourceRows(importing: table, into: catalog.sources[name]!)
        rows.knownAt = knownAt
        let first = Int64(logs[name]!.count)
        rows.offsets = rows.offsets.map { $0 + first }
        logs[name] = logs[name]!.followed(by: rows)
    }

    private func areFirstVersions(_ pushed: CommittedRows) -> Bool {
        guard !pushed.source.id.isEmpty else { return true }
        let log = logs[pushed.source.name]!, facts = log.columns["fact"]!.integers
        return Set(facts).count == facts.count
            || Set(facts.suffix(Int(pushed.end - pushed.after))).isDisjoint(with: facts.prefix(Int(pushed.after)))
                && Set(facts.suffix(Int(pushed.end - pushed.after))).count == Int(pushed.end - pushed.after)
    }

    mutating func take(_ pushed: CommittedRows) -> Bool {
        var deltas: [Int: TableNews] = [:]
        for kind in state.followed where kind.group.source.name == pushed.source.name {
            deltas[kind.table] = TableNews(
                generation: kind.generation, delta: pushed.delta(columns: kind.group.columns))
        }
        return state.take(pushed, deltas)
    }

    /// Memory hears how far the logs are, and what came since.
    mutating func hear(lag: Duration = .zero, skipsNews: Bool = false) {
        var heads = Heads(), news: [Int: TableNews] = [:]
        for (name, log) in logs { heads.cuts[name] = Int64(log.count) }
        (heads.now, heads.clock, heads.lag, heads.erased) = (now, now, lag, erased)
        for kind in state.followed where !skipsNews {
            let name = kind.group.source.name
            guard let after = state.cuts[name], let upTo = heads.cuts[name], upTo > after else { continue }
            news[kind.table] = TableNews(
                generation: kind.generation, delta: delta(kind.group, after: after, upTo: upTo))
        }
        state.hear(heads, news)
    }

    private func delta(_ group: Plan.Group, after: Int64, upTo: Int64) -> EntityTable.Delta {
        let source = group.source,
            whole = logs[source.name]!.gathered((0..<Int32(upTo)).map(\.self), columns: group.columns)
        var rows = whole.gathered((Int32(after)..<Int32(upTo)).map(\.self))
        if !source.id.isEmpty {
            rows = rows.followed(by: whole.retractions(of: source, keys: group.keys.map(\.column), after: after))
        }
        let evicts = !source.id.isEmpty && (imports[source.name] ?? []).contains { $0 > after && $0 <= upTo }
        return EntityTable.Delta(after: after, upTo: upTo, rows: rows, evicts: evicts)
    }

    /// Reads entities that are missing, as a database would.
    mutating func read(_ missing: MissingEntities) {
        let wanted = missing.wanted, group = wanted.group, source = group.source
        var rows = logs[source.name]!.gathered((0..<Int32(wanted.cut)).map(\.self), columns: group.columns)
        if !source.id.isEmpty {
            rows = rows.followed(by: rows.retractions(of: source, keys: group.keys.map(\.column), after: 0))
        }
        let own = rows.columns["k"]!
        func isOf(_ key: EntityKey, _ row: Int) -> Bool { EntityKey([own], row) == key }
        let first = wanted.keys.map { key in
            (0..<rows.count).filter { isOf(key, $0) && !(rows.isRetraction?[$0] ?? false) }.map { rows.knownAt[$0] }
                .min() ?? .max
        }
        let some = rows.gathered((0..<Int32(rows.count)).filter { row in wanted.keys.contains { isOf($0, Int(row)) } })
        state.insert(missing, foundFrom: first, rows: some)
    }

    // MARK: Lookups

    mutating func find(_ keys: [Int64?], _ attempt: MemoryState.Attempt, silence: Duration = .zero) -> MemoryState.Found
    { find(plans[plans.count - 1], keys, attempt, silence) }

    private mutating func find(
        _ prepared: ServingPlan, _ keys: [Int64?], _ attempt: MemoryState.Attempt, _ silence: Duration
    ) -> MemoryState.Found {
        state.find(
            prepared, prepared.plan.groups.map { _ in keys.map { $0.map { .word(UInt64(bitPattern: $0)) } } }, now: now,
            silence: silence, attempt)
    }

    /// What memory says wrongly of some entities, once it has read them.
    mutating func fault(_ random: inout Randomness) throws -> String? {
        let prepared = random.pick(plans), plan = prepared.plan, keys = World.keys(&random)
        for attempt in 0..<4 {
            switch find(prepared, keys, attempt == 0 ? .first : .again, .zero) {
            case .direct: return plan.sources.contains { state.cuts[$0] == nil } ? nil : "no answer though all was read"
            case .missing(let missing): missing.forEach { read($0) }
            case .here(let here):
                answered += 1
                let key = Column(.int64, keys.map { $0 ?? 0 }, validity: keys.map { $0 != nil })
                let spine = Spine(columns: ["k": key], instants: Array(repeating: now, count: keys.count))
                let expected = plan.evaluate(spine, Reading(cuts: here.cuts)) { logs[$0.source.name]! }
                for (index, column) in plan.outputs(spine, of: here.aggregates).enumerated() {
                    for row in keys.indices where column[row] != expected.columns[index][row] {
                        return
                            "\(plan.outputs[index].name) of \(keys[row].map { "\($0)" } ?? "NULL") at \(now) is \(column[row]), and by all rows \(expected.columns[index][row])"
                    }
                }
                return nil
            }
        }
        // What is larger than memory is forgotten as it is read.
        return state.maximumBytes < 1 << 20 ? nil : "still missing after four readings"
    }
}
