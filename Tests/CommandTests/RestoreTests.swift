import Foundation
import Postgres
import TestSupport
import Testing

/// A database that was dumped and restored, as docs/operating.md says, is the same store.
@Suite struct RestoreTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources:
          events: {columns: {event: string, customer_id: int64, amount: float64, at: timestamp}, event_time: at, id: [event]}
        features: {spend.v1: {entity: customer, source: events, expression: sum(amount)}}
        sets: {all.v1: {features: [spend.v1], description: All there is.}}
        """

    @Test func `a dump restored elsewhere verifies, and gives the same values, snapshots and receipts`() throws {
        let project = try Project(), restored = try TestCluster.newDatabase()
        let uri = try #require(project.environment["FIRN_DATABASE_URL"])
        #expect(try project.run("migrate").status == 0)
        try project.write("d.yaml", RestoreTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        try project.write(
            "e.csv",
            "event,customer_id,amount,at\n"
                + (0..<500).map { "e\($0 % 450),\($0 % 7),\($0).5,2024-01-0\(1 + $0 % 9)\n" }.joined())
        #expect(try project.run("import", "events", "e.csv").status == 0)
        #expect(try project.run("materialize", "--online", "all.v1").status == 0)
        try project.write("s.csv", "customer_id,event_timestamp\n" + (0..<7).map { "\($0),2024-02-01\n" }.joined())
        #expect(
            try project.run(
                "snapshot", "create", "--set", "all.v1", "--spine", "s.csv", "--name", "kept", "--out", "first.csv"
            ).status == 0)
        #expect(try project.run("lookup", "--set", "all.v1", "customer_id=3", "--log").text.contains("receipt "))
        let before = try project.run("verify", "--json")
        #expect(before.status == 0, "\(before.text)")

        let programs = try Connection(uri: uri).execute("select setting from pg_config where name = 'BINDIR'").first!
            .text(0)
        for command in [
            [
                "\(programs)/pg_dump", "--format=custom", "--no-owner", "--exclude-table-data=firn_cache.*",
                "--file=firn.dump", uri,
            ],
            ["\(programs)/pg_restore", "--no-owner", "--exit-on-error", "--dbname=\(restored)", "firn.dump"],
        ] {
            let done = try RunningProgram(command[0], Array(command.dropFirst()), in: project.directory).finish()
            #expect(done.status == 0, "\(command[0]): \(done.text)")
        }
        func again(_ arguments: String...) throws -> (status: Int32, text: String) {
            try firn(
                arguments, in: project.directory,
                environment: project.environment.merging(["FIRN_DATABASE_URL": restored]) { $1 })
        }
        // The original's server has no business in the copy, where the dump has given it its privileges.
        let original = try Connection(uri: uri).execute("select firn.server_role()").first!.text(0)
        #expect(try again("doctor").text.contains("run firn migrate"))
        #expect(try again("migrate").status == 0)
        let own = try Connection(uri: restored).execute("select firn.server_role()").first!.text(0)
        #expect(own != original && own.hasPrefix("firn_server_"))
        #expect(throws: PostgresError.self) {
            try Connection(uri: restored, Connection.Settings(role: "\(original)")).run(
                script: "select from firn.ledger")
        }
        try Connection(uri: uri, Connection.Settings(role: "\(original)")).run(script: "select from firn.ledger")
        #expect(try project.run("migrate").status == 0 && project.run("doctor").status == 0)
        // Segments and online state aren't in a dump: they come back.
        func settled(_ text: String) -> String { text.replacing(try! Regex(#""(blocks|entities)": \d+"#), with: "") }
        #expect(try settled(again("verify", "--json").text) == settled(before.text))
        #expect(try again("verify", "lookups").text.contains("1 lookups, 1 values, 0 differences"))
        #expect(try again("materialize", "--online", "all.v1").text.contains("7 entities kept"))
        #expect(try again("snapshot", "verify", "kept").status == 0)
        #expect(try again("snapshot", "fetch", "kept", "--out", "second.csv").status == 0)
        #expect(try project.read("first.csv") == project.read("second.csv"))
        // The guard came along, and so did what the server may do.
        #expect(throws: PostgresError.self) { try Connection(uri: restored).run(script: "delete from firn.ledger") }
        #expect(throws: PostgresError.self) {
            try Connection(uri: restored, Connection.Settings(role: "firn.server_role()")).run(
                script: "alter table firn.ledger disable trigger firn_guard")
        }
        #expect(try again("doctor").status == 0)
    }
}
