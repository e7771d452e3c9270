import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "What was registered, loaded and governed: who, when, what.",
        subcommands: [Log.self, Head.self], defaultSubcommand: Log.self)

    struct Log: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The ledger's entries, the newest first.")

        @Argument(help: "Only what is about this: feature spend_7d.v1, or its name alone.")
        var subject: [String] = []

        @Option(help: "Only entries of this kind, such as register, snapshot or point.")
        var kind: String?

        @Option(help: "Only entries of smaller numbers.")
        var before: Int64?

        @Option(help: "So many at most.")
        var count = 100

        @Flag(help: "Print them as JSON, with their whole bodies.")
        var json = false

        func validate() throws {
            guard (1...100_000).contains(count) else { throw ValidationError("--count is 1 to 100000.") }
        }

        func run() async throws {
            let subject = subject.isEmpty ? nil : subject.joined(separator: " ")
            let entries = try await Environment.store(connections: 1).provenance.ledger(
                subject: subject, kind: kind, before: before, count: count)
            if json { return Terminal.out(JSON.array(entries.map(\.json)).pretty()) }
            var table = TextTable("ENTRY", "AT", "BY", "WHAT", "SUBJECT", "HASH")
            for entry in entries {
                table.rows.append([
                    String(entry.number), entry.at.description, entry.actor, entry.kind, entry.subject,
                    String(entry.hash.hexadecimal.prefix(12)),
                ])
            }
            table.print()
        }
    }

    struct Head: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The newest entry's hash: written down elsewhere, it holds the past.",
            discussion: "firn verify --expect HASH finds a history that was rewritten whole.")

        @Flag(help: "Print the entry as JSON.")
        var json = false

        func run() async throws {
            guard let head = try await Environment.store(connections: 1).provenance.ledgerHead() else {
                throw Failure("the ledger is empty")
            }
            Terminal.out(json ? head.json.pretty() : head.hash.hexadecimal)
        }
    }
}
