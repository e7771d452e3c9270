import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
import Postgres
import Tables
import TestSupport
import Testing

/// The routes over a real socket and a real PostgreSQL.
@Suite struct RouteTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, page: string, seconds: float64, at: timestamp}, event_time: at}}
        features:
          clicks.v1: {entity: customer, source: clicks, expression: count(*), description: Clicks of all time., owner: web@example.com, tags: [web]}
          last_page.v1: {entity: customer, source: clicks, expression: latest(page)}
          longest.v1: {entity: customer, source: clicks, request: {factor: float64}, expression: max(seconds) * request.factor}
        sets: {web.v1: {features: [clicks.v1, last_page.v1, longest.v1]}}
        """

    @Test func `apply, push, look up and browse`() async throws {
        try await serving { url in
            #expect(try await http("GET", url + "/healthz").text == #"{"status":"ok"}"#)
            #expect(try await ready(url).status == 200)
            #expect(
                try await http("POST", url + "/v1/definitions/plan", RouteTests.definitions).text.contains(
                    #""name":"clicks.v1","change":"new""#))
            #expect(try await http("POST", url + "/v1/definitions/apply", RouteTests.definitions).status == 200)
            let rows =
                #"[{"customer_id":1,"page":"a","seconds":1.5,"at":"2024-01-01T00:00:00Z"},{"customer_id":1,"page":"é\"","seconds":"Infinity","at":"2024-01-02"}]"#
            #expect(
                try await http("POST", url + "/v1/sources/clicks/rows", rows).text
                    == #"{"accepted":2,"duplicates":0,"last_offset":2}"#)
            let lines = "{\"customer_id\":9007199254740993,\"at\":\"2024-01-01\"}\n"
            #expect(
                try await http(
                    "POST", url + "/v1/sources/clicks/rows", lines, headers: ["Content-Type": "application/x-ndjson"]
                ).text
                    == #"{"accepted":1,"duplicates":0,"last_offset":3}"#)
            let answer = try await http(
                "POST", url + "/v1/lookup",
                #"{"set":"web.v1","entities":{"customer_id":[1,9007199254740993,7]},"request":{"factor":2},"cuts":true}"#
            )
            #expect(answer.status == 200)
            #expect(answer.text.contains(#""features":["clicks","last_page","longest"]"#))
            #expect(
                answer.text.contains(#"{"values":[2,"é\"","Infinity"],"statuses":["present","present","present"]}"#))
            #expect(answer.text.contains(#"{"values":[1,null,null],"statuses":["present","null","null"]}"#))
            #expect(answer.text.contains(#"{"values":[0,null,null],"statuses":["not_found","not_found","not_found"]}"#))
            #expect(answer.text.contains(#""cuts":{"clicks":3}"#))
            let why = try await http(
                "POST", url + "/v1/why",
                #"{"feature":"longest.v1","entities":{"customer_id":1},"request":{"factor":2},"as_of":"2024-01-01T12:00:00Z"}"#
            )
            #expect(
                why.status == 200 && why.text.contains(#""value":null,"expression":"a1 * request.factor""#),
                "\(why.text)")
            // A pushed row is known from when it came.
            #expect(why.text.contains(#""verdict":"not_yet_known""#), "\(why.text)")
            #expect(try await http("POST", url + "/v1/why", #"{"feature":"longest.v1"}"#).status == 400)
            #expect(try await http("POST", url + "/v1/why", #"{"set":"web.v1"}"#).status == 400)
            #expect(
                try await http(
                    "POST", url + "/v1/why", #"{"feature":"clicks.v1","entities":{"customer_id":1},"rows":100000}"#
                ).status == 400)
            #expect(try await http("GET", url + "/v1/sets/web.v1/plan").text.contains(#""aggregate":"max(seconds)""#))
            #expect(try await http("GET", url + "/v1/sets/web.v9/plan").status == 404)
            #expect(
                try await http("GET", url + "/v1/diff?left=clicks.v1&right=longest.v1").text.contains(
                    #""rows":2,"different":2"#))
            #expect(try await http("GET", url + "/v1/diff?left=clicks.v1").status == 400)
            #expect(
                try await http("GET", url + "/v1/diff?left=clicks.v1&right=clicks.v1&as-of=2024-01-01").status == 400)
            #expect(
                try await http("GET", url + "/v1/diff?left=clicks.v1&right=clicks.v1&as_of=2090-01-01").text.contains(
                    "as_of_in_future"))
            #expect(try await http("GET", url + "/v1/features/click.v1").text.contains("did you mean clicks.v1?"))
            let typo = #"{"features":["clicks.v1"],"entities":{"customer_id":1},"min_offsets":{"click":1}}"#
            #expect(try await http("POST", url + "/v1/lookup", typo).text.contains("unknown source 'click'"))
            let twice = #"{"features":["clicks.v1","clicks.v1"],"entities":{"customer_id":1}}"#
            #expect(try await http("POST", url + "/v1/lookup", twice).status == 400)
            #expect(try await http("GET", url + "/v1/diff?left=clicks.v1&right=clicks.v1&sample=0").status == 400)
            let features = try await http(
                "POST", url + "/v1/lookup",
                #"{"features":["clicks.v1"],"entities":{"customer_id":1},"as_of":"2024-01-01T12:00:00Z"}"#)
            #expect(
                features.text.contains(#""features":["clicks.v1"],"rows":[{"values":[0],"statuses":["not_found"]}]"#),
                "\(features.text)")
            #expect(try await http("GET", url + "/v1/features").text.contains(#""name":"last_page.v1""#))
            #expect(try await http("GET", url + "/v1/features/clicks.v1").text.contains(#""owner":"web@example.com""#))
            #expect(try await http("GET", url + "/v1/search?q=time").text.contains("clicks.v1"))
            #expect(try await http("GET", url + "/v1/snapshots").text == "[]")
        }
    }

    @Test func `drift and kept lookups say the same as at the command line`() async throws {
        let uri = try TestCluster.newDatabase(), store = Store(uri: uri, actor: "other")
        try await serving(uri) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", RouteTests.definitions)
            let rows = (1...40).map {
                #"{"customer_id":\#($0),"page":"p\#($0 % 3)","seconds":\#($0),"at":"2024-01-01"}"#
            }.joined(separator: ",")
            #expect(try await http("POST", url + "/v1/sources/clicks/rows", "[\(rows)]").status == 200)
            for (name, factor) in [("may", 1), ("june", 3)] {
                let spine =
                    "customer_id,factor,event_timestamp\n" + (1...40).map { "\($0),\(factor),2999-01-01\n" }.joined()
                let path = "/v1/snapshots?set=web.v1&hindsight=true&name=\(name)"
                #expect(try await http("POST", url + path, spine, headers: ["Content-Type": "text/csv"]).status == 201)
            }
            let drift = try await store.training.drift("may", "june")
            #expect(drift.features.first { $0.name == "longest" }!.stability > 0.2)
            let path = "/v1/snapshots/may/drift"
            // So few rows prove nothing.
            let few = drift.tooFew(stability: 0.2, distance: 0.2).map(\.name)
            #expect(few.contains("longest"))
            #expect(
                try await http("GET", url + path + "?other=june").text
                    == drift.json(beyond: [], tooFew: few).description)
            #expect(
                try await http("GET", url + path + "?other=june&max_psi=1e9&max_ks=1").text.contains(#""passes":true"#))
            #expect(try await http("GET", url + path + "?live=true").text.contains("no lookup of web.v1 is kept"))
            let wrong = [
                "", "?other=june&live=true", "?live=false", "?other=june&since=2024-01-01", "?other=june&set=web.v1",
                "?other=june&max_psi=-1", "?other=june&max_ks=nan",
                "?othr=june",
            ]
            for wrong in wrong {
                #expect(try await http("GET", url + path + wrong).status == 400, "\(wrong)")
            }
            #expect(try await http("GET", url + path + "?other=july").status == 404)

            let asked = #"{"set":"web.v1","entities":{"customer_id":[1,2]},"request":{"factor":2},"log":true}"#
            let receipts = try await [
                http("POST", url + "/v1/lookup", asked).text, http("POST", url + "/v1/lookup", asked).text,
            ].map { text in
                try String(#require(text.firstMatch(of: /"receipt":"([^"]+)"/)).1)
            }
            var kept = ""
            for _ in 0..<200 where !kept.contains(#""lookups":2"#) {
                kept = try await http("POST", url + "/v1/lookups/verify").text
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(kept == #"{"lookups":2,"values":12,"differences":0,"first":null}"#)
            #expect(try await store.serving.replayLookups().json.description == kept)
            #expect(
                try await http("POST", url + "/v1/lookups/verify?receipt=\(receipts[0])").text
                    == #"{"lookups":1,"values":6,"differences":0,"first":null}"#)
            #expect(try await http("POST", url + "/v1/lookups/verify?since=2999-01-01").text.contains(#""lookups":0"#))
            #expect(
                try await http("POST", url + "/v1/lookups/verify?receipt=00000000-0000-0000-0000-000000000000").status
                    == 404)
            #expect(try await http("POST", url + "/v1/lookups/verify?until=2999-01-01").status == 400)
            let live = try await http("GET", url + path + "?live=true&since=2024-01-01")
            #expect(live.status == 200 && live.text.contains("lookups of web.v1 since 2024-01-01"), "\(live)")
            // What the log says was changed: the very value is named.
            try Connection(uri: uri).run(
                script:
                    "update firn_log.lookups set answers = replace(answers, '1', '7') where receipt = '\(receipts[1])'")
            let changed = try await http("POST", url + "/v1/lookups/verify").text
            #expect(
                changed.contains(#""first":{"receipt":"\#(receipts[1])","what":"#)
                    && !changed.contains(#""differences":0"#), "\(changed)")
        }
    }

    @Test func `an import whose sender goes away is given up`() async throws {
        let uri = try TestCluster.newDatabase()
        try await serving(uri) { url in
            _ = try await http("POST", url + "/v1/definitions/apply", RouteTests.definitions)
            let watching = try Connection(uri: uri), holding = try Connection(uri: uri)
            func writers() throws -> Int {
                try watching.execute(
                    "select from pg_stat_activity where query like 'select firn.append_batches%' and wait_event_type = 'Lock'"
                ).count
            }
            func wait(_ what: Comment, until condition: () throws -> Bool) async throws {
                for _ in 0..<6000 {
                    if try condition() { return }
                    try await Task.sleep(for: .milliseconds(5))
                }
                Issue.record(what)
            }
            // Nobody writes a batch meanwhile.
            try holding.run(script: "begin; lock table firn.batches in share row exclusive mode")
            let directory = try temporaryDirectory()
            try "customer_id,at\n1,2024-01-01\n".write(
                toFile: directory + "/rows.csv", atomically: true, encoding: .utf8)
            let sender = try RunningProgram(
                "/usr/bin/curl",
                [
                    "-s", "-H", "Content-Type: text/csv", "--data-binary", "@rows.csv",
                    url + "/v1/sources/clicks/import",
                ], in: directory)
            try await wait("the import comes to its batch") { try writers() > 0 }
            sender.kill()
            try await wait("the import is given up") { try writers() == 0 }
            try holding.run(script: "commit")
            #expect(try watching.execute("select from firn.batches").count == 0)
        }
    }

    @Test func `a token lets its bearer do what its role says, until it is revoked`() async throws {
        let uri = try TestCluster.newDatabase(), store = Store(uri: uri, actor: "admin")
        _ = try await store.migrate()
        var bearers: [TokenRole: [String: String]] = [:]
        for role in TokenRole.allCases {
            bearers[role] = [
                "Authorization": "Bearer \(try await store.catalog.createToken(name: "\(role) service", role: role))"
            ]
        }
        #expect(
            try Connection(uri: uri).execute("select from firn.ledger where kind = 'token'").count
                == TokenRole.allCases.count)
        let tokens = bearers
        try await serving(uri, { $0.needsTokens = true }) { url in
            let lookup = #"{"set":"web.v1","entities":{"customer_id":[1]},"request":{"factor":1}}"#,
                row = #"[{"customer_id":1,"page":"a","at":"2024-01-01"}]"#
            let asked: [(path: String, body: String, needed: TokenRole)] = [
                ("/v1/definitions/apply", RouteTests.definitions, .admin), ("/v1/sources/clicks/rows", row, .write),
                ("/v1/lookup", lookup, .read),
                ("/v1/definitions/plan", RouteTests.definitions, .read),
                ("/get-online-features", #"{"features":["clicks.v1"],"entities":{"customer_id":[1]}}"#, .read),
            ]
            for (path, body, needed) in asked {
                for wrong in [
                    "", "Bearer x", "Bearer firn_0000000000000000_\(String(repeating: "0", count: 64))",
                    "Basic \(tokens[.admin]!["Authorization"]!.dropFirst(7))",
                ] {
                    #expect(
                        try await http(
                            "POST", url + path, body, headers: wrong.isEmpty ? [:] : ["Authorization": wrong]
                        ).status == 401, "\(path) with \(wrong)")
                }
                let altered =
                    tokens[.admin]!["Authorization"]!.dropLast()
                    + (tokens[.admin]!["Authorization"]!.hasSuffix("0") ? "1" : "0")
                #expect(
                    try await http("POST", url + path, body, headers: ["Authorization": String(altered)]).status == 401)
                for role in TokenRole.allCases.reversed() {
                    let answer = try await http("POST", url + path, body, headers: tokens[role]!)
                    #expect(answer.status == (role >= needed ? 200 : 403), "\(path) as \(role): \(answer)")
                }
            }
            // A path is what the router takes it for.
            for path in ["/v1/definitions/apply/", "/v1//definitions/apply", "//v1/definitions/apply"] {
                #expect(
                    try await http("POST", url + path, RouteTests.definitions, headers: tokens[.write]!).status == 403,
                    "\(path)")
            }
            #expect(
                try await http("POST", url + "/v1/definitions/plan/", RouteTests.definitions, headers: tokens[.read]!)
                    .status == 200)
            #expect(try await http("GET", url + "/metrics/").status == 401)
            #expect(try await http("GET", url + "/healthz/").status == 200)
            #expect(try await http("GET", url + "/v1/features").status == 401)
            #expect(try await http("GET", url + "/healthz").status == 200)
            #expect(
                try Connection(uri: uri).execute(
                    "select from firn.batches where actor in ('admin service', 'write service')"
                ).count == 2, "what a bearer does is theirs")
            // The second time from memory, and in the same connection.
            for _ in 0..<3 {
                #expect(try await http("POST", url + "/v1/lookup", lookup, headers: tokens[.read]!).status == 200)
            }
            let id = try #require(await store.catalog.tokens().first { $0.role == .read }).id
            try await store.catalog.revokeToken(id)
            // Within a second, on a machine that has time for it.
            for _ in 0..<400
            where try await http("POST", url + "/v1/lookup", lookup, headers: tokens[.read]!).status != 401 {
                try await Task.sleep(for: .milliseconds(50))
            }
            #expect(try await http("POST", url + "/v1/lookup", lookup, headers: tokens[.read]!).status == 401)
            #expect(try await http("POST", url + "/v1/lookup", lookup, headers: tokens[.write]!).status == 200)
            await #expect(throws: StoreError.self) { try await store.catalog.revokeToken(id) }
        }
    }

    @Test func `every refusal is a problem with its code`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", RouteTests.definitions)
            let changed = RouteTests.definitions.replacing("count(*)", with: "count(page)")
            let cases: [(method: String, path: String, body: String?, status: Int, code: String)] = [
                ("POST", "/v1/definitions/apply", changed, 409, "definition_refused"),
                ("POST", "/v1/definitions/apply", "a: [", 422, "invalid_definition"),
                (
                    "POST", "/v1/definitions/plan",
                    "features: {x.v1: {entity: customer, source: clicks, expression: sum(page)}}", 422,
                    "invalid_definition"
                ),
                ("POST", "/v1/lookup", "{", 400, "invalid_json"), ("POST", "/v1/lookup", "[]", 400, "invalid_request"),
                ("POST", "/v1/lookup", #"{"set":"none.v1"}"#, 404, "not_found"),
                (
                    "POST", "/v1/lookup", #"{"set":"web.v1","entities":{"customer_id":[1.5]},"request":{"factor":1}}"#,
                    400, "invalid_request"
                ),
                ("POST", "/v1/lookup", #"{"set":"web.v1","entities":{"customer_id":[1]}}"#, 400, "invalid_request"),
                ("POST", "/v1/lookup", #"{"set":"web.v1","sett":1}"#, 400, "invalid_request"),
                (
                    "POST", "/v1/lookup",
                    #"{"features":["clicks.v1"],"entities":{"customer_id":1},"as_of":"2999-01-01"}"#, 400,
                    "as_of_in_future"
                ),
                (
                    "POST", "/v1/lookup",
                    #"{"features":["clicks.v1"],"entities":{"customer_id":1},"min_offsets":{"clicks":99}}"#, 503,
                    "behind"
                ),
                ("POST", "/v1/sources/none/rows", "[]", 404, "not_found"),
                ("POST", "/v1/sources/clicks/rows", #"[{"customer_id":1,"at":"x"}]"#, 400, "invalid_rows"),
                ("POST", "/v1/sources/clicks/rows", "{}", 400, "invalid_rows"),
                ("GET", "/v1/features/none.v1", nil, 404, "not_found"), ("GET", "/nothing", nil, 404, "not_found"),
                ("GET", "/v1/lookup", nil, 405, "method_not_allowed"),
                ("DELETE", "/v1/features/none.v1", nil, 405, "method_not_allowed"),
                ("GET", "/v1/snapshots/none", nil, 404, "not_found"),
                ("GET", "/v1/snapshots/%00", nil, 404, "not_found"),
                ("GET", "/v1/sets/none%2Ev1", nil, 404, "not_found"),
                (
                    "POST", "/get-online-features",
                    #"{"features":["clicks.v1","clicks.v1"],"entities":{"customer_id":[1]}}"#, 400, "invalid_request"
                ),
                ("POST", "/v1/snapshots?set=web.v1&record=false&name=x", "", 400, "invalid_request"),
                ("GET", "/v1/search", nil, 400, "invalid_request"),
                ("POST", "/v1/lookup", String(repeating: " ", count: 5 << 20), 413, "body_too_large"),
            ]
            for test in cases {
                let answer = try await http(test.method, url + test.path, test.body)
                #expect(answer.status == test.status, "\(test.path) \(test.body?.prefix(80) ?? ""): \(answer)")
                #expect(answer.text.contains("\"code\":\"\(test.code)\""), "\(test.path): \(answer)")
            }
            #expect(
                try await http("POST", url + "/v1/sources/clicks/rows", "x", headers: ["Content-Type": "text/csv"])
                    .status == 415)
            let undeclared = try await http(
                "POST", url + "/v1/sources/clicks/import", "customer_id,at,more\n1,2024-01-01,1\n",
                headers: ["Content-Type": "text/csv"])
            #expect(
                undeclared.text.contains("'ignore_extra' passes over others"),
                "options have the names of parameters: \(undeclared)")
            let csv = ["Content-Type": "text/csv"], semicolons = "customer_id;at;page\n8;2024-05-08 10:00:00 UTC;a,b\n"
            let led = try await http("POST", url + "/v1/sources/clicks/import", semicolons, headers: csv)
            #expect(
                led.status == 400 && led.text.contains("separated by semicolons")
                    && led.text.contains("'delimiter' ';' reads them"), "\(led)")
            #expect(
                try await http("POST", url + "/v1/sources/clicks/import?delimiter=;;", semicolons, headers: csv).status
                    == 400)
            #expect(
                try await http("POST", url + "/v1/sources/clicks/import?delimiter=%3B", semicolons, headers: csv).text
                    .contains(#""rows":1"#))
            let tabs = "customer_id\tevent_timestamp\tfactor\n1\t2024-05-09\t2\n"
            #expect(
                try await http("POST", url + "/v1/snapshots?set=web.v1&delimiter=%5Ct", tabs, headers: csv).status
                    == 201)
            #expect(
                try await http("POST", url + "/v1/lookup", #"{"features":["clicks.v1"],"entities":{"customer_id":1}}"#)
                    .text.contains(#""values":[0]"#))
        }
    }
}
