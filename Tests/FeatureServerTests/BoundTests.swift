import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
import Postgres
import Tables
import TestSupport
import Testing

/// What a server doesn't let others do to it: a database that is full, damaged or hangs, web pages, clients that leave
/// or send too much.
@Suite struct BoundTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}}
        features: {clicks.v1: {entity: customer, source: clicks, expression: count(*)}}
        sets: {web.v1: {features: [clicks.v1]}}
        """
    private static let row = #"[{"customer_id":1,"at":"2024-01-01"}]"#,
        line = #"{"customer_id":1,"at":"2024-01-01"}"# + "\n"
    private static let lines = ["Content-Type": "application/x-ndjson"], csv = ["Content-Type": "text/csv"]

    private static func lookup(_ customer: Int) -> String {
        #"{"set":"web.v1","entities":{"customer_id":[\#(customer)]}}"#
    }

    /// Asks until what comes is as it should be; gives what came last.
    private func eventually(_ what: String, _ ask: () async throws -> (ok: Bool, text: String)) async throws {
        var last = ""
        for _ in 0..<1200 {
            let (ok, text) = try await ask()
            if ok { return }
            last = text
            try await Task.sleep(for: .milliseconds(50))
        }
        Issue.record("\(what): \(last)")
    }

    // MARK: The database

    @Test func `what PostgreSQL can't do just now is asked for again, and what is damaged is said`() async throws {
        let uri = try TestCluster.newDatabase()
        try await serving(uri) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let owner = try Connection(uri: uri)
            let cases: [(String, Int, String)] = [
                ("53100", 503, "database_full"), ("53200", 503, "database_busy"), ("55000", 503, "database_busy"),
                ("55P03", 503, "database_busy"),
                ("57P03", 503, "database_unavailable"), ("08006", 503, "database_unavailable"),
                ("25006", 503, "database_read_only"), ("40001", 503, "database_busy"),
                ("40P01", 503, "database_busy"), ("58030", 503, "database_busy"), ("57014", 503, "timed_out"),
                ("XX001", 500, "damaged"), ("XX002", 500, "damaged"),
                ("XX000", 500, "internal"),
            ]
            for (state, status, code) in cases {
                try owner.run(
                    script: """
                        create or replace function public.fault() returns trigger language plpgsql as $$ begin raise exception 'no' using errcode = '\(state)'; end $$;
                        create or replace trigger fault before insert on firn.batches for each row execute function public.fault();
                        """)
                for (body, headers) in [(BoundTests.row, [:]), (BoundTests.line, BoundTests.lines)] {
                    let answer = try await http(
                        "POST", url + "/v1/sources/clicks/rows", bytes: Array(body.utf8), headers: headers)
                    #expect(
                        answer.status == status && answer.text.contains("\"code\":\"\(code)\""), "\(state): \(answer)")
                    #expect(
                        answer.head.lowercased().contains("retry-after: ") == (status == 503), "\(state): \(answer)")
                }
            }
            try owner.run(script: "drop trigger fault on firn.batches")
            #expect(try await http("POST", url + "/v1/sources/clicks/rows", BoundTests.row).status == 200)
        }
    }

    @Test func `a server says that nothing can be written, and goes on answering lookups`() async throws {
        let uri = try TestCluster.newDatabase()
        try await serving(uri) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            #expect(try await http("POST", url + "/v1/lookup", BoundTests.lookup(1)).status == 200)
            #expect(try await ready(url).text == #"{"status":"ready"}"#)
            let owner = try Connection(uri: uri),
                name = try #require(owner.execute("select current_database()::text").first).text(0)
            // What those do who run a database whose disk fills up.
            func turn(_ setting: String) throws {
                try owner.run(script: "alter database \(name) \(setting)")
                try owner.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = \(name) and pid <> pg_backend_pid()"
                )
            }
            try turn("set default_transaction_read_only = on")
            try await eventually("it says that it only reads") {
                let answer = try await http("GET", url + "/readyz")
                return (
                    answer.text == #"{"status":"read_only","code":"database_read_only"}"# && answer.status == 200,
                    "\(answer)"
                )
            }
            let refused = try await http("POST", url + "/v1/sources/clicks/rows", BoundTests.row)
            #expect(refused.status == 503 && refused.text.contains("database_read_only"), "\(refused)")
            #expect(
                try await http("POST", url + "/v1/lookup", BoundTests.lookup(1)).text.contains(
                    #""values":[0],"statuses":["not_found"]"#))
            try owner.run(script: "set default_transaction_read_only = off")
            try turn("reset default_transaction_read_only")
            try await eventually("it is ready again") {
                let answer = try await http("GET", url + "/readyz")
                return (answer.text == #"{"status":"ready"}"#, "\(answer)")
            }
            try await eventually("rows are taken again") {
                let answer = try await http("POST", url + "/v1/sources/clicks/rows", BoundTests.row)
                return (answer.status == 200, "\(answer)")
            }
        }
    }

    @Test func `a database that hangs keeps nobody longer than the deadline`() async throws {
        let uri = try TestCluster.newCluster()
        try await serving(uri, { $0.deadline = .seconds(5) }) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            for body in [
                BoundTests.lookup(1), #"{"features":["clicks.v1"],"entities":{"customer_id":1},"as_of":"2024-01-01"}"#,
            ] {
                try await eventually("memory has an entity, and connections are there") {
                    let answer = try await http("POST", url + "/v1/lookup", body)
                    return (answer.status == 200, "\(answer)")
                }
            }
            #expect(try await ready(url).status == 200)
            let watching = try Connection(uri: uri.replacing("@/firn?", with: "@/postgres?")),
                name = try #require(URLComponents(string: uri)?.path.dropFirst())
            let backends = try watching.execute(
                "select pid from pg_stat_activity where datname = \(String(name)) and backend_type = 'client backend'"
            ).map {
                try pid_t($0.int64(0))
            }
            #expect(backends.count > 2)
            for backend in backends { kill(backend, SIGSTOP) }
            defer { for backend in backends { kill(backend, SIGCONT) } }
            func timed(_ method: String, _ path: String, _ body: String? = nil) async throws -> (
                seconds: Double, answer: (status: Int, text: String)
            ) {
                let began = ContinuousClock.now, answer = try await http(method, url + path, body)
                return ((ContinuousClock.now - began) / .seconds(1), answer)
            }
            async let unknown = timed("POST", "/v1/lookup", BoundTests.lookup(2))
            async let past = timed(
                "POST", "/v1/lookup", #"{"features":["clicks.v1"],"entities":{"customer_id":1},"as_of":"2024-01-01"}"#)
            for _ in 0..<10 {
                let readiness = try await timed("GET", "/readyz")
                #expect(readiness.seconds < 20, "\(readiness)")
            }
            for (seconds, answer) in [try await unknown, try await past] {
                // It may have got a connection that was made since.
                #expect(
                    seconds < 30 && (answer.status == 200 || answer.status == 503 && answer.text.contains("timed_out")),
                    "\(seconds) s: \(answer)")
            }
            // What hangs was given up, and new connections do.
            try await eventually("the catalog is read") {
                let answer = try await http("GET", url + "/v1/features")
                return (answer.status == 200, "\(answer)")
            }
        }
    }

    // MARK: Bodies

    @Test func `a body for which there is no room is refused, though its sender reads nothing before its end`()
        async throws
    {
        try await serving(temporaryDirectory: "/nowhere") { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let body = Array(("customer_id,at\n" + String(repeating: "1,2024-01-01\n", count: 2_000_000)).utf8)
            for path in ["/v1/sources/clicks/import", "/v1/snapshots?set=web.v1"] {
                let answer = try await http("POST", url + path, bytes: body, headers: BoundTests.csv)
                #expect(answer.status == 507 && answer.text.contains("\"no_room\""), "\(path): \(answer)")
            }
        }
    }

    @Test func `a push is answered though its sender says that nothing more comes`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            for (body, type) in [(BoundTests.row, "application/json"), (BoundTests.line, "application/x-ndjson")] {
                let head =
                    "POST /v1/sources/clicks/rows HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                let answer = try await talk(Array((head + body).utf8), to: url, ending: true)
                #expect(answer.hasPrefix("HTTP/1.1 200") && answer.contains("\"accepted\":1"), "\(type): \(answer)")
                let both = try await talk(Array((head + body + head + body).utf8), to: url, ending: true)
                #expect(both.matches(of: /"accepted":1/).count == 2, "\(type): \(both)")
            }
        }
    }

    @Test func `who leaves in the middle of a body is no fault of the server's`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            for (path, type) in [
                ("/v1/sources/clicks/rows", "application/x-ndjson"), ("/v1/sources/clicks/import", "text/csv"),
                ("/v1/definitions/apply", "application/yaml"),
            ] {
                let head =
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nContent-Length: 1000000\r\n\r\ncustomer_id,at\n1,2024"
                _ = try await talk(Array(head.utf8), to: url, leaving: true)
            }
            try await eventually("they are counted") {
                let metrics = try await http("GET", url + "/metrics").text
                return (
                    metrics.matches(of: /status="499"\} 1\n/).count == 3 && !metrics.contains("status=\"500\""), metrics
                )
            }
        }
    }

    @Test func `what is too long is refused before it is read`() async throws {
        try await serving(nil, { $0.patience.lingering = .milliseconds(200) }) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let long = String(repeating: "a+", count: 501)
            for path in [
                "/v1/search?q=\(long)", "/v1/features?owner=\(long)", "/v1/features/\(long)", "/v1/lineage/\(long)",
                "/v1/snapshots/\(long)/data",
            ] {
                let answer = try await http("GET", url + path)
                #expect(
                    answer.status == 400 && answer.text.contains("more than 1000 bytes"),
                    "\(path.prefix(20)): \(answer)")
            }
            let stage =
                #"{"name":"clicks.v1","stage":"deprecated","reason":"\#(String(repeating: "x", count: 20_000))"}"#
            #expect(try await http("POST", url + "/v1/stages", stage).text.contains("reason has more than 10000 bytes"))
            // Nothing of the body is ever sent.
            for (path, type, says) in [
                ("/v1/lookup", "application/json", "4 MiB"),
                ("/v1/sources/clicks/rows", "application/x-ndjson", "16 MiB"),
                ("/v1/sources/clicks/import", "text/csv", "16 GiB"),
            ] {
                let head =
                    "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nConnection: close\r\nContent-Length: 17179869185\r\n\r\n"
                let answer = try await talk(Array(head.utf8), to: url)
                #expect(answer.hasPrefix("HTTP/1.1 413") && answer.contains(says), "\(path): \(answer)")
            }
            // On a connection that stays, too, where small bodies are answered before the routes.
            for (path, type, says) in [
                ("/v1/lookup", "application/json", "4 MiB"), ("/v1/sources/clicks/rows", "application/json", "16 MiB"),
            ] {
                let answer = try await talk(
                    Array(
                        "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: \(type)\r\nContent-Length: 17179869185\r\n\r\n"
                            .utf8), to: url)
                #expect(answer.hasPrefix("HTTP/1.1 413") && answer.contains(says), "\(path): \(answer)")
            }
            for (head, status) in [
                ("GET /healthz HTTP/1.1\r\n", "400"),
                ("GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", "400"),
                ("GET /healthz HTTP/1.0\r\n", "200"),
                ("GET /healthz HTTP/1.1\r\nHost: localhost\r\n", "200"),
            ] {
                let answer = try await talk(Array((head + "Connection: close\r\n\r\n").utf8), to: url)
                #expect(answer.dropFirst(9).hasPrefix(status), "\(head): \(answer)")
            }
        }
    }

    private func packed(_ text: String, times: Int) throws -> [UInt8] {
        var packed: [UInt8] = []
        let writer = try ByteWriter(.zstd, name: "body") { piece throws(TableError) in packed += piece }
        let thousand = Array(String(repeating: text, count: 1000).utf8)
        for _ in 0..<times / 1000 { try writer.write(thousand) }
        if times % 1000 > 0 { try writer.write(Array(String(repeating: text, count: times % 1000).utf8)) }
        try writer.finish()
        return packed
    }

    @Test func `a small body doesn't come to more rows than its route takes`() async throws {
        try await serving(
            nil,
            {
                $0.mostJobs = 1
                $0.jobMemory = 32 << 20
            }
        ) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let lines = BoundTests.lines.merging(["Content-Encoding": "zstd"]) { $1 },
                csv = BoundTests.csv.merging(["Content-Encoding": "zstd"]) { $1 }
            let rows = try await http(
                "POST", url + "/v1/sources/clicks/rows", bytes: packed(BoundTests.line, times: 250_001), headers: lines)
            #expect(rows.status == 413 && rows.text.contains("more than 250000 rows"), "\(rows)")
            let array =
                "[" + String(repeating: #"{"customer_id":1,"at":"2024-01-01"},"#, count: 250_000)
                + #"{"customer_id":1,"at":"2024-01-01"}]"#
            let all = try await http("POST", url + "/v1/sources/clicks/rows", array)
            #expect(all.status == 413 && all.text.contains("more than 250000 rows"), "\(all)")
            // A row of a source with many columns is large, however little of it is said.
            let wide = (0..<900).map { "c\($0): int64" }.joined(separator: ", ")
            let definitions = "sources: {wide: {columns: {at: timestamp, \(wide)}, event_time: at}}"
            #expect(try await http("POST", url + "/v1/definitions/apply", definitions).status == 200)
            let sparse = try await http(
                "POST", url + "/v1/sources/wide/rows", bytes: packed("{\"at\":\"2024-01-01\"}\n", times: 20_000),
                headers: lines)
            #expect(sparse.status == 413 && sparse.text.contains("more than 128 MiB of columns"), "\(sparse)")
            // A spine has a quarter of what a job has.
            let spine = try await http(
                "POST", url + "/v1/snapshots?set=web.v1&record=false", bytes: packed("1,2024-01-01\n", times: 300_000),
                headers: csv)
            #expect(spine.status == 400, "without a header: \(spine)")
            for (row, count, says) in [
                ("1,2024-01-01\n", 300_000, "4 MiB of columns"), (",,,,,,,,,,,,,,,,,,,\n", 60_000, "4 MiB of columns"),
            ] {
                let columns = row.split(separator: ",", omittingEmptySubsequences: false).count
                let names =
                    columns == 2
                    ? ["customer_id", "event_timestamp"]
                    : ["customer_id", "event_timestamp"] + (2..<columns).map { "c\($0)" }
                let body =
                    try packed(names.joined(separator: ",") + "\n", times: 1)
                    + packed(columns == 2 ? row : "1,2024-01-01" + row.dropFirst(1), times: count)
                let answer = try await http(
                    "POST", url + "/v1/snapshots?set=web.v1&record=false", bytes: body, headers: csv)
                #expect(answer.status == 413 && answer.text.contains(says), "\(columns) columns: \(answer)")
            }
            let fits = try packed("customer_id,event_timestamp\n", times: 1) + packed("1,2024-01-01\n", times: 10_000)
            #expect(try await http("POST", url + "/v1/snapshots?set=web.v1", bytes: fits, headers: csv).status == 201)
        }
    }

    @Test func `bodies that don't go on are waited for by nobody for long`() async throws {
        try await serving(
            nil,
            {
                $0.bodyMemory = 1 << 20
                $0.patience.receiving = .seconds(7)
                $0.patience.leastRate = 1e6
                $0.patience.glance = .milliseconds(100)
            }
        ) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let lines = String(repeating: BoundTests.line, count: 20_000)
            let head =
                "POST /v1/sources/clicks/rows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 16000000\r\n\r\n"
            let stalled = Task { _ = try await talk(Array((head + lines).utf8), to: url) }
            try await Task.sleep(for: .milliseconds(500))
            let refused = try await http("POST", url + "/v1/sources/clicks/rows", lines, headers: BoundTests.lines)
            #expect(refused.status == 503 && refused.text.contains("\"overloaded\""), "\(refused)")
            _ = try await stalled.value
            let taken = try await http(
                "POST", url + "/v1/sources/clicks/rows", BoundTests.line, headers: BoundTests.lines)
            #expect(taken.status == 200, "\(taken)")
        }
    }

    @Test func `a lookup doesn't read more rows than it may hold`() async throws {
        try await serving(nil, { $0.rowMemory = 1 << 20 }) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let rows = "customer_id,at\n" + (0..<60_000).map { "\($0 < 50_000 ? 1 : 2),2024-01-01\n" }.joined()
            #expect(
                try await http("POST", url + "/v1/sources/clicks/import", rows, headers: BoundTests.csv).status == 200)
            func then(_ customer: Int) -> String {
                #"{"set":"web.v1","entities":{"customer_id":[\#(customer)]},"as_of":"2024-05-01"}"#
            }
            let large = try await http("POST", url + "/v1/lookup", then(1))
            #expect(
                large.status == 413 && large.text.contains("\"too_much\"") && large.text.contains("1 MiB"), "\(large)")
            #expect(try await http("POST", url + "/v1/lookup", then(3)).text.contains(#""values":[0]"#))
            #expect(
                try await http("POST", url + "/v1/lookup", BoundTests.lookup(1)).text.contains(#""values":[50000]"#),
                "memory has it")
        }
    }

    // MARK: Others

    @Test func `a web page isn't answered by a server on loopback that asks for no tokens`() async throws {
        try await serving(nil, { $0.hostNames = ["Features.internal"] }) { url in
            let port = try #require(URLComponents(string: url)?.port)
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let pages: [(String, [String])] = [
                ("localhost", ["Origin: https://evil.example"]), ("localhost", ["Origin: null"]),
                ("localhost:\(port)", ["Origin: http://localhost:\(port + 1)"]),
                ("localhost", ["Sec-Fetch-Site: cross-site"]), ("localhost", ["Sec-Fetch-Site: same-site"]),
                ("evil.example", []), ("evil.example:\(port)", []),
                ("localhost.evil.example", []), ("[::2]:\(port)", []),
            ]
            let own: [(String, [String])] = [
                ("localhost:\(port)", []), ("127.0.0.1", []), ("[::1]:\(port)", []), ("LOCALHOST", []),
                ("features.internal:1", []), ("localhost", ["Sec-Fetch-Site: none"]),
                ("localhost:\(port)", ["Origin: http://localhost:\(port)", "Sec-Fetch-Site: same-origin"]),
            ]
            let asked = [
                ("POST", "/v1/lookup", BoundTests.lookup(1)), ("POST", "/v1/sources/clicks/rows", BoundTests.row),
                ("GET", "/v1/features", ""), ("GET", "/healthz", ""),
                ("POST", "/get-online-features", #"{"features":["clicks.v1"],"entities":{"customer_id":[1]}}"#),
                ("GET", "/metrics", ""), ("GET", "/nothing", ""),
                ("POST", "/v1/definitions/apply", BoundTests.definitions),
            ]
            func ask(_ method: String, _ path: String, _ body: String, _ host: String, _ headers: [String]) async throws
                -> String
            {
                let head =
                    ([
                        "\(method) \(path) HTTP/1.1", "Host: \(host)", "Connection: close",
                        "Content-Type: application/json",
                    ] + headers + ["Content-Length: \(body.utf8.count)"])
                    .joined(separator: "\r\n")
                // Twice in one connection, too: the second time memory could answer.
                return try await talk(Array("\(head)\r\n\r\n\(body)".utf8), to: url)
            }
            for (method, path, body) in asked {
                for (host, headers) in own {
                    let answer = try await ask(method, path, body, host, headers)
                    #expect(
                        answer.hasPrefix("HTTP/1.1 \(path == "/nothing" ? 404 : 200)"),
                        "\(path) as \(host) \(headers): \(answer)")
                }
                for (host, headers) in pages {
                    let answer = try await ask(method, path, body, host, headers)
                    #expect(
                        answer.hasPrefix("HTTP/1.1 403") && answer.contains("\"foreign_origin\""),
                        "\(path) as \(host) \(headers): \(answer)")
                }
            }
        }
        // Who bears a token is no page.
        let uri = try TestCluster.newDatabase(), store = Store(uri: uri, actor: "owner")
        _ = try await store.migrate()
        let token = try await store.catalog.createToken(name: "svc", role: .read)
        try await serving(uri, { $0.needsTokens = true }) { url in
            let answer = try await http(
                "GET", url + "/v1/features",
                headers: ["Authorization": "Bearer \(token)", "Origin": "https://notebook.example"])
            #expect(answer.status == 200)
        }
    }

    @Test func `a body is of a type that its route takes`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", BoundTests.definitions)
            let bodies: [(path: String, body: String, takes: [String])] = [
                (
                    "/v1/lookup", BoundTests.lookup(1),
                    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"]
                ),
                (
                    "/v1/sources/clicks/rows", BoundTests.line,
                    ["application/x-ndjson", "application/ndjson", "application/jsonl"]
                ),
                ("/v1/sources/clicks/rows", BoundTests.row, ["application/json"]),
                (
                    "/v1/definitions/plan", BoundTests.definitions,
                    ["application/yaml", "application/x-yaml", "text/yaml", "application/json"]
                ),
                ("/v1/pointers", #"{"name":"web@a","target":"web.v1"}"#, ["application/json"]),
                (
                    "/get-online-features", #"{"features":["clicks.v1"],"entities":{"customer_id":[1]}}"#,
                    ["application/json", ""]
                ),
            ]
            for (path, body, takes) in bodies {
                func ask(_ type: String) async throws -> String {
                    let type = type.isEmpty ? "" : "Content-Type: \(type)\r\n"
                    return try await talk(
                        Array(
                            "POST \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(type)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
                                .utf8), to: url)
                }
                for type in takes {
                    let answer = try await ask(type)
                    #expect(answer.hasPrefix("HTTP/1.1 200"), "\(path) as \(type): \(answer)")
                }
                for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
                where !takes.contains(type) {
                    let answer = try await ask(type)
                    #expect(
                        answer.hasPrefix("HTTP/1.1 415") && answer.contains("this takes application/"),
                        "\(path) as \(type): \(answer)")
                }
            }
        }
    }

    @Test func `one caller's jobs don't keep out another's`() async throws {
        let uri = try TestCluster.newDatabase(), store = Store(uri: uri, actor: "owner")
        _ = try await store.migrate()
        let (many, one) = (
            try await store.catalog.createToken(name: "many", role: .read),
            try await store.catalog.createToken(name: "one", role: .admin)
        )
        try await serving(
            uri,
            {
                $0.needsTokens = true
                $0.mostJobs = 2
            }
        ) { url in
            func ask(_ method: String, _ path: String, _ body: String? = nil, _ token: String) async throws -> (
                status: Int, text: String
            ) {
                try await http(method, url + path, body, headers: ["Authorization": "Bearer \(token)"])
            }
            #expect(try await ask("POST", "/v1/definitions/apply", BoundTests.definitions, one).status == 200)
            let holding = try Connection(uri: uri)
            try holding.run(script: "begin; lock table firn.snapshots in access exclusive mode")
            // One of them is worked on, the others wait, and some are too many.
            let jobs = (0..<24).map { _ in Task { try await ask("POST", "/v1/snapshots/none/verify", nil, many).status }
            }
            try await eventually("they fill the line") {
                let metrics = try await ask("GET", "/metrics", nil, many).text
                return (metrics.contains("firn_http_refused_total 7\n"), metrics)
            }
            let other = try await ask("GET", "/v1/diff?left=clicks.v1&right=clicks.v1", nil, one)
            #expect(other.status == 200, "\(other)")
            try holding.run(script: "rollback")
            var statuses: [Int] = []
            for job in jobs { statuses.append(try await job.value) }
            #expect(statuses.sorted() == Array(repeating: 404, count: 17) + Array(repeating: 503, count: 7))
        }
    }

    @Test func `a name that means something in a path means nothing where it is a name`() async throws {
        let uri = try TestCluster.newDatabase(), store = Store(uri: uri, actor: "owner"),
            names = ["data", "import", "verify", "diff", "rows"]
        _ = try await store.migrate()
        let (read, admin) = (
            try await store.catalog.createToken(name: "read", role: .read),
            try await store.catalog.createToken(name: "admin", role: .admin)
        )
        try await serving(uri, { $0.needsTokens = true }) { url in
            let sources = names.map { "\($0): {columns: {at: timestamp}, event_time: at}" }.joined(separator: ", ")
            let definitions =
                "entities: {\(names.map { "\($0): {keys: {}}" }.joined(separator: ", "))}\nsources: {\(sources)}"
            let applied = try await http(
                "POST", url + "/v1/definitions/apply", definitions, headers: ["Authorization": "Bearer \(admin)"])
            #expect(applied.status == 200)
            for name in names {
                for path in ["/v1/sources/\(name)", "/v1/entities/\(name)"] {
                    let answer = try await http("GET", url + path, headers: ["Authorization": "Bearer \(read)"])
                    #expect(answer.status == 200 && answer.text.contains("\"name\":\"\(name)\""), "\(path): \(answer)")
                }
                let push = try await http(
                    "POST", url + "/v1/sources/\(name)/rows", #"[{"at":"2024-01-01"}]"#,
                    headers: ["Authorization": "Bearer \(read)"])
                #expect(push.status == 403, "\(name): \(push)")
                let taken = try await http(
                    "POST", url + "/v1/sources/\(name)/rows", #"[{"at":"2024-01-01"}]"#,
                    headers: ["Authorization": "Bearer \(admin)"])
                #expect(taken.status == 200)
            }
            let metrics = try await http("GET", url + "/metrics", headers: ["Authorization": "Bearer \(read)"]).text
            #expect(metrics.contains("route=\"/v1/sources/{name}\",status=\"200\"} 5\n"), "\(metrics)")
        }
    }
}
