import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// What `firn verify` finds: the history as it was, and any change to it, also by who may do everything in the database.
@Suite struct HistoryCheckTests {
    private func world() async throws -> Fixture {
        let fixture = try await Fixture()
        let payments =
            "payment_id,customer_id,amount,gone,at,recorded\na,1,0.1,,2024-01-01,2024-01-01\nb,1,-0.0,,2024-01-02,\nb,1,2.5,,2024-01-02,2024-01-03\nb,1,2.5,,2024-01-02,2024-01-04\n"
        _ = try await fixture.store.importFile(fixture.file("p.csv", payments), into: "payments")
        _ = try await fixture.store.importFile(fixture.file("k.csv", "customer_id,country\n1,fr\n"), into: "people")
        _ = try await fixture.store.push(Array(#"[{"customer_id":1,"at":"2024-01-01","page":"ä"},{"customer_id":2,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "clicks")
        _ = try await fixture.store.push(Array(#"[{"payment_id":"a","customer_id":1,"amount":0.1,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "payments")
        _ = try await fixture.store.materialize()
        let spine = try fixture.file("spine.csv", "customer_id,event_timestamp,amount\n1,2024-01-05,1\n2,2024-01-05,2\n")
        _ = try await fixture.store.createSnapshot(SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        _ = try await fixture.store.createToken(name: "reader", role: .read)
        return fixture
    }

    @Test func `a history that nobody touched holds`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        let check = try await fixture.store.checkHistory()
        #expect(check.faults.isEmpty, "\(check.faults)")
        #expect(check.batches == 4 && check.rows == 8 && check.logHeads.count == 3 && check.snapshots == 1, "\(check)")
    }

    @Test func `a head that was written down finds a history that was rewritten whole`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        let before = try await fixture.store.checkHistory()
        #expect(before.faults.isEmpty && before.snapshots == 1 && before.blocks > 0, "\(before)")
        let heads = [before.ledgerHead] + before.logHeads.values
        #expect(try await fixture.store.ledgerHead()?.hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == before.ledgerHead)
        _ = try await fixture.store.deprecate("spend.v1", reason: "goes")
        #expect(try await fixture.store.checkHistory(expecting: heads, all: true).faults.isEmpty)
        // The newest entry and the newest batch of a log leave no gap.
        try fixture.connection().run(
            script: """
                alter table firn.ledger disable trigger all; alter table firn.batches disable trigger all; alter table firn_source.clicks disable trigger all;
                delete from firn.ledger where entry = (select max(entry) from firn.ledger); delete from firn_source.clicks; delete from firn.batches where source = 'clicks'
                """)
        #expect(try await fixture.store.checkHistory().faults.isEmpty)
        let faults = try await fixture.store.checkHistory(expecting: heads).faults
        #expect(faults.count == 1 && faults[0].contains("never had the head \(before.logHeads["clicks"]!)"), "\(faults)")
        await #expect(throws: StoreError.self) { _ = try await fixture.store.checkHistory(expecting: ["abc"]) }
    }

    @Test(arguments: [
        ("update firn_source.payments set amount = 0.2 where payment_id = 'a'", "rows of payments"), ("delete from firn_source.clicks where customer_id = 2", "rows of clicks"),
        ("update firn_source.clicks set page = null where customer_id = 1", "rows of clicks"),
        ("update firn_source.payments set firn_known_at = firn_known_at + interval '1 s' where firn_position = 3", "rows of payments"),
        ("insert into firn_source.clicks values (999999, 1, null, 1, 'x', '2024-01-01')", "rows that came with no batch"),
        ("update firn.batches set known_at = known_at - interval '1 day' where source = 'clicks'", "the batch of clicks"),
        // What decides whether a repeated push or file is taken twice.
        ("update firn.batches set idempotency_key = 'other' where source = 'clicks'", "the batch of clicks"),
        ("update firn.batches set request_digest = '\\x00' where source = 'clicks'", "the batch of clicks"),
        ("update firn.batches set file_digest = '\\x00' where source = 'people'", "the batch of people"),
        ("update firn.batches set origin = '{\"x\":1}' where source = 'people'", "the batch of people"),
        ("update firn.tokens set bounds = '{\"sets\":[\"*\"]}'", "token "), ("update firn.tokens set ends_at = '2100-01-01'", "token "),
        ("delete from firn.batches where source = 'payments' and base_offset = 0", "the batch of payments"),
        ("update firn.definitions set body = replace(body, '7d', '8d') where name = 'spend.v1'", "feature spend.v1"),
        ("update firn.definitions set body = replace(body, 'spend', 'spent') where name = 'spend.v1'", "feature spend.v1"),
        ("update firn.definitions set body = '{}'", "registered"),
        ("update firn.definitions set fingerprint = repeat('0', 64) where name = 'spend.v1'", "feature spend.v1"), ("delete from firn.ledger where entry = 3", "ledger entry 3"),
        ("update firn.ledger set actor = 'another' where entry = 2", "ledger entry 2"),
        ("update firn.snapshots set manifest = replace(manifest, '\"rows\":2', '\"rows\":3')", "the manifest of snap_"), ("delete from firn.snapshots", "snapshot snap_"),
        ("update firn.spines set body = (select body from firn.spines limit 1) || '\\x00'", "snap_"), ("update firn.tokens set role = 'admin'", "token "),
        ("update firn.tokens set hash = '\\x00'", "token "), ("update firn.snapshots set name = 'another'", "the manifest of snap_"),
        ("update firn.definitions set kind = 'label', name = 'other.v1' where name = 'pays.v1'", "is of something else now"),
        ("delete from firn.definitions where name = 'all.v1'", "set all.v1 of ledger entry"),
        ("delete from firn.batches where kind = 'import' and source = 'people'; delete from firn_source.people", "the import of ledger entry"),
        ("update firn_cache.bodies set body = (select body from firn_cache.bodies order by address limit 1)", "a segment's block"),
        (
            "update firn_cache.blocks set address = (select address from firn_cache.blocks where column_name = 'firn_offset' limit 1) where column_name = 'customer_id'",
            "isn't what its rows make"
        ),
    ]) func `what was changed by hand is found`(change: String, what: String) async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        try fixture.connection().run(
            script: """
                do $$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source') loop
                execute format('alter table %I.%I disable trigger all', t.schemaname, t.tablename); end loop; end $$;
                \(change)
                """)
        let faults = try await fixture.store.checkHistory(all: true).faults
        #expect(faults.contains { $0.contains(what) }, "\(faults)")
    }
}
