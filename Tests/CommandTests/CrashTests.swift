import Foundation
import Postgres
import Synchronization
import TestSupport
import Testing

/// What was acknowledged is there once, and of what failed there is nothing, whatever is killed and when.
@Suite(.serialized) struct CrashTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {events: {columns: {event: string, customer_id: int64, at: timestamp}, event_time: at}}
        features: {events.v1: {entity: customer, source: events, expression: count(*)}}
        """

    /// How many pushes were acknowledged so far.
    private final class Counter: Sendable {
        private let count = Atomic(0)
        func add() { count.add(1, ordering: .relaxed) }
        var value: Int { count.load(ordering: .relaxed) }
    }

    /// Waits for what a slow machine takes longer to reach.
    private func wait(_ what: String, until condition: () async throws -> Bool) async throws {
        for _ in 0..<3000 {
            if try await condition() { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("\(what) didn't come about")
    }

    /// Waits until an import is copying rows.
    private func waitForCopy(_ uri: String) async throws {
        let connection = try Connection(uri: uri)
        try await wait("an import") {
            try connection.execute(
                "select from pg_stat_activity where query like 'copy %' and state = 'active' and datname = current_database()"
            ).count > 0
        }
    }

    /// An import of `big.csv` through a pipe that doesn't end, and what writes to it.
    private func slowImport(_ project: Project) throws -> (importing: RunningProgram, file: RunningProgram) {
        let file = try RunningProgram(
            "/bin/sh", ["-c", "mkfifo slow.csv && exec 3> slow.csv && cat big.csv >&3 && exec sleep 600"],
            in: project.directory)
        while !FileManager.default.fileExists(atPath: project.directory + "/slow.csv") {
            Thread.sleep(forTimeInterval: 0.002)
        }
        return (try project.start("import", "events", "slow.csv"), file)
    }

    /// Pushes rows of two until it is cancelled or the server is gone; gives the events that were acknowledged.
    private func pushing(_ url: String, _ name: String, _ acknowledgements: Counter) -> Task<[String], Never> {
        Task {
            var acknowledged: [String] = []
            for number in 0..<10_000 {
                let events = ["\(name)-\(number)-a", "\(name)-\(number)-b"]
                let body =
                    "["
                    + events.map { "{\"event\":\"\($0)\",\"customer_id\":1,\"at\":\"2024-01-01\"}" }.joined(
                        separator: ",") + "]"
                guard let answer = try? await http("POST", url + "/v1/sources/events/rows", body) else { break }
                if answer.status == 200 {
                    acknowledged += events
                    acknowledgements.add()
                } else if answer.status != 503 && answer.status != 500 {
                    Issue.record("\(answer)")
                }
                if Task.isCancelled { break }
            }
            return acknowledged
        }
    }

    private func check(_ uri: String, _ acknowledged: [String]) throws {
        let connection = try Connection(uri: uri)
        let rows = try connection.execute("select event, count(*) from firn_source.events group by event")
        var counts: [String: Int64] = [:]
        for row in 0..<rows.count { try counts[rows[row].text(0)] = rows[row].int64(1) }
        #expect(acknowledged.count > 20, "too few pushes to mean anything")
        #expect(acknowledged.allSatisfy { counts[$0] == 1 })
        #expect(counts.values.allSatisfy { $0 == 1 })
        for event in counts.keys where event.hasSuffix("-a") {
            #expect(counts[event.dropLast() + "b"] == 1, "half of a push")
        }
        let orphans = try connection.execute(
            "select count(*) from firn_source.events e where not exists (select from firn.batches b where b.batch = e.firn_batch)"
        )
        #expect(try orphans.first!.int64(0) == 0)
    }

    @Test func `a server killed in the middle of pushes`() async throws {
        let project = try Project(embedded: true)
        try project.write("d.yaml", CrashTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        let uri = try project.run("url").text.trimmingCharacters(in: .whitespacesAndNewlines)
        var acknowledged: [String] = []
        for round in 0..<2 {
            let (server, url) = try project.serve()
            let acknowledgements = Counter()
            let pushers = (0..<4).map { pushing(url, "r\(round)p\($0)", acknowledgements) }
            try await wait("40 pushes") { acknowledgements.value >= 40 }
            server.kill()
            for pusher in pushers { acknowledged += await pusher.value }
        }
        // A backend may still be at work on the last statement of a server that is gone.
        try await Task.sleep(for: .milliseconds(300))
        try check(uri, acknowledged)
    }

    @Test func `PostgreSQL stopped at once in the middle of pushes and of an import, and back`() async throws {
        let project = try Project(embedded: true)
        try project.write("d.yaml", CrashTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        let uri = try project.run("url").text.trimmingCharacters(in: .whitespacesAndNewlines)
        try project.write(
            "big.csv", "event,customer_id,at\n" + (0..<400_000).map { "imported-\($0),2,2024-01-01\n" }.joined())
        let (server, url) = try project.serve()
        let acknowledgements = Counter()
        let pushers = (0..<4).map { pushing(url, "p\($0)", acknowledgements) }
        try await wait("20 pushes") { acknowledgements.value >= 20 }
        let (importing, file) = try slowImport(project)
        try await waitForCopy(uri)
        let cluster = try #require(
            Cluster.find(from: project.directory, path: ProcessInfo.processInfo.environment["PATH"] ?? ""))
        _ = try cluster.stop(immediately: true)
        file.kill()
        let imported = importing.finish()
        try cluster.start()
        // The same server goes on by itself once the database is back.
        let after = """
            [{"event":"after-a","customer_id":3,"at":"2024-01-01"},{"event":"after-b","customer_id":3,"at":"2024-01-01"}]
            """
        var answer = try await http("POST", url + "/v1/sources/events/rows", after)
        // One that joins those who tried just before it was back is told to try again, as they are.
        for _ in 0..<100 where answer.status == 503 {
            try await Task.sleep(for: .milliseconds(50))
            answer = try await http("POST", url + "/v1/sources/events/rows", after)
        }
        #expect(answer.status == 200, "\(answer)")
        for pusher in pushers { pusher.cancel() }
        var acknowledged = ["after-a", "after-b"]
        for pusher in pushers { acknowledged += await pusher.value }
        server.terminate()
        _ = server.finish()
        let connection = try Connection(uri: uri)
        let rows = try connection.execute("select count(*) from firn_source.events where customer_id = 2").first!.int64(
            0)
        #expect(imported.status == 1 && rows == 0, "exit \(imported.status), \(rows) rows: \(imported.text)")
        try check(uri, acknowledged)
    }

    @Test func `while PostgreSQL is away memory answers as stale, the rest is refused, and all comes back by itself`()
        async throws
    {
        let project = try Project(embedded: true)
        try project.write("d.yaml", CrashTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        let (server, url) = try project.serve()
        defer { server.terminate() }
        func push(_ event: String) async throws -> (status: Int, text: String) {
            try await http(
                "POST", url + "/v1/sources/events/rows",
                "[{\"event\":\"\(event)\",\"customer_id\":1,\"at\":\"2024-01-01\"}]")
        }
        func lookup(_ customer: Int) async throws -> (status: Int, text: String) {
            try await http(
                "POST", url + "/v1/lookup",
                "{\"features\":[\"events.v1\"],\"entities\":{\"customer_id\":[\(customer)]}}")
        }
        #expect(try await push("a").status == 200)
        #expect(try await lookup(1).text.contains(#""values":[1],"statuses":["present"]"#))
        let cluster = try #require(
            Cluster.find(from: project.directory, path: ProcessInfo.processInfo.environment["PATH"] ?? ""))
        _ = try cluster.stop(immediately: true)
        try await wait("memory that says it is stale") {
            try await lookup(1).text.contains(#""values":[1],"statuses":["stale"]"#)
        }
        #expect(try await lookup(1).text.contains("age_ms"))
        #expect(try await lookup(2).text.contains("database_unavailable"), "nobody asked for it before")
        #expect(try await push("b").status == 503)
        #expect(try await http("GET", url + "/healthz").status == 200)
        #expect(try await http("GET", url + "/readyz").text.contains(#"{"status":"stale","age_ms":"#))
        try cluster.start()
        try await wait("a fresh answer") { try await lookup(1).text.contains(#""values":[1],"statuses":["present"]"#) }
        #expect(try await lookup(2).text.contains(#""values":[0],"statuses":["not_found"]"#))
        #expect(try await push("b").status == 200)
        #expect(
            try await lookup(1).text.contains(#""values":[2]"#), "what was acknowledged is there, and what wasn't isn't"
        )
        #expect(try await http("GET", url + "/readyz").status == 200)
    }

    @Test func `an import killed half-way leaves nothing`() async throws {
        let project = try Project()
        try project.write("d.yaml", CrashTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        try project.write(
            "big.csv", "event,customer_id,at\n" + (0..<400_000).map { "imported-\($0),2,2024-01-01\n" }.joined())
        let (importing, file) = try slowImport(project)
        try await waitForCopy(project.environment["FIRN_DATABASE_URL"]!)
        importing.kill()
        file.kill()
        #expect(try project.run("import", "events", "big.csv").status == 0)
        let counts = try Connection(uri: project.environment["FIRN_DATABASE_URL"]!).execute(
            "select count(*), count(distinct event), count(distinct firn_batch) from firn_source.events"
        ).first!
        #expect(try [counts.int64(0), counts.int64(1), counts.int64(2)] == [400_000, 400_000, 1])
    }

    @Test func `a training set that is killed leaves no file for ever`() async throws {
        let project = try Project()
        try project.write("d.yaml", CrashTests.definitions + "\nsets: {all.v1: {features: [events.v1]}}\n")
        #expect(try project.run("apply", "d.yaml").status == 0)
        func outputs() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: project.directory).filter { $0.hasPrefix("out.csv") }
        }
        for round in 0..<2 {
            // A spine that doesn't end; the file is begun before it is read.
            let spine = try RunningProgram(
                "/bin/sh",
                [
                    "-c",
                    "mkfifo s\(round).csv && exec 3> s\(round).csv && echo open && echo customer_id,event_timestamp >&3 && exec sleep 600",
                ], in: project.directory)
            while !FileManager.default.fileExists(atPath: project.directory + "/s\(round).csv") {
                try await Task.sleep(for: .milliseconds(2))
            }
            let making = try project.start(
                "snapshot", "create", "--set", "all.v1", "--spine", "s\(round).csv", "--out", "out.csv")
            #expect(spine.wait(for: "open").contains("open"))
            making.kill()
            spine.kill()
            // What an earlier version left, too.
            if round == 0 { try project.write("out.csv.part-4194301", "customer_id") }
            try project.write("spine.csv", "customer_id,event_timestamp\n\(round),2024-01-01\n")
            #expect(
                try project.run("snapshot", "create", "--set", "all.v1", "--spine", "spine.csv", "--out", "out.csv")
                    .status == 0)
            #expect(try outputs() == ["out.csv"])
            #expect(try project.read("out.csv") == "customer_id,event_timestamp,events\n\(round),2024-01-01,0\n")
        }
    }

    @Test func `sealing and reading killed at any point leave nothing half done`() async throws {
        let project = try Project()
        try project.write("d.yaml", CrashTests.definitions + "\nsets: {all.v1: {features: [events.v1]}}\n")
        #expect(try project.run("apply", "d.yaml").status == 0)
        try project.write(
            "big.csv",
            "event,customer_id,at\n" + (0..<200_000).map { "e\($0),\($0 % 997),2024-01-0\($0 % 9 + 1)\n" }.joined())
        #expect(try project.run("import", "events", "big.csv").status == 0)
        try project.write(
            "spine.csv",
            "customer_id,event_timestamp\n" + (0..<3000).map { "\($0 % 1000),2024-01-0\($0 % 9 + 1)\n" }.joined())
        func digest() throws -> String {
            let made = try project.run("snapshot", "create", "--set", "all.v1", "--spine", "spine.csv", "--json")
            #expect(made.status == 0, "\(made.text)")
            return String(made.text.split(separator: "\n").first { $0.contains("digest") } ?? "")
        }
        let expected = try digest()
        let connection = try Connection(uri: project.environment["FIRN_DATABASE_URL"]!)
        for delay in [50, 150, 250, 350, 450, 600] {
            for command in [
                ["materialize"], ["snapshot", "create", "--set", "all.v1", "--spine", "spine.csv", "--out", "out.csv"],
            ] {
                let program = try RunningProgram(
                    firnBinary, command, in: project.directory, environment: project.environment)
                try await Task.sleep(for: .milliseconds(delay))
                program.kill()
            }
            let half = try connection.execute(
                "select from firn_cache.runs r where (select coalesce(sum(rows), 0) from firn_cache.segments s where s.run = r.run) <> r.up_to - r.after_offset"
            )
            #expect(half.count == 0)
            #expect(try digest() == expected)
        }
        #expect(try project.run("materialize").status == 0)
        #expect(try digest() == expected)
        let files = try FileManager.default.subpathsOfDirectory(atPath: project.directory + "/cache")
        #expect(files.allSatisfy { !$0.hasSuffix(".part") }, "\(files)")
    }
}
