import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Recompute what was recorded, and report what differs.", subcommands: [History.self, Lookups.self],
        defaultSubcommand: History.self)

    struct History: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Verify the ledger, every definition, the logs and their rows, segments, and snapshots.",
            discussion: """
                Recomputes chains, fingerprints and digests; for segments and snapshots, a sample or all. Detects any change that doesn't rewrite everything after it and, \
                given a head that was kept elsewhere (firn ledger head, or a log's head as --json prints it), also one that does.
                """)

        @Option(help: ArgumentHelp("Head that the ledger or a log once had; may be repeated.", valueName: "hash"))
        var expect: [String] = []

        @Flag(help: "Recompute every snapshot, and seal every segment again.")
        var all = false

        @Flag(help: "Print what was found as JSON.")
        var json = false

        func run() async throws {
            let progress = Progress("verifying")
            let check = try await Environment.store(connections: 1).provenance.checkHistory(expecting: expect, all: all)
            { progress.show($0, rows: $1, share: nil) }
            progress.end()
            if json {
                let heads = check.logHeads.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
                Terminal.out(
                    JSON.object([
                        "holds": .bool(check.faults.isEmpty), "entries": JSON(check.entries),
                        "definitions": JSON(check.definitions), "batches": JSON(check.batches),
                        "rows": JSON(check.rows), "snapshots": JSON(check.snapshots), "blocks": JSON(check.blocks),
                        "entities": JSON(check.entities),
                        "values": JSON(check.values), "ledger_head": .string(check.ledgerHead),
                        "log_heads": .object(heads), "faults": .array(check.faults.map { .string($0) }),
                    ]).pretty())
            } else {
                Terminal.out(
                    "\(check.entries) ledger entries, \(check.definitions) definitions, \(check.batches) batches, \(check.rows) rows"
                )
                Terminal.out(
                    "\(check.snapshots) snapshots and \(check.blocks) blocks of segments\(all ? "" : ", taken by chance")"
                )
                if check.entities + check.values > 0 {
                    Terminal.out("\(check.entities) kept entities and \(check.values) rows of current values")
                }
                for fault in check.faults { Terminal.out("✗ \(fault)") }
                if check.faults.isEmpty {
                    Terminal.out("all is as it was written; the ledger's head is \(check.ledgerHead)")
                }
            }
            if !check.faults.isEmpty { throw ExitCode(1) }
        }
    }

    struct Lookups: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Recompute the lookups in the log (receipts) as training rows at their cuts, and compare bit for bit.",
            discussion: "Any difference is the fault of Firn, or of whoever changed the past.")

        @Option(
            help: ArgumentHelp("Only lookups answered as of this instant or later.", valueName: "time"),
            transform: parseInstant)
        var since: Instant?

        @Option(help: "Only the lookup with this receipt.")
        var receipt: String?

        @Flag(help: "Print what was found as JSON.")
        var json = false

        func run() async throws {
            let progress = Progress("replaying")
            let replayed = try await Environment.store(connections: 1).serving.replayLookups(
                since: since, receipt: receipt
            ) { progress.show(rows: $0, share: nil) }
            progress.end()
            if json {
                Terminal.out(replayed.json.pretty())
            } else {
                Terminal.out(
                    "\(replayed.lookups) lookups, \(replayed.values) values, \(replayed.differences) differences")
                if let (receipt, what) = replayed.first { Terminal.out("✗ the first: \(what), receipt \(receipt)") }
            }
            if replayed.differences > 0 { throw ExitCode(1) }
        }
    }
}
