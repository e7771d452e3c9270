import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Register definitions, all or nothing; what is registered never changes.",
        discussion: "Creates the project's PostgreSQL if there is none, and brings the schema up to date.")

    @Argument(help: "Definitions files (YAML), or directories of them.")
    var definitions: [String]

    @Flag(help: "Print what was registered as JSON.")
    var json = false

    @Option(
        help: ArgumentHelp(
            "Revision of the files to record in the ledger, such as git rev-parse HEAD prints.", valueName: "sha"))
    var commit: String?

    @OptionGroup var actor: ActorOption

    func run() async throws {
        let documents = try readDocuments(definitions)
        let plan = try await Environment.store(creating: true, connections: 1, actor).catalog.apply(
            documents, commit: commit)
        if json { Terminal.out(plan.json().pretty()) } else { plan.print(applied: true) }
    }
}
