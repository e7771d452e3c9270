import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Tables

struct Snapshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create and inspect training sets.",
        subcommands: [Create.self, Fetch.self, Verify.self, Compare.self, Bundle.self, List.self, Show.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Compute a set for a spine and record how.",
            discussion: "The output has the spine's columns as they were, followed by the set's.")

        @Option(help: "Set, such as fraud.v1, or a pointer such as fraud@production.", completion: .sets)
        var set: String

        @Option(help: "Rows to get features for (\(FileFormat.suffixes), optionally with .gz or .zst).")
        var spine: String

        @Option(help: "Spine column that holds the instants.")
        var timestamp = FeatureSet.instantColumn

        @Option(help: "Name for the snapshot.")
        var name: String?

        @OptionGroup var reading: ReadingOptions
        @OptionGroup var files: FileOptions

        @Option(
            help: ArgumentHelp(
                "Read no further than this snapshot did, for another set or spine at the same cuts.",
                valueName: "snapshot"))
        var at: String?

        @Option(
            help: ArgumentHelp(
                "Add a column 'split' with shares such as train=0.8,valid=0.1,test=0.1.", valueName: "shares"))
        var split: String?

        @Option(help: "Spine column by whose hash rows are split; separate several with commas.")
        var by: String?

        @Flag(help: "Keep the rows with the snapshot, for others to fetch.")
        var keep = false

        @Flag(
            name: .customLong("no-record"),
            help: "Only compute the rows: nothing is recorded, and nothing can be fetched or verified later.")
        var isUnrecorded = false

        @Option(help: "Where to write the training set.")
        var out: String?

        @Flag(help: "Print the snapshot as JSON.")
        var json = false

        @OptionGroup var actor: ActorOption

        func validate() throws {
            guard (split == nil) == (by == nil) else {
                throw ValidationError("--split and --by go together: --split train=0.8,test=0.2 --by customer_id.")
            }
            guard !isUnrecorded || name == nil && !keep && !json else {
                throw ValidationError("--no-record leaves nothing to name, keep or print.")
            }
            guard !isUnrecorded || out != nil else {
                throw ValidationError("--no-record goes with --out: the rows are all that is left.")
            }
        }

        func run() async throws {
            let split = try split.map { try Split($0, by: by ?? "") }
            let request = SnapshotRequest(
                set: set, name: name, timestamp: timestamp, mode: reading.mode, knownBy: reading.knownBy,
                options: files.reading, at: at, split: split, keeps: keep)
            let start = ContinuousClock.now
            let progress = Progress("snapshot \(set)")
            defer { progress.end() }
            if let out,
                URL(fileURLWithPath: out).resolvingSymlinksInPath()
                    == URL(fileURLWithPath: spine).resolvingSymlinksInPath()
            {
                throw Failure("\(out) is the spine itself (--out names another file)")
            }
            let show = { @Sendable (done: TrainingProgress) in
                switch done {
                case .reading(let source, let rows): progress.show("reads \(source)", rows: rows, share: nil)
                case .computing(let rows, let count):
                    progress.show(rows: rows, share: count > 0 ? Double(rows) / Double(count) : nil)
                }
            }
            let store = try await Environment.store(connections: 1, actor)
            if isUnrecorded, let out {
                let writer = try TableWriter(path: out)
                let rows = try await store.training.trainingSet(request, name: spine, progress: show) { [spine] plan in
                    let file = try SpineFile(
                        path: spine, plan: plan, timestamp: request.timestamp, options: request.options)
                    try TableWriter.require(file, for: out)
                    return file
                }
                try rows.write(to: writer)
                progress.end()
                for warning in rows.warnings { Terminal.note("warning: \(warning)") }
                return Terminal.beside(out, "written to \(out), not recorded")
            }
            let manifest = try await store.training.createSnapshot(request, spine: spine, output: out, progress: show)
            progress.end()
            for warning in manifest.warnings { Terminal.note("warning: \(warning)") }
            if json { return Terminal.beside(out, manifest.json(whole: false).pretty()) }
            let seconds = (ContinuousClock.now - start).seconds
            Terminal.beside(
                out,
                "\(manifest.id): \(manifest.rows) rows of \(manifest.set), \(manifest.mode.words) (\(Int(Double(manifest.rows) / max(seconds, 0.001))) rows/s)"
            )
            Terminal.beside(out, "digest \(manifest.digest)\(out.map { "\nwritten to \($0)" } ?? "")")
        }
    }

    struct Fetch: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Fetch a snapshot's rows again.",
            discussion:
                "The rows are as they were kept, or recomputed from the same spine at the same cuts; either way, they are checked against the snapshot's digest."
        )

        @Argument(help: "Id or name of the snapshot.")
        var id: String

        @Option(help: "Where to write the rows; standard output by default.")
        var out: String?

        func run() async throws {
            let writer = try TableWriter(path: out)
            let (manifest, rows) = try await Environment.store(connections: 1).training.fetch(id)
            try rows.write(to: writer)
            if let out {
                Terminal.beside(
                    out,
                    "\(manifest.id): \(manifest.rows) rows of \(manifest.set), digest \(manifest.digest)\nwritten to \(out)"
                )
            }
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Recompute a snapshot and compare.",
            discussion: "If columns differ, names the first differing block of 1,024 rows of each and exits with 1.")

        @Argument(help: "Id or name of the snapshot.")
        var id: String

        @Flag(help: "Print the outcome as JSON.")
        var json = false

        func run() async throws {
            try await Environment.store(connections: 1).training.verify(id).report(json: json)
        }
    }

    struct Bundle: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a snapshot to a single file from which it can be recomputed without a database.",
            discussion:
                "The file is a tar archive of definitions, spine, manifest and the rows that the snapshot reads. firn eval --bundle FILE recomputes the snapshot and checks it against its digest."
        )

        @Argument(help: "Id or name of the snapshot.")
        var id: String

        @Option(help: "File to write.")
        var out: String

        func run() async throws {
            let rows = try await Environment.store(connections: 1).training.bundleSnapshot(id, to: out)
            Terminal.out(
                "\(out): \(id) with \(rows.sorted { $0.key < $1.key }.map { "\($1) rows of \($0)" }.joined(separator: ", "))"
            )
        }
    }

    struct Compare: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "diff", abstract: "Show what differs between two snapshots: definitions, cuts, rows, values.",
            discussion: "Rows are matched by their keys and instant.")

        @Argument(help: "Id or name of the first snapshot.")
        var left: String

        @Argument(help: "Id or name of the second snapshot.")
        var right: String

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let comparison = try await Environment.store(connections: 1).training.compareSnapshots(left, right)
            if json { return Terminal.out(comparison.json.pretty()) }
            if comparison.isSame {
                return Terminal.out(
                    "\(comparison.left.id) and \(comparison.right.id) are the same, \(comparison.common) rows")
            }
            for setting in comparison.settings { Terminal.out(setting) }
            for output in comparison.outputs {
                Terminal.out("output \(output.name): \(output.left ?? "none") and \(output.right ?? "none")")
            }
            for cut in comparison.cuts { Terminal.out("cut of \(cut.source): offset \(cut.left) and \(cut.right)") }
            Terminal.out(
                "rows: \(comparison.common) in both, \(comparison.onlyLeft) only in \(comparison.left.id), \(comparison.onlyRight) only in \(comparison.right.id)"
            )
            for value in comparison.values {
                Terminal.out(
                    "values of \(value.output): \(value.rows) rows differ, the first is row \(value.firstRow): \(JSON(value.left)) and \(JSON(value.right))"
                )
            }
            if comparison.values.isEmpty, comparison.common > 0 {
                Terminal.out("values: the same in all rows that both have")
            }
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List snapshots, newest first.")

        @Flag(help: "Print as JSON.")
        var json = false

        func run() async throws {
            let manifests = try await Environment.store(connections: 1).training.snapshots()
            if json { return Terminal.out(JSON.array(manifests.map { $0.json(whole: false) }).pretty()) }
            var table = TextTable("ID", "NAME", "SET", "ROWS", "MODE", "CREATED", "BY", "DIGEST")
            for manifest in manifests {
                table.rows.append([
                    manifest.id, manifest.name ?? "", manifest.set.description, String(manifest.rows),
                    manifest.mode.rawValue, manifest.createdAt, manifest.actor,
                    String(manifest.digest.prefix(12)),
                ])
            }
            table.print()
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a snapshot's manifest.")

        @Argument(help: "Id or name of the snapshot.")
        var id: String

        @Flag(help: "Print the whole manifest as JSON.")
        var json = false

        func run() async throws {
            let store = try await Environment.store(connections: 1), manifest = try await store.training.snapshot(id)
            if json { return Terminal.out(JSON.object(try await store.training.manifest(manifest.id)).pretty()) }
            Terminal.out("snapshot     \(manifest.id)\(manifest.name.map { " (\($0))" } ?? "")")
            Terminal.out("set          \(manifest.set)  \(manifest.fingerprint.short)")
            Terminal.out(
                "rows         \(manifest.rows), \(manifest.mode.words)\(manifest.knownBy.map { ", known by \($0)" } ?? "")"
            )
            Terminal.out("digest       \(manifest.digest)")
            Terminal.out("spine        \(manifest.spine.digest)")
            Terminal.out("created      \(manifest.createdAt) by \(manifest.actor)")
            if let at = manifest.at { Terminal.out("at           the cuts of \(at)") }
            if let split = manifest.split { Terminal.out("split        \(split)") }
            for cut in manifest.cuts.sorted(by: { $0.key < $1.key }) {
                Terminal.out("cut          \(cut.key) up to offset \(cut.value)")
            }
            for output in manifest.outputs {
                Terminal.out(
                    "\(output.kind.rawValue.padded(13))\(output.name): \(output.type.rawValue) = \(output.function)  \(output.fingerprint.short)"
                )
            }
        }
    }
}

extension Verification {
    /// Prints the outcome; the command fails if the snapshot isn't as it was.
    func report(json: Bool) throws {
        if json {
            Terminal.out(self.json.pretty())
        } else if isIdentical {
            Terminal.out(
                "\(manifest.id): identical\(erased.isEmpty ? "" : " but for what was erased"), \(manifest.rows) rows, digest \(manifest.digest)"
            )
            for rows in erased {
                Terminal.out(
                    "  rows \(rows.lowerBound) to \(rows.upperBound): blocks that had or read rows which were erased")
            }
        }
        guard isIdentical else {
            throw Failure(
                "\(manifest.id) doesn't come back as it was:\n" + faults.map { "  \($0)" }.joined(separator: "\n"))
        }
    }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(1, width - count)) }
}
