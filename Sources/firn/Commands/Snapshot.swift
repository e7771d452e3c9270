import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Tables

struct Snapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make and look at training sets.", subcommands: [Create.self, List.self, Show.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compute a set for a spine, and record how.", discussion: "The output has the spine's columns as they were, and the set's after them.")

        @Option(help: "The set, such as fraud.v1.")
        var set: String

        @Option(help: "The rows to get features for (.csv or .ndjson, also .gz or .zst).")
        var spine: String

        @Option(help: "The spine's column of instants.")
        var timestamp = FeatureSet.instantColumn

        @Option(help: "A name for the snapshot.")
        var name: String?

        @OptionGroup var reading: ReadingOptions
        @OptionGroup var files: FileOptions

        @Option(help: "Where to write the training set.")
        var out: String?

        @Flag(help: "Print the snapshot as JSON.")
        var json = false

        func run() async throws {
            let request = SnapshotRequest(set: set, name: name, timestamp: timestamp, mode: reading.mode, knownBy: reading.knownBy, options: files.reading)
            let start = ContinuousClock.now
            let manifest = try await Environment.store(connections: 1).createSnapshot(request, spine: spine, output: out)
            if json { return Terminal.out(manifest.json(whole: false).pretty()) }
            let seconds = (ContinuousClock.now - start).seconds
            Terminal.out(
                "\(manifest.id): \(manifest.rows) rows of \(manifest.set), \(manifest.mode.words) (\(Int(Double(manifest.rows) / max(seconds, 0.001))) rows/s)"
            )
            Terminal.out("digest \(manifest.digest)\(out.map { "\nwritten to \($0)" } ?? "")")
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the snapshots, the newest first.")

        @Flag(help: "Print them as JSON.")
        var json = false

        func run() async throws {
            let manifests = try await Environment.store(connections: 1).snapshots()
            if json { return Terminal.out(JSON.array(manifests.map { $0.json(whole: false) }).pretty()) }
            var table = TextTable("ID", "NAME", "SET", "ROWS", "MODE", "CREATED", "BY", "DIGEST")
            for manifest in manifests {
                table.rows.append([
                    manifest.id, manifest.name ?? "", manifest.set.description, String(manifest.rows), manifest.mode.rawValue, manifest.createdAt, manifest.actor,
                    String(manifest.digest.prefix(12)),
                ])
            }
            table.print()
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a snapshot's manifest.")

        @Argument(help: "Its id, or a name.")
        var id: String

        @Flag(help: "Print the whole manifest as JSON.")
        var json = false

        func run() async throws {
            let manifest = try await Environment.store(connections: 1).snapshot(id)
            if json { return Terminal.out(manifest.json(whole: true).pretty()) }
            Terminal.out("snapshot     \(manifest.id)\(manifest.name.map { " (\($0))" } ?? "")")
            Terminal.out("set          \(manifest.set)  \(manifest.fingerprint.short)")
            Terminal.out("rows         \(manifest.rows), \(manifest.mode.words)\(manifest.knownBy.map { ", known by \($0)" } ?? "")")
            Terminal.out("digest       \(manifest.digest)")
            Terminal.out("spine        \(manifest.spine.digest)")
            Terminal.out("created      \(manifest.createdAt) by \(manifest.actor)")
            for cut in manifest.cuts.sorted(by: { $0.key < $1.key }) { Terminal.out("cut          \(cut.key) up to offset \(cut.value)") }
            for output in manifest.outputs {
                Terminal.out("\(output.kind.rawValue.padded(13))\(output.name): \(output.type.rawValue) = \(output.function)  \(output.fingerprint.short)")
            }
        }
    }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
