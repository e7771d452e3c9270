import FeatureEngine
import FeatureLanguage
import FeatureStore
import Postgres
import TestSupport
import Tables
import Testing

@Suite struct LogTests {
    private let header = "payment_id,customer_id,amount,gone,at,recorded\n"

    private func push(_ fixture: Fixture, _ text: String, into source: String = "payments", key: String? = nil)
        async throws -> StoreLog.Pushed
    {
        try await fixture.store.log.push(Array(text.utf8), layout: .array, into: source, idempotencyKey: key)
    }

    @Test func `a bad row takes the whole file back`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let rows = (0..<20_000).map { "p\($0),1,1.5,,2024-01-01,2024-01-01\n" }.joined()
        let path = try fixture.file("bad.csv", header + rows + "x,1,oops,,2024-01-01,2024-01-01\n")
        let error = await #expect(throws: TableError.self) {
            try await fixture.store.log.importFile(path, into: "payments")
        }
        #expect(error?.line == 20_002 && error?.column == "amount")
        #expect(error?.description.contains("oops") == false)
        let counts = try fixture.connection().execute(
            "select (select count(*) from firn_source.payments), (select count(*) from firn.batches), (select count(*) from firn.ledger where kind = 'import')"
        ).first!
        #expect(try [counts.int64(0), counts.int64(1), counts.int64(2)] == [0, 0, 0])
    }

    @Test func `the same file is refused unless again`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let path = try fixture.file("c.csv", "customer_id,page,at\n1,a,2024-01-01\n")
        #expect(try await fixture.store.log.importFile(path, into: "clicks").lastOffset == 1)
        let error = await #expect(throws: StoreError.self) {
            try await fixture.store.log.importFile(path, into: "clicks")
        }
        #expect(error?.code == .duplicateFile)
        let again = try await fixture.store.log.importFile(path, into: "clicks", options: .init(again: true))
        #expect(again.lastOffset == 2 && again.duplicates == 0)
        #expect(again.warnings.contains { $0.contains("known_at") })
        #expect(try await fixture.lookup(1, "clicks.v1").columns[0][0] == .int64(2))
    }

    @Test func `duplicates are dropped and their offsets stay empty`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let first = try fixture.file(
            "a.csv",
            header + "p,1,1.5,,2024-01-01,2024-01-01\np,1,1.5,,2024-01-01,2024-01-01\nq,1,2,,2024-01-01,2024-01-01\n")
        let imported = try await fixture.store.log.importFile(first, into: "payments")
        #expect([imported.rows, imported.duplicates, Int(imported.lastOffset)] == [2, 1, 3])
        let again = try await fixture.store.log.importFile(first, into: "payments", options: .init(again: true))
        #expect([again.rows, again.duplicates, Int(again.lastOffset)] == [0, 3, 6])
        let pushed = try await push(
            fixture,
            #"[{"payment_id":"q","customer_id":1,"amount":2,"at":"2024-01-01","recorded":"2024-01-01"},{"payment_id":"r","customer_id":1,"at":"2024-01-01"}]"#
        )
        #expect([pushed.accepted, pushed.duplicates, Int(pushed.lastOffset)] == [1, 1, 8])
        #expect(try await fixture.lookup(1, "payments.v1").columns[0][0] == .int64(3))
    }

    @Test func `a late version stood for a while in between`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(
            fixture.file(
                "a.csv", header + "p,1,10,,2024-01-01,2024-01-01T01:00:00Z\np,1,30,,2024-01-01,2024-01-01T03:00:00Z\n"),
            into: "payments")
        _ = try await fixture.store.log.importFile(
            fixture.file("b.csv", header + "p,1,20,,2024-01-01,2024-01-01T02:00:00Z\n"), into: "payments")
        for (time, amount) in [("01:30", 10.0), ("02:30", 20), ("03:30", 30)] {
            #expect(
                try await fixture.lookup(1, asOf: "2024-01-01T\(time):00Z", "spend.v1").columns[0][0]
                    == .float64(amount))
        }
    }

    @Test func `a correction may move the fact to another key, and a tombstone takes it back`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(
            fixture.file(
                "a.csv",
                header
                    + "p,1,10,,2024-01-01,2024-01-01T01:00:00Z\np,2,10,,2024-01-01,2024-01-01T02:00:00Z\np,2,10,true,2024-01-01,2024-01-01T03:00:00Z\n"
            ),
            into: "payments")
        func counts(_ time: String) async throws -> [Literal] {
            [
                try await fixture.lookup(1, asOf: "2024-01-01T\(time):00Z", "payments.v1").columns[0][0],
                try await fixture.lookup(2, asOf: "2024-01-01T\(time):00Z", "payments.v1").columns[0][0],
            ]
        }
        #expect(try await counts("01:00") == [.int64(1), .int64(0)])
        #expect(try await counts("02:00") == [.int64(0), .int64(1)])
        #expect(try await counts("03:00") == [.int64(0), .int64(0)])
    }

    @Test func `pushed rows are known from their commit on`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let before = try await fixture.lookup(1, "payments.v1")
        let pushed = try await push(
            fixture, #"[{"payment_id":"p","customer_id":1,"amount":5,"at":"2020-01-01","recorded":"2020-01-01"}]"#)
        let after = try await fixture.lookup(1, "payments.v1")
        #expect(before.columns[0][0] == .int64(0) && before.statuses[0][0] == .notFound)
        #expect(after.columns[0][0] == .int64(1) && after.statuses[0][0] == .present)
        #expect(after.cuts["payments"] == pushed.lastOffset)
        #expect(try await fixture.lookup(1, asOf: before.asOf.description, "payments.v1").columns[0][0] == .int64(0))
    }

    @Test func `an idempotency key gives the first answer again`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let body = #"[{"customer_id":1,"page":"a","at":"2024-01-01"}]"#
        let first = try await push(fixture, body, into: "clicks", key: "k")
        #expect(try await push(fixture, body, into: "clicks", key: "k") == first)
        let error = await #expect(throws: StoreError.self) { try await push(fixture, "[]", into: "clicks", key: "k") }
        #expect(error?.code == .idempotencyConflict)
        #expect(try await fixture.lookup(1, "clicks.v1").columns[0][0] == .int64(1))
    }

    @Test func `columns may have the names that the log uses, and dollar signs`() async throws {
        let yaml = """
            entities: {thing: {keys: {"key$5": int64}}}
            sources: {odd: {columns: {source: string, batch: int64, "key$5": int64, "at$1": timestamp}, event_time: "at$1", id: [source, batch]}}
            features: {odd.v1: {entity: thing, source: odd, expression: count(source) over last_1d}}
            """
        let fixture = try await Fixture(applying: yaml)
        defer { fixture.remove() }
        let rows = [1, 2].map { "{\"source\":\"a\",\"batch\":\($0),\"key$5\":7,\"at$1\":\"2024-01-01\"}" }.joined(
            separator: ",")
        for _ in 0..<2 { _ = try await push(fixture, "[\(rows)]", into: "odd") }
        let answer = try await fixture.store.serving.lookup(
            LookupRequest(.features(["odd.v1"]), entities: ["key$5": [.json(7)]]))
        #expect(answer.statuses[0][0] == .present)
        #expect(try fixture.connection().execute("select count(*) from firn_source.odd").first!.int64(0) == 2)
    }

    /// An index of PostgreSQL's holds no value of more than some 2,700 bytes.
    @Test func `ids and keys of any length work, before a feature reads them and after`() async throws {
        let definitions = """
            entities:
              page: {keys: {url: string}}
              visit: {keys: {url: string, n: int64}}
            sources:
              visits: {columns: {id: string, url: string, n: int64, x: float64, at: timestamp}, event_time: at, id: [id]}
            """
        let features = """
            features:
              visits.v1: {entity: page, source: visits, expression: count(*)}
              sum.v1: {entity: page, source: visits, expression: sum(x) over last_30d}
              last.v1: {entity: visit, source: visits, expression: latest(x)}
            sets:
              pages.v1: {features: [visits.v1, sum.v1]}
              visits.v1: {features: [last.v1]}
            """
        let fixture = try await Fixture(applying: definitions)
        defer { fixture.remove() }
        var random = Randomness(seed: 1)
        let long = (0..<400).map { _ in String(random.next(), radix: 36) }.joined(), other = long + "x"
        func push(_ id: String, _ url: String, _ x: Int) async throws -> StoreLog.Pushed {
            try await self.push(
                fixture, #"[{"id":"\#(id)","url":"\#(url)","n":1,"x":\#(x),"at":"2024-01-01"}]"#, into: "visits")
        }
        _ = try await push(long, long, 1)
        _ = try await fixture.store.log.importFile(
            fixture.file("rows.csv", "id,url,n,x,at\n\(other),\(other),1,5,2024-01-01\nshort,\(long),1,2,2024-01-01\n"),
            into: "visits")
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(yaml: definitions + "\n" + features, file: "features.yaml")
        ])
        // A correction, and a row that came before.
        #expect(try await push(long, long, 7).accepted == 1)
        #expect(try await push(other, other, 5).duplicates == 1)
        let memory = OnlineMemory(maximumBytes: 1 << 24, clock: DatabaseClock())
        let served = Store(uri: fixture.uri, actor: "server", memory: memory)
        let now = [LookupRequest.Value(long), .init(other), .init(long + "y")]
        for _ in 0..<2 {
            let answer = try await served.serving.lookup(LookupRequest(.set("pages.v1"), entities: ["url": now]))
            #expect((0..<3).map { answer.columns[0][$0] } == [.int64(2), .int64(1), .int64(0)])
            _ = try await fixture.store.serving.keepOnline(["pages.v1", "visits.v1"])
            await served.serving.connectKept()
        }
        let past = try await served.serving.lookup(
            LookupRequest(.set("pages.v1"), entities: ["url": now], asOf: Instant(text: "2024-01-02")!))
        #expect((0..<3).map { past.columns[1][$0] } == [.float64(2), .float64(5), .null])
        #expect(
            try await served.serving.lookup(
                LookupRequest(.set("visits.v1"), entities: ["url": [.init(long)], "n": [.init(1)]])
            ).columns[0][0] == .float64(7))
        for set in ["pages.v1", "visits.v1"] {
            #expect(try await fixture.store.serving.refreshValues(of: set).entities == 2)
            _ = try await push("short", long, set == "pages.v1" ? 3 : 4)
            let refreshed = try await fixture.store.serving.refreshValues(of: set)
            #expect(refreshed.entities == 2 && refreshed.refreshed == 1)
        }
        let spine = try fixture.file(
            "spine.csv", "url,n,event_timestamp\n\(long),1,2024-01-02\n\(other),1,2024-01-02\n")
        for _ in 0..<2 {
            let made = try await fixture.store.training.createSnapshot(
                SnapshotRequest(set: "pages.v1"), spine: spine, output: nil)
            #expect(try await fixture.store.training.verify(made.id).isIdentical)
            _ = try await fixture.store.log.materialize()
        }
    }

    /// PostgreSQL has 8,160 bytes for a row.
    @Test(arguments: [["float64"], ["string"], ["bool", "float64"], ["string", "int64"], ["bool"]])
    func `what is registered can be stored, however wide, and what can't be stored isn't registered`(types: [String])
        async throws
    {
        let fixture = try await Fixture(applying: "entities: {one: {keys: {k: int64}}}")
        defer { fixture.remove() }
        func yaml(_ count: Int) -> String {
            let columns = (0..<count).map { "c\($0): \(types[$0 % types.count])" }.joined(separator: ", ")
            return "sources: {wide: {columns: {k: int64, at: timestamp, \(columns)}, event_time: at}}"
        }
        func isTaken(_ count: Int) async throws -> Bool {
            do {
                _ = try await fixture.store.catalog.plan([DefinitionDocument(yaml: yaml(count), file: "wide.yaml")])
                return true
            } catch let error as StoreError {
                #expect(error.code == .invalidRequest && error.message.contains("\(count + 5) columns"))
                return false
            } catch is DefinitionError {
                return false
            }
        }
        var most = 100, least = 2000
        while least - most > 1 {
            let middle = (most + least) / 2
            if try await isTaken(middle) { most = middle } else { least = middle }
        }
        _ = try await fixture.store.catalog.apply([DefinitionDocument(yaml: yaml(most), file: "wide.yaml")])
        await #expect(throws: (any Error).self) {
            try await fixture.store.catalog.apply([DefinitionDocument(yaml: yaml(most + 1), file: "wide.yaml")])
        }
        var random = Randomness(seed: 7)
        for length in [1, 10, 23, 24, 200] {
            let values = (0..<most).map { place in
                switch types[place % types.count] {
                case "string": String((0..<20).map { _ in String(random.next(), radix: 36) }.joined().prefix(length))
                case "bool": "true"
                default: "7"
                }
            }
            let file = try fixture.file(
                "\(length).csv",
                "k,at," + (0..<most).map { "c\($0)" }.joined(separator: ",")
                    + "\n1,2024-01-01,\(values.joined(separator: ","))\n")
            #expect(try await fixture.store.log.importFile(file, into: "wide", options: .init(again: true)).rows == 1)
        }
        #expect(most > (types == ["string"] ? 300 : 400))
    }

    @Test func `a set of too many outputs for a table is refused in plain words`() async throws {
        let features = (0..<1200).map {
            "  f\($0).v1: {entity: customer, source: clicks, expression: count(*) + \($0)}"
        }.joined(separator: "\n")
        let list = (0..<1200).map { "f\($0).v1" }.joined(separator: ", ")
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(
                yaml: "features:\n\(features)\nsets: {many.v1: {features: [\(list)]}}", file: "many.yaml")
        ])
        let error = await #expect(throws: StoreError.self) {
            try await fixture.store.serving.refreshValues(of: "many.v1")
        }
        #expect(error?.code == .invalidRequest && error?.message.contains("8160 bytes") == true)
    }

    @Test func `a file named by a link is the file`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let path = try fixture.file("c.csv", "customer_id,page,at\n1,a,2024-01-01\n")
        _ = try await fixture.store.log.importFile(path, into: "clicks")
        let error = await #expect(throws: StoreError.self) {
            try await fixture.store.log.importFile(fixture.link("link.csv", to: path), into: "clicks")
        }
        #expect(error?.code == .duplicateFile)
    }

    @Test func `applying while an import runs makes neither wait for the other in a circle`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let path = try fixture.file(
            "big.csv", "customer_id,page,at\n" + (0..<150_000).map { "\($0),a,2024-01-01\n" }.joined())
        async let imported = fixture.store.log.importFile(path, into: "clicks")
        for number in 0..<10 {
            let yaml = "features: {n\(number).v1: {entity: customer, source: clicks, expression: count(*) + \(number)}}"
            _ = try await fixture.store.catalog.apply([DefinitionDocument(yaml: yaml, file: "f")])
        }
        #expect(try await imported.rows == 150_000)
    }

    @Test func `a push is taken whole or refused whole`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        for body in [
            #"[{"customer_id":1,"at":"2024-01-01"},{"customer_id":"x","at":"2024-01-01"}]"#, #"[{"customer_id":1}]"#,
            #"{"customer_id":1}"#,
            #"[{"customer_id":1,"at":"2024-01-01","z":1}]"#, "[1]", "nonsense",
        ] {
            await #expect(throws: TableError.self, "\(body)") { try await push(fixture, body, into: "clicks") }
        }
        #expect(try fixture.connection().execute("select count(*) from firn_source.clicks").first!.int64(0) == 0)
    }

    @Test func `a static source takes equal rows once and refuses others`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(
            fixture.file("p.csv", "customer_id,country\n1,DE\n2,FR\n1,DE\n"), into: "people")
        #expect(try await fixture.lookup(1, asOf: "1900-01-01", "country.v1").columns[0][0] == .string("DE"))
        let error = await #expect(throws: StoreError.self) {
            try await fixture.store.log.importFile(
                fixture.file("q.csv", "customer_id,country\n3,IT\n1,AT\n"), into: "people")
        }
        #expect(error?.code == .conflictingRow)
        #expect(try await fixture.lookup(3, "country.v1").columns[0][0] == .null)
    }

    @Test func `concurrent pushes leave a log without gap or overlap, in the order of known_at`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let id = number % 20
                    _ = try await push(
                        fixture,
                        "[{\"payment_id\":\"p\(id)\",\"customer_id\":1,\"amount\":\(number),\"at\":\"2024-01-01\"},{\"payment_id\":\"q\(number)\",\"customer_id\":2,\"at\":\"2024-01-01\"}]"
                    )
                }
            }
            try await group.waitForAll()
        }
        let connection = try fixture.connection()
        let gaps = try connection.execute(
            """
            select count(*) from (select base_offset, known_at, lag(base_offset + count) over w as last_end, lag(known_at) over w as last_known, previous, lag(hash) over w as last_hash
                from firn.batches window w as (order by base_offset)) b
            where last_end is not null and (base_offset <> last_end or known_at < last_known or previous <> last_hash)
            """)
        #expect(try gaps.first!.int64(0) == 0)
        let counts = try await fixture.store.serving.lookup(
            LookupRequest(.features(["payments.v1"]), entities: ["customer_id": [.json(1), .json(2)]]))
        #expect(counts.columns[0][0] == .int64(20) && counts.columns[0][1] == .int64(60))
    }
}
