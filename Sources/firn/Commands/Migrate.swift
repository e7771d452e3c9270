import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Bring the database's schema up to this version.")

    @Flag(help: "Print what was applied as JSON.")
    var json = false

    func run() async throws {
        let applied = try await Environment.store(connections: 1).migrate()
        if json { return Terminal.out(JSON.object(["applied": .array(applied.map { .string($0) })]).pretty()) }
        Terminal.out(
            applied.isEmpty ? "The schema is up to date." : applied.map { "applied \($0)" }.joined(separator: "\n"))
    }
}
