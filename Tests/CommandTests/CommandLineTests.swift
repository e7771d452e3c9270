import Foundation
import TestSupport
import Testing

@Suite struct CommandLineTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, page: string, at: timestamp}, event_time: at}}
        features: {clicks.v1: {entity: customer, source: clicks, expression: count(*) over last_7d, description: Clicks of a week.}}
        sets: {web.v1: {features: [clicks.v1]}}
        """

    @Test func `the main job, from nothing to a lookup`() throws {
        let project = try Project(embedded: true)
        try project.write("d.yaml", CommandLineTests.definitions)
        try project.write("rows.csv", "customer_id,page,at\n1,a,2024-01-01\n1,b,2024-01-02\n")
        try project.write("spine.csv", "customer_id,event_timestamp\n1,2024-01-02\n1,2024-01-09\n")
        #expect(try project.run("list", "features").status == 1, "nothing here yet")
        #expect(try project.run("apply", "d.yaml").text.contains("registered"))
        #expect(try project.run("import", "clicks", "rows.csv").text.contains("2 rows"))
        let piped = "cat rows.csv | '\(firnBinary)' import clicks /dev/stdin"
        #expect(
            try RunningProgram("/bin/sh", ["-c", piped], in: project.directory, environment: project.environment)
                .finish().text.contains("2 rows"), "a pipe is CSV, and no file")
        #expect(
            try project.run("snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--out", "out.csv").status
                == 0)
        #expect(try project.read("out.csv") == "customer_id,event_timestamp,clicks\n1,2024-01-02,4\n1,2024-01-09,0\n")
        #expect(
            try project.run("snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--no-record").status == 2,
            "the rows are all that is left")
        #expect(
            try project.run(
                "snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--no-record", "--out", "again.csv"
            ).status == 0)
        #expect(try project.read("again.csv") == project.read("out.csv"))
        #expect(try project.run("snapshot", "list").text.split(separator: "\n").count == 2, "one is recorded")
        #expect(
            try project.run("lookup", "--set", "web.v1", "customer_id=1", "--as-of", "2024-01-02").text.contains(
                "clicks\t4\tpresent"))
        #expect(try project.run("show", "clicks.v1").text.contains("(t − 7d, t]"))
        #expect(try project.run("search", "week").text.contains("clicks.v1"))
        #expect(try project.run("snapshot", "list", "--json").text.contains("\"set\": \"web.v1\""))
        #expect(try project.run("doctor").status == 0)
        let url = try project.run("url").text
        #expect(url.hasPrefix("postgresql://firn@/firn?host="))
        #expect(try project.run("stop").status == 0)
        #expect(try project.run("list", "sources").text.contains("clicks"), "a sleeping cluster is woken")
    }

    @Test func `eval refuses a spine that has an output's name, and reads other delimiters`() throws {
        let project = try Project()
        try project.write(
            "d.yaml",
            CommandLineTests.definitions.replacing(
                "sets: {web.v1: {features: [clicks.v1]}}",
                with: """
                    labels: {more.v1: {entity: customer, source: clicks, expression: count(*) over next_7d > 0}}
                    sets: {web.v1: {features: [clicks.v1], labels: [more.v1]}}
                    """))
        try project.write("rows.csv", "customer_id;page;at\n1;a,b;2024-01-01 00:00:00 UTC\n")
        let eval = ["eval", "d.yaml", "--set", "web.v1", "--rows", "clicks=rows.csv", "--delimiter", ";", "--spine"]
        for name in ["clicks", "more"] {
            try project.write("spine.csv", "customer_id;event_timestamp;\(name)\n1;2024-01-02;7\n")
            let (status, text) = try firn(
                eval + ["spine.csv", "--out", "out.csv"], in: project.directory, environment: project.environment)
            #expect(
                status == 1
                    && text.contains("spine.csv:1: column '\(name)': has the name of an output (rename or drop it)"),
                "\(text)")
            #expect(!FileManager.default.fileExists(atPath: project.directory + "/out.csv"))
        }
        try project.write("spine.csv", "customer_id;event_timestamp;note\n1;2024-01-02;x,y\n")
        #expect(
            try firn(eval + ["spine.csv"], in: project.directory, environment: project.environment).text
                == "customer_id,event_timestamp,note,clicks,more\n1,2024-01-02,\"x,y\",1,false\n")
        #expect(
            try project.run(
                "eval", "d.yaml", "--set", "web.v1", "--rows", "clicks=rows.csv", "--delimiter", "::", "--spine",
                "spine.csv"
            ).text.contains("is no delimiter"))
    }

    @Test func `why, diff and plans explain what is computed`() throws {
        let project = try Project()
        try project.write("d.yaml", CommandLineTests.definitions)
        try project.write("rows.csv", "customer_id,page,at\n1,a,2024-01-01\n1,b,2024-01-08\n")
        #expect(try project.run("apply", "d.yaml").status == 0)
        #expect(try project.run("import", "clicks", "rows.csv").status == 0)
        let why = try project.run("why", "clicks.v1", "customer_id=1", "--as-of", "2024-01-08").text
        #expect(why.contains("clicks.v1 customer_id=1 as of 2024-01-08T00:00:00Z\n  = a1 = 1\n"), "\(why)")
        #expect(
            why.contains("1\t2024-01-01T00:00:00Z\t2024-01-01T00:00:00Z\t1\ttoo old: not after 2024-01-01T00:00:00Z"),
            "\(why)")
        #expect(
            try project.run("why", "clicks.v1", "customer_id=1", "--json").text.contains("\"verdict\": \"too_old\""))
        #expect(try project.run("why", "clicks.v1").status == 1)
        #expect(try project.run("why", "clicks.v1", "customer_id=1", "--rows", "0").status == 2)
        #expect(
            try project.run("show", "--plan", "web.v1").text.contains(
                "count(*) over last_7d\t(t − 7d, t]\tclicks\tthe window's rows"))
        #expect(try project.run("show", "--plan", "web.v1", "--json").text.contains("\"state\": \"window\""))
        #expect(try project.run("show", "--plan", "clicks.v1").status == 1)
        try project.write(
            "d2.yaml", "features: {clicks.v2: {entity: customer, source: clicks, expression: count(*) over last_8d}}")
        let plan = try project.run("plan", "d2.yaml").text
        #expect(plan.contains("clicks.v2 beside clicks.v1") && plan.contains("1 of 2 values differ"), "\(plan)")
        #expect(try project.run("plan", "d2.yaml", "--json").text.contains("\"different\": 1"))
        #expect(try project.run("apply", "d2.yaml").status == 0)
        let diff = try project.run("diff", "clicks.v1", "clicks.v2").text
        #expect(
            diff.contains("- expression    count(*) over last_7d\n+ expression    count(*) over last_8d"), "\(diff)")
        #expect(
            diff.contains(
                "numbers differ by a median of 1.0, 1.0 at most\n  customer_id=1 as of 2024-01-08T00:00:00Z: 1, 2"),
            "\(diff)")
        #expect(try project.run("diff", "clicks.v1", "clicks.v3").status == 1)
    }

    @Test func `eval needs no database and agrees with the store`() throws {
        let project = try Project()
        try project.write("d.yaml", CommandLineTests.definitions)
        try project.write("rows.ndjson", "{\"customer_id\":1,\"page\":\"a\",\"at\":\"2024-01-01\"}\n")
        try project.write("spine.csv", "customer_id,event_timestamp\n1,2024-01-02\n")
        let result = try firn(
            ["eval", "d.yaml", "--feature", "clicks.v1", "--rows", "clicks=rows.ndjson", "--spine", "spine.csv"],
            in: project.directory,
            environment: ["FIRN_DATABASE_URL": "postgresql://nowhere.invalid/"])
        #expect(result.text == "customer_id,event_timestamp,clicks.v1\n1,2024-01-02,1\n")
        #expect(result.status == 0)
    }

    @Test func `exit codes: 2 for a wrong command line, 1 for a failure`() throws {
        let project = try Project()
        #expect(try project.run("lookup").status == 2)
        #expect(try project.run("nonsense").status == 2)
        #expect(
            try project.run("eval", "d.yaml", "--set", "a.v1", "--spine", "none.csv", "--known-by", "yesterday").status
                == 2)
        #expect(try project.run("--help").status == 0)
        #expect(try project.run("--version").status == 0)
        #expect(try project.run("apply", "missing.yaml").status == 1)
        try project.write("bad.yaml", "features: {f.v1: {entity: nobody, expression: '1'}}")
        let bad = try project.run("apply", "bad.yaml")
        #expect(bad.status == 1)
        #expect(bad.text.contains("bad.yaml:1:"), "\(bad.text)")
        let open = try project.run("serve", "--host", "0.0.0.0", "--port", "0")
        #expect(open.status == 1 && open.text.contains("there are no tokens"), "\(open.text)")
        #expect(try project.run("serve", "--open-to-anyone", "--require-tokens").status == 2)
        let token = try project.run("token", "create", "fraud-service", "--role", "write").text
        #expect(token.hasPrefix("firn_") && token.count == 5 + 16 + 1 + 64 + 1)
        #expect(try project.run("token", "list").text.contains("fraud-service"))
        #expect(try project.run("token", "revoke", "none").status == 1)
    }

    @Test func `what can't be used is named, with what to do`() throws {
        let project = try Project()
        try project.write("d.yaml", CommandLineTests.definitions)
        try project.write("spine.csv", "customer_id,event_timestamp\n1,2024-01-02\n")
        #expect(try project.run("apply", "d.yaml").status == 0)
        func refusal(_ arguments: [String], _ environment: [String: String] = [:]) throws -> String {
            let (status, text) = try firn(
                arguments, in: project.directory, environment: project.environment.merging(environment) { $1 })
            #expect(status == 1, "\(arguments)")
            return text
        }
        try FileManager.default.createDirectory(
            atPath: project.directory + "/out.csv", withIntermediateDirectories: false)
        let create = ["snapshot", "create", "--set", "web.v1", "--spine", "spine.csv", "--out"]
        #expect(try refusal(create + ["out.csv"]).contains("out.csv: is a directory (name a file in it)"))
        #expect(try refusal(create + ["out.parquet"]).contains("through Python"))
        #expect(
            try refusal(["import", "clicks", "--query", "select 1", "--from", "postgresql://nobody@127.0.0.1:1/x"])
                .contains("(--from is its address)"))
        #expect(try refusal(["cache"], ["FIRN_CACHE_GIB": "much"]).contains("FIRN_CACHE_GIB isn't a number of GiB"))
        #expect(
            try refusal(["doctor"], ["FIRN_CACHE_DIR": project.directory + "/spine.csv"]).contains(
                "✗ copies of segments"))
        let (server, url) = try project.serve()
        defer { server.terminate() }
        let port = try #require(url.split(separator: ":").last)
        #expect(
            try refusal(["serve", "--port", String(port)]).contains(
                "can't listen on 127.0.0.1:\(port): Address already in use"))
    }
}
