import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// What a server may do in the database, and what not.
@Suite struct ServerRoleTests {
    @Test func `a server registers, imports, pushes, seals and serves as firn_server, and can't change the past`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let memory = OnlineMemory(maximumBytes: 1 << 22)
        let server = Store(uri: fixture.uri, actor: "server", temporaryDirectory: fixture.directory, memory: memory, isServer: true)
        let more = """
            sources:
              visits: {columns: {customer_id: int64, "odd \\"name": string, at: timestamp}, event_time: at}
              payments:
                columns: {payment_id: string, customer_id: int64, amount: float64, gone: bool, at: timestamp, recorded: timestamp, channel: string}
                event_time: at
                known_at: recorded
                id: [payment_id]
                tombstone: gone
            features: {visits.v1: {entity: customer, source: visits, expression: count(*)}}
            """
        _ = try await server.apply([DefinitionDocument(yaml: more, file: "more.yaml")])
        _ = try await server.importFile(fixture.file("v.csv", "customer_id,at\n1,2024-01-01\n"), into: "visits")
        _ = try await server.push(Array(#"[{"customer_id":1,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "visits")
        _ = try await server.push(Array(#"[{"payment_id":"a","customer_id":1,"amount":1,"at":"2024-01-01","channel":"web"}]"#.utf8), layout: .array, into: "payments")
        #expect(try await server.materialize().count > 0)
        _ = try await server.keepOnline(["all.v1"])
        var request = LookupRequest(.features(["visits.v1"]), entities: ["customer_id": [.json(JSON(1))]])
        request.isLogged = true
        #expect(try await server.lookup(request).columns[0][0] == .int64(2))
        await server.receipts.flush()
        #expect(try await server.replayLookups().lookups == 1)
        _ = try await server.createToken(name: "x", role: .read)

        let connection = try Connection(uri: fixture.uri, Connection.Settings(isServer: true))
        let tables = try fixture.connection().execute("select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source')").map { ($0.text(0), $0.text(1)) }
        #expect(tables.count > 12)
        for (schema, table) in tables {
            let name = "\(schema).\"\(table)\""
            for statement in [
                "update \(name) set ctid = ctid", "delete from \(name)", "truncate \(name)", "alter table \(name) disable trigger firn_guard", "drop table \(name)",
                "alter table \(name) add column x int", "create trigger x before insert on \(name) for each row execute function firn.refuse_change()",
            ] {
                #expect(throws: PostgresError.self, "\(statement)") { try connection.run(script: statement) }
            }
        }
        for statement in [
            "drop schema firn cascade", "create table firn.x (a int)", "insert into firn.migrations values (99, 'x', 'x')",
            "create or replace function firn.refuse_change() returns trigger language plpgsql as $$ begin return null; end $$",
            "select firn.create_source('x); drop table firn.ledger; --', array['a'], array['text'], array[false])",
            "select firn.create_source('y', array['a'], array['text); drop table firn.ledger; --'], array[false])",
        ] {
            _ = try? connection.run(script: statement)
        }
        #expect(try fixture.connection().execute("select to_regclass('firn.ledger') is not null and to_regclass('firn.x') is null").first!.bool(0))
        #expect(try fixture.connection().execute("select from firn.migrations where number = 99").count == 0)
        #expect(try await fixture.store.checkHistory().faults.isEmpty)
    }

    @Test func `a role that isn't there is refused with what to do`() async throws {
        let uri = try TestCluster.newDatabase()
        #expect { try Connection(uri: uri, Connection.Settings(role: "nobody_there")) } throws: { ($0 as? PostgresError)?.description.contains("firn migrate makes it") ?? false }
    }
}
