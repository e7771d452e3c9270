import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import Synchronization
import TestSupport
import Tables
import Testing

/// Lookups from memory, held against those that ask the database for the same instant.
@Suite struct OnlineTests {
    private static let definitions = """
        entities:
          customer: {keys: {k: int64}}
          place: {keys: {l: string}}
          pair: {keys: {k: int64, l: string}}
          all: {keys: {}}
        sources:
          facts: {columns: {k: int64, l: string, fact: int64, gone: bool, x: float64, n: int64, at: timestamp}, event_time: at, id: [fact], tombstone: gone}
          events: {columns: {k: int64, l: string, x: float64, s: string, due: date, amount: "decimal(12, 2)", at: timestamp}, event_time: at, known_at: {after: 1h}}
          people: {columns: {k: int64, country: string}, event_time: none, id: [k]}
        features:
          total.v1: {entity: customer, source: facts, expression: sum(x)}
          recent.v1: {entity: customer, source: facts, expression: count(*) over last_3d}
          largest.v1: {entity: customer, source: facts, expression: max(n) filter (where x > 0) over last_7d}
          newest.v1: {entity: customer, source: facts, expression: latest(x)}
          kinds.v1: {entity: place, source: events, expression: count(distinct s) over last_5d}
          last.v1: {entity: place, source: events, expression: latest(s)}
          middle.v1: {entity: pair, source: events, expression: median(x) over last_4d}
          every.v1: {entity: all, source: events, expression: sum(x) over last_1d}
          paid.v1: {entity: pair, source: events, expression: sum(x)}
          country.v1: {entity: customer, source: people, expression: latest(country)}
          scaled.v1: {entity: customer, source: facts, request: {factor: float64}, expression: request.factor * sum(x) over last_2d}
          age.v1: {entity: pair, source: events, expression: extract(hour from as_of) + count(*) over last_2d}
          due.v1: {entity: place, source: events, expression: latest(due)}
          owed.v1: {entity: pair, source: events, expression: sum(amount) over last_4d}
          most.v1: {entity: pair, source: events, request: {limit: "decimal(12, 2)", until: date}, expression: case when latest(due) < request.until then request.limit - max(amount) end}
        sets:
          all.v1: {features: [total.v1, recent.v1, largest.v1, newest.v1, kinds.v1, last.v1, middle.v1, every.v1, country.v1, scaled.v1, age.v1, due.v1, owed.v1, most.v1]}
          some.v1: {features: [recent.v1, last.v1]}
        """

    /// What time it is for memory.
    private final class Clock: Sendable {
        private let time: Mutex<Int64>
        init(_ text: String) { time = Mutex(Instant(text: text)!.microseconds) }
        var now: Int64 { time.withLock { $0 } }
        func advance(_ microseconds: Int64) { time.withLock { $0 += microseconds } }
    }

    private struct World {
        let fixture: Fixture
        private(set) var memory: OnlineMemory
        private(set) var served: Store

        init(clock: Clock? = nil, bytes: Int = 1 << 24) async throws {
            fixture = try await Fixture(applying: OnlineTests.definitions)
            var driven: (@Sendable () -> Int64)?
            if let clock { driven = { clock.now } }
            memory = OnlineMemory(maximumBytes: bytes, clock: DatabaseClock(driven: driven))
            served = Store(uri: fixture.uri, actor: "server", memory: memory)
        }

        /// Another server takes its place, with what is kept of entities.
        mutating func restart(warm: Bool, _ reports: Reports = Reports()) async throws {
            memory = OnlineMemory(maximumBytes: 1 << 24, clock: DatabaseClock())
            served = Store(uri: fixture.uri, actor: "server", memory: memory, reportDamage: reports.add)
            if warm { try await served.serving.warmUp() }
        }

        func rows(_ random: inout Randomness, _ source: String, around time: Int64, count: Int) -> String {
            var text: String = source == "facts" ? "k,l,fact,gone,x,n,at\n" : "k,l,x,s,due,amount,at\n"
            for _ in 0..<count {
                let key: String = random.chance(10) ? "" : String(Int.random(in: 0..<5, using: &random))
                let place: String = random.pick(["a", "é", "c"])
                let value: String = random.pick(["", "0.5", "-0.0", "inf", "nan", "7.25", "-3.125", "8e15"])
                let at = Instant(microseconds: time - Int64.random(in: 0...(8 * 86_400_000_000), using: &random))
                    .description
                if source == "facts" {
                    let fact = String(Int.random(in: 0..<12, using: &random)),
                        number = String(Int.random(in: 0..<9, using: &random))
                    let gone: String = random.chance(15) ? "true" : ""
                    text += [key, place, fact, gone, value, number, at].joined(separator: ",") + "\n"
                } else {
                    let word: String = random.pick(["u", "v", "w", ""])
                    let due: String = random.pick(["2024-02-29", "1969-12-31", ""]),
                        amount: String = random.pick(["19.90", "-0.05", "9999999999.99", ""])
                    text += [key, place, value, word, due, amount, at].joined(separator: ",") + "\n"
                }
            }
            return text
        }

        /// A history of both sources.
        func load(_ random: inout Randomness, around time: Int64, count: Int) async throws {
            for source in ["facts", "events"] {
                _ = try await fixture.store.log.importFile(
                    fixture.file("\(source).csv", rows(&random, source, around: time, count: count)), into: source)
            }
        }

        /// The same from memory and from the database at the instant that memory answered for.
        func check(_ random: inout Randomness, _ comment: String) async throws {
            let count = Int.random(in: 1...6, using: &random)
            let keys = (0..<count).map { _ in
                LookupRequest.Value.json(random.chance(10) ? .null : JSON(Int.random(in: 0..<6, using: &random)))
            }
            let places = (0..<count).map { _ in
                LookupRequest.Value.json(random.chance(10) ? .null : .string(random.pick(["a", "é", "c", "none"])))
            }
            let whole = random.chance(70)
            var request = LookupRequest(.set(whole ? "all.v1" : "some.v1"), entities: ["k": keys, "l": places])
            if whole {
                request.request = [
                    "factor": [.json(JSON(2))], "limit": [.json(random.pick(["10.05", JSON(7)]))],
                    "until": [.json("2024-01-01")],
                ]
            }
            var here = try await served.serving.lookup(request)
            // A machine with too much to do may not hear of the database for a while, and then says so.
            for _ in 0..<3000 where here.age != nil {
                try await Task.sleep(for: .milliseconds(20))
                here = try await served.serving.lookup(request)
            }
            request.asOf = here.asOf
            let there = try await fixture.store.serving.lookup(request)
            #expect(here.cuts == there.cuts, "\(comment)")
            #expect(here.statuses == there.statuses, "\(comment)")
            for (index, name) in here.features.enumerated() {
                for row in 0..<count {
                    #expect(
                        here.columns[index][row] == there.columns[index][row],
                        "\(comment): \(name) of row \(row) at \(here.asOf)")
                }
            }
        }
    }

    @Test(arguments: 0..<4)
    func `memory says what the database says, whatever came in between`(seed: Int) async throws {
        var random = Randomness(seed: UInt64(seed))
        var world = try await World()
        let fixture = world.fixture
        defer { fixture.remove() }
        let store = world.fixture.store
        let now = Int64(Date().timeIntervalSince1970 * 1e6)
        _ = try await store.log.importFile(world.fixture.file("p.csv", "k,country\n1,fr\n2,de\n"), into: "people")
        var kept = 0, warmed = 0
        for step in 0..<40 {
            // What the database keeps of entities is brought up to date now and then, and servers begin with it.
            if random.chance(25) { kept += try await store.serving.keepOnline(["all.v1"]).count }
            if random.chance(15) {
                try await world.restart(warm: random.chance(60))
                warmed += world.memory.counts.entities
            }
            let source = random.pick(["facts", "events"])
            let rows = world.rows(&random, source, around: now, count: Int.random(in: 1...12, using: &random))
            switch Int.random(in: 0..<5, using: &random) {
            case 0: _ = try await store.log.importFile(world.fixture.file("\(step).csv", rows), into: source)
            case 1, 2:
                // By the same server, or by another.
                let pushed = try await (random.chance(50) ? world.served : store).log.push(
                    OnlineTests.json(rows), layout: .array, into: source)
                if pushed.accepted > 0, random.chance(50) {
                    let answer = try await world.served.serving.lookup(
                        LookupRequest(.features(["every.v1"]), entities: [:], minOffsets: [source: pushed.lastOffset]))
                    #expect(answer.cuts["events"] != nil)
                }
            default: break
            }
            // Another server's rows are here within a moment.
            let cuts = try await store.serving.lookup(
                LookupRequest(.set("some.v1"), entities: ["k": [.json(JSON(1))], "l": [.json(.string("a"))]])
            ).cuts
            _ = try await world.served.serving.lookup(
                LookupRequest(
                    .set("some.v1"), entities: ["k": [.json(JSON(1))], "l": [.json(.string("a"))]], minOffsets: cuts))
            for _ in 0..<3 { try await world.check(&random, "seed \(seed), step \(step)") }
        }
        #expect(kept > 5 && warmed > 5)
    }

    @Test func `an entity that memory lacks is read as it is kept, and its rows are not asked for`() async throws {
        var random = Randomness(seed: 5)
        var world = try await World()
        let fixture = world.fixture, store = fixture.store
        defer { fixture.remove() }
        let now = Int64(Date().timeIntervalSince1970 * 1e6)
        try await world.load(&random, around: now, count: 200)
        _ = try await store.serving.keepOnline(["all.v1", "some.v1"])
        try await world.restart(warm: false)
        let request = LookupRequest(.set("some.v1"), entities: ["k": [.json(JSON(1))], "l": [.json(.string("a"))]])
        _ = try await world.served.serving.lookup(
            LookupRequest(.set("some.v1"), entities: ["k": [.json(JSON(4))], "l": [.json(.string("c"))]]))
        // Rows that nobody reads any more: what is answered comes from what is kept.
        let connection = try fixture.connection()
        let expected = try await store.serving.lookup(request)
        try connection.run(
            script:
                "set session_replication_role = replica; alter table firn_source.facts disable trigger all; alter table firn_source.events disable trigger all"
        )
        try connection.run(
            script: "delete from firn_source.facts where k = 1; delete from firn_source.events where l = 'a'")
        let answer = try await world.served.serving.lookup(request)
        #expect(
            answer.columns.map { $0[0] } == expected.columns.map { $0[0] } && answer.statuses == expected.statuses
                && answer.cuts == expected.cuts)
        // Dropped, it comes back; what was asked for first is read from rows again.
        try await store.serving.dropOnline()
        #expect(try await store.serving.keepOnline().isEmpty == false)
        try await world.restart(warm: true)
        #expect(world.memory.counts.entities > 3)
    }

    @Test func `of what is kept no more is read at once than there is room for, and it counts as rows do`() async throws
    {
        var world = try await World()
        let fixture = world.fixture, store = fixture.store
        defer { fixture.remove() }
        let at = Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6) - 3_600_000_000).description
        let facts =
            "k,l,fact,gone,x,n,at\n2,a,1,,1,1,\(at)\n" + (0..<5000).map { "1,a,\(1000 + $0),,1,1,\(at)\n" }.joined()
        _ = try await store.log.importFile(fixture.file("facts.csv", facts), into: "facts")
        _ = try await store.serving.keepOnline(["some.v1"])
        // Rows that are gone say which way an answer came.
        let connection = try fixture.connection()
        try connection.run(
            script:
                "set session_replication_role = replica; alter table firn_source.facts disable trigger all; delete from firn_source.facts"
        )
        func recent(_ keys: ClosedRange<Int>) async throws -> [Literal?] {
            try await world.restart(warm: false)
            func request(_ keys: ClosedRange<Int>) -> LookupRequest {
                LookupRequest(
                    .set("some.v1"),
                    entities: ["k": keys.map { .json(JSON($0)) }, "l": keys.map { _ in .json(.string("a")) }])
            }
            _ = try await world.served.serving.lookup(request(0...0))
            let answer = try await world.served.serving.lookup(request(keys))
            return (0..<2).map { answer.columns[0][$0] }
        }
        #expect(try await recent(1...2) == [.int64(5000), .int64(1)])
        #expect(try await recent(1...10_000) == [.int64(0), .int64(1)])
        let error = await #expect(throws: StoreError.self) {
            try await RowMemory.$current.withValue(RowMemory(1 << 16)) { try await recent(1...2) }
        }
        #expect(error?.code == .tooMuch)
    }

    @Test(arguments: [
        ("online_entities set rows = rows + 1", true), ("online_entities set rows = 1000000000", true),
        ("online_entities set rows = 0", true),
        ("online_entities set body = ''", true), ("online_entities set body = '', rows = 0", true),
        ("online_entities set body = substr(body, 1, length(body) - 1)", true),
        ("online_entities set body = body || '\\x00'", true),
        (
            "online_entities set body = set_byte(body, length(body) - 1, (get_byte(body, length(body) - 1) + 1) % 256)",
            true
        ),
        ("online_entities set body = set_byte(body, 8, 255)", true),
        ("online_entities set body = set_byte(body, 16, (get_byte(body, 16) + 1) % 256)", true),
        (
            "online_entities e set body = o.body, rows = o.rows from firn_cache.online_entities o where o.online = e.online and o.entity <> e.entity",
            true
        ),
        ("online_tables set covered = covered - 1", true), ("online_tables set covered = -1", true),
        ("online_tables set columns = columns[2:]", false),
        ("online_tables set reach = 9223372036854775807", false),
        ("online_entities set rows_at_first = 2147483647", false), ("online_entities set rows = -1, body = ''", false),
    ])
    func `an entity that isn't what it was when it was kept is read from rows, and kept anew`(
        damage: String, isSaid: Bool
    ) async throws {
        var random = Randomness(seed: 17)
        var world = try await World()
        let fixture = world.fixture, store = fixture.store
        defer { fixture.remove() }
        let now = Int64(Date().timeIntervalSince1970 * 1e6)
        try await world.load(&random, around: now, count: 100)
        _ = try await store.serving.keepOnline(["all.v1", "some.v1"])
        for warm in [false, true] {
            try fixture.connection().run(script: "update firn_cache.\(damage)")
            let reports = Reports()
            try await world.restart(warm: warm, reports)
            for step in 0..<10 { try await world.check(&random, "\(damage), step \(step)") }
            #expect(!reports.all.isEmpty || !isSaid)
            #expect(
                reports.all.allSatisfy { $0.hasPrefix("online state of ") && $0.contains("kept anew") },
                "\(reports.all)")
            // News may come before it is kept anew.
            if warm { try await world.load(&random, around: now, count: 3) }
            _ = try await store.serving.keepOnline()
        }
        // What nobody came upon stays as it is.
        try await world.restart(warm: true)
        _ = try await store.serving.keepOnline()
        let again = Reports()
        try await world.restart(warm: true, again)
        for step in 0..<10 { try await world.check(&random, "\(damage), again, step \(step)") }
        #expect(again.all.isEmpty, "\(again.all)")
        #expect(try await store.provenance.checkHistory(all: true).faults.isEmpty)
    }

    @Test func `a store that is closed leaves no connection, and says so to who goes on`() async throws {
        let world = try await World(), fixture = world.fixture, connection = try fixture.connection()
        defer { fixture.remove() }
        var request = LookupRequest(.set("some.v1"), entities: ["k": [.json(JSON(1))], "l": [.json(.string("a"))]])
        request.isLogged = true
        let receipt = try await world.served.serving.lookup(request).receipt
        _ = try await world.served.log.push(
            Array(#"[{"k":1,"l":"a","at":"2024-01-01"}]"#.utf8), layout: .array, into: "events")
        func others() throws -> Int64 {
            try connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
            ).single().int64(0)
        }
        await fixture.store.close()
        await world.served.close()
        for _ in 0..<1000 where try others() > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try others() == 0)
        // What was to be logged is.
        #expect(
            try connection.execute("select count(*) from firn_log.lookups where receipt::text = \(receipt)").single()
                .int64(0) == 1)
        request.entities["k"] = [.json(JSON(77))]
        let asked = request
        let error = await #expect(throws: PostgresError.self) {
            try await world.served.log.push(
                Array(#"[{"k":1,"l":"a","at":"2024-01-02"}]"#.utf8), layout: .array, into: "events")
        }
        #expect(error?.isClosed == true)
        await #expect(throws: PostgresError.self) { try await world.served.serving.lookup(asked) }
    }

    @Test func `a value whose entity's rows are older than the set's bound is stale, from that microsecond on`()
        async throws
    {
        let clock = Clock("2024-01-10")
        let world = try await World(clock: clock)
        let fixture = world.fixture, store = fixture.store
        defer { fixture.remove() }
        func bound(_ text: String) async throws {
            let yaml =
                "sets:\n  fresh.v1: {features: [recent.v1, total.v1, scaled.v1], fresh: \(text), description: Fresh for \(text).}"
            _ = try await store.catalog.apply([DefinitionDocument(yaml: yaml, file: "fresh.yaml")])
        }
        try await bound("1h")
        _ = try await store.log.importFile(
            fixture.file(
                "f.csv", "k,l,fact,gone,x,n,at\n1,a,1,,2.5,1,2024-01-09T23:30:00Z\n2,a,2,,2.5,1,2024-01-09T20:00:00Z\n"),
            into: "facts")
        func statuses(_ feature: Int) async throws -> [LookupAnswer.Status] {
            let request = LookupRequest(
                .set("fresh.v1"), entities: ["k": [1, 2, 3].map { .json(JSON($0)) }],
                request: ["factor": [.json(JSON(1))]])
            var answer = try await world.served.serving.lookup(request)
            // A machine with too much to do may not hear of the database for a while, and then says so.
            for _ in 0..<3000 where answer.age != nil {
                try await Task.sleep(for: .milliseconds(20))
                answer = try await world.served.serving.lookup(request)
            }
            #expect(answer.columns[1][0] == .float64(2.5), "the value stands")
            return answer.statuses[feature]
        }
        for feature in 0..<3 { #expect(try await statuses(feature) == [.present, .stale, .notFound]) }
        clock.advance(30 * 60_000_000 - 1)
        #expect(try await statuses(0) == [.present, .stale, .notFound])
        clock.advance(1)
        #expect(try await statuses(0) == [.stale, .stale, .notFound])
        // A note that changes is minded by a server that knows the set already.
        try await bound("1d")
        for _ in 0..<500 where try await statuses(0) != [.present, .present, .notFound] {
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(try await statuses(0) == [.present, .present, .notFound])
        // Asked of the database, the same: also by Feast's names.
        let asked = LookupRequest(
            .features(["fresh_v1:recent"]), entities: ["k": [1, 2].map { .json(JSON($0)) }],
            asOf: Instant(text: "2024-01-10T23:30:00Z"))
        #expect(try await store.serving.lookup(asked).statuses[0] == [.stale, .stale])
        #expect(throws: DefinitionError.self) {
            try DefinitionDocument(yaml: "sets: {a.v1: {features: [recent.v1], fresh: soon}}", file: "x")
        }
        #expect(throws: DefinitionError.self) {
            try DefinitionDocument(yaml: "features: {a.v1: {entity: customer, expression: '1', fresh: 1h}}", file: "x")
        }
    }

    @Test(arguments: 0..<3)
    func `a value changes at the microsecond at which its row leaves the window`(seed: Int) async throws {
        var random = Randomness(seed: UInt64(100 + seed))
        let clock = Clock("2024-01-10")
        let world = try await World(clock: clock)
        defer { world.fixture.remove() }
        try await world.load(&random, around: clock.now + 86_400_000_000, count: 40)
        for step in 0..<60 {
            try await world.check(&random, "seed \(seed), step \(step)")
            clock.advance(random.pick([0, 1, 1_000_000, 3_600_000_000, 7_200_000_000]))
        }
        // Exactly.
        _ = try await world.fixture.store.log.importFile(
            world.fixture.file("edge.csv", "k,l,fact,gone,x,n,at\n77,a,77,,1,1,2024-02-01T00:00:00.000001Z\n"),
            into: "facts")
        let edge = Clock("2024-02-04"),
            served = Store(
                uri: world.fixture.uri, actor: "server",
                memory: OnlineMemory(maximumBytes: 1 << 20, clock: DatabaseClock { edge.now }))
        let request = LookupRequest(.features(["recent.v1"]), entities: ["k": [.json(JSON(77))]])
        #expect(try await served.serving.lookup(request).columns[0][0] == .int64(1))
        edge.advance(1)
        #expect(try await served.serving.lookup(request).columns[0][0] == .int64(0))
    }

    @Test func `an entity that several lookups miss at once is taken once`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        _ = try await world.fixture.store.log.importFile(
            world.fixture.file("e.csv", "k,l,x,s,at\n" + (0..<50).map { "\($0),a,1,u,2024-01-01\n" }.joined()),
            into: "events")
        let served = world.served
        for key in 0..<50 {
            let request = LookupRequest(
                .features(["paid.v1"]), entities: ["k": [.json(JSON(key))], "l": [.json(.string("a"))]])
            let sums = try await withThrowingTaskGroup(of: Literal.self) { group in
                for _ in 0..<8 { group.addTask { try await served.serving.lookup(request).columns[0][0] } }
                return try await group.reduce(into: Set<Literal>()) { $0.insert($1) }
            }
            #expect(sums == [.float64(1)])
            #expect(try await served.serving.lookup(request).columns[0][0] == .float64(1))
        }
    }

    @Test func `a plain body is answered with the bytes of the long way`() async throws {
        var random = Randomness(seed: 11)
        let clock = Clock("2024-01-10")
        let world = try await World(clock: clock)
        defer { world.fixture.remove() }
        try await world.load(&random, around: clock.now + 86_400_000_000, count: 40)
        var direct = 0
        for _ in 0..<300 {
            let count = Int.random(in: 1...4, using: &random), whole = random.chance(50)
            let keys: [JSON] = (0..<count).map { _ in
                random.chance(5) ? .null : JSON(Int.random(in: 0..<6, using: &random))
            }
            let places: [JSON] = (0..<count).map { _ in .string(random.pick(["a", "c", "none"])) }
            let factor: JSON = .number(random.pick(["2", "-0.5", "12.25", "0", "-0", "0.1", "99999.125"]))
            var members: [JSON.Member] = [JSON.Member("set", .string(whole ? "all.v1" : "some.v1"))]
            members.append(
                JSON.Member(
                    "entities",
                    .object([
                        JSON.Member("k", .array(keys)),
                        JSON.Member("l", random.chance(30) ? places[0] : .array(places)),
                    ])))
            if whole {
                members.append(
                    JSON.Member(
                        "request",
                        .object([
                            JSON.Member("factor", factor),
                            JSON.Member(
                                "limit", random.pick(["19.90", "-0.050", .number("7"), .number("7.5"), .null])),
                            JSON.Member("until", random.pick(["2024-02-29", "2024-02-29T00:00:00Z", .null])),
                        ])))
            }
            var request = LookupRequest(.set(whole ? "all.v1" : "some.v1"), entities: [:])
            for member in members.dropFirst() {
                guard case .object(let values) = member.value else { continue }
                for value in values {
                    let list: [LookupRequest.Value] =
                        if case .array(let list) = value.value { list.map { .json($0) } } else { [.json(value.value)] }
                    if member.key == "entities" {
                        request.entities[value.key] = list
                    } else {
                        request.request[value.key] = list
                    }
                }
            }
            var expected: [UInt8] = []
            let answer = try await world.served.serving.lookup(request)
            guard answer.age == nil else { continue }
            answer.write(to: &expected)
            guard
                let found = world.served.serving.answerFromMemory(
                    Array(
                        random.chance(50) ? JSON.object(members).pretty().utf8 : JSON.object(members).description.utf8))
            else {
                continue
            }
            direct += 1
            #expect(String(decoding: found, as: UTF8.self) == String(decoding: expected, as: UTF8.self))
        }
        #expect(direct > 100)
        for body in [
            "", "{", "[]", #"{"set":"some.v1"}"#, #"{"set":"some.v1","entities":{"k":[1],"l":["a"]},"more":1}"#,
            #"{"set":"some.v1","entities":{"k":[01],"l":["a"]}}"#,
            #"{"set":"some.v1","entities":{"k":[1.0],"l":["a"]}}"#,
            #"{"set":"some.v1","entities":{"k":[1,2],"l":["a","b","c"]}}"#,
            #"{"set":"some.v1","entities":{"k":[1],"k":[1],"l":["a"]}}"#,
            #"{"set":"some.v1","entities":{"k":[1e3],"l":["a"]}}"#,
            #"{"set":"some.v1","entities":{"k":[1],"l":["\u0061"]}}"#, #"{"set":"none.v1","entities":{"k":[1]}}"#,
            #"{"set":"some.v1","entities":{"k":[1],"l":["a"]}} x"#,
            #"{"set":"some.v1","entities":{"k":[nul],"l":["a"]}}"#, #"{"set":"some.v1","entities":{"k":[1],"l":["a"}}"#,
        ] {
            #expect(world.served.serving.answerFromMemory(Array(body.utf8)) == nil, "\(body)")
        }
    }

    @Test func `memory is bounded, and forgets without a difference`() async throws {
        var random = Randomness(seed: 7)
        let world = try await World(bytes: 4000)
        defer { world.fixture.remove() }
        let now = Int64(Date().timeIntervalSince1970 * 1e6)
        try await world.load(&random, around: now, count: 300)
        for step in 0..<60 {
            try await world.check(&random, "step \(step)")
            #expect(world.memory.counts.bytes < 40_000)
        }
        #expect(world.memory.counts.misses > 10)
    }

    private static func json(_ csv: String) -> [UInt8] {
        let lines = csv.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
        let numbers: Set = ["k", "fact", "n"]
        let rows = lines.dropFirst().map { line in
            "{"
                + zip(lines[0], line).map { name, value in
                    let text =
                        value.isEmpty
                        ? "null"
                        : numbers.contains(String(name)) || value == "true"
                            ? String(value) : name == "x" ? json(number: value) : "\"\(value)\""
                    return "\"\(name)\":\(text)"
                }.joined(separator: ",") + "}"
        }
        return Array("[\(rows.joined(separator: ","))]".utf8)
    }

    private static func json(number: Substring) -> String {
        ["inf": "\"Infinity\"", "nan": "\"NaN\""][String(number)] ?? String(number)
    }
}
