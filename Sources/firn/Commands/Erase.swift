import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Erase: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Erase an entity: its rows, and everything kept or derived from them.",
        discussion: """
            Example: firn erase customer customer_id=42 --reason "request 17"

            Removes its rows from every source (also through join), from segments, kept spines, kept results, current values, online state and the lookup log. The ledger says \
            what was removed and why, but not whose it was. Snapshots that had or read such rows verify as identical except for those blocks. docs/provenance.md says what \
            write-ahead logs, backups and standbys still hold, and for how long.
            """)

    @Argument(help: "Name of the entity, such as customer.")
    var entity: String

    @Argument(help: ArgumentHelp("Value for each of the entity's keys.", valueName: "key=value"))
    var keys: [String]

    @Option(help: "Reason, which stays in the ledger forever, so it must not say whose rows they were.")
    var reason: String

    @Flag(help: "Show what would be erased, without erasing it.")
    var dryRun = false

    @Flag(help: "Print what was erased as JSON.")
    var json = false

    @OptionGroup var actor: ActorOption

    func run() async throws {
        var request = LookupRequest(.features([]), entities: [:])
        try request.add(keys, requests: [])
        let given = request.entities.mapValues { $0[0] }
        let erasure = try await Environment.store(connections: 1, actor).provenance.erase(
            entity, given, reason: reason, isTried: dryRun)
        if json { return Terminal.out(erasure.json.pretty()) }
        let verb = dryRun ? "would go" : "went"
        for (source, rows) in erasure.rows.sorted(by: { $0.key < $1.key }) {
            Terminal.out("\(rows) rows of \(source) \(verb)")
        }
        Terminal.out("\(erasure.spineRows) rows of kept spines, \(erasure.receipts) receipts of lookups")
        for id in erasure.snapshots { Terminal.out("\(id) has or read such rows: it verifies but for their blocks") }
        if let entry = erasure.entry, !dryRun {
            Terminal.out("ledger entry \(entry), \(erasure.batches) batches have new digests")
        }
        if erasure.isEmpty { Terminal.out("nothing of it is here") }
    }
}
