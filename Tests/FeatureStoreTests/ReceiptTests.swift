import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// Lookups that are kept, and computed again.
@Suite struct ReceiptTests {
    private func request(_ customers: [Int], logged: Bool = true) -> LookupRequest {
        var request = LookupRequest(
            .set("all.v1"), entities: ["customer_id": customers.map { .json(JSON($0)) }],
            request: ["amount": [.json(.number("2.5"))]])
        request.isLogged = logged
        return request
    }

    private func fill(_ fixture: Fixture) async throws {
        let payments =
            "payment_id,customer_id,amount,gone,at,recorded\na,1,0.1,,2024-01-01,2024-01-01\nb,1,-0.0,,2024-01-02,2024-01-02\nc,2,inf,,2024-01-02,2024-01-03\n"
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", payments), into: "payments")
        _ = try await fixture.store.log.importFile(
            fixture.file("c.csv", "customer_id,page,at\n1,a,2024-01-01\n"), into: "clicks")
        _ = try await fixture.store.log.importFile(fixture.file("k.csv", "customer_id,country\n1,fr\n"), into: "people")
    }

    @Test func `a receipt that the database refuses is dropped, and holds up no other`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try await fill(fixture)
        let store = fixture.store
        try fixture.connection().run(
            script: """
                create function public.refuse() returns trigger language plpgsql as $$
                begin if new.actor = 'odd' then raise data_exception; end if; return new; end $$;
                create trigger refuse before insert on firn_log.lookups for each row execute function public.refuse();
                """)
        for actor in ["even", "odd", "even", "even", "odd"] {
            #expect(try await store.acting(as: actor) { try await store.serving.lookup(request([1])) }.receipt != nil)
        }
        await store.serving.receipts.flush(atMost: .seconds(20))
        #expect(store.serving.receipts.counts.written == 3 && store.serving.receipts.counts.dropped == 2)
        #expect(try await store.serving.lookups().map(\.actor) == ["even", "even", "even"])
    }

    @Test func `what was served is computed again to the same bits, whatever came since`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try await fill(fixture)
        let memory = OnlineMemory(maximumBytes: 1 << 22),
            served = Store(uri: fixture.uri, actor: "server", memory: memory)
        var receipts: [String] = []
        for round in 0..<10 {
            let from = round % 2 == 0 ? served : fixture.store
            receipts.append(try #require(try await from.serving.lookup(request([1, 2, 3])).receipt))
            let now = Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6))
            let row =
                "[{\"payment_id\":\"r\(round)\",\"customer_id\":\(1 + round % 3),\"amount\":\(round).25,\"at\":\"\(now)\"}]"
            _ = try await served.log.push(Array(row.utf8), layout: .array, into: "payments")
        }
        var features = LookupRequest(
            .features(["spend.v1", "all_v1:ratio"]), entities: ["customer_id": [.json(.null), .json(JSON(1))]],
            request: ["amount": [.json(.null)]])
        features.isLogged = true
        receipts.append(try #require(try await served.serving.lookup(features).receipt))
        #expect(try await served.serving.lookup(request([1], logged: false)).receipt == nil)
        for store in [served, fixture.store] { await store.serving.receipts.flush() }
        let replayed = try await fixture.store.serving.replayLookups()
        #expect(replayed.lookups == 11 && replayed.values == 10 * 15 + 4 && replayed.differences == 0, "\(replayed)")
        #expect(try await fixture.store.serving.replayLookups(receipt: receipts[3]).lookups == 1)
        await #expect(throws: StoreError.self) {
            try await fixture.store.serving.replayLookups(receipt: UUID().uuidString)
        }
        await #expect(throws: StoreError.self) { try await fixture.store.serving.replayLookups(receipt: "x' or true") }
        // One whose record was changed differs.
        let connection = try fixture.connection()
        try connection.execute(
            "update firn_log.lookups set answers = replace(answers, 'fr', 'de') where receipt = \(receipts[0])::text::uuid"
        )
        try connection.execute(
            "update firn_log.lookups set fingerprints = array_fill('x'::text, array[5]) where receipt = \(receipts[1])::text::uuid"
        )
        let changed = try await fixture.store.serving.replayLookups()
        #expect(changed.differences == 2)
    }

    @Test func `a sample of plain lookups is kept too, and a log that can't be written drops instead of growing`()
        async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try await fill(fixture)
        let memory = OnlineMemory(maximumBytes: 1 << 22),
            served = Store(uri: fixture.uri, actor: "server", memory: memory)
        served.serving.receipts.configure(rate: 1, retention: 30)
        _ = try await served.serving.lookup(request([1], logged: false))
        let body = Array(#"{"set":"all.v1","entities":{"customer_id":[1,2]},"request":{"amount":[1,2]}}"#.utf8)
        _ = try await served.serving.lookup(request([2], logged: false))
        var kept = 0
        for _ in 0..<500 where kept < 50 {
            guard let answer = served.serving.answerFromMemory(body, actor: "somebody") else {
                // A machine with too much to do may not hear of the database for a while.
                _ = try await served.serving.lookup(request([1, 2], logged: false))
                continue
            }
            #expect(String(decoding: answer, as: UTF8.self).contains("\"receipt\":\""))
            kept += 1
        }
        await served.serving.receipts.flush()
        #expect(kept > 0 && served.serving.receipts.counts.written == kept)
        #expect(try fixture.connection().execute("select from firn_log.lookups where actor = 'somebody'").count == kept)
        #expect(try await fixture.store.serving.replayLookups().differences == 0)
        // Nobody writes: what waits is bounded.
        let holding = try fixture.connection()
        try holding.run(script: "begin; lock table firn_log.lookups in access exclusive mode")
        var answered = 0
        while answered < 10_600 {
            if served.serving.answerFromMemory(body) == nil {
                try await Task.sleep(for: .milliseconds(5))
            } else {
                answered += 1
            }
        }
        #expect(served.serving.receipts.counts.dropped > 0)
        try holding.run(script: "rollback")
        await served.serving.receipts.flush()
        #expect(served.serving.receipts.counts.written + served.serving.receipts.counts.dropped == kept + 10_600)
    }

    @Test func `days beyond the retention are dropped whole`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let connection = try fixture.connection()
        try connection.run(
            script:
                "create table firn_log.lookups_20200101 partition of firn_log.lookups for values from ('2020-01-01 00:00:00+00') to ('2020-01-02 00:00:00+00')"
        )
        try connection.run(script: "select firn.keep_lookups(30)")
        let days = try connection.execute(
            "select count(*) from pg_inherits where inhparent = 'firn_log.lookups'::regclass"
        ).first!.int64(0)
        #expect(days == 4)
    }
}
