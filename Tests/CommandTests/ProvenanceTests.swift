import Foundation
import Postgres
import TestSupport
import Testing

/// What an auditor asks, at the command line and over HTTP.
@Suite struct ProvenanceTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, page: string, at: timestamp}, event_time: at}}
        features:
          clicks.v1: {entity: customer, source: clicks, expression: count(*), owner: web, tags: [fast]}
          page.v1: {entity: customer, source: clicks, expression: latest(page)}
          lonely.v1: {entity: customer, source: clicks, expression: count(*) over last_1h}
        sets: {web.v1: {features: [clicks.v1, page.v1]}, web.v2: {features: [clicks.v1]}}
        """

    private func project() throws -> Project {
        let project = try Project()
        try project.write("d.yaml", ProvenanceTests.definitions)
        try project.write(
            "rows.csv", "customer_id,page,at\n1,start,2024-01-01\n1,basket,2024-01-02\n2,start,2024-01-02\n")
        try project.write("spine.csv", "customer_id,event_timestamp\n1,2024-01-02\n2,2024-01-09\n")
        #expect(try project.run("apply", "d.yaml").status == 0)
        #expect(try project.run("import", "clicks", "rows.csv").status == 0)
        #expect(
            try project.run("snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--name", "may").status
                == 0)
        return project
    }

    @Test func `models, pointers, lineage and life cycle by command`() throws {
        let project = try project()
        try project.write("weights.txt", "abc")
        #expect(
            try project.run(
                "model", "record", "web.v5", "--snapshot", "may", "--metric", "auc=0.5", "--artifact", "weights.txt",
                "--commit", "f00"
            ).status == 0)
        #expect(
            try project.run("model", "record", "web.v5", "--snapshot", "may").text.contains(
                "a record never changes: name it web.v6"))
        #expect(try project.run("model", "record", "web.v6", "--snapshot", "may", "--metric", "auc").status == 2)
        let shown = try project.run("model", "show", "web.v5").text
        #expect(
            shown.contains("metrics      auc=0.5") && shown.contains("weights.txt  3 bytes  sha256 ba7816bf"),
            "\(shown)")
        #expect(try project.run("point", "web@production", "web.v1").text == "web@production points to set web.v1\n")
        let lookup = try project.run("lookup", "--set", "web@production", "customer_id=1", "--log").text
        #expect(lookup.contains("clicks\t2\tpresent") && lookup.contains("receipt "), "\(lookup)")
        let receipt = String(lookup.split(separator: "\n").last!.split(separator: " ").last!)
        let up = try project.run("lineage", receipt, "--up", "--rows").text
        #expect(
            up.contains("source clicks: customer_id, page, at") && up.contains("model web.v5")
                && up.contains("clicks:\nclicks.v1 customer_id=1") && up.contains("2 rows count"),
            "\(up)")
        #expect(try project.run("lineage", "clicks.page", "--down").text.contains("model web.v5"))
        #expect(try project.run("lineage", "web.v5", "--graphviz").text.hasPrefix("digraph lineage {"))
        #expect(try project.run("lineage", "nothing").status == 1)
        #expect(try project.run("point", "web@production", "model:web.v5").status == 0)
        #expect(try project.run("point", "web@production", "--history").text.split(separator: "\n").count == 3)
        #expect(try project.run("point", "web@production", "--as-of", "2024-01-01").status == 1)
        let refused = try project.run("retire", "page.v1", "--reason", "gone")
        #expect(
            refused.status == 1 && refused.text.contains("in use by model web.v5, pointer web@production"),
            "\(refused.text)")
        #expect(try project.run("deprecate", "page.v1", "--reason", "slow").status == 0)
        #expect(
            try project.run("snapshot", "create", "--set", "web.v1", "--spine", "spine.csv").text.contains(
                "warning: feature page.v1 is deprecated: slow"))
        let show = try project.run("show", "page.v1").text
        #expect(
            show.contains("deprecated: slow") && show.contains("most often") && show.contains("register by"), "\(show)")
        // The catalog, filtered.
        #expect(try project.run("list", "features", "--owner", "web", "--names").text == "clicks.v1\n")
        #expect(try project.run("list", "features", "--tag", "fast", "--names").text == "clicks.v1\n")
        #expect(try project.run("list", "--unused", "--names").text == "lonely.v1\nweb.v2\n")
        #expect(try project.run("list", "sources", "--stale", "--names").text == "")
        #expect(try project.run("list", "features", "--entity", "nobody", "--names").text == "")
        // The ledger, and what holds the past.
        let head = try project.run("ledger", "head").text.trimmingCharacters(in: .whitespacesAndNewlines)
        #expect(head.count == 64)
        #expect(
            try project.run("ledger", "log", "page.v1", "--kind", "deprecate").text.split(separator: "\n").count == 2)
        #expect(try project.run("verify", "--all", "--expect", head).status == 0)
        let other = try project.run("verify", "--expect", String(repeating: "0", count: 64))
        #expect(other.status == 1 && other.text.contains("never had the head"))
        #expect(try project.run("verify", "--expect", "xyz").status == 1)
    }

    @Test func `a bundle comes back without a database, and drift has an exit code`() throws {
        let project = try project()
        #expect(try project.run("snapshot", "bundle", "may", "--out", "may.tar").text.contains("3 rows of clicks"))
        let elsewhere = ["FIRN_DATABASE_URL": "postgresql://127.0.0.1:1/nothing"]
        let again = try firn(
            ["eval", "--bundle", "may.tar", "--out", "again.csv"], in: project.directory, environment: elsewhere)
        #expect(again.status == 0 && again.text.contains("identical, 2 rows"), "\(again.text)")
        #expect(
            try project.read("again.csv")
                == "customer_id,event_timestamp,clicks,page\n1,2024-01-02,2,basket\n2,2024-01-09,1,start\n")
        #expect(try firn(["eval", "--bundle", "rows.csv"], in: project.directory, environment: elsewhere).status == 1)
        #expect(try project.run("eval", "--bundle", "may.tar", "--set", "web.v1").status == 2)
        #expect(try project.run("eval", "--set", "web.v1").status == 2)
        #expect(
            try project.run(
                "snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--name", "june", "--hindsight"
            ).status == 0)
        #expect(try project.run("drift", "may", "june").status == 0)
        for (name, first) in [("known", 1), ("strangers", 100)] {
            let spine = (0..<500).map { "\(name == "known" ? 1 + $0 % 2 : $0 + first),2024-01-09\n" }.joined()
            try project.write("\(name).csv", "customer_id,event_timestamp\n" + spine)
            #expect(
                try project.run("snapshot", "create", "--set", "web.v1", "--spine", "\(name).csv", "--name", name)
                    .status == 0)
        }
        // Of a handful of rows nothing can be told.
        let few = try project.run("drift", "may", "strangers")
        #expect(few.status == 0 && few.text.contains("too few rows to tell"), "\(few.text)")
        let drift = try project.run("drift", "known", "strangers")
        #expect(drift.status == 1 && drift.text.contains("✗ beyond"), "\(drift.text)")
        #expect(try project.run("drift", "may").status == 2)
        #expect(try project.run("drift", "may", "--live").text.contains("no lookup of web.v1 is kept"))
    }

    @Test func `an erasure that is killed has happened or not, and the next one ends it`() async throws {
        let project = try Project()
        try project.write("d.yaml", ProvenanceTests.definitions)
        let rows = (0..<60_000).map {
            "\($0 % 3000),\($0 % 3000 == 7 ? "MARKER" : "page"),2024-01-\($0 % 28 + 1 < 10 ? "0" : "")\($0 % 28 + 1)\n"
        }.joined()
        try project.write("rows.csv", "customer_id,page,at\n" + rows)
        #expect(try project.run("apply", "d.yaml").status == 0)
        #expect(try project.run("import", "clicks", "rows.csv").status == 0)
        #expect(try project.run("materialize", "--set", "web.v1").status == 0)
        let connection = try Connection(uri: project.environment["FIRN_DATABASE_URL"]!)
        func left() throws -> [Int64] {
            let row = try connection.execute(
                "select (select count(*) from firn_source.clicks where page = 'MARKER'), (select count(*) from firn.ledger where kind = 'erase'), (select count(*) from firn_values.web_v1 where page = 'MARKER')"
            ).first!
            return try [row.int64(0), row.int64(1), row.int64(2)]
        }
        #expect(try left() == [20, 0, 1])
        var delay = 5
        while try left()[1] == 0, delay < 3000 {
            let erasing = try project.start("erase", "customer", "customer_id=7", "--reason", "request 17")
            try await Task.sleep(for: .milliseconds(delay))
            erasing.kill()
            _ = await erasing.end()
            let found = try left()
            #expect(
                found == [20, 0, 1] || found[0] == 0 && found[1] == 1 && found[2] == 0, "\(found) after \(delay) ms")
            delay += 10
        }
        #expect(try project.run("erase", "customer", "customer_id=7", "--reason", "request 17").status == 0)
        #expect(try left() == [0, 1, 0])
        #expect(try connection.execute("select count(*) from firn_values.web_v1").first!.int64(0) == 2999)
        #expect(try project.run("materialize").status == 0)
        #expect(try project.run("verify", "--all").status == 0)
    }

    @Test func `over HTTP the same, and Feast's clients follow a pointer`() async throws {
        let project = try project()
        let (server, url) = try project.serve()
        defer { server.terminate() }
        func post(_ path: String, _ body: String) async throws -> (status: Int, body: String) {
            let answer = try await http("POST", url + path, body)
            return (answer.status, answer.text)
        }
        #expect(
            try await post("/v1/models", #"{"name": "web.v5", "snapshots": ["may"], "metrics": {"auc": 0.5}}"#).status
                == 201)
        #expect(
            try await post("/v1/models", #"{"name": "web.v5", "snapshots": ["may"]}"#).body.contains(
                "definition_refused"))
        #expect(try await post("/v1/models", #"{"name": "web.v5", "snapshots": "may"}"#).status == 400)
        #expect(try await post("/v1/pointers", #"{"name": "web@production", "target": "set:web.v1"}"#).status == 200)
        let lookup = try await post("/v1/lookup", #"{"set": "web@production", "entities": {"customer_id": 1}}"#)
        #expect(
            lookup.body.contains(#""set":"web.v1""#) && lookup.body.contains(#""values":[2,"basket"]"#),
            "\(lookup.body)")
        let feast = try await post(
            "/get-online-features", #"{"feature_service": "web@production", "entities": {"customer_id": [1]}}"#)
        #expect(feast.body.contains(#""feature_names":["customer_id","clicks","page"]"#), "\(feast.body)")
        #expect(try await post("/v1/pointers", #"{"name": "web@production", "target": "set:web.v2"}"#).status == 200)
        // Another process would hear of it within some 10 ms; here the next request may already.
        var seen = ""
        for _ in 0..<200 where !seen.contains(#""set":"web.v2""#) {
            try await Task.sleep(for: .milliseconds(10))
            seen = try await post("/v1/lookup", #"{"set": "web@production", "entities": {"customer_id": 1}}"#).body
        }
        #expect(seen.contains(#""values":[2]"#), "\(seen)")
        #expect(
            try await post(
                "/get-online-features", #"{"feature_service": "web@production", "entities": {"customer_id": [1]}}"#
            ).body.contains(#"["customer_id","clicks"]"#))
        #expect(
            try await post("/v1/stages", #"{"name": "clicks.v1", "stage": "retired", "reason": "gone"}"#).body.contains(
                "in_use"))
        #expect(
            try await post("/v1/stages", #"{"name": "clicks.v1", "stage": "deprecated", "reason": "gone"}"#).status
                == 200)
        var warned = ""
        for _ in 0..<200 where !warned.contains("warnings") {
            try await Task.sleep(for: .milliseconds(10))
            warned = try await post("/v1/lookup", #"{"set": "web.v1", "entities": {"customer_id": 1}}"#).body
        }
        #expect(warned.contains(#""warnings":["feature clicks.v1 is deprecated: gone"],"rows":["#), "\(warned)")
        #expect(
            try await http("GET", url + "/v1/pointers/web@production").text.contains(
                #""moves":[{"name":"web@production","kind":"set","target":"web.v2""#))
        #expect(try await http("GET", url + "/v1/pointers?as_of=2024-01-01").text == "[]")
        #expect(
            try await http("GET", url + "/v1/lineage/clicks.page?direction=down").text.contains(
                #"{"from":"set web.v1","to":"model web.v5"}"#))
        #expect(try await http("GET", url + "/v1/lineage/clicks.page?direction=left").status == 400)
        #expect(
            try await http("GET", url + "/v1/ledger?kind=point&count=1").text.contains(
                #""subject":"pointer web@production""#))
        #expect(try await http("GET", url + "/v1/features?unused=true").text.contains("lonely.v1"))
        #expect(
            try await http("GET", url + "/v1/features/clicks.v1").text.contains(#""statistics":{"snapshot":"snap_"#))
    }
}
