import ArgumentParser
#if canImport(CMalloc)
    import CMalloc
#endif
import Foundation

@main
struct Firn: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "firn",
        abstract: "A feature store that never forgets: features are functions, the past never changes, training equals serving.",
        version: "0.1.0",
        subcommands: [
            Init.self, PlanCommand.self, Apply.self, Eval.self, Import.self, Export.self, Materialize.self, Snapshot.self, Lookup.self, List.self, Show.self, Search.self, Why.self,
            Diff.self,
            Serve.self,
            Stop.self, Url.self, Migrate.self, Cache.self, Doctor.self,
        ])

    /// What was freed is used again instead of going back to the system, which would clear each page of it anew: buckets of rows come and go.
    private static func keepMemory() {
        #if canImport(CMalloc)
            _ = mallopt(M_MMAP_THRESHOLD, 1 << 28)
            _ = mallopt(M_TRIM_THRESHOLD, .max)
            _ = mallopt(M_TOP_PAD, 1 << 26)
        #endif
    }

    /// Exit codes: 0 all is well, 1 it failed, 2 the command line is wrong.
    static func main() async {
        keepMemory()
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
