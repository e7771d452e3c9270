import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Lookups: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the lookups kept in the lookup log: who asked for what, newest first.",
        discussion:
            "firn serve --log-lookups keeps them, and so does \"log\": true in a lookup. firn verify lookups recomputes them."
    )

    @Option(help: ArgumentHelp("Only lookups by this actor, such as a token's name.", valueName: "name"))
    var actor: String?

    @Option(help: "Only lookups of this set.", completion: .sets)
    var set: String?

    @Option(
        help: ArgumentHelp("Only lookups answered as of this time or later.", valueName: "time"),
        transform: parseInstant)
    var since: Instant?

    @Option(help: ArgumentHelp("Maximum number of lookups.", valueName: "number"))
    var count = 100

    @Flag(help: "Print as JSON.")
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
