import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Testing

/// What makes a server safe on a network: bounds, slow clients, certificates, and what it says of itself.
@Suite struct OperationTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}}
        features: {clicks.v1: {entity: customer, source: clicks, expression: count(*)}}
        sets: {web.v1: {features: [clicks.v1]}}
        """
    private static let lookup = #"{"set":"web.v1","entities":{"customer_id":[1]}}"#
    private static let row = #"[{"customer_id":1,"at":"2024-01-01"}]"#

    private func curl(_ arguments: String...) async throws -> (status: Int32, text: String) {
        try await RunningProgram(
            "/usr/bin/curl", ["-sS", "--max-time", "20", "-H", "Content-Type: application/json"] + arguments, in: "/tmp"
        ).end()
    }

    @Test func `a server speaks TLS, and takes up a new certificate without a restart`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        @Sendable func certify(_ name: String) async throws {
            let made = try await RunningProgram(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=\(name)", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", "key.new", "-out",
                    "cert.new",
                ],
                in: directory
            ).end()
            #expect(made.status == 0, "\(made.text)")
            for file in ["key", "cert"] {
                #expect(unsafe rename("\(directory)/\(file).new", "\(directory)/\(file).pem") == 0)
            }
        }
        try await certify("first")
        try FileManager.default.copyItem(atPath: directory + "/cert.pem", toPath: directory + "/first.pem")
        let certificates = try Certificates(certificate: directory + "/cert.pem", key: directory + "/key.pem")
        try await serving(scheme: "https", { $0.certificates = certificates }) { url in
            #expect(try await curl("--cacert", directory + "/first.pem", url + "/healthz").text == #"{"status":"ok"}"#)
            #expect(
                try await curl("--cacert", directory + "/first.pem", "--tls-max", "1.1", url + "/healthz").status != 0)
            #expect(
                try await curl(
                    "--cacert", directory + "/first.pem", "-d", OperationTests.definitions,
                    url + "/v1/definitions/apply"
                ).text.contains("clicks.v1"))
            #expect(
                try await curl("--cacert", directory + "/first.pem", "-d", OperationTests.lookup, url + "/v1/lookup")
                    .text.contains(#""values":[0]"#))
            try await certify("second")
            for _ in 0..<100 {
                if try await curl("--cacert", directory + "/cert.pem", url + "/healthz").status == 0 { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(try await curl("--cacert", directory + "/cert.pem", url + "/healthz").text == #"{"status":"ok"}"#)
            #expect(try await curl("--cacert", directory + "/first.pem", url + "/healthz").status != 0)
            // One that can't be used changes nothing.
            try "no certificate".write(toFile: directory + "/cert.pem", atomically: true, encoding: .utf8)
            try await Task.sleep(for: .milliseconds(1500))
            #expect(try await curl("--insecure", url + "/healthz").text == #"{"status":"ok"}"#)
        }
        #expect(throws: StoreError.self) {
            try Certificates(certificate: directory + "/cert.pem", key: directory + "/key.pem")
        }
        #expect(throws: StoreError.self) {
            try Certificates(certificate: directory + "/first.pem", key: directory + "/nowhere.pem")
        }
        #expect(throws: StoreError.self, "a key of another certificate") {
            try Certificates(certificate: directory + "/first.pem", key: directory + "/key.pem")
        }
    }

    @Test(arguments: [
        ("says nothing", ""), ("sends half a head", "POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-"),
        (
            "sends half a lookup",
            "POST /v1/lookup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        ),
        (
            "sends half a push",
            "POST /v1/sources/clicks/rows HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{"
        ),
        ("waits after its answer", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ]) func `a client that is too slow is cut off`(what: String, bytes: String) async throws {
        try await serving(nil, OperationTests.impatient) { url in
            let port = try #require(URLComponents(string: url)?.port)
            let began = ContinuousClock.now
            let client = try RunningProgram(
                "/bin/bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); printf '%s' \"$BYTES\" >&3; cat <&3"],
                in: "/tmp", environment: ["BYTES": bytes])
            _ = await client.end()
            #expect(ContinuousClock.now - began < .seconds(15), "\(what)")
            #expect(try await http("GET", url + "/healthz").status == 200)
        }
    }

    @Test func `a client that takes no answers is cut off, and costs no memory`() async throws {
        try await serving(nil, OperationTests.impatient) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", OperationTests.definitions)
            _ = try await http("POST", url + "/v1/lookup", OperationTests.lookup)
            let port = try #require(URLComponents(string: url)?.port)
            let request =
                "POST /v1/lookup HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nContent-Length: \(OperationTests.lookup.utf8.count)\\r\\n\\r\\n"
            // It asks for ever and reads nothing: its writes end with the connection.
            let client = try RunningProgram(
                "/bin/bash",
                ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); while printf '\(request)%s' \"$BODY\" >&3; do :; done"],
                in: "/tmp",
                environment: ["BODY": OperationTests.lookup])
            let began = ContinuousClock.now
            _ = await client.end()
            #expect(ContinuousClock.now - began < .seconds(60))
            #expect(try await http("GET", url + "/metrics").text.contains("firn_http_cut_off_total 1\n"))
        }
    }

    private static func impatient(_ configuration: inout FeatureServer.Configuration) {
        configuration.patience.receiving = .milliseconds(400)
        configuration.patience.sending = .milliseconds(400)
        configuration.patience.idle = .milliseconds(600)
        configuration.patience.greeting = .milliseconds(400)
        configuration.patience.glance = .milliseconds(50)
    }

    @Test func `what is more than can be done is refused at once, and what waits is done`() async throws {
        let uri = try TestCluster.newDatabase()
        try await serving(uri, { ($0.mostJobs, $0.mostRequests) = (1, 2) }) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", OperationTests.definitions)
            _ = try await http("POST", url + "/v1/lookup", OperationTests.lookup)
            let holding = try Connection(uri: uri)
            try holding.run(script: "begin; lock table firn.snapshots in access exclusive mode")
            // One is worked on, eight wait.
            let jobs = (0..<9).map { _ in Task { try await http("POST", url + "/v1/snapshots/none/verify").status } }
            let requests = (0..<2).map { _ in Task { try await http("GET", url + "/v1/snapshots").status } }
            try await Task.sleep(for: .seconds(2))
            let refused = try await curl("-i", "-d", OperationTests.definitions, url + "//v1/definitions/plan/").text
            #expect(
                refused.contains("503") && refused.contains("\"overloaded\"")
                    && refused.lowercased().contains("retry-after: 1"), "\(refused)")
            #expect(try await http("GET", url + "/v1/features").text.contains("overloaded"))
            // What memory has and how it is, it says all the same.
            var looked = ""
            // Where a machine with too much to do hasn't heard of the database for a moment, a lookup takes the long
            // way.
            for _ in 0..<200 where !looked.contains("\"values\":[0]") {
                looked = try await curl("-d", OperationTests.lookup, url + "/v1/lookup").text
            }
            #expect(looked.contains("\"values\":[0]"), "\(looked)")
            #expect(try await http("GET", url + "/healthz").status == 200)
            #expect(try await http("GET", url + "/metrics").text.contains(/firn_http_refused_total [2-9]/))
            try holding.run(script: "rollback")
            for job in jobs { #expect(try await job.value == 404) }
            for request in requests { #expect(try await request.value == 200) }
        }
    }

    @Test func `what is called as jobs are waits for none`() async throws {
        let uri = try TestCluster.newDatabase(), names = ["data", "import", "verify", "diff"]
        let sources = names.map { "\($0): {columns: {at: timestamp}, event_time: at}" }.joined(separator: ", "),
            entities = names.map { "\($0): {keys: {}}" }.joined(separator: ", ")
        try await serving(uri, { $0.mostJobs = 1 }) { url in
            #expect(
                try await http("POST", url + "/v1/definitions/apply", "entities: {\(entities)}\nsources: {\(sources)}")
                    .status == 200)
            let holding = try Connection(uri: uri)
            // Nobody writes a batch meanwhile: of twelve imports one is worked on, eight wait, and three are refused.
            try holding.run(script: "begin; lock table firn.batches in share row exclusive mode")
            let jobs = (0..<12).map { day in
                Task {
                    try await http(
                        "POST", url + "/v1/sources/data/import", "at\n2024-01-\(day + 10)\n",
                        headers: ["Content-Type": "text/csv"]
                    ).status
                }
            }
            var metrics = ""
            for _ in 0..<600 where !metrics.contains("firn_http_refused_total 3\n") {
                try await Task.sleep(for: .milliseconds(50))
                metrics = try await http("GET", url + "/metrics").text
            }
            #expect(metrics.contains("firn_http_refused_total 3\n"), "no other job has a place")
            for name in names {
                for kind in ["sources", "entities"] {
                    let answer = try await http("GET", url + "/v1/\(kind)/\(name)")
                    #expect(
                        answer.status == 200 && answer.text.contains("\"name\":\"\(name)\""),
                        "\(kind)/\(name): \(answer)")
                }
            }
            try holding.run(script: "rollback")
            var statuses: [Int] = []
            for job in jobs { statuses.append(try await job.value) }
            #expect(statuses.sorted() == Array(repeating: 200, count: 9) + Array(repeating: 503, count: 3))
        }
    }

    @Test func `a server says how it is in Prometheus' words`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", OperationTests.definitions)
            for _ in 0..<3 {
                #expect(try await http("POST", url + "/v1/sources/clicks/rows", OperationTests.row).status == 200)
            }
            _ = try await http("POST", url + "/v1/sources/clicks/rows", "[{}]")
            for _ in 0..<4 { _ = try await http("POST", url + "/v1/lookup", OperationTests.lookup) }
            _ = try await http("GET", url + "/secret-of-a-user")
            let text = try await http("GET", url + "/metrics").text
            for line in [
                "firn_push_rows_total{source=\"clicks\"} 3",
                "firn_values_total{feature=\"clicks\",set=\"web.v1\",status=\"present\"} 4",
                "firn_http_requests_total{method=\"POST\",route=\"/v1/lookup\",status=\"200\"} 4",
                "firn_http_requests_total{method=\"POST\",route=\"/v1/sources/{name}/rows\",status=\"200\"} 3",
                "firn_http_requests_total{method=\"POST\",route=\"/v1/sources/{name}/rows\",status=\"400\"} 1",
                "firn_memory_entities 1", "firn_memory_oversized_entities 0",
                "firn_http_request_duration_seconds_bucket{le=\"+Inf\",method=\"POST\",route=\"/v1/lookup\"} 4",
            ] { #expect(text.contains(line + "\n"), "\(line) in \(text)") }
            #expect(!text.contains("secret"))
            #expect(text.contains("firn_source_age_seconds{source=\"clicks\"} "))
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                #expect(
                    line.wholeMatch(of: /[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-0-9.e]+/) != nil, "\(line)")
            }
        }
    }

    @Test func `a server whose clock and the database's disagree isn't ready`() async throws {
        for (offset, status) in [(Int64(0), 200), (3_000_000, 503), (-3_000_000, 503)] {
            let clock = DatabaseClock(wall: { Int64(Date().timeIntervalSince1970 * 1e6) + offset })
            try await serving(memory: OnlineMemory(maximumBytes: 1 << 20, clock: clock)) { url in
                let answer = try await ready(url)
                #expect(
                    answer.status == status && (status == 200 || answer.text.contains("clocks_disagree")), "\(answer)")
            }
        }
    }

    @Test func `requests in a row on one connection are answered in their order`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", OperationTests.definitions)
            let port = try #require(URLComponents(string: url)?.port)
            func request(_ path: String, _ body: String, _ close: Bool = false) -> String {
                "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\(close ? "Connection: close\r\n" : "")Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
            }
            // Pushes wait for their commits; lookups that follow them see what they brought.
            var bytes = ""
            for _ in 0..<5 {
                bytes +=
                    request("/v1/sources/clicks/rows", OperationTests.row)
                    + request("/v1/lookup", OperationTests.lookup)
            }
            bytes += request("/v1/lookup", OperationTests.lookup, true)
            let client = try RunningProgram(
                "/bin/bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(port); printf '%s' \"$BYTES\" >&3; cat <&3"],
                in: "/tmp", environment: ["BYTES": bytes])
            let text = await client.end().text
            let answers = text.matches(of: /"last_offset":(\d+)|"values":\[(\d+)\]/).compactMap { $0.1 ?? $0.2 }
                .compactMap { Int($0) }
            #expect(answers == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5], "\(text)")
        }
    }
}
