import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct LedgerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ledger", abstract: "Show what was registered, loaded and governed: who did what, and when.",
        subcommands: [Log.self, Head.self], defaultSubcommand: Log.self)

    struct Log: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the ledger's entries, newest first.")

        @Argument(help: "Only entries about this subject: feature spend_7d.v1, or its name alone.")
        var subject: [String] = []

        @Option(help: "Only entries of this kind, such as register, snapshot or point.")
        var kind: String?

        @Option(help: "Only entries with numbers below this one.")
        var before: Int64?

        @Option(help: "Maximum number of entries.")
        var count = 100

        @Flag(help: "Print as JSON, with full bodies.")
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
            abstract: "Print the newest entry's hash, which pins down the past if you keep it elsewhere.",
            discussion: "firn verify --expect HASH detects a history that was rewritten entirely.")

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
