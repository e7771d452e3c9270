import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test func `values of every type come back as they went`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        let row = try connection.execute(
            "select \(true), \(Int64.min), \(.float64(-0.0)), \("é'\"\\"), \([0, 255, 7] as [UInt8]), \(.timestamp(-1)), \(nil as String?)"
        ).first!
        #expect(try row.bool(0))
        #expect(try row.int64(1) == .min)
        #expect(try row.bytes(2) == [0x80, 0, 0, 0, 0, 0, 0, 0])
        #expect(try row.text(3) == "é'\"\\")
        #expect(try row.bytes(4) == [0, 255, 7])
        #expect(try row.timestamp(5) == -1)
        #expect(row.isNull(6))
    }

    @Test func `what isn't as it always is throws, and traps nobody`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        #expect(try connection.execute("select 1").single().int64(0) == 1)
        for count in [0, 2] {
            let error = #expect(throws: PostgresError.self) {
                try connection.execute("select from generate_series(1, \(count))").single()
            }
            #expect(error?.isDamagedValue == true)
        }
        // A column whose type was changed by hand.
        var read: [Int64?] = []
        try connection.stream("select 'no number of eight bytes'::text union all select ''") { row in
            read.append(row.int64())
        }
        #expect(read == [nil, nil])
        try connection.copyOut("copy (select 'no number of eight bytes'::text, 7::int2) to stdout (format binary)") {
            row in
            read = [row.int64(), row.int64(), row.int64(), row.timestamp()]
        }
        #expect(read == [nil, 7, nil, nil])
    }

    @Test func `a NULL that is read as something else is an error that names table and column`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(
            script:
                "create schema s; create table s.\"odd one\" (n bigint, t text, b bytea, f boolean, at timestamptz); insert into s.\"odd one\" values (null)"
        )
        for isInTransaction in [false, true] {
            func read() throws {
                let row = try connection.execute("select n, t, b, f, at, n + 1 from s.\"odd one\"").single()
                let readings: [(String, () throws -> Void)] = [
                    ("n", { _ = try row.int64(0) }), ("t", { _ = try row.text(1) }), ("b", { _ = try row.bytes(2) }),
                    ("f", { _ = try row.bool(3) }),
                    ("at", { _ = try row.timestamp(4) }),
                ]
                for (name, reading) in readings {
                    let error = #expect(throws: PostgresError.self, performing: reading)
                    #expect(
                        error?.isDamagedValue == true
                            && error?.message == "column '\(name)' of s.\"odd one\" is NULL, which it never was")
                }
                let computed = #expect(throws: PostgresError.self) { try row.int64(5) }
                #expect(computed?.message == "column '?column?' of a statement is NULL, which it never was")
                #expect(
                    try row.optionalInt64(0) == nil && row.optionalText(1) == nil && row.optionalBytes(2) == nil
                        && row.optionalTimestamp(4) == nil)
            }
            if isInTransaction { try connection.transaction { try read() } } else { try read() }
        }
        let text = try connection.execute("select 'no number of eight bytes'::text").single()
        #expect(throws: PostgresError.self) { try text.int64(0) }
    }

    @Test func `an array keeps its elements and NULLs`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        let rows = try connection.execute(
            "select * from unnest(\(.array(.int64, [.int64(1), .null(.int64), .int64(-3)])), \(.array(.text, [.text("a"), .text(""), .text("c")])))"
        )
        #expect(rows.count == 3)
        #expect(rows[1].isNull(0))
        #expect(try rows[2].int64(0) == -3)
        #expect(rows[1].optionalText(1) == "")
        #expect(try connection.execute("select count(*) from unnest(\(.array(.bool, [])))").first!.int64(0) == 0)
    }

    @Test func `a name that means harm is only a name`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        let name = "x\"; drop table y; -- $1 $99999999999999999999"
        try connection.execute("create table public.\(identifier: name) (a bigint)")
        #expect(try connection.execute("select count(*) from public.\(identifier: name)").first!.int64(0) == 0)
    }

    @Test func `parts of a statement number their values on`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        let part: SQL = "\("b") || \("c")"
        let row = try connection.execute("select \("a") || \(part) || \("d")").first!
        #expect(try row.text(0) == "abcd")
    }

    @Test func `a transaction that throws leaves nothing`() throws {
        struct Stop: Error {}
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "create table public.t (a bigint)")
        #expect(throws: Stop.self) {
            try connection.transaction {
                try connection.execute("insert into public.t values (1)")
                throw Stop()
            }
        }
        #expect(try connection.execute("select count(*) from public.t").first!.int64(0) == 0)
    }

    @Test func `a copy that throws leaves nothing, and the connection goes on`() throws {
        struct Stop: Error {}
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "create table public.t (a bigint)")
        #expect(throws: Stop.self) {
            try connection.copyIn("copy public.t from stdin (format binary)") { writer in
                try writer.beginRow(fields: 1)
                writer.write(Int64(1))
                throw Stop()
            }
        }
        #expect(try connection.execute("select count(*) from public.t").first!.int64(0) == 0)
    }

    @Test func `a copy and a stream carry the same values`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "create table public.t (a bigint, b float8, c text, d boolean, e timestamptz)")
        try connection.copyIn("copy public.t from stdin (format binary)") { writer in
            for number in 0..<5000 {
                try writer.beginRow(fields: 5)
                if number % 3 == 0 { writer.writeNull() } else { writer.write(Int64(number) - 2500) }
                writer.write(Double(number) / 7)
                writer.write(bytes: "text \(number)".utf8)
                writer.write(number % 2 == 0)
                writer.write(timestamp: Int64(number) * 1_000_003)
            }
        }
        var number = 0
        try connection.stream("select * from public.t order by e") { reader in
            #expect(reader.int64() == (number % 3 == 0 ? nil : Int64(number) - 2500))
            #expect(reader.float64() == Double(number) / 7)
            #expect(reader.text() == Array("text \(number)".utf8))
            #expect(reader.bool() == (number % 2 == 0))
            #expect(reader.timestamp() == Int64(number) * 1_000_003)
            number += 1
        }
        #expect(number == 5000)
    }

    @Test func `an error has its SQLSTATE and none of the data`() throws {
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "create table public.t (a text primary key)")
        try connection.execute("insert into public.t values (\("secret"))")
        let error = #expect(throws: PostgresError.self) {
            try connection.execute("insert into public.t values (\("secret"))")
        }
        #expect(error?.code == "23505")
        #expect(error?.description.contains("secret") == false)
    }

    @Test func `a cancelled task stops its statement`() async throws {
        let pool = Pool(uri: try TestCluster.newDatabase(), size: 1)
        let task = Task { try await pool.run { connection in _ = try connection.execute("select pg_sleep(60)") } }
        try await Task.sleep(for: .milliseconds(200))
        task.cancel()
        await #expect(throws: (any Error).self) { try await task.value }
        #expect(try await pool.run { try $0.execute("select 1").count } == 1)
    }

    @Test func `the pool opens another connection where one was lost`() async throws {
        let pool = Pool(uri: try TestCluster.newDatabase(), size: 1)
        await #expect(throws: PostgresError.self) {
            try await pool.run { _ = try $0.execute("select pg_terminate_backend(pg_backend_pid())") }
        }
        #expect(try await pool.run { try $0.execute("select 1").count } == 1)
    }

    @Test func `a pool that is closed ends what is idle, lets what runs finish, and refuses the rest`() async throws {
        let uri = try TestCluster.newDatabase(), watching = try Connection(uri: uri), pool = Pool(uri: uri, size: 1)
        func connections() throws -> Int64 {
            try watching.execute(
                "select count(*) from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
            .single().int64(0)
        }
        let running = Task { try await pool.run { try $0.execute("select pg_sleep(1), 7").first?.int64(1) } }
        while pool.load.busy == 0 { try await Task.sleep(for: .milliseconds(5)) }
        let waiting = Task { try await pool.run { try $0.execute("select 1").count } }
        while pool.load.waiting == 0 { try await Task.sleep(for: .milliseconds(5)) }
        while try connections() == 0 { try await Task.sleep(for: .milliseconds(5)) }
        pool.close()
        await #expect(throws: PostgresError.closed) { _ = try await waiting.value }
        await #expect(throws: PostgresError.closed) { try await pool.run { _ in } }
        #expect(try await running.value == 7)
        // The server hears of it a moment later.
        for _ in 0..<1000 where try connections() > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try connections() == 0)
    }

    @Test func `sessions that wait don't keep others from working`() async throws {
        let uri = try TestCluster.newDatabase(), count = 24
        let pool = Pool(uri: uri, size: count)
        // Each waits, blocking, until all are there: more than a machine has cores.
        let arrived = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<count {
                group.addTask {
                    try await pool.run { connection in
                        try connection.execute("select pg_advisory_lock_shared(7)")
                        for _ in 0..<3000 {
                            if try connection.execute(
                                "select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and granted"
                            ).first!.int64(0) == 24 {
                                return true
                            }
                            usleep(5000)
                        }
                        return false
                    }
                }
            }
            return try await group.reduce(true) { $0 && $1 }
        }
        #expect(arrived)
    }

    @Test func `statements that travel together are answered one by one, and after one that fails none is run`() throws
    {
        let connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "create table public.numbers (n bigint primary key)")
        let answers = try connection.pipeline([
            "insert into public.numbers select generate_series(1, 3)", "select sum(n)::bigint from public.numbers",
            "select n from public.numbers where n > \(Int64(1)) order by n",
        ])
        #expect(try answers[1].first!.int64(0) == 6 && answers[2].count == 2 && answers[2][1].int64(0) == 3)
        #expect(throws: PostgresError.self) {
            try connection.pipeline([
                "insert into public.numbers values (4)", "insert into public.numbers values (1)",
                "insert into public.numbers values (5)",
            ])
        }
        #expect(try connection.execute("select count(*) from public.numbers").first!.int64(0) == 3, "one transaction")
        #expect(throws: PostgresError.self) {
            try connection.pipeline(["select 1 from nothing", "select 2 from public.numbers"])
        }
        // After rows that were streamed, too.
        for _ in 0..<2 {
            var seen = 0
            try connection.stream("select n from public.numbers") { _ in seen += 1 }
            #expect(try connection.execute(prepared: "select n from public.numbers order by n").count == seen)
        }
        // Put off until the next, and thrown there.
        try connection.transaction {
            connection.later("insert into public.numbers values (10)")
            let largest = try connection.execute(prepared: "select max(n) from public.numbers").first!.int64(0)
            #expect(largest == 10)
            connection.later("insert into public.numbers values (11)")
        }
        #expect(try connection.execute("select max(n) from public.numbers").first!.int64(0) == 11)
        #expect(throws: PostgresError.self) {
            try connection.transaction { connection.later("insert into public.numbers values (11)") }
        }
        #expect(connection.isUsable)
        for number in 0..<600 {
            #expect(
                try connection.execute(prepared: SQL(raw: "select \(number)::bigint")).first!.int64(0) == Int64(number))
        }
    }

    @Test func `who waits longer than its deadline is told so, and the next goes on`() async throws {
        let uri = try TestCluster.newDatabase(), pool = Pool(uri: uri, size: 1)
        /// How long it took until it was said that it took too long; nil where it wasn't.
        func lateness(_ body: @escaping @Sendable (Connection) throws -> Void) async -> Double? {
            let began = ContinuousClock.now
            do {
                try await Deadline.within(.milliseconds(300)) { try await pool.run(body) }
                return nil
            } catch {
                return (error as? PostgresError)?.isTimeout ?? false ? (ContinuousClock.now - began) / .seconds(1) : nil
            }
        }
        // For an answer, and for a connection that others have.
        for late in [
            await lateness { try $0.execute("select pg_sleep(120)") },
            await lateness { try $0.execute(prepared: "select pg_sleep(120)") },
            await lateness { try $0.stream("select n, pg_sleep(0.001) from generate_series(1, 120000) n") { _ in } },
            await lateness { try $0.copyOut("copy (select pg_sleep(120)) to stdout (format binary)") { _ in } },
        ] { #expect(try #require(late) < 60) }
        let other = Task { try await pool.run { try $0.execute("select pg_sleep(120)").count } }
        while pool.load.busy == 0 { try await Task.sleep(for: .milliseconds(10)) }
        let waiting = await lateness { _ in }
        #expect(try #require(waiting) < 60)
        other.cancel()
        _ = await other.result
        #expect(try await pool.run { try $0.execute("select 1").count } == 1)
        // Statements that were given up aren't left running.
        let watching = try Connection(uri: uri)
        var running = 1
        for _ in 0..<200 where running > 0 {
            running = try watching.execute(
                "select from pg_stat_activity where query like '%pg_sleep(%' and state = 'active' and pid <> pg_backend_pid()"
            ).count
            try await Task.sleep(for: .milliseconds(20))
        }
        #expect(running == 0)
    }

    @Test func `a server that hangs is given up, whatever is under way`() async throws {
        let uri = try TestCluster.newCluster(), pool = Pool(uri: uri, size: 1)
        try Connection(uri: uri).run(script: "create table public.t (a text)")
        let rows = String(repeating: "x", count: 1 << 16)
        let ways: [@Sendable (Connection) throws -> Void] = [
            { try $0.execute("select 1") }, { _ = try $0.pipeline(["select 1", "select 2"]) },
            { try $0.execute("select \(String(repeating: rows, count: 200))") },
            { try $0.run(script: "select 1") }, { try $0.transaction { _ = 1 } },
            { connection in
                try connection.copyIn("copy public.t from stdin (format binary)") { writer in
                    for _ in 0..<1000 {
                        try writer.beginRow(fields: 1)
                        writer.write(bytes: rows.utf8)
                    }
                }
            },
        ]
        for (number, way) in ways.enumerated() {
            let backend = try await pool.run { pid_t(try $0.execute("select pg_backend_pid()").first!.int64(0)) }
            kill(backend, SIGSTOP)
            defer { kill(backend, SIGCONT) }
            let began = ContinuousClock.now
            await #expect(throws: PostgresError.tooSlow, "\(number)") {
                try await Deadline.within(.milliseconds(300)) { try await pool.run(way) }
            }
            #expect(ContinuousClock.now - began < .seconds(60), "\(number)")
            // A new one does, though that one still hangs.
            #expect(try await pool.run { pid_t(try $0.execute("select pg_backend_pid()").first!.int64(0)) } != backend)
        }
        // Cancelling is heeded by nobody either.
        let backend = try await pool.run { pid_t(try $0.execute("select pg_backend_pid()").first!.int64(0)) }
        kill(backend, SIGSTOP)
        defer { kill(backend, SIGCONT) }
        let task = Task { try await pool.run { try $0.execute("select 1").count } }
        try await Task.sleep(for: .milliseconds(100))
        let began = ContinuousClock.now
        task.cancel()
        await #expect(throws: CancellationError.self) { _ = try await task.value }
        #expect(ContinuousClock.now - began < .seconds(30))
    }
}
