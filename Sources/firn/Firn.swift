import ArgumentParser
import Foundation

@main
struct Firn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firn",
        abstract: "A feature store that never forgets: features are functions, the past never changes, training equals serving.",
        version: "0.1.0",
        subcommands: [
            Init.self, PlanCommand.self, Apply.self, Eval.self, Import.self, Materialize.self, Snapshot.self, Lookup.self, List.self, Show.self, Search.self, Why.self, Diff.self,
            Serve.self,
            Stop.self, Url.self, Migrate.self, Cache.self, Doctor.self,
        ])

    /// Exit codes: 0 all is well, 1 it failed, 2 the command line is wrong.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Foundation.exit(Terminal.report(error))
        }
    }
}
