import ArgumentParser
import FeatureLanguage
import Postgres
import Tables

struct Stop: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Stop the project's PostgreSQL.")

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() throws {
        guard let cluster = Environment.cluster() else { throw Failure("there is no .firn here or above") }
        let stopped = try cluster.stop()
        Terminal.out(
            json
                ? JSON.object(["stopped": .bool(stopped)]).pretty()
                : stopped ? "PostgreSQL is stopped." : "PostgreSQL wasn't running.")
    }
}
