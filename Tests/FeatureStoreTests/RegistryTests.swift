import FeatureEngine
import FeatureLanguage
import FeatureStore
import Postgres
import TestSupport
import Testing

@Suite struct RegistryTests {
    @Test func `applying twice is as applying once`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let again = try await fixture.store.catalog.apply([DefinitionDocument(yaml: Fixture.definitions, file: "f")])
        #expect(again.isEmpty)
        #expect(try fixture.connection().execute("select count(*) from firn.definitions").first!.int64(0) == 11)
    }

    @Test func `who reads the catalog opens one connection, and has nothing at work beside`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let observer = try fixture.connection()
        func open() throws -> Int64 {
            try observer.execute("select count(*) from pg_stat_activity where datname = current_database()").single()
                .int64(0)
        }
        let before = try open(),
            reader = Store(uri: fixture.uri, actor: "reader", memory: OnlineMemory(maximumBytes: 1 << 20))
        _ = try await reader.catalog.read()
        #expect(try await !reader.catalog.browser().entries.isEmpty)
        _ = try await reader.catalog.governance()
        _ = try await reader.provenance.ledgerHead()
        let opened = try open() - before
        #expect(opened == 1 && !reader.isLive)
        await reader.close()
    }

    @Test func `a registered feature never changes, and nothing of the document stays`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let changed = """
            features:
              new.v1: {entity: customer, source: clicks, expression: count(page)}
              spend.v1: {entity: customer, source: payments, expression: sum(amount) over last_8d}
            """
        let error = await #expect(throws: StoreError.self) {
            try await fixture.store.catalog.apply([DefinitionDocument(yaml: changed, file: "f")])
        }
        #expect(error?.code == .definitionRefused)
        #expect(error?.message.contains("last_8d") == true && error?.message.contains("spend.v2") == true)
        #expect(try await fixture.store.catalog.read().functions[VersionedName("new.v1")!] == nil)
    }

    @Test func `two applies at once: one registers, the other sees it`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<6 {
                group.addTask {
                    let yaml =
                        "features: {race.v1: {entity: customer, source: clicks, expression: count(*) + \(number)}}"
                    do {
                        _ = try await fixture.store.catalog.apply([DefinitionDocument(yaml: yaml, file: "f")])
                        return true
                    } catch let error as StoreError where error.code == .definitionRefused {
                        return false
                    }
                }
            }
            var registered = 0
            for try await success in group where success { registered += 1 }
            #expect(registered == 1)
        }
    }

    @Test func `UPDATE, DELETE and TRUNCATE fail on every truth table, whoever asks`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let connection = try fixture.connection()
        let tables = try connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('firn', 'firn_source')"
        ).map { row throws in
            try row.text(0)
        }
        #expect(tables.count == 15)
        for table in tables {
            let column = try connection.execute(
                "select quote_ident(attname) from pg_attribute where attrelid = \(table)::regclass and attnum = 1"
            ).first!.text(0)
            for statement in [
                "update \(table) set \(column) = \(column)", "delete from \(table)", "truncate \(table) cascade",
            ] {
                for role in ["origin", "replica"] {
                    try connection.run(script: "set session_replication_role = \(role)")
                    let error = #expect(throws: PostgresError.self, "\(statement)") {
                        try connection.run(script: statement)
                    }
                    #expect(error?.code == "23000", "\(statement): \(String(describing: error))")
                }
            }
        }
    }

    @Test func `doctor finds a guard that was removed`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        #expect(await fixture.store.examine().allSatisfy { $0.fault == nil })
        try fixture.connection().run(script: "alter table firn.batches disable trigger firn_guard")
        #expect(await fixture.store.examine().contains { $0.what.contains("firn.batches") && $0.fault != nil })
    }

    @Test func `a changed migration is refused`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        #expect(try await fixture.store.migrate().isEmpty)
        try fixture.connection().run(
            script:
                "alter table firn.migrations disable trigger firn_guard; update firn.migrations set checksum = 'other'")
        let error = await #expect(throws: StoreError.self) { try await fixture.store.migrate() }
        #expect(error?.code == .migrationChanged)
    }

    @Test func `an empty database says what to run`() async throws {
        let error = await #expect(throws: StoreError.self) {
            try await Store(uri: TestCluster.newDatabase(), actor: "t").catalog.read()
        }
        #expect(error?.code == .notMigrated)
    }

    @Test func `a source gains a column, and its old rows have NULL there`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(
            fixture.file("c.csv", "customer_id,page,at\n1,a,2024-01-01\n"), into: "clicks")
        let wider = """
            sources: {clicks: {columns: {customer_id: int64, page: string, at: timestamp, seconds: float64}, event_time: at}}
            features: {seconds.v1: {entity: customer, source: clicks, expression: sum(seconds)}, long.v1: {entity: customer, source: clicks, expression: count(seconds)}}
            """
        _ = try await fixture.store.catalog.apply([DefinitionDocument(yaml: wider, file: "f")])
        _ = try await fixture.store.log.importFile(
            fixture.file("d.csv", "customer_id,page,at,seconds\n1,a,2024-01-02,2.5\n"), into: "clicks")
        let answer = try await fixture.lookup(1, "seconds.v1", "long.v1", "clicks.v1")
        #expect(answer.columns.map { $0[0] } == [.float64(2.5), .int64(1), .int64(2)])
        // The narrower definition is no change.
        #expect(
            try await fixture.store.catalog.apply([DefinitionDocument(yaml: Fixture.definitions, file: "f")]).isEmpty)
    }

    @Test func `the ledger's entries hang together`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let broken = try fixture.connection().execute(
            "select count(*) from firn.ledger l join firn.ledger p on p.entry = l.entry - 1 where l.previous <> p.hash"
        ).first!.int64(0)
        #expect(broken == 0)
    }
}
