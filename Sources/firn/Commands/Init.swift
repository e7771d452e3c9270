import ArgumentParser
import FeatureLanguage
import FeatureStore
import Postgres
import Tables

struct Init: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make this directory a project with its own PostgreSQL.",
        discussion: "If FIRN_DATABASE_URL is set, only brings that database's schema up to date.")

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() async throws {
        let uri: String
        if let url = Environment.databaseURL {
            uri = url
        } else {
            let cluster = Environment.newCluster()
            try cluster.start()
            uri = cluster.uri
        }
        let applied = try await Store(uri: uri, actor: Environment.actor, connections: 1).migrate()
        let own = Environment.databaseURL == nil
        if json {
            return Terminal.out(
                JSON.object(["embedded": .bool(own), "migrations": .array(applied.map { .string($0) })]).pretty())
        }
        Terminal.out(
            own
                ? "PostgreSQL is up in .firn; firn url prints its address, firn stop ends it."
                : "The database at FIRN_DATABASE_URL is ready.")
    }
}
