import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// What is asked of a table that has just grown, of which PostgreSQL has no statistics: as few rows are read as later.
@Suite struct FreshTableTests {
    private static let definitions = """
        entities:
          customer: {keys: {k: int64}}
          shop: {keys: {s: string}}
        sources:
          payments: {columns: {id: string, k: int64, s: string, amount: float64, at: timestamp}, event_time: at, id: [id]}
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount) over last_30d}
          paid.v1: {entity: customer, source: payments, expression: count(*)}
        """
    private static let sets = "\nsets:\n  all.v1: {features: [spend.v1, paid.v1]}\n"
    private static let later = "\n  sales.v1: {entity: shop, source: payments, expression: count(*) over last_30d}"
    private static let rows = 2_000_000, customers = 200_000, shops = 50_000

    @Test(.timeLimit(.minutes(10))) func `the first lookups after an import of two million rows read few`() async throws
    {
        let fixture = try await Fixture(applying: FreshTableTests.definitions + FreshTableTests.sets)
        defer { fixture.remove() }
        let watching = try fixture.connection()
        // As right after an import, however long the test takes.
        try watching.execute("alter table firn_source.payments set (autovacuum_enabled = off)")
        var text: [UInt8] = Array("id,k,s,amount,at\n".utf8)
        text.reserveCapacity(FreshTableTests.rows * 40)
        for row in 0..<FreshTableTests.rows {
            text +=
                "p\(row),\(row % FreshTableTests.customers),s\(row % FreshTableTests.shops),1,2024-01-\(10 + row % 20)T00:00:00Z\n"
                .utf8
        }
        let path = fixture.directory + "/rows.csv"
        try Data(text).write(to: URL(fileURLWithPath: path))
        text = []
        #expect(try await fixture.store.log.importFile(path, into: "payments").rows == FreshTableTests.rows)
        // As a dump leaves it: nothing relies on statistics that an import may have taken.
        try watching.execute("delete from pg_statistic where starelid = 'firn_source.payments'::regclass")
        let before = try read(watching, atLeast: 1)
        try await ask(fixture)
        let few = try read(watching, atLeast: before + 1) - before
        #expect(few < 10_000, "\(few) rows were read")
        try await askOfAnotherKey(fixture)
    }

    /// Rows of the table that were read so far, once they are at least so many and no more for a second.
    private func read(_ connection: Connection, atLeast least: Int64) throws -> Int64 {
        var last: Int64 = -1, unchanged = 0
        for _ in 0..<400 where unchanged < 10 {
            let count = try connection.execute(
                "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where relname = 'payments'"
            ).first!.int64(0)
            unchanged = count == last && count >= least ? unchanged + 1 : 0
            last = count
            Thread.sleep(forTimeInterval: 0.1)
        }
        return last
    }

    private func ask(_ fixture: Fixture) async throws {
        let served = Store(
            uri: fixture.uri, actor: "server", memory: OnlineMemory(maximumBytes: 1 << 26, clock: DatabaseClock()))
        let keys = [3, 14, 159, 2653, 199_999, -1].map { LookupRequest.Value($0) }
        for asOf in [nil, Instant(text: "2024-01-30T00:00:00Z")] {
            let answer = try await served.serving.lookup(
                LookupRequest(.set("all.v1"), entities: ["k": keys], asOf: asOf))
            #expect(
                (0..<6).map { answer.columns[1][$0] } == [
                    .int64(10), .int64(10), .int64(10), .int64(10), .int64(10), .int64(0),
                ])
        }
        var why = WhyRequest("spend.v1")
        why.lookup.entities["k"] = [.init(3)]
        why.lookup.asOf = Instant(text: "2024-01-20T00:00:00Z")!
        #expect(try await served.serving.why(why).explanations[0].counted.isEmpty == false)
        // A correction.
        let pushed = try await served.log.push(
            Array(#"[{"id":"p3","k":3,"s":"s3","amount":2,"at":"2024-01-13T00:00:00Z"}]"#.utf8), layout: .array,
            into: "payments")
        #expect(pushed.accepted == 1)
        #expect(
            try await served.serving.lookup(LookupRequest(.set("all.v1"), entities: ["k": keys])).columns[1][0]
                == .int64(10))
        let spine = try fixture.file("spine.csv", "k,event_timestamp\n3,2024-01-31\n14,2024-01-31\n")
        #expect(
            try await served.training.createSnapshot(SnapshotRequest(set: "all.v1"), spine: spine, output: nil).rows
                == 2)
    }

    /// A feature that comes later, with an index of its own.
    private func askOfAnotherKey(_ fixture: Fixture) async throws {
        let store = fixture.store
        _ = try await store.catalog.apply([
            DefinitionDocument(
                yaml: FreshTableTests.definitions + FreshTableTests.later + FreshTableTests.sets, file: "later.yaml")
        ])
        let sales = try await store.serving.lookup(
            LookupRequest(
                .features(["sales.v1"]), entities: ["s": [.init("s3"), .init("nowhere")]],
                asOf: Instant(text: "2024-02-01T00:00:00Z")!))
        #expect((0..<2).map { sales.columns[0][$0] } == [.int64(40), .int64(0)])
    }

    @Test func `a server begins though what is kept for it is far behind`() async throws {
        let fixture = try await Fixture(applying: FreshTableTests.definitions + FreshTableTests.sets)
        defer { fixture.remove() }
        func load(_ name: String, _ rows: Range<Int>) async throws {
            let text = "id,k,s,amount,at\n" + rows.map { "p\($0),\($0 % 1000),s,1,2024-01-10\n" }.joined()
            _ = try await fixture.store.log.importFile(fixture.file(name, text), into: "payments")
        }
        try await load("few.csv", 0..<10)
        #expect(try await fixture.store.serving.keepOnline(["all.v1"]).count == 1)
        try await load("many.csv", 10..<150_010)
        let served = Store(
            uri: fixture.uri, actor: "server", memory: OnlineMemory(maximumBytes: 1 << 26, clock: DatabaseClock()))
        try await served.serving.warmUp()
        await served.serving.connectKept()
        #expect(
            try await served.serving.lookup(LookupRequest(.set("all.v1"), entities: ["k": [.init(3)]])).columns[1][0]
                == .int64(151))
        #expect(try await fixture.store.serving.keepOnline().first?.entities == 1000)
        #expect(
            try await served.serving.lookup(LookupRequest(.set("all.v1"), entities: ["k": [.init(4)]])).columns[1][0]
                == .int64(151))
    }
}
