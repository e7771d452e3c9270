import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// What `firn verify` finds: the history as it was, and any change to it, also by who may do everything in the
/// database.
@Suite struct HistoryCheckTests {
    private func world() async throws -> Fixture {
        let fixture = try await Fixture()
        let payments =
            "payment_id,customer_id,amount,gone,at,recorded\na,1,0.1,,2024-01-01,2024-01-01\nb,1,-0.0,,2024-01-02,\nb,1,2.5,,2024-01-02,2024-01-03\nb,1,2.5,,2024-01-02,2024-01-04\n"
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", payments), into: "payments")
        _ = try await fixture.store.log.importFile(fixture.file("k.csv", "customer_id,country\n1,fr\n"), into: "people")
        _ = try await fixture.store.log.push(
            Array(#"[{"customer_id":1,"at":"2024-01-01","page":"ä"},{"customer_id":2,"at":"2024-01-01"}]"#.utf8),
            layout: .array, into: "clicks")
        _ = try await fixture.store.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":0.1,"at":"2024-01-01"}]"#.utf8), layout: .array,
            into: "payments")
        _ = try await fixture.store.log.materialize()
        let spine = try fixture.file(
            "spine.csv", "customer_id,event_timestamp,amount\n1,2024-01-05,1\n2,2024-01-05,2\n")
        _ = try await fixture.store.training.createSnapshot(SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        _ = try await fixture.store.catalog.createToken(name: "reader", role: .read)
        return fixture
    }

    /// Puts the guards back, as who covers their tracks would.
    private func guardAgain(_ fixture: Fixture) throws {
        try fixture.connection().run(
            script: """
                do $$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source') loop
                execute format('alter table %I.%I enable trigger all', t.schemaname, t.tablename);
                execute format('alter table %I.%I enable always trigger firn_guard', t.schemaname, t.tablename); end loop; end $$
                """)
    }

    /// The same with all that may be kept beside: rows of a snapshot, entities of online state, current values.
    private func derivedWorld() async throws -> Fixture {
        let fixture = try await world()
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(
                yaml: "sets: {plain.v1: {features: [spend.v1, payments.v1, clicks.v1, country.v1]}}", file: "plain.yaml"
            )
        ])
        let spine = try fixture.file("kept.csv", "customer_id,event_timestamp\n1,2024-01-05\n2,2024-01-05\n")
        _ = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "plain.v1", keeps: true), spine: spine, output: nil)
        _ = try await fixture.store.serving.keepOnline(["plain.v1"])
        _ = try await fixture.store.serving.refreshValues(of: "plain.v1")
        return fixture
    }

    @Test
    func
        `a NULL where there can be none is said by table and column, and what is kept for speed is read from rows instead`()
        async throws
    {
        let fixture = try await derivedWorld()
        defer { fixture.remove() }
        func put(_ table: String, _ column: String) throws {
            try fixture.connection().run(
                script:
                    "alter table \(table) disable trigger all; alter table \(table) alter column \(column) drop not null; update \(table) set \(column) = null"
            )
        }
        let asked = LookupRequest(.set("plain.v1"), entities: ["customer_id": [.json(1), .json(2)]])
        func values(_ store: Store) async throws -> [[Literal]] {
            try await store.serving.lookup(asked).columns.map { [$0[0], $0[1]] }
        }
        let before = try await values(fixture.store)
        for (table, column) in [
            ("firn_cache.runs", "checksum"), ("firn_cache.segments", "bucket"), ("firn_cache.online_tables", "covered"),
        ] {
            try put(table, column)
            let server = Store(uri: fixture.uri, actor: "server", memory: OnlineMemory(maximumBytes: 1 << 22))
            #expect(try await values(server) == before)
            _ = try await fixture.store.log.materialize()
            _ = try await fixture.store.serving.keepOnline()
            #expect(try await values(server) == before)
        }
        #expect(try await fixture.store.provenance.checkHistory(all: true).faults.isEmpty)
        try put("firn.batches", "origin")
        let check = try await fixture.store.provenance.checkHistory()
        #expect(check.faults.contains("column 'origin' of firn.batches is NULL, which it never was"), "\(check.faults)")
    }

    @Test func `what is derived and nobody touched holds, and so does a store that was just made`() async throws {
        let fixture = try await derivedWorld()
        defer { fixture.remove() }
        for all in [false, true] {
            let check = try await fixture.store.provenance.checkHistory(all: all)
            #expect(check.faults.isEmpty, "\(check.faults)")
            // Two customers, of payments, clicks and people, and in the table of values.
            #expect(check.entities == 4 && check.values == 2 && check.blocks > 0, "\(check)")
        }
        let empty = Store(uri: try TestCluster.newDatabase(), actor: "tester")
        _ = try await empty.migrate()
        #expect(try await empty.provenance.checkHistory(all: true).faults.isEmpty)
    }

    @Test(arguments: [
        ("update firn_cache.segments set first_known = first_known + 1", "the list of segments of"),
        ("update firn_cache.segments set last_time = 1", "the list of segments of"),
        ("update firn_cache.segments set bucket = bucket + 1", "the list of segments of"),
        ("update firn_cache.segments set one_version = not one_version", "the list of segments of"),
        ("update firn_cache.segments set rows = rows + 1", "the list of segments of"),
        ("delete from firn_cache.segments", "the list of segments of"),
        (
            "set session_replication_role = replica; update firn_cache.segments set segment = -1 where segment = 0",
            "the list of segments of"
        ),
        ("update firn_cache.runs set up_to = up_to + 1", "the list of segments of"),
        ("update firn_cache.runs set buckets = 0", "the list of segments of"),
        ("update firn_cache.runs set keys = array['nothing'] where source = 'people'", "aren't registered"),
        ("update firn_cache.blocks set bytes = bytes + 1", ", column '"),
        ("update firn_cache.blocks set checksum = 0", ", column '"),
        (
            "update firn_cache.results set body = set_byte(body, length(body) / 2, (get_byte(body, length(body) / 2) + 1) % 256)",
            "kept rows"
        ),
        ("update firn_cache.statistics set body = replace(body, '\"nulls\":0', '\"nulls\":1')", "statistics"),
        (
            "update firn_values.plain_v1 set payments = payments + 1 where customer_id = 1",
            "the current values of plain.v1"
        ),
        ("update firn_values.plain_v1 set changes_at = now()", "the current values of plain.v1"),
        ("update firn_cache.current_values set cuts = '{\"clicks\": 99}'", "the current values of plain.v1"),
        ("update firn_cache.online_entities set body = set_byte(body, length(body) - 1, 77)", "online state of"),
        ("update firn_cache.online_entities set rows = rows + 1", "online state of"),
        ("update firn_cache.online_entities set body = '', rows = 0", "online state of"),
        ("delete from firn_cache.online_entities", "online state of"),
        ("update firn_cache.online_tables set covered = covered + 1", "online state of"),
        ("update firn_cache.online_tables set reach = 1", "online state of"),
    ]) func `what is derived and was changed by hand is found, all of it and of few rows a sample too`(
        change: String, what: String
    ) async throws {
        let fixture = try await derivedWorld()
        defer { fixture.remove() }
        try fixture.connection().run(script: change)
        for all in [true, false] {
            let faults = try await fixture.store.provenance.checkHistory(all: all).faults
            #expect(faults.contains { $0.contains(what) }, "\(faults)")
        }
    }

    @Test func `entities that current values lack are found`() async throws {
        let fixture = try await derivedWorld()
        defer { fixture.remove() }
        try fixture.connection().run(script: "delete from firn_values.plain_v1 where customer_id = 2")
        #expect(
            try await fixture.store.provenance.checkHistory(all: true).faults.contains {
                $0.contains("the current values of plain.v1")
            })
    }

    @Test(arguments: [
        ("drop trigger firn_guard on firn.ledger", "the guard of firn.ledger is missing"),
        ("alter table firn.batches disable trigger firn_guard", "the guard of firn.batches is switched off"),
        (
            "alter table firn_source.clicks enable trigger firn_guard",
            "the guard of firn_source.clicks isn't enabled always"
        ),
        (
            "drop trigger firn_guard on firn.notes; create trigger firn_guard before update on firn.notes for each statement execute function firn.refuse_change(); alter table firn.notes enable always trigger firn_guard",
            "the guard of firn.notes is on other events"
        ),
        (
            "drop trigger firn_guard on firn.notes; create trigger firn_guard before update or delete or truncate on firn.notes for each statement when (false) execute function firn.refuse_change(); alter table firn.notes enable always trigger firn_guard",
            "the guard of firn.notes is on other events"
        ),
        (
            "create function public.nothing() returns trigger language plpgsql as 'begin return null; end'; drop trigger firn_guard on firn.spines; create trigger firn_guard before update or delete or truncate on firn.spines for each statement execute function public.nothing(); alter table firn.spines enable always trigger firn_guard",
            "the guard of firn.spines calls another function"
        ),
        (
            "create or replace function firn.refuse_change() returns trigger language plpgsql as 'begin return null; end'",
            "refuse_change() isn't what the migration made"
        ),
        ("grant update on firn.ledger to public", "the table firn.ledger may be changed by everybody: update"),
        (
            "grant truncate on firn.batches to pg_monitor",
            "the table firn.batches may be changed by pg_monitor: truncate"
        ),
        (
            "grant update (amount) on firn_source.payments to pg_monitor",
            "the table firn_source.payments may be changed by pg_monitor: update"
        ),
        (
            "grant create on schema firn_source to pg_monitor",
            "the schema firn_source may be changed by pg_monitor: create"
        ),
        (
            "grant create on schema firn to pg_monitor; alter table firn.tokens owner to pg_monitor",
            "the table firn.tokens belongs to pg_monitor"
        ),
    ]) func `what guards the past is looked at, by doctor too`(change: String, what: String) async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        #expect(try await fixture.store.provenance.checkHistory().faults.isEmpty)
        try fixture.connection().run(script: change)
        let faults = try await fixture.store.provenance.checkHistory().faults
        #expect(faults.contains { $0.contains(what) }, "\(faults)")
        let findings = await fixture.store.examine()
        #expect(
            findings.contains { $0.fault != nil && $0.remedy != nil && "\($0.what) \($0.fault ?? "")".contains(what) },
            "\(findings)")
    }

    @Test(arguments: [
        ("truncate firn.ledger cascade", "the ledger is empty, but there is firn_source.clicks"),
        ("delete from firn.definitions where name = 'clicks'", "there are batches of clicks, which isn't registered"),
        ("drop table firn_source.clicks", "the table of clicks is gone"),
        ("alter table firn_source.clicks alter column customer_id type text", "another column 'customer_id'"),
        ("update firn_source.clicks set firn_position = -firn_position", "rows of clicks"),
        ("delete from firn.store", "which store this is"),
    ]) func `what was restored in part is not as it was written`(change: String, what: String) async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        try unguarded(fixture, change)
        let faults = try await fixture.store.provenance.checkHistory().faults
        #expect(faults.contains { $0.contains(what) }, "\(faults)")
    }

    /// Does as who may do everything in the database, and has lifted every guard.
    private func unguarded(_ fixture: Fixture, _ change: String) throws {
        try fixture.connection().run(
            script: """
                do $$ declare t record; begin for t in select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source') loop
                execute format('alter table %I.%I disable trigger all', t.schemaname, t.tablename); end loop; end $$;
                \(change)
                """)
    }

    @Test func `a history that nobody touched holds`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        let check = try await fixture.store.provenance.checkHistory()
        #expect(check.faults.isEmpty, "\(check.faults)")
        #expect(check.batches == 4 && check.rows == 8 && check.logHeads.count == 3 && check.snapshots == 1, "\(check)")
    }

    @Test func `a head that was written down finds a history that was rewritten whole`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        let before = try await fixture.store.provenance.checkHistory()
        #expect(before.faults.isEmpty && before.snapshots == 1 && before.blocks > 0, "\(before)")
        let heads = [before.ledgerHead] + before.logHeads.values
        #expect(
            try await fixture.store.provenance.ledgerHead()?.hash.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
                .joined() == before.ledgerHead)
        _ = try await fixture.store.catalog.deprecate("spend.v1", reason: "goes")
        #expect(try await fixture.store.provenance.checkHistory(expecting: heads, all: true).faults.isEmpty)
        // The newest entry and the newest batch of a log leave no gap.
        try fixture.connection().run(
            script: """
                alter table firn.ledger disable trigger all; alter table firn.batches disable trigger all; alter table firn_source.clicks disable trigger all;
                delete from firn.ledger where entry = (select max(entry) from firn.ledger); delete from firn_source.clicks; delete from firn.batches where source = 'clicks';
                delete from firn_cache.runs where source = 'clicks'
                """)
        try guardAgain(fixture)
        #expect(try await fixture.store.provenance.checkHistory().faults.isEmpty)
        let faults = try await fixture.store.provenance.checkHistory(expecting: heads).faults
        #expect(
            faults.count == 1 && faults[0].contains("never had the head \(before.logHeads["clicks"]!)"), "\(faults)")
        await #expect(throws: StoreError.self) {
            _ = try await fixture.store.provenance.checkHistory(expecting: ["abc"])
        }
    }

    @Test(arguments: [
        ("update firn_source.payments set amount = 0.2 where payment_id = 'a'", "rows of payments"),
        ("delete from firn_source.clicks where customer_id = 2", "rows of clicks"),
        ("update firn_source.clicks set page = null where customer_id = 1", "rows of clicks"),
        (
            "update firn_source.payments set firn_known_at = firn_known_at + interval '1 s' where firn_position = 3",
            "rows of payments"
        ),
        (
            "insert into firn_source.clicks values (999999, 1, null, 1, 'x', '2024-01-01')",
            "rows that came with no batch"
        ),
        (
            "update firn.batches set known_at = known_at - interval '1 day' where source = 'clicks'",
            "the batch of clicks"
        ),
        // What decides whether a repeated push or file is taken twice.
        ("update firn.batches set idempotency_key = 'other' where source = 'clicks'", "the batch of clicks"),
        ("update firn.batches set request_digest = '\\x00' where source = 'clicks'", "the batch of clicks"),
        ("update firn.batches set file_digest = '\\x00' where source = 'people'", "the batch of people"),
        ("update firn.batches set origin = '{\"x\":1}' where source = 'people'", "the batch of people"),
        ("update firn.tokens set bounds = '{\"sets\":[\"*\"]}'", "token "),
        ("update firn.tokens set ends_at = '2100-01-01'", "token "),
        ("delete from firn.batches where source = 'payments' and base_offset = 0", "the batch of payments"),
        ("update firn.definitions set body = replace(body, '7d', '8d') where name = 'spend.v1'", "feature spend.v1"),
        (
            "update firn.definitions set body = replace(body, 'spend', 'spent') where name = 'spend.v1'",
            "feature spend.v1"
        ),
        ("update firn.definitions set body = '{}'", "registered"),
        ("update firn.definitions set fingerprint = repeat('0', 64) where name = 'spend.v1'", "feature spend.v1"),
        ("delete from firn.ledger where entry = 3", "ledger entry 3"),
        ("update firn.ledger set actor = 'another' where entry = 2", "ledger entry 2"),
        ("update firn.snapshots set manifest = replace(manifest, '\"rows\":2', '\"rows\":3')", "the manifest of snap_"),
        ("delete from firn.snapshots", "snapshot snap_"),
        ("update firn.spines set body = (select body from firn.spines limit 1) || '\\x00'", "snap_"),
        ("update firn.tokens set role = 'admin'", "token "),
        ("update firn.tokens set hash = '\\x00'", "token "),
        ("update firn.snapshots set name = 'another'", "the manifest of snap_"),
        (
            "update firn.definitions set kind = 'label', name = 'other.v1' where name = 'pays.v1'",
            "is of something else now"
        ),
        ("delete from firn.definitions where name = 'all.v1'", "set all.v1 of ledger entry"),
        (
            "delete from firn.batches where kind = 'import' and source = 'people'; delete from firn_source.people",
            "the import of ledger entry"
        ),
        (
            "update firn_cache.bodies set body = (select body from firn_cache.bodies order by address limit 1)",
            "a segment's block"
        ),
        (
            "update firn_cache.blocks set address = (select address from firn_cache.blocks where column_name = 'firn_offset' limit 1) where column_name = 'customer_id'",
            "isn't what its rows make"
        ),
    ]) func `what was changed by hand is found`(change: String, what: String) async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        try unguarded(fixture, change)
        let faults = try await fixture.store.provenance.checkHistory(all: true).faults
        #expect(faults.contains { $0.contains(what) }, "\(faults)")
    }
}
