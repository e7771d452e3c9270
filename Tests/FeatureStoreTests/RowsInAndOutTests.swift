import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import Synchronization
import TestSupport
import Tables
import Testing

/// Rows by query, back out into files, and in again.
@Suite struct RowsInAndOutTests {
    /// Opens once. A store's own thread waits in it, a task beside it.
    private final class Gate: Sendable {
        private let isOpen = Mutex(false)
        func open() { isOpen.withLock { $0 = true } }
        func block() { while !isOpen.withLock({ $0 }) { usleep(1000) } }
        func wait() async throws { while !isOpen.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) } }
    }

    private func another(_ fixture: Fixture) -> Store {
        Store(uri: fixture.uri, actor: "other", temporaryDirectory: fixture.directory)
    }

    @Test(arguments: ["csv", "ndjson", "arrow", "arrows.zst"])
    func `what is exported comes in again with the same history`(suffix: String) async throws {
        let fixture = try await Fixture(), other = try await Fixture()
        defer {
            fixture.remove()
            other.remove()
        }
        let rows = """
            payment_id,customer_id,amount,gone,at,recorded
            a,1,1.5,,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z
            a,2,2.5,,2024-01-02T00:00:00Z,2024-01-03T00:00:00Z
            "b, x",1,NaN,t,2024-01-01T00:00:00Z,
            c,,-0.0,f,2024-01-04T00:00:00.000001Z,2024-01-05T00:00:00Z

            """
        _ = try await fixture.store.log.importFile(fixture.file("rows.csv", rows), into: "payments")
        _ = try await fixture.store.log.push(
            Array(
                #"[{"payment_id":"c","customer_id":1,"amount":7,"gone":false,"at":"2024-01-04T00:00:00Z","recorded":null}]"#
                    .utf8), layout: .array, into: "payments")
        let file = fixture.directory + "/history." + suffix
        #expect(try await fixture.store.log.exportRows(of: "payments", to: file) == 5)
        _ = try await other.store.log.importFile(file, into: "payments")
        let history: SQL = """
            select row(payment_id, customer_id, amount, coalesce(gone, false), at, recorded, coalesce(b.known_at, r.firn_known_at))::text
            from firn_source.payments r join firn.batches b on b.batch = r.firn_batch order by b.base_offset + r.firn_position
            """
        let before = try fixture.connection().execute(history).map { try $0.text(0) }
        #expect(try other.connection().execute(history).map { try $0.text(0) } == before && before.count == 5)
    }

    @Test func `a query finds its tables where its owner does, and takes only what is new`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let connection = try fixture.connection()
        try connection.run(
            script:
                "create table public.notes (customer_id int, page varchar(9), at timestamptz); insert into public.notes select n, 'p' || n, '2024-01-01'::timestamptz + n * interval '1 hour' from pg_catalog.generate_series(1, 3) n"
        )
        let query = ImportQuery(sql: "select * from notes;", watermark: "at")
        // To its newest instant more may come.
        let first = try await fixture.store.log.importQuery(query, into: "clicks")
        #expect(
            first.rows == 2 && first.watermark?.heldBack == 1 && first.warnings.contains { $0.contains("held back") })
        #expect(try await fixture.store.log.importQuery(query, into: "clicks").rows == 0)
        try connection.run(
            script: "insert into public.notes values (4, 'late', '2024-01-01 03:00:00Z'), (5, 'new', '2024-01-02')")
        let second = try await fixture.store.log.importQuery(query, into: "clicks")
        #expect(second.rows == 2 && second.watermark?.heldBack == 1)
        #expect(second.watermark?.from == .timestamp(Instant(text: "2024-01-01T02:00:00Z")!))
        #expect(second.watermark?.next == .timestamp(Instant(text: "2024-01-01T03:00:00Z")!))
    }

    @Test
    func `what is committed late with a smaller watermark is found where the overlap or an open transaction reaches`()
        async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let writer = try fixture.connection(), late = try fixture.connection()
        try writer.run(
            script:
                "create table public.bills (payment_id text, customer_id int, amount float8, at timestamptz, serial bigint)"
        )
        func insert(_ connection: Connection, _ id: Int, _ amount: Int, _ at: String) throws {
            try connection.execute(
                "insert into public.bills values (\(String(id)), 1, \(amount)::bigint, \(at)::timestamptz, \(id))")
        }
        let query = ImportQuery(
            sql: "select payment_id, customer_id, amount, false as gone, at, at as recorded from bills",
            watermark: "recorded")
        func sum() throws -> Int64 {
            try fixture.connection().execute("select sum(amount)::bigint from firn_source.payments").first!.int64(0)
        }
        try insert(writer, 1, 1, "2024-01-01 12:00Z")
        #expect(try await fixture.store.log.importQuery(query, into: "payments").rows == 1)
        // Within the hour by default, and no further.
        try insert(writer, 2, 10, "2024-01-01 11:30Z")
        try insert(writer, 3, 100, "2024-01-01 12:00Z")
        try insert(writer, 4, 1000, "2024-01-01 10:00Z")
        let second = try await fixture.store.log.importQuery(query, into: "payments")
        #expect(
            second.rows == 2 && second.duplicates == 1
                && second.watermark?.from == .timestamp(Instant(text: "2024-01-01T11:00:00Z")!))
        #expect(try sum() == 111)
        var wide = query
        wide.overlap = "3h"
        #expect(try await fixture.store.log.importQuery(wide, into: "payments").rows == 1)
        // Values that are the clock's: whoever began before the last import and commits after it.
        try late.execute("begin")
        try late.execute("insert into public.bills values ('5', 1, 10000, clock_timestamp(), 5)")
        usleep(20_000)
        try writer.execute("insert into public.bills values ('6', 1, 100000, clock_timestamp(), 6)")
        var narrow = query
        narrow.overlap = "0s"
        #expect(try await fixture.store.log.importQuery(narrow, into: "payments").rows == 1)
        try late.execute("commit")
        #expect(try await fixture.store.log.importQuery(narrow, into: "payments").rows == 1)
        #expect(try sum() == 111_111)
        // What is NULL would never be asked for.
        try writer.execute("insert into public.bills values ('7', 1, 5, null, 7)")
        let fault = await #expect(throws: TableError.self) {
            try await fixture.store.log.importQuery(
                ImportQuery(
                    sql:
                        "select payment_id, customer_id, amount, false as gone, '2024-01-01Z'::timestamptz as at, at as recorded from bills",
                    watermark: "recorded"),
                into: "payments")
        }
        #expect(fault?.column == "recorded")
        #expect(try sum() == 111_111)
    }

    @Test func `without an id rows of an open transaction's time wait, and no row comes twice or is lost`() async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let writer = try fixture.connection(), late = try fixture.connection()
        try writer.run(script: "create table public.views (customer_id int, page text, at timestamptz)")
        let query = ImportQuery(sql: "select * from views", watermark: "at")
        func take() async throws -> (Int, Int) {
            let imported = try await fixture.store.log.importQuery(query, into: "clicks")
            return (imported.rows, imported.watermark!.heldBack)
        }
        #expect(try await take() == (0, 0))
        try writer.execute("insert into public.views values (1, 'a', clock_timestamp())")
        try late.execute("begin")
        try late.execute("insert into public.views values (1, 'b', clock_timestamp())")
        try writer.execute("insert into public.views values (1, 'c', clock_timestamp())")
        try writer.execute("insert into public.views values (1, 'd', clock_timestamp())")
        #expect(try await take() == (1, 2))
        try late.execute("commit")
        #expect(try await take() == (2, 1))
        #expect(try await take() == (0, 1))
        try writer.execute("insert into public.views values (1, 'e', clock_timestamp())")
        #expect(try await take() == (1, 1))
        #expect(
            try fixture.connection().execute("select string_agg(page, '' order by page) from firn_source.clicks").first!
                .text(0) == "abcd")
    }

    @Test func `numbers of a query are read where nothing is lost`() async throws {
        let fixture = try await Fixture(
            applying:
                "entities: {one: {keys: {k: int64}}}\nsources: {numbers: {columns: {k: int64, f: float64, i: int64, at: timestamp}, event_time: at}}"
        )
        defer { fixture.remove() }
        func take(_ f: String, _ i: String) async throws -> String {
            let before = try fixture.connection().execute("select count(*) from firn_source.numbers").first!.int64(0)
            _ = try await fixture.store.log.importQuery(
                ImportQuery(sql: "select 1 as k, \(f) as f, \(i) as i, now() as at"), into: "numbers")
            let row = try fixture.connection().execute(
                "select f::text || ' ' || i::text from firn_source.numbers order by firn_batch desc limit 1"
            ).first!
            #expect(
                try fixture.connection().execute("select count(*) from firn_source.numbers").first!.int64(0) == before
                    + 1)
            return try row.text(0)
        }
        #expect(try await take("19.90::numeric(9, 2)", "42.00::numeric") == "19.9 42")
        #expect(
            try await take("9007199254740992::bigint", "9007199254740993::numeric")
                == "9.007199254740992e+15 9007199254740993")
        #expect(try await take("'NaN'::numeric", "-7::smallint") == "NaN -7")
        for (f, i) in [
            ("9007199254740993::bigint", "1"), ("0.12345678901234567890::numeric", "1"),
            ("9007199254740993::numeric", "1"), ("1", "1.5::numeric"),
            ("1", "9223372036854775808::numeric"), ("1", "'NaN'::numeric"),
        ] {
            let fault = await #expect(throws: TableError.self) { try await take(f, i) }
            #expect(
                fault?.column == (f == "1" ? "i" : "f") && fault?.advice?.contains("cast it in the query") == true,
                "\(f) \(i)")
        }
    }

    @Test func `a watermark that rises without an id by number, or an overlap that fits nothing, is refused`()
        async throws
    {
        let fixture = try await Fixture(
            applying: """
                entities: {customer: {keys: {k: int64}}}
                sources:
                  counted: {columns: {k: int64, n: int64, at: timestamp}, event_time: at}
                  facts: {columns: {k: int64, n: int64, at: timestamp}, event_time: at, id: [n]}
                """)
        defer { fixture.remove() }
        try fixture.connection().run(
            script:
                "create table public.facts as select 1 as k, n, '2024-01-01Z'::timestamptz as at from generate_series(1, 20000) n where n <> 15000"
        )
        for (source, column, overlap) in [
            ("counted", "n", nil), ("counted", "at", "1h"), ("facts", "n", "1h"), ("facts", "n", "-1"),
            ("facts", "at", "12"), ("facts", "k", nil as String?),
        ] {
            let query = ImportQuery(sql: "select k as more, n, at from facts", watermark: column, overlap: overlap)
            await #expect(throws: (any Error).self) { try await fixture.store.log.importQuery(query, into: source) }
        }
        // A serial that is committed late is found among the last ten thousand.
        let query = ImportQuery(sql: "select * from facts", watermark: "n")
        #expect(try await fixture.store.log.importQuery(query, into: "facts").rows == 19_999)
        try fixture.connection().run(
            script: "insert into public.facts values (1, 15000, '2024-01-02Z'), (1, 20001, '2024-01-02Z')")
        let again = try await fixture.store.log.importQuery(query, into: "facts")
        #expect(again.rows == 2 && again.duplicates == 10_000 && again.watermark?.from == .int64(10_000))
    }

    @Test(arguments: [
        ("select 1.5 as customer_id, 'p' as page, now() as at", "customer_id"),
        ("select '1' as customer_id, 'p' as page, now() as at", "customer_id"),
        ("select 1 as customer_id, 'p' as page, 'infinity'::timestamptz as at", "at"),
        ("select 1 as customer_id, 'p' as page, '2024-01-01' as at", "at"),
        ("select 1 as customer_id, 'p' as page, now() as at, 1 as more", "more"),
        ("select 1 as customer_id, 'p' as page", "at"), ("delete from firn_source.clicks", nil),
        ("select 1; drop table firn_source.clicks", nil),
        ("select 1 / i as customer_id, 'p' as page, now() as at from generate_series(-9, 0) i", nil), ("", nil),
    ])
    func `a query that fails, or whose values would change on the way, is refused`(sql: String, column: String?)
        async throws
    {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let fault = await #expect(throws: TableError.self) {
            try await fixture.store.log.importQuery(ImportQuery(sql: sql), into: "clicks")
        }
        #expect(fault?.column == column)
        #expect(try fixture.connection().execute("select from firn.batches").count == 0)
    }

    @Test func `a file that is imported twice at once is taken once`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let text = Array("customer_id,page,at\n1,a,2024-01-01\n".utf8), started = Gate(), gate = Gate()
        @Sendable func reader(_ schema: TableReader.Schema) throws -> TableReader {
            try TableReader(
                ByteReader(bytes: text, name: "clicks.csv"), layout: .csv, name: "clicks.csv", schema: schema,
                options: ReadOptions())
        }
        // It has looked for the file before the other has it.
        let slow = Task {
            _ = try await fixture.store.log.importRows(
                into: "clicks", file: "clicks.csv", digest: [1, 2, 3],
                progress: { _, _, _ in
                    started.open()
                    gate.block()
                }, read: reader)
        }
        try await started.wait()
        _ = try await another(fixture).log.importRows(
            into: "clicks", file: "clicks.csv", digest: [1, 2, 3], read: reader)
        gate.open()
        let fault = await #expect(throws: StoreError.self) { try await slow.value }
        #expect(fault?.code == .duplicateFile)
        #expect(try fixture.connection().execute("select count(*) from firn_source.clicks").first!.int64(0) == 1)
    }

    @Test func `a query with a watermark is refused where rows came in while it ran`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        try fixture.connection().run(
            script:
                "create table public.visits as select n as customer_id, 'p'::text as page, '2024-01-01Z'::timestamptz + n * interval '1 day' as at from pg_catalog.generate_series(1, 2) n"
        )
        let query = ImportQuery(sql: "select * from visits", watermark: "at"), gate = Gate(), started = Gate()
        let slow = Task {
            try await fixture.store.log.importQuery(query, into: "clicks") { _, _, _ in
                started.open()
                gate.block()
            }
        }
        try await started.wait()
        #expect(try await another(fixture).log.importQuery(query, into: "clicks").rows == 1)
        gate.open()
        let fault = await #expect(throws: StoreError.self) { try await slow.value }
        #expect(fault?.code == .conflictingRow)
        #expect(try fixture.connection().execute("select count(*) from firn_source.clicks").first!.int64(0) == 1)
    }
}
