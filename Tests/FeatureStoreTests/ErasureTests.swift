import ArrowIPC
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// What `firn erase` takes: after it, nothing anywhere says a marked customer's key.
@Suite struct ErasureTests {
    private static let marker = "MARKER-4711"

    private static let definitions = """
        entities:
          customer: {keys: {customer: string}}
          shop: {keys: {shop: int64}}
          visit: {keys: {customer: string, shop: int64}}
        sources:
          payments:
            columns: {payment: string, customer: string, shop: int64, amount: float64, email: string, at: timestamp, recorded: timestamp}
            event_time: at
            known_at: recorded
            id: [payment]
          transfers: {columns: {payer: string, payee: string, amount: float64, at: timestamp}, event_time: at}
          people: {columns: {customer: string, city: string}, event_time: none, id: [customer]}
          weather: {columns: {shop: int64, rain: float64, at: timestamp}, event_time: at}
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount)}
          email.v1: {entity: customer, source: payments, expression: latest(email)}
          sent.v1: {entity: customer, source: transfers, join: {customer: payer}, expression: sum(amount)}
          received.v1: {entity: customer, source: transfers, join: {customer: payee}, expression: sum(amount)}
          city.v1: {entity: customer, source: people, expression: latest(city)}
          visits.v1: {entity: visit, source: payments, expression: count(*)}
          takings.v1: {entity: shop, source: payments, expression: sum(amount)}
          last_email.v1: {entity: shop, source: payments, expression: latest(email)}
          rain.v1: {entity: shop, source: weather, expression: latest(rain)}
        sets:
          person.v1: {features: [spend.v1, email.v1, sent.v1, received.v1, city.v1]}
          visit.v1: {features: [visits.v1, {feature: rain.v1, as: rain}]}
          shop.v1: {features: [takings.v1, last_email.v1]}
          weather.v1: {features: [rain.v1]}
        """

    private func world() async throws -> Fixture {
        let fixture = try await Fixture(applying: ErasureTests.definitions), marker = ErasureTests.marker
        let payments = """
            payment,customer,shop,amount,email,at,recorded
            a,\(marker),1,1,\(marker)@example.com,2024-01-01,2024-01-01
            b,other,1,2,other@example.com,2024-01-01,2024-01-01
            moved-away,\(marker),1,4,x,2024-01-01,2024-01-01
            moved-away,other,1,8,x,2024-01-01,2024-01-02
            moved-here,other,2,16,x,2024-01-01,2024-01-01
            moved-here,\(marker),2,32,\(marker),2024-01-01,2024-01-02
            c,third,3,64,third@example.com,2024-01-01,2024-01-01

            """
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", payments), into: "payments")
        _ = try await fixture.store.log.importFile(
            fixture.file("w.csv", "shop,rain,at\n1,0.5,2024-01-01\n2,0.25,2024-01-01\n"), into: "weather")
        _ = try await fixture.store.log.importFile(
            fixture.file("c.csv", "customer,city\n\(marker),Paris\nother,Rome\n"), into: "people")
        let transfers =
            #"[{"payer":"\#(marker)","payee":"other","amount":1,"at":"2024-01-01"},{"payer":"third","payee":"\#(marker)","amount":2,"at":"2024-01-01"}]"#
        _ = try await fixture.store.log.push(
            Array(transfers.utf8), layout: .array, into: "transfers", idempotencyKey: "for \(marker)")
        _ = try await fixture.store.log.push(
            Array(#"[{"payer":"third","payee":"other","amount":4,"at":"2024-01-01"}]"#.utf8), layout: .array,
            into: "transfers")
        return fixture
    }

    private func ask(_ set: String, _ entities: [String: JSON], _ store: Store, log: Bool = false) async throws
        -> [Literal]
    {
        var request = LookupRequest(.set(set), entities: entities.mapValues { [.json($0)] })
        request.isLogged = log
        return try await store.serving.lookup(request).columns.map { $0[0] }
    }

    private func money(_ value: Double) -> Literal { .float64(bits: value.bitPattern) }

    @Test func `each table of the database has one owner, who says how rows leave it`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(yaml: "sets: {plain.v1: {features: [spend.v1]}}", file: "plain.yaml")
        ])
        _ = try await fixture.store.serving.refreshValues(of: "plain.v1")
        let tables = try fixture.connection().execute(
            "select schemaname || '.' || tablename from pg_tables where schemaname ~ '^firn' order by 1"
        ).map { try $0.text(0) }
        func isOwn(_ table: String, _ pattern: String) -> Bool {
            pattern.hasSuffix(".*") ? table.hasPrefix(pattern.dropLast()) : table == pattern
        }
        #expect(tables.count > 20 && tables.contains { $0.hasPrefix("firn_values.") }, "\(tables)")
        for table in tables {
            let owners = Holdings.tables.filter { $0.contains { isOwn(table, $0) } }
            #expect(owners.count == 1, "\(table) has \(owners.count) owners")
        }
        for pattern in Holdings.tables.flatMap(\.self) {
            #expect(tables.contains { isOwn($0, pattern) }, "there is no \(pattern)")
        }
    }

    @Test func `nothing of an erased entity is left, and the rest is as it was`() async throws {
        let fixture = try await world(), marker = ErasureTests.marker
        defer { fixture.remove() }
        let store = fixture.store
        // Spines of three blocks: its row is in the second, and each has a column that passes through.
        let spine =
            "customer,event_timestamp,remark\n"
            + (0..<2500).map { "\($0 == 1500 ? marker : "other"),2024-02-01,\($0 == 1500 ? marker : "r")\n" }.joined()
        let persons = try await store.training.createSnapshot(
            SnapshotRequest(set: "person.v1", keeps: true), spine: fixture.file("s.csv", spine), output: nil)
        let shops = "shop,event_timestamp\n" + (0..<2500).map { "\($0 < 2100 ? 3 : 1),2024-02-01\n" }.joined()
        let byShop = try await store.training.createSnapshot(
            SnapshotRequest(set: "shop.v1", keeps: true), spine: fixture.file("h.csv", shops),
            output: fixture.directory + "/before.arrow")
        let visits = try await store.training.createSnapshot(
            SnapshotRequest(set: "visit.v1"),
            spine: fixture.file("v.csv", "customer,shop,event_timestamp\n\(marker),1,2024-02-01\nother,1,2024-02-01\n"),
            output: nil)
        // Its key only passes through here, in a spine of another entity.
        let passing = "shop,customer,event_timestamp,remark\n3,\(marker),2024-02-01,\(marker)\n3,other,2024-02-01,r\n"
        let stranger = try await store.training.createSnapshot(
            SnapshotRequest(set: "weather.v1"), spine: fixture.file("w2.csv", passing), output: nil)
        let weather = try await store.training.createSnapshot(
            SnapshotRequest(set: "weather.v1"), spine: fixture.file("h2.csv", shops), output: nil)
        _ = try await store.log.materialize()
        for set in ["person.v1", "shop.v1"] { _ = try await store.serving.refreshValues(of: set) }
        _ = try await store.serving.keepOnline(["person.v1", "shop.v1"])
        let server = Store(uri: fixture.uri, actor: "server", memory: OnlineMemory(maximumBytes: 1 << 22))
        #expect(try await ask("person.v1", ["customer": .string(marker)], server, log: true)[0] == money(33))
        #expect(try await ask("person.v1", ["customer": "other"], server, log: true)[0] == money(10))
        #expect(try await ask("shop.v1", ["shop": 1], server, log: true)[0] == money(11))
        #expect(try await ask("shop.v1", ["shop": 3], server, log: true)[0] == money(64))
        await server.serving.receipts.flush()
        let files = try fixture.connection()
        try files.run(script: "vacuum analyze")
        #expect(try !traces(fixture).isEmpty)

        let key: [String: LookupRequest.Value] = ["customer": .json(.string(marker))]
        let tried = try await store.provenance.erase("customer", key, reason: "request 17", isTried: true)
        #expect(try await ask("person.v1", ["customer": .string(marker)], store)[0] == money(33))
        let erasure = try await store.provenance.erase("customer", key, reason: "request 17")
        // Of the payments: a, the first version of what moved away, and both of what belongs to it now.
        #expect(
            erasure.rows == ["payments": 4, "transfers": 2, "people": 1] && tried.rows == erasure.rows, "\(erasure)")
        #expect(
            erasure.spineRows == 3 && erasure.snapshots == [persons.id, byShop.id, visits.id] && erasure.receipts == 3,
            "\(erasure)")
        let left = try traces(fixture)
        #expect(left.isEmpty, "\(left)")

        // The past holds: its chains, and every snapshot but for the blocks that had or read what is gone.
        let check = try await store.provenance.checkHistory()
        #expect(check.faults.isEmpty, "\(check.faults)")
        let first = try await store.training.verify(persons.id), second = try await store.training.verify(byShop.id),
            third = try await store.training.verify(weather.id)
        // In the first and third block nothing comes out otherwise: what they read of what is gone had been taken back
        // before.
        #expect(first.isIdentical && first.erased == [1025...2048], "\(first.faults) \(first.erased)")
        #expect(second.isIdentical && second.erased == [2049...2500], "\(second.faults) \(second.erased)")
        #expect(third.isIdentical && third.erased.isEmpty)
        let fourth = try await store.training.verify(stranger.id)
        #expect(
            fourth.isIdentical && fourth.erased.isEmpty,
            "what only passes through is in no digest of values: \(fourth.faults)")
        #expect(try await store.serving.replayLookups().differences == 0)
        #expect(try await store.training.fetch(byShop.id).manifest.id == byShop.id)

        // Values: others keep theirs, what was made of several lacks its share, and it itself is unknown.
        #expect(try await ask("person.v1", ["customer": "other"], store)[0] == money(10))
        #expect(try await ask("shop.v1", ["shop": 1], store) == [money(10), .string("x")])
        #expect(
            try await ask("person.v1", ["customer": .string(marker)], store) == [.null, .null, .null, .null, .null])
        var served: [Literal] = []
        for _ in 0..<200 where served.first != money(10) {
            try await Task.sleep(for: .milliseconds(10))
            served = try await ask("shop.v1", ["shop": 1], server)
        }
        #expect(served == [money(10), .string("x")])
        #expect(
            try await ask("person.v1", ["customer": .string(marker)], server) == [.null, .null, .null, .null, .null])
        let kept = try files.execute("select takings::text from firn_values.shop_v1 where shop = 1").first!
        #expect(try kept.text(0) == "10")
        // Segments were made again, and answer as rows do.
        _ = try await store.log.materialize(StoreLog.MaterializeOptions(rebuilds: true))
        // Again, there is nothing; and what others had comes back nowhere.
        #expect(try await store.provenance.erase("customer", key, reason: "request 17").isEmpty)
        // Who brings the same spine again brings the key again: the new snapshot has it, the old ones haven't, and it
        // goes again.
        let again = try await store.training.createSnapshot(
            SnapshotRequest(set: "person.v1"), spine: fixture.directory + "/s.csv", output: nil)
        let (fresh, old) = (try await store.training.verify(again.id), try await store.training.verify(persons.id))
        #expect(
            fresh.isIdentical && fresh.erased.isEmpty && old.isIdentical && old.erased == [1025...2048],
            "\(fresh.faults) \(old.faults)")
        #expect(try await store.provenance.erase("customer", key, reason: "request 18").spineRows == 1)
        #expect(try await store.training.verify(again.id).erased == [1025...2048])
        #expect(try await store.provenance.checkHistory(all: true).faults.isEmpty && traces(fixture).isEmpty)
    }

    @Test func `a fact that was somebody's for a while excuses the others' blocks`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        let rows = """
            payment,customer,shop,amount,email,at,recorded
            w,seven,1,1,,2024-03-01,2024-03-01
            w,lent,1,1,,2024-03-01,2024-03-05
            w,seven,1,1,,2024-03-01,2024-03-10

            """
        _ = try await fixture.store.log.importFile(fixture.file("w3.csv", rows), into: "payments")
        let spine = try fixture.file(
            "s3.csv",
            "customer,event_timestamp\nseven,2024-03-04\nseven,2024-03-07\nseven,2024-03-11\nother,2024-03-07\n")
        let manifest = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "person.v1"), spine: spine, output: nil)
        let erasure = try await fixture.store.provenance.erase(
            "customer", ["customer": .text("lent")], reason: "request 19")
        #expect(erasure.rows == ["payments": 1] && erasure.snapshots == [manifest.id], "\(erasure)")
        // Without the version that took it away, the first stands longer.
        let verification = try await fixture.store.training.verify(manifest.id)
        #expect(verification.isIdentical && verification.erased == [1...4], "\(verification.faults)")
        #expect(try await fixture.store.provenance.checkHistory(all: true).faults.isEmpty)
        // What else is known of the batch is still held by the ledger.
        try fixture.connection().run(
            script:
                "alter table firn.batches disable trigger all; update firn.batches set committed_at = committed_at - interval '1 day' where base_offset > 0 and source = 'payments'; alter table firn.batches enable trigger all; alter table firn.batches enable always trigger firn_guard"
        )
        #expect(try await fixture.store.provenance.checkHistory().faults.count == 1)
    }

    @Test func `what isn't an entity's key is refused`() async throws {
        let fixture = try await world()
        defer { fixture.remove() }
        for (entity, keys, reason) in [
            ("nobody", ["customer": "x"], "r"), ("customer", [:], "r"), ("customer", ["shop": "x"], "r"),
            ("customer", ["customer": "x"], ""), ("shop", ["shop": "one"], "r"),
            ("customer", ["customer": ErasureTests.marker], "for \(ErasureTests.marker)"),
        ] as [(String, [String: String], String)] {
            await #expect(throws: StoreError.self) {
                _ = try await fixture.store.provenance.erase(entity, keys.mapValues { .text($0) }, reason: reason)
            }
        }
        #expect(try await fixture.store.provenance.ledger(kind: "erase").isEmpty)
    }

    /// Where the marker stands: in any row of any table, as text or in bytes, in PostgreSQL's statistics, and in what
    /// is compressed.
    private func traces(_ fixture: Fixture) throws -> [String] {
        let connection = try fixture.connection(), marker = ErasureTests.marker,
            hexadecimal = Array(marker.utf8).map { String($0, radix: 16) }.joined()
        var found: [String] = []
        let tables = try connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname like 'firn%' order by 1"
        ).map { try $0.text(0) }
        for table in tables {
            let count = try connection.execute(
                "select count(*) from \(SQL(raw: table)) t where position(\(marker) in t::text) > 0 or position(\(hexadecimal) in t::text) > 0"
            ).first!.int64(0)
            if count > 0 { found.append(table) }
        }
        for row in try connection.execute(
            """
            select distinct tablename from pg_stats, lateral (select coalesce(most_common_vals::text, '') || coalesce(histogram_bounds::text, '')) v(seen)
            where position(\(marker) in seen) > 0 or position(\(hexadecimal) in seen) > 0
            """
        ).map({ $0 }) { try found.append("statistics of \(row.text(0))") }
        for body in try connection.execute("select body from firn_cache.bodies").map({ try $0.bytes(0) }) {
            if case .bytes(let texts) = try ArrowBlock.decode(body).values, contains(texts.bytes, marker) {
                found.append("a segment")
            }
        }
        for (table, name) in [("firn.spines", "digest"), ("firn_cache.results", "snapshot")] as [(SQL, SQL)] {
            var pieces: [String: [[UInt8]]] = [:]
            for row in try connection.execute("select \(name), body from \(table) order by \(name), piece").map({ $0 })
            {
                try pieces[row.text(0), default: []].append(row.bytes(1))
            }
            for pieces in pieces.values {
                var rest = pieces[...], whole: [UInt8] = []
                let reader = try ByteReader(pieces: { rest.popFirst() }, name: "kept", compression: .zstd)
                while let piece = try reader.next() { whole += piece }
                if contains(whole, marker) { found.append(table.text) }
            }
        }
        let enumerator = FileManager.default.enumerator(atPath: fixture.directory + "/cache")
        while let file = enumerator?.nextObject() as? String {
            if let bytes = FileManager.default.contents(atPath: fixture.directory + "/cache/" + file),
                contains(Array(bytes), marker)
            {
                found.append("a copy on this machine")
            }
        }
        return Array(Set(found)).sorted()
    }

    private func contains(_ bytes: [UInt8], _ marker: String) -> Bool {
        String(decoding: bytes, as: UTF8.self).contains(marker)
    }
}
