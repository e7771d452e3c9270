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
    @Test func `a server registers, imports, pushes, seals and serves as its role, and can't change the past`()
        async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let memory = OnlineMemory(maximumBytes: 1 << 22)
        let server = Store(
            uri: fixture.uri, actor: "server", temporaryDirectory: fixture.directory, memory: memory, isServer: true)
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
        _ = try await server.catalog.apply([DefinitionDocument(yaml: more, file: "more.yaml")])
        _ = try await server.log.importFile(fixture.file("v.csv", "customer_id,at\n1,2024-01-01\n"), into: "visits")
        _ = try await server.log.push(
            Array(#"[{"customer_id":1,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "visits")
        _ = try await server.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":1,"at":"2024-01-01","channel":"web"}]"#.utf8),
            layout: .array, into: "payments")
        #expect(try await server.log.materialize().count > 0)
        _ = try await server.serving.keepOnline(["all.v1"])
        var request = LookupRequest(.features(["visits.v1"]), entities: ["customer_id": [.json(JSON(1))]])
        request.isLogged = true
        #expect(try await server.serving.lookup(request).columns[0][0] == .int64(2))
        await server.serving.receipts.flush()
        #expect(try await server.serving.replayLookups().lookups == 1)
        await #expect(throws: PostgresError.self) { _ = try await server.catalog.createToken(name: "x", role: .admin) }
        let token = try await fixture.store.catalog.createToken(name: "x", role: .read)
        await #expect(throws: PostgresError.self) {
            try await server.catalog.revokeToken(String(token.split(separator: "_")[1]))
        }

        let connection = try Connection(uri: fixture.uri, Connection.Settings(role: "firn.server_role()"))
        let tables = try fixture.connection().execute(
            "select schemaname, tablename from pg_tables where schemaname in ('firn', 'firn_source')"
        ).map {
            try ($0.text(0), $0.text(1))
        }
        #expect(tables.count > 12)
        for (schema, table) in tables {
            let name = "\(schema).\"\(table)\""
            for statement in [
                "update \(name) set ctid = ctid", "delete from \(name)", "truncate \(name)",
                "alter table \(name) disable trigger firn_guard", "drop table \(name)",
                "alter table \(name) add column x int",
                "create trigger x before insert on \(name) for each row execute function firn.refuse_change()",
            ] {
                #expect(throws: PostgresError.self, "\(statement)") { try connection.run(script: statement) }
            }
        }
        for statement in [
            "drop schema firn cascade", "create table firn.x (a int)",
            "insert into firn.migrations values (99, 'x', 'x')",
            "create or replace function firn.refuse_change() returns trigger language plpgsql as $$ begin return null; end $$",
            "select firn.create_source('x); drop table firn.ledger; --', array['a'], array['text'], array[false])",
            "select firn.create_source('y', array['a'], array['text); drop table firn.ledger; --'], array[false])",
        ] {
            _ = try? connection.run(script: statement)
        }
        #expect(
            try fixture.connection().execute(
                "select to_regclass('firn.ledger') is not null and to_regclass('firn.x') is null"
            ).first!.bool(0))
        #expect(try fixture.connection().execute("select from firn.migrations where number = 99").count == 0)
        #expect(try await fixture.store.provenance.checkHistory().faults.isEmpty)
    }

    /// What somebody who has taken over a server's connection may try.
    @Test func `what is true is written by functions that take only what the API writes`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.push(
            Array(#"[{"customer_id":1,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "clicks")
        let server = try Connection(uri: fixture.uri, Connection.Settings(role: "firn.server_role()"))
        func refused(_ statement: String, _ code: String, _ place: SourceLocation = #_sourceLocation) {
            #expect { try server.run(script: statement) } throws: { error in
                if (error as? PostgresError)?.code != code {
                    Issue.record("\(statement): \(error)", sourceLocation: place)
                }
                return true
            }
        }
        for table in [
            "ledger", "definitions", "notes", "batches", "tokens", "token_revocations", "server_roles", "source_tables",
        ] {
            refused("insert into firn.\(table) select * from firn.\(table)", "42501")
        }
        // Entries that no server writes, or of what isn't there.
        for (kind, subject) in [
            ("token", "token 0123456789abcdef"), ("revoke", "token 0123456789abcdef"), ("erase", "entity customer"),
            ("register", "feature x.v1"), ("note", "set all.v1"),
            ("import", "source nowhere"), ("snapshot", "snapshot x"), ("point", "pointer all@production"),
            ("anything", "x"),
        ] { refused("select firn.append_entry('me', '\(kind)', '\(subject)', '{}')", "42501") }
        refused(
            "select firn.append_entry('me', 'point', 'pointer all@production', '{\"kind\":\"set\",\"name\":\"all.v9\"}')",
            "42501")
        refused("select firn.append_entry('me', 'retire', 'set all.v1', 'no object')", "22P02")
        refused("select firn.append_entry('', 'retire', 'set all.v1', '{}')", "23514")
        refused("select firn.write_entry('me', 'token', 'x', '{}')", "42501")
        // A definition that is there, notes of one that isn't, and tables without end.
        refused("select firn.register('me', 'feature', 'spend.v1', repeat('0', 64), '{}', null)", "23000")
        refused("select firn.note('me', 'feature', 'nobody.v1', '{}')", "23000")
        refused("select firn.create_source('mine', array['a'], array['text'], array[false])", "23503")
        refused("select firn.add_column('clicks', 'a', 'text')", "23503")
        refused(
            "select firn.create_source('mine', array['a'], array['text'], array[false]); select firn.register('me', 'source', 'mine', repeat('0', 64), '{\"source\":{\"_0\":{\"columns\":[{\"name\":\"b\",\"type\":\"string\"}]}}}', null)",
            "23000")
        // Batches that don't follow, and rows that were known earlier than now.
        func batch(
            base: String = "1", before: String = "(select hash from firn.batches where source = 'clicks')",
            hash: String = "'x'", known: String = "clock_timestamp()",
            committed: String = "clock_timestamp()"
        ) -> String {
            """
            select firn.append_batches('clicks', \(known), \(committed), array[77::bigint], array[\(base)::bigint], array[1::bigint], array[0::bigint], array['push'], array['me'],
                array[null::text], array[null::bytea], array[null::bytea], array['{}'], array['s'::bytea], array['r'::bytea], array[\(before)::bytea], array[\(hash)::bytea])
            """
        }
        refused(batch(), "23000")
        refused(batch(base: "0"), "23505")
        refused(batch(base: "5"), "23000")
        refused(batch(before: "'x'"), "23000")
        for time in ["clock_timestamp() - interval '1 hour'", "clock_timestamp() + interval '1 hour'", "null"] {
            refused(batch(known: time), "23000")
        }
        refused(batch(committed: "clock_timestamp() - interval '1 hour'"), "23000")
        refused(batch().replacing("'clicks'", with: "'nowhere'"), "23000")
        #expect(try await fixture.store.provenance.checkHistory().faults.isEmpty)
        #expect(try await fixture.store.provenance.ledgerHead()?.kind == "register")
    }

    @Test func `a store's servers see no other store`() async throws {
        let fixture = try await Fixture(), other = try await Fixture()
        defer {
            fixture.remove()
            other.remove()
        }
        let own = try fixture.connection().execute("select firn.server_role()").first!.text(0),
            others = try other.connection().execute("select firn.server_role()").first!.text(0)
        let id = try fixture.connection().execute("select replace(id::text, '-', '') from firn.store").first!.text(0)
        #expect(own == "firn_server_\(id.prefix(16))" && own != others)
        let stranger = try Connection(uri: other.uri, Connection.Settings(role: "\(own)"))
        for table in ["firn.ledger", "firn.tokens", "firn_source.clicks", "firn_cache.results", "firn_log.lookups"] {
            #expect(throws: PostgresError.self, "\(table)") { try stranger.run(script: "select from \(table)") }
        }
    }

    @Test func `an owner that may make no roles is told the one statement that helps`() async throws {
        let uri = try TestCluster.newDatabase(), admin = try Connection(uri: uri),
            name = "owner_\(UInt32.random(in: 0 ... .max))"
        let database = try admin.execute("select current_database()").first!.text(0)
        try admin.run(
            script:
                "create role \(name) login; alter database \(database) owner to \(name); grant create on database \(database) to \(name)"
        )
        // The cluster lets nobody in but its own user, who acts as the owner from the beginning.
        let owned = uri + "&options=-c%20role%3D\(name)", store = Store(uri: owned, actor: "owner")
        try #require(try await store.migrate().count > 9)
        _ = try await store.catalog.apply([DefinitionDocument(yaml: Fixture.definitions, file: "fixture.yaml")])
        var statement = ""
        do {
            try await store.checkServerRole()
            Issue.record("it can't be")
        } catch let error as StoreError {
            statement = String(error.advice?.split(separator: ": ").last ?? "")
        }
        #expect(statement.hasPrefix("create role firn_server_") && statement.hasSuffix(" role \(name)"), "\(statement)")
        #expect(
            await store.examine().contains { $0.what == "servers' role" && $0.remedy?.contains(statement) ?? false })
        try admin.run(script: statement)
        _ = try await store.migrate()
        try await store.checkServerRole()
        _ = try await Store(uri: owned, actor: "server", isServer: true).log.push(
            Array(#"[{"customer_id":1,"at":"2024-01-01"}]"#.utf8), layout: .array, into: "clicks")
    }

    @Test func `a role that isn't there is refused with what to do`() async throws {
        let uri = try TestCluster.newDatabase()
        #expect { try Connection(uri: uri, Connection.Settings(role: "'nobody_there'")) } throws: {
            ($0 as? PostgresError)?.description.contains("firn doctor") ?? false
        }
    }
}
