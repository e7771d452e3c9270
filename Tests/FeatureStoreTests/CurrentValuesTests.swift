import FeatureEngine
import FeatureLanguage
import FeatureStore
import Postgres
import TestSupport
import Tables
import Testing

@Suite struct CurrentValuesTests {
    private static let definitions = """
        entities: {pair: {keys: {k: int64, l: string}}, one: {keys: {k: int64}}, all: {keys: {}}}
        sources:
          s: {columns: {fact: int64, k: int64, l: string, x: float64, t: timestamp}, event_time: t, id: [fact]}
          u: {columns: {k: int64, x: int64, t: timestamp}, event_time: t}
        features:
          sum.v1: {entity: pair, source: s, expression: sum(x) over last_1h}
          latest.v1: {entity: pair, source: s, expression: latest(x)}
          seen.v1: {entity: one, source: u, expression: count(*)}
          total.v1: {entity: all, source: u, expression: count(*)}
          age.v1: {entity: one, source: u, expression: as_of - max(t)}
          with.v1: {entity: one, request: {r: int64}, expression: request.r + seen.v1}
        sets:
          pairs.v1: {features: [sum.v1, latest.v1, seen.v1, total.v1]}
          ones.v1: {features: [seen.v1]}
          alls.v1: {features: [total.v1]}
          ages.v1: {features: [age.v1]}
          withs.v1: {features: [with.v1]}
        """

    /// The table, and what lookups of the same entities at its rows' own instants give.
    private func check(_ fixture: Fixture, _ set: String, _ table: String, keys: [String]) async throws -> Int {
        let rows = try fixture.connection().execute(
            SQL(raw: "select row_to_json(v)::text, to_char(as_of, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from \(table) v")
        ).map {
            try JSON(parsing: $0.bytes(0))
        }
        var asked: [String: [LookupRequest.Value]] = [:]
        for key in keys { asked[key] = rows.map { .json($0[key]!) } }
        guard !rows.isEmpty else { return 0 }
        let answer = try await fixture.store.serving.lookup(LookupRequest(.set(set), entities: asked))
        for (row, values) in rows.enumerated() {
            // On a slow machine its time may have come meanwhile.
            if case .timestamp(let changes)? = values["changes_at"]?.literal(as: .timestamp), changes <= answer.asOf {
                continue
            }
            for (feature, column) in zip(answer.features, answer.columns) {
                #expect(values[feature]!.literal(as: column.type) == column[row], "\(set) \(feature) of \(values)")
            }
        }
        return rows.count
    }

    @Test func `only entities with news or an expiry are computed, and all are right`() async throws {
        let fixture = try await Fixture(applying: CurrentValuesTests.definitions)
        defer { fixture.remove() }
        var random = Randomness(seed: 3)
        // An hour ago minus a little, so that some rows leave their window while the test runs.
        let start = try fixture.connection().execute("select clock_timestamp() - interval '1 hour'").first!.timestamp(0)
        func time(_ seconds: Double) -> String { Instant(microseconds: start + Int64(seconds * 1e6)).description }
        var facts = "fact,k,l,x,t\n", others = "k,x,t\n"
        for fact in 0..<60 {
            facts +=
                "\(fact),\(Int.random(in: 0..<5, using: &random)),\(random.pick(["a", "b"])),\(fact)\(random.pick([".5", ""])),\(time(Double.random(in: -900 ... -10, using: &random)))\n"
        }
        facts += "100,7,z,1,\(time(8))\n101,,a,1,\(time(-5))\n"
        for row in 0..<20 { others += "\(Int.random(in: 0..<9, using: &random)),\(row),\(time(-50))\n" }
        _ = try await fixture.store.log.importFile(fixture.file("s.csv", facts), into: "s")
        _ = try await fixture.store.log.importFile(fixture.file("u.csv", others), into: "u")

        let first = try await fixture.store.serving.refreshValues(of: "pairs.v1")
        #expect(first.table == "firn_values.\"pairs_v1\"" && first.refreshed == first.entities && first.entities > 8)
        #expect(try await check(fixture, "pairs.v1", first.table, keys: ["k", "l"]) == first.entities)
        let idle = try await fixture.store.serving.refreshValues(of: "pairs.v1")
        // On a slow machine the one whose row leaves its window may be due already.
        #expect(idle.refreshed <= 1 && idle.entities == first.entities)

        // News of one entity, a fact that moves from one to another, and news of a key that several have.
        let moved = try fixture.connection().execute("select k, l from firn_source.s where fact = 3").first!
        _ = try await fixture.store.log.push(
            Array("[{\"fact\":3,\"k\":8,\"l\":\"new\",\"x\":1,\"t\":\"\(time(-1))\"}]".utf8), layout: .array, into: "s")
        let news = try await fixture.store.serving.refreshValues(of: "pairs.v1")
        let who = try "\(moved.int64(0)) \(moved.text(1))"
        #expect(news.refreshed >= 2 && news.refreshed < news.entities && news.entities == first.entities + 1, "\(who)")
        #expect(try await check(fixture, "pairs.v1", news.table, keys: ["k", "l"]) == news.entities)

        // The row of entity (7, z) leaves its window, in whichever refresh it is due.
        var isGone = false
        for _ in 0..<400 where !isGone {
            try await Task.sleep(for: .milliseconds(100))
            #expect(try await fixture.store.serving.refreshValues(of: "pairs.v1").refreshed <= 1)
            isGone = try fixture.connection().execute("select sum is null from firn_values.pairs_v1 where k = 7").first!
                .bool(0)
        }
        #expect(try await check(fixture, "pairs.v1", news.table, keys: ["k", "l"]) == news.entities)
        #expect(
            try fixture.connection().execute("select sum is null, latest = 1 from firn_values.pairs_v1 where k = 7")
                .first!.bool(0))
    }

    @Test func `a value that a row only reaches later changes when it does`() async throws {
        let fixture = try await Fixture(
            applying: """
                entities: {one: {keys: {k: int64}}}
                sources: {u: {columns: {k: int64, x: int64, t: timestamp}, event_time: t}}
                features: {old.v1: {entity: one, source: u, expression: sum(x) over (range between interval '1 hour' preceding and interval '2 seconds' preceding)}}
                sets: {olds.v1: {features: [old.v1]}}
                """)
        defer { fixture.remove() }
        // More entities than are looked up by key, and sealed: both ways of reading.
        let now = try fixture.connection().execute("select clock_timestamp()").first!.timestamp(0)
        var rows = "k,x,t\n"
        for row in 0..<1200 { rows += "\(row),1,\(Instant(microseconds: now).description)\n" }
        _ = try await fixture.store.log.importFile(fixture.file("u.csv", rows), into: "u")
        _ = try await fixture.store.log.materialize(.init(segmentRows: 64))
        _ = try await fixture.store.log.push(
            Array("[{\"k\":5000,\"x\":1,\"t\":\"\(Instant(microseconds: now).description)\"}]".utf8), layout: .array,
            into: "u")
        let first = try await fixture.store.serving.refreshValues(of: "olds.v1")
        #expect(first.entities == 1201)
        // On a slow machine the time may have come already.
        let waiting: SQL =
            "select from firn_values.olds_v1 where old is null and (changes_at is null or changes_at > \(.timestamp(now + 2_001_000)))"
        #expect(try fixture.connection().execute(waiting).count == 0)
        try await Task.sleep(for: .milliseconds(2100))
        _ = try await fixture.store.serving.refreshValues(of: "olds.v1")
        #expect(
            try fixture.connection().execute("select from firn_values.olds_v1 where old = 1 and changes_at is not null")
                .count == 1201)
    }

    @Test func `entities with many sealed facts are computed whole`() async throws {
        let fixture = try await Fixture(applying: CurrentValuesTests.definitions)
        defer { fixture.remove() }
        var facts = "fact,k,l,x,t\n"
        for fact in 0..<3000 { facts += "\(fact),\(fact % 1100),a,\(fact % 7).5,2024-01-01T00:00:\(fact % 50 + 10)Z\n" }
        _ = try await fixture.store.log.importFile(fixture.file("s.csv", facts), into: "s")
        _ = try await fixture.store.log.importFile(fixture.file("u.csv", "k,x,t\n1,1,2024-01-01\n"), into: "u")
        _ = try await fixture.store.log.materialize(.init(segmentRows: 4))
        let values = try await fixture.store.serving.refreshValues(of: "pairs.v1")
        #expect(try await check(fixture, "pairs.v1", values.table, keys: ["k", "l"]) == 1100)
    }

    @Test func `sets with long names have tables of their own`() async throws {
        let name = String(repeating: "n", count: 62)
        let fixture = try await Fixture(
            applying: """
                entities: {one: {keys: {k: int64}}}
                sources: {u: {columns: {k: int64, x: int64, t: timestamp}, event_time: t}}
                features: {a.v1: {entity: one, source: u, expression: sum(x)}, a.v2: {entity: one, source: u, expression: max(x)}}
                sets: {\(name).v1: {features: [a.v1]}, \(name).v2: {features: [a.v2]}}
                """)
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(
            fixture.file("u.csv", "k,x,t\n1,1,2024-01-01\n1,2,2024-01-01\n"), into: "u")
        let tables = [
            try await fixture.store.serving.refreshValues(of: name + ".v1").table,
            try await fixture.store.serving.refreshValues(of: name + ".v2").table,
        ]
        let values = try tables.map {
            try fixture.connection().execute(SQL(raw: "select a from \($0)")).first!.int64(0)
        }
        #expect(values == [3, 2] && Set(tables).count == 2)
    }

    @Test func `two refreshes at once come one after the other`() async throws {
        let fixture = try await Fixture(applying: CurrentValuesTests.definitions)
        defer { fixture.remove() }
        for round in 0..<4 {
            _ = try await fixture.store.log.importFile(
                fixture.file("u\(round).csv", "k,x,t\n\(round),1,2024-01-01\n"), into: "u")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<2 {
                    let store = Store(uri: fixture.uri, actor: "other", temporaryDirectory: fixture.directory)
                    group.addTask { _ = try await store.serving.refreshValues(of: "ones.v1") }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `sets without keys have one row, and what reads the instant is computed each time`() async throws {
        let fixture = try await Fixture(applying: CurrentValuesTests.definitions)
        defer { fixture.remove() }
        #expect(
            try await fixture.store.serving.refreshValues(of: "alls.v1").entities == 1,
            "nothing was loaded: a count of 0")
        #expect(try await fixture.store.serving.refreshValues(of: "ones.v1").entities == 0)
        _ = try await fixture.store.log.importFile(
            fixture.file("u.csv", "k,x,t\n1,1,2024-01-01\n2,1,2024-01-02\n"), into: "u")
        for (set, keys, count) in [("alls.v1", [], 1), ("ones.v1", ["k"], 2)] {
            let values = try await fixture.store.serving.refreshValues(of: set)
            #expect(values.entities == count)
            #expect(try await check(fixture, set, values.table, keys: keys) == count)
        }
        for _ in 0..<2 { #expect(try await fixture.store.serving.refreshValues(of: "ages.v1").refreshed == 2) }
    }

    @Test func `a set that no refresh could compute is refused`() async throws {
        let fixture = try await Fixture(applying: CurrentValuesTests.definitions)
        defer { fixture.remove() }
        let refused = await #expect(throws: StoreError.self) {
            try await fixture.store.serving.refreshValues(of: "withs.v1")
        }
        #expect(refused?.message.contains("request inputs") ?? false)
    }
}
