import Foundation
import Postgres
import TestSupport
import Testing

/// What is kept between versions: a store that an earlier one made is opened by this one (docs/operating.md, Upgrades;
/// scripts/record-store).
@Suite struct UpgradeTests {
    private static let stores = projectDirectory + "/Tests/Golden/Stores"
    private static let names =
        (try? FileManager.default.contentsOfDirectory(atPath: stores))?.filter { $0.hasSuffix(".sql") }.map {
            String($0.dropLast(4))
        }.sorted() ?? []

    /// Loads the dump of a store into the project's database.
    private func load(_ name: String, into project: Project) throws -> Connection {
        let connection = try Connection(uri: project.environment["FIRN_DATABASE_URL"]!),
            programs = try connection.execute("select setting from pg_config where name = 'BINDIR'")
        let psql = try "\(programs.first!.text(0))/psql"
        let loaded = try RunningProgram(
            psql,
            [
                "--quiet", "--set=ON_ERROR_STOP=1", "--file=\(UpgradeTests.stores)/\(name).sql",
                project.environment["FIRN_DATABASE_URL"]!,
            ], in: project.directory
        ).finish()
        try #require(loaded.status == 0, "\(loaded.text)")
        return connection
    }

    @Test(arguments: names) func `a store of an earlier version is the same store`(name: String) throws {
        let project = try Project(), connection = try load(name, into: project)
        // Nothing works on a schema that isn't this version's.
        let early = try project.run("list")
        if try connection.execute("select max(number) < 10 from firn.migrations").first!.bool(0) {
            #expect(early.status == 1 && early.text.contains("firn migrate"), "\(early.text)")
        }
        #expect(try project.run("migrate").status == 0)

        func heads(_ text: String) -> [String] {
            text.matches(of: try! Regex("[0-9a-f]{64}")).map { String($0.output[0].substring!) }
        }
        let before = try String(contentsOfFile: "\(UpgradeTests.stores)/\(name).json", encoding: .utf8),
            now = try project.run("verify", "--all", "--json")
        #expect(now.status == 0 && heads(now.text) == heads(before), "\(now.text)")
        #expect(
            try project.run("snapshot", "verify", "first").status == 0
                && project.run("snapshot", "verify", "known").status == 0)
        #expect(try project.run("verify", "lookups").status == 0)
        #expect(try project.run("snapshot", "fetch", "first", "--out", "rows.csv").status == 0)
        #expect(
            try project.read("rows.csv")
                == String(contentsOfFile: "\(UpgradeTests.stores)/\(name).csv", encoding: .utf8))

        // It goes on where it was: the log of each source, definitions, decisions.
        try project.write(
            "more.csv",
            "payment_id,customer_id,country,amount,gone,at,recorded\na,1,at,0.1,,2024-01-01,2024-01-01\nf,1,at,3,,2024-01-05,2024-01-05\n"
        )
        let imported = try project.run("import", "payments", "more.csv")
        #expect(imported.status == 0 && imported.text.contains("1 duplicate"), "\(imported.text)")
        try project.write(
            "more.yaml", "features: {latest.v1: {entity: customer, source: payments, expression: latest(amount)}}")
        #expect(
            try project.run("apply", "more.yaml").status == 0
                && project.run("point", "risk@shadow", "risk.v1").status == 0)
        #expect(try project.run("materialize", "--online", "risk@production").status == 0)
        let again = try project.run("verify", "--all")
        #expect(again.status == 0, "\(again.text)")
        #expect(try project.run("lookup", "--set", "risk@production", "customer_id=1", "amount=5").status == 0)
        // A batch of the older form can't be slipped in behind one of the newer.
        try connection.run(
            script:
                "alter table firn.batches disable trigger all; update firn.batches set version = 1 where batch = (select max(batch) from firn.batches)"
        )
        let slipped = try project.run("verify")
        #expect(slipped.status == 1 && slipped.text.contains("the batch of payments"), "\(slipped.text)")
    }

    @Test func `an older program refuses a newer schema, whatever it is asked`() throws {
        let project = try Project()
        #expect(try project.run("migrate").status == 0)
        try project.write(
            "d.yaml",
            "entities: {customer: {keys: {customer_id: int64}}}\nsources: {clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}}"
        )
        #expect(try project.run("apply", "d.yaml").status == 0)
        try project.write("c.csv", "customer_id,at\n1,2024-01-01\n")
        try Connection(uri: project.environment["FIRN_DATABASE_URL"]!).run(
            script: "insert into firn.migrations (number, name, checksum) values (9999, '9999_later.sql', 'x')")
        for arguments in [
            ["list"], ["show", "clicks"], ["search", "x"], ["apply", "d.yaml"], ["plan", "d.yaml"],
            ["import", "clicks", "c.csv"], ["export", "clicks"], ["ledger", "log"],
            ["verify"],
            ["lookup", "--feature", "x.v1"], ["token", "list"], ["token", "create", "x"], ["materialize"],
            ["snapshot", "list"], ["lookups"], ["migrate"],
            ["serve", "--port", "0"],
        ] {
            let answer = try firn(arguments, in: project.directory, environment: project.environment)
            #expect(
                answer.status == 1 && answer.text.contains("newer Firn") && answer.text.contains("upgrade"),
                "\(arguments): \(answer.text)")
        }
    }
}
