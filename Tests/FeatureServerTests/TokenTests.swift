import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
import Logging
import Postgres
import Tables
import TestSupport
import Testing

/// What each kind of token may ask for, on every route.
@Suite struct TokenTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources:
          clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}
          others: {columns: {customer_id: int64, at: timestamp}, event_time: at}
        features:
          clicks.v1: {entity: customer, source: clicks, expression: count(*)}
          others.v1: {entity: customer, source: others, expression: count(*)}
          mixed.v1: {entity: customer, expression: clicks.v1 + others.v1}
        labels:
          later.v1: {entity: customer, source: clicks, expression: count(*) over next_7d}
          others_later.v1: {entity: customer, source: others, expression: count(*) over next_7d}
        sets:
          fraud.v1: {features: [clicks.v1], labels: [later.v1]}
          other.v1: {features: [others.v1], labels: [others_later.v1]}
        """
    private static let team =
        "entities: {customer: {keys: {customer_id: int64}}}\nfeatures: {risk_NUMBER.v1: {entity: customer, request: {x: int64}, expression: request.x}}\nsets: {risk_NUMBER.v1: {features: [risk_NUMBER.v1]}}"
    private static let spine = "customer_id,event_timestamp\n1,2024-05-08\n"

    /// By letter, so that a table can name them.
    private static let kinds: [(letter: Character, role: TokenRole, bounds: TokenBounds)] = [
        ("a", .audit, .none), ("r", .read, .none), ("w", .write, .none), ("A", .admin, .none),
        ("s", .read, TokenBounds(sets: ["fraud.*"])),
        ("S", .write, TokenBounds(sets: ["fraud.*"])), ("c", .read, TokenBounds(sources: ["clicks"])),
        ("C", .write, TokenBounds(sources: ["clicks"])),
        ("n", .admin, TokenBounds(names: ["risk_*"])),
    ]

    private struct Ask {
        var path: String
        var body = ""
        var type = "application/json"
        /// Who isn't refused.
        var admits: String

        init(_ path: String, _ admits: String) { (self.path, self.admits) = (path, admits) }

        init(_ path: String, _ body: String, type: String = "application/json", _ admits: String) {
            (self.path, self.body, self.type, self.admits) = (path, body, type, admits)
        }
    }

    private static let all = "arwAsScCn", definitionsOf = "arwAsS", unbounded = "arwA", values = "rwAsS"

    /// Of each route something that a bounded token may ask for, and something that only others may.
    private static let table: [String: [Ask]] = {
        var table: [String: [Ask]] = [
            "GET /healthz": [Ask("/healthz", all)], "GET /readyz": [Ask("/readyz", all)],
            "GET /openapi.json": [Ask("/openapi.json", all)],
            "GET /metrics": [Ask("/metrics", unbounded)],
            "POST /v1/lookup": [
                Ask("/v1/lookup", #"{"set":"fraud.v1","entities":{"customer_id":[1]}}"#, values),
                // The long way, where memory can't answer.
                Ask("/v1/lookup", #"{"set":"fraud.v1","entities":{"customer_id":[1]},"as_of":"2024-05-08"}"#, values),
                Ask("/v1/lookup", #"{"set":"fraud@production","entities":{"customer_id":[1]}}"#, values),
                Ask("/v1/lookup", #"{"set":"other.v1","entities":{"customer_id":[1]}}"#, "rwA"),
                Ask("/v1/lookup", #"{"set":"other@production","entities":{"customer_id":[1]}}"#, "rwA"),
                Ask("/v1/lookup", #"{"features":["clicks.v1"],"entities":{"customer_id":[1]}}"#, "rwA"),
                Ask("/v1/lookup", #"{"features":["fraud.v1:clicks"],"entities":{"customer_id":[1]}}"#, values),
                Ask(
                    "/v1/lookup", #"{"features":["fraud.v1:clicks","other.v1:others"],"entities":{"customer_id":[1]}}"#,
                    "rwA"),
            ],
            "POST /get-online-features": [
                Ask("/get-online-features", #"{"feature_service":"fraud_v1","entities":{"customer_id":[1]}}"#, values),
                Ask("/get-online-features", #"{"features":["fraud:clicks"],"entities":{"customer_id":[1]}}"#, values),
                Ask(
                    "/get-online-features", #"{"feature_service":"other@production","entities":{"customer_id":[1]}}"#,
                    "rwA"),
                Ask("/get-online-features", #"{"features":["clicks.v1"],"entities":{"customer_id":[1]}}"#, "rwA"),
            ],
            "POST /v1/why": [
                Ask("/v1/why", #"{"feature":"clicks.v1","entities":{"customer_id":1}}"#, "rwAcC"),
                Ask("/v1/why", #"{"feature":"mixed.v1","entities":{"customer_id":1}}"#, "rwA"),
            ],
            "POST /v1/sources/{name}/rows": [
                Ask("/v1/sources/clicks/rows", #"[{"customer_id":1,"at":"2024-01-01"}]"#, "wAC"),
                Ask("/v1/sources/others/rows", #"[{"customer_id":1,"at":"2024-01-01"}]"#, "wA"),
            ],
            "POST /v1/sources/{name}/import": [
                Ask("/v1/sources/clicks/import?again=true", "customer_id,at\n1,2024-01-01\n", type: "text/csv", "wAC"),
                Ask("/v1/sources/others/import?again=true", "customer_id,at\n1,2024-01-01\n", type: "text/csv", "wA"),
            ],
            "POST /v1/definitions/plan": [
                Ask("/v1/definitions/plan", team, type: "application/yaml", "rwAn"),
                Ask(
                    "/v1/definitions/plan", "entities: {shop: {keys: {shop_id: int64}}}", type: "application/yaml",
                    "rwA"),
            ],
            "POST /v1/definitions/apply": [
                Ask("/v1/definitions/apply", team, type: "application/yaml", "n"),
                Ask(
                    "/v1/definitions/apply", "entities: {shop_NUMBER: {keys: {shop_id: int64}}}",
                    type: "application/yaml", "A"),
            ],
            "GET /v1/sets/{name}/plan": [
                Ask("/v1/sets/fraud.v1/plan", definitionsOf), Ask("/v1/sets/other.v1/plan", unbounded),
            ],
            "GET /v1/diff": [
                Ask("/v1/diff?left=clicks.v1&right=clicks.v1", "rwAcC"),
                Ask("/v1/diff?left=clicks.v1&right=others.v1", "rwA"),
            ],
            "GET /v1/search": [Ask("/v1/search?q=clicks", all)], "GET /v1/snapshots": [Ask("/v1/snapshots", all)],
            "GET /v1/snapshots/{id}": [
                Ask("/v1/snapshots/mine", definitionsOf), Ask("/v1/snapshots/theirs", unbounded),
            ],
            "POST /v1/snapshots": [
                Ask("/v1/snapshots?set=fraud.v1", spine, type: "text/csv", "wAS"),
                Ask("/v1/snapshots?set=fraud@production&record=false", spine, type: "text/csv", values),
                Ask("/v1/snapshots?set=other.v1", spine, type: "text/csv", "wA"),
                Ask("/v1/snapshots?set=other.v1&record=false", spine, type: "text/csv", "rwA"),
            ],
            "GET /v1/snapshots/{id}/data": [
                Ask("/v1/snapshots/mine/data", values), Ask("/v1/snapshots/theirs/data", "rwA"),
            ],
            "POST /v1/snapshots/{id}/verify": [
                Ask("/v1/snapshots/mine/verify", definitionsOf), Ask("/v1/snapshots/theirs/verify", unbounded),
            ],
            "GET /v1/snapshots/{id}/diff/{other}": [
                Ask("/v1/snapshots/mine/diff/mine", values), Ask("/v1/snapshots/mine/diff/theirs", "rwA"),
            ],
            "GET /v1/snapshots/{id}/drift": [
                Ask("/v1/snapshots/mine/drift?other=mine", values), Ask("/v1/snapshots/mine/drift?other=theirs", "rwA"),
                Ask("/v1/snapshots/mine/drift?live=true&set=other.v1", "rwA"),
            ],
            "GET /v1/models": [Ask("/v1/models", all)],
            "GET /v1/models/{name}": [
                Ask("/v1/models/mine.v1", definitionsOf), Ask("/v1/models/theirs.v1", unbounded),
            ],
            "POST /v1/models": [
                Ask("/v1/models", #"{"name":"mine.v1","snapshots":["mine"]}"#, "wAS"),
                Ask("/v1/models", #"{"name":"theirs.v1","snapshots":["theirs"]}"#, "wA"),
                Ask("/v1/models", #"{"name":"theirs.v1","set":"other.v1","snapshots":["mine"]}"#, "wA"),
            ],
            "GET /v1/pointers": [Ask("/v1/pointers", all)],
            "GET /v1/pointers/{name}": [
                Ask("/v1/pointers/fraud@production", definitionsOf), Ask("/v1/pointers/other@production", unbounded),
            ],
            "POST /v1/pointers": [
                Ask("/v1/pointers", #"{"name":"risk_a@production","target":"set:risk_a.v1"}"#, "n"),
                Ask("/v1/pointers", #"{"name":"fraud@production","target":"fraud.v1"}"#, "A"),
            ],
            "POST /v1/stages": [
                Ask("/v1/stages", #"{"name":"feature:risk_a.v1","stage":"deprecated","reason":"goes"}"#, "n"),
                Ask("/v1/stages", #"{"name":"mixed.v1","stage":"deprecated","reason":"goes"}"#, "A"),
            ],
            "GET /v1/lineage/{name}": [Ask("/v1/lineage/fraud.v1", unbounded)],
            "GET /v1/ledger": [Ask("/v1/ledger", unbounded)],
            "GET /v1/ledger/head": [Ask("/v1/ledger/head", unbounded)],
            "GET /v1/lookups": [Ask("/v1/lookups", unbounded)],
            "POST /v1/lookups/verify": [
                Ask("/v1/lookups/verify", unbounded), Ask("/v1/lookups/verify?receipt=RECEIPT", unbounded),
            ],
        ]
        for (kind, mine, theirs) in [
            ("features", "clicks.v1", "others.v1"), ("labels", "later.v1", "others_later.v1"),
            ("sets", "fraud.v1", "other.v1"), ("entities", "customer", ""),
        ] {
            table["GET /v1/\(kind)"] = [Ask("/v1/\(kind)", all)]
            table["GET /v1/\(kind)/{name}"] =
                [Ask("/v1/\(kind)/\(mine)", kind == "entities" ? definitionsOf + "n" : definitionsOf)]
                + (theirs == "" ? [] : [Ask("/v1/\(kind)/\(theirs)", unbounded)])
        }
        table["GET /v1/sources"] = [Ask("/v1/sources", all)]
        table["GET /v1/sources/{name}"] = [Ask("/v1/sources/clicks", "arwAsScC"), Ask("/v1/sources/others", unbounded)]
        return table
    }()

    @Test func `every route holds for every kind of token`() async throws {
        let uri = try TestCluster.newDatabase(), owner = Store(uri: uri, actor: "owner")
        _ = try await owner.migrate()
        _ = try await owner.catalog.apply([DefinitionDocument(yaml: TokenTests.definitions, file: "d.yaml")])
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try TokenTests.spine.write(toFile: directory + "/spine.csv", atomically: true, encoding: .utf8)
        for (set, name) in [("fraud.v1", "mine"), ("other.v1", "theirs")] {
            _ = try await owner.training.createSnapshot(
                SnapshotRequest(set: set, name: name), spine: directory + "/spine.csv", output: nil)
            _ = try await owner.catalog.recordModel(ModelRequest(name + ".v1", snapshots: [name]))
            _ = try await owner.catalog.point(set.dropLast(3) + "@production", to: set)
        }
        var asked = LookupRequest(.set("fraud.v1"), entities: ["customer_id": [.json(JSON(1))]])
        asked.isLogged = true
        let receipt = try #require(await owner.serving.lookup(asked).receipt)
        await owner.serving.receipts.flush()
        var tokens: [Character: String] = [:]
        for kind in TokenTests.kinds {
            tokens[kind.letter] = try await owner.catalog.createToken(
                name: "t\(kind.letter)", role: kind.role, bounds: kind.bounds)
        }
        let bearers = tokens,
            routes = FeatureServer(owner, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
                .endpoints
        #expect(
            Set(routes.map { $0.replacing(try! Regex(":([a-z]+)"), with: { "{\($0.output[1].substring!)}" }) })
                == Set(TokenTests.table.keys), "a new route says who may ask it")
        try await serving(uri, { $0.needsTokens = true }) { url in
            var number = 0
            _ = try await ready(url)
            // Something of the team's own, for the routes that govern it.
            #expect(
                try await http(
                    "POST", url + "/v1/definitions/apply", TokenTests.team.replacing("NUMBER", with: "a"),
                    headers: ["Authorization": "Bearer \(bearers["n"]!)", "Content-Type": "application/yaml"]
                ).status == 200)
            for (route, asks) in TokenTests.table.sorted(by: { $0.key < $1.key }) {
                for ask in asks {
                    for kind in TokenTests.kinds {
                        number += 1
                        let answer = try await http(
                            String(route.prefix { $0 != " " }), url + ask.path.replacing("RECEIPT", with: receipt),
                            ask.body.replacing("NUMBER", with: "n\(number)"),
                            headers: ["Authorization": "Bearer \(bearers[kind.letter]!)", "Content-Type": ask.type])
                        #expect(
                            (answer.status != 403) == ask.admits.contains(kind.letter),
                            "\(route) \(ask.path) \(ask.body) \(kind.letter): \(answer.status) \(answer.text.prefix(300))"
                        )
                        if ask.admits.contains(kind.letter) {
                            #expect(
                                [200, 201, 400, 404, 409].contains(answer.status),
                                "\(route) \(ask.path) \(kind.letter): \(answer.text.prefix(300))")
                        }
                        // It says what was missing.
                        if answer.status == 403 {
                            #expect(
                                ["bounds", "of role", "a token of theirs"].contains(where: answer.text.contains),
                                "\(answer.text)")
                        }
                    }
                }
            }
            // Lists and searches show a bounded token its own, and an auditor no values.
            func get(_ path: String, _ kind: Character) async throws -> String {
                try await http("GET", url + path, headers: ["Authorization": "Bearer \(bearers[kind]!)"]).text
            }
            for path in [
                "/v1/sets", "/v1/features", "/v1/labels", "/v1/snapshots", "/v1/models", "/v1/pointers",
                "/v1/search?q=other",
            ] {
                let (bounded, auditors) = (try await get(path, "s"), try await get(path, "a"))
                #expect(
                    !bounded.contains("other.v1") && !bounded.contains("others.v1") && auditors.contains("other"),
                    "\(path): \(bounded)")
            }
            let sources = try await get("/v1/sources", "c")
            #expect(sources.contains("clicks") && !sources.contains("others"))
            let (audited, read) = (try await get("/v1/snapshots/mine", "a"), try await get("/v1/snapshots/mine", "r"))
            #expect(audited.contains("\"statistics\":null") && !read.contains("\"statistics\":null"))
            #expect(try await get("/v1/features/clicks.v1", "a").contains("\"statistics\":null"))
            // A token's own receipt.
            let own = try await http(
                "POST", url + "/v1/lookup", #"{"set":"fraud.v1","entities":{"customer_id":[1]},"log":true}"#,
                headers: ["Authorization": "Bearer \(bearers["s"]!)", "Content-Type": "application/json"])
            guard case .string(let its)? = try JSON(parsing: Array(own.text.utf8))["receipt"] else {
                Issue.record("no receipt: \(own.text)")
                return
            }
            for _ in 0..<200
            where try await http(
                "POST", url + "/v1/lookups/verify?receipt=\(its)", headers: ["Authorization": "Bearer \(bearers["r"]!)"]
            ).status == 404 {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(
                try await http(
                    "POST", url + "/v1/lookups/verify?receipt=\(its)",
                    headers: ["Authorization": "Bearer \(bearers["s"]!)"]
                ).status == 200)
            #expect(
                try await http(
                    "POST", url + "/v1/lookups/verify?receipt=\(its)",
                    headers: ["Authorization": "Bearer \(bearers["S"]!)"]
                ).status == 403)
            let (theirs, others) = (
                try await get("/v1/lookups?actor=ts", "a"), try await get("/v1/lookups?actor=tr", "a")
            )
            #expect(theirs.contains(its) && !others.contains(its))
        }
    }

    @Test func `a token is known at once, ends when it says, and its hash is nobody's to read`() async throws {
        let uri = try TestCluster.newDatabase(), owner = Store(uri: uri, actor: "owner")
        _ = try await owner.migrate()
        let reader = try await owner.catalog.createToken(name: "reader", role: .read)
        // As entries were written before.
        let old = String(repeating: "ab", count: 32)
        try Connection(uri: uri).execute(
            "select firn.write_entry('owner', 'token', 'token 0123456789abcdef', \(#"{"hash":"\#(old)","name":"old","role":"read"}"#))"
        )
        try await serving(uri, { $0.needsTokens = true }) { url in
            func status(_ token: String) async throws -> Int {
                try await http("GET", url + "/v1/sets", headers: ["Authorization": "Bearer \(token)"]).status
            }
            for number in 0..<20 {
                #expect(try await status(owner.catalog.createToken(name: "n\(number)", role: .read)) == 200)
            }
            let end = Instant(microseconds: Instant.now.microseconds + 2_000_000)
            let brief = try await owner.catalog.createToken(name: "brief", role: .read, until: end)
            var answers: [Int] = []
            repeat { answers.append(try await status(brief)) } while answers.last == 200 && Instant.now < end
            // On a machine that is at other work it may have ended before the first was answered.
            #expect(answers.dropLast().allSatisfy { $0 == 200 } && (answers.last == 200 || Instant.now >= end))
            try await Task.sleep(for: .milliseconds(100))
            #expect(try await status(brief) == 401)
            let ledger = try await http(
                "GET", url + "/v1/ledger?kind=token", headers: ["Authorization": "Bearer \(reader)"]
            ).text
            #expect(
                !ledger.contains(old) && ledger.contains(#""hash":null"#) && ledger.contains(#""redacted":true"#)
                    && ledger.contains(#""ends_at":"#), "\(ledger)")
        }
        await #expect(throws: StoreError.self) {
            _ = try await owner.catalog.createToken(name: "x", role: .read, until: Instant(microseconds: 0))
        }
        for (role, bounds) in [
            (TokenRole.read, TokenBounds(names: ["risk_*"])), (.audit, TokenBounds(sets: ["a"])),
            (.read, TokenBounds(sets: ["a b"])), (.read, TokenBounds(sets: [""])),
        ] {
            await #expect(throws: StoreError.self) {
                _ = try await owner.catalog.createToken(name: "x", role: role, bounds: bounds)
            }
        }
    }

    @Test func `an access log has every request, whoever answers it, and no values`() async throws {
        let uri = try TestCluster.newDatabase(), owner = Store(uri: uri, actor: "owner"),
            directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        _ = try await owner.migrate()
        _ = try await owner.catalog.apply([DefinitionDocument(yaml: TokenTests.definitions, file: "d.yaml")])
        let
            token = try await owner.catalog.createToken(
                name: "svc", role: .write, bounds: TokenBounds(sets: ["fraud.*"], sources: ["clicks"])),
            path = directory + "/access.log"
        #expect(throws: StoreError.self) { _ = try AccessLog(path: directory + "/none/access.log") }
        let log = try AccessLog(path: path)
        try await serving(
            uri,
            {
                $0.needsTokens = true
                $0.accessLog = log
            }
        ) { url in
            let bearer = ["Authorization": "Bearer \(token)", "Content-Type": "application/json"]
            let lookup = #"{"set":"fraud.v1","entities":{"customer_id":[987654321]}}"#
            // The second is answered from memory.
            for _ in 0..<2 {
                #expect(try await http("POST", url + "/v1/lookup", lookup, headers: bearer).status == 200)
            }
            #expect(
                try await http(
                    "POST", url + "/v1/sources/clicks/rows", #"[{"customer_id":987654321,"at":"2024-01-01"}]"#,
                    headers: bearer
                ).status == 200)
            #expect(
                try await http("POST", url + "/v1/lookup", lookup.replacing("fraud", with: "other"), headers: bearer)
                    .status == 403)
            #expect(try await http("POST", url + "/v1/lookup", lookup).status == 401)
            var lines: [JSON] = []
            for _ in 0..<200 where lines.count < 5 {
                try await Task.sleep(for: .milliseconds(20))
                lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
                    try JSON(parsing: Array($0.utf8))
                }
            }
            #expect(lines.map { $0["status"] } == [200, 200, 200, 403, 401].map { JSON($0) }, "\(lines)")
            #expect(
                lines.map { $0["actor"] } == [.string("svc"), .string("svc"), .string("svc"), .string("svc"), .null])
            #expect(
                lines.map { $0["set"] } == [
                    .string("fraud.v1"), .string("fraud.v1"), .null, .string("other.v1"), .null,
                ])
            #expect(
                lines[2]["name"] == .string("clicks")
                    && lines.allSatisfy { $0["address"] == .string("127.0.0.1") && $0["method"] == .string("POST") })
            #expect(!lines.description.contains("987654321"))
            // One that was moved away is made anew.
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            #expect(try await http("POST", url + "/v1/lookup", lookup, headers: bearer).status == 200)
            for _ in 0..<200 where !FileManager.default.fileExists(atPath: path) {
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(FileManager.default.fileExists(atPath: path))
        }
    }

    @Test(arguments: [
        ("fraud.*", "fraud.v1", true), ("fraud.*", "fraud_ready.v1", false), ("risk_*", "risk_", true),
        ("*", "x.v1", true), ("*.v1", "x.v1", true), ("*.v1", "x.v10", false),
        ("a*b*c", "a.b.b.c", true), ("a*b*c", "a.b.b", false), ("fraud.v1", "fraud.v1", true),
        ("fraud.v1", "fraud.v11", false), ("a**b", "ab", true),
    ]) func `a star stands for anything within a name`(pattern: String, name: String, isMatch: Bool) {
        #expect(TokenBounds(sets: [pattern]).includes(set: name) == isMatch)
    }
}
