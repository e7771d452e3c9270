import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Lookups: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the lookups that are kept in their log: who asked for what, the newest first.",
        discussion:
            "firn serve --log-lookups, and \"log\": true in a lookup, keep them. firn verify lookups computes them again."
    )

    @Option(help: ArgumentHelp("Only what this one asked for: a token's name.", valueName: "name"))
    var actor: String?

    @Option(help: "Only lookups of this set.", completion: .sets)
    var set: String?

    @Option(
        help: ArgumentHelp("Only those answered for this time or later.", valueName: "time"), transform: parseInstant)
    var since: Instant?

    @Option(help: ArgumentHelp("At most so many.", valueName: "number"))
    var count = 100

    @Flag(help: "Print them as JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(count) else { throw ValidationError("--count is 1 to 1000000.") }
    }

    func run() async throws {
        let lookups = try await Environment.store(connections: 1).serving.lookups(
            actor: actor, set: set, since: since, count: count)
        if json { return Terminal.out(JSON.array(lookups.map(\.json)).pretty()) }
        var table = TextTable("AS OF", "ACTOR", "ASKED FOR", "THROUGH", "RECEIPT")
        for lookup in lookups {
            let asked: String =
                switch lookup.target {
                case .set(let name): name
                case .features(let names): names.joined(separator: ", ")
                }
            table.rows.append([lookup.asOf.description, lookup.actor, asked, lookup.pointer ?? "", lookup.receipt])
        }
        table.print()
    }
}
