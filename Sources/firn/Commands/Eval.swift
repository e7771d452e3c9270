import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Tables

struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compute features over files, without a database.",
        discussion:
            "Tries a definition on rows and a spine, with the same engine that trains and serves. Files are \(FileFormat.suffixes), each optionally with .gz or .zst."
    )

    @Argument(help: "Definitions files (YAML).")
    var definitions: [String] = []

    @Option(help: "Set to compute, such as fraud.v1.")
    var set: String?

    @Option(help: "Feature to compute, such as spend_7d.v1; may be repeated.")
    var feature: [String] = []

    @Option(help: ArgumentHelp("Rows of a source; may be repeated.", valueName: "source=file"))
    var rows: [String] = []

    @Option(help: "Rows to get features for.")
    var spine: String?

    @Option(
        help: ArgumentHelp(
            "Instead of all these, recompute a snapshot from this bundle alone and check it against its digest.",
            valueName: "file"))
    var bundle: String?

    @Option(help: "Spine column that holds the instants.")
    var timestamp = FeatureSet.instantColumn

    @OptionGroup var reading: ReadingOptions
    @OptionGroup var files: FileOptions

    @Option(help: "Where to write the result; standard output by default.")
    var out: String?

    @Flag(help: "Print a summary with the result's digest as JSON; needs --out.")
    var json = false

    func validate() throws {
        if bundle != nil {
            guard definitions.isEmpty, set == nil, feature.isEmpty, rows.isEmpty, spine == nil, !reading.hindsight,
                reading.knownBy == nil
            else {
                throw ValidationError("--bundle brings definitions, set, rows, spine and mode itself.")
            }
            return
        }
        guard !definitions.isEmpty, spine != nil else {
            throw ValidationError("Give definitions files and --spine, or --bundle.")
        }
        guard (set == nil) != feature.isEmpty else { throw ValidationError("Give either --set or --feature.") }
        guard !json || out != nil else { throw ValidationError("--json needs --out.") }
    }

    func run() throws {
        if let bundle { return try evaluate(bundle) }
        let catalog = try Catalog(documents: readDocuments(definitions))
        let chosen = try set.map { name in try catalog.set(named: name) } ?? catalog.resolve(features: feature)
        let plan = Plan(chosen, in: catalog)
        let sources = try readRows(plan, catalog)
        let path = spine ?? ""
        let spine = try SpineFile(path: path, plan: plan, timestamp: timestamp, options: files.reading)
        try spine.requireText(name: path)
        try spine.requireFree(plan.outputs.map { ($0.name, "an output") }, name: path)
        let writer = try TableWriter(path: out)
        try writer.require(spine)
        let outputs = plan.evaluate(spine.spine, Reading(mode: reading.mode, knownBy: reading.knownBy?.microseconds)) {
            sources[$0.source.name]!
        }
        try writer.write(spine, plan.table(outputs))
        try writer.publish()
        if json {
            let digest = Digest(plan.result(spine.spine, outputs))
            Terminal.out(
                JSON.object(["rows": JSON(spine.rowCount), "digest": .string(digest.description), "out": JSON(out)])
                    .pretty())
        }
    }

    private func evaluate(_ path: String) throws {
        let bundle = try SnapshotBundle(path: path, temporaryDirectory: FileManager.default.temporaryDirectory.path)
        let (rows, verification) = try bundle.evaluate(threads: ProcessInfo.processInfo.activeProcessorCount)
        if let out { try rows.write(to: TableWriter(path: out)) }
        try verification.report(json: json)
    }

    private func readRows(_ plan: Plan, _ catalog: Catalog) throws -> [String: SourceRows] {
        var sources: [String: SourceRows] = [:]
        for argument in rows {
            let parts = argument.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { throw ValidationError("--rows takes source=file, not '\(argument)'.") }
            let source = try catalog.source(named: String(parts[0]))
            guard sources[source.name] == nil else {
                throw ValidationError("--rows names source \(source.name) twice.")
            }
            let path = String(parts[1])
            var reader = try TableReader(
                path: path, schema: .init(importing: source, keys: catalog.keyColumns(of: source.name)),
                options: files.reading)
            let used = plan.groups.filter { $0.source.name == source.name }.reduce(into: Set<String>()) {
                $0.formUnion($1.columns)
            }
            for column in reader.absent where used.contains(column) {
                Terminal.note("warning: column '\(column)' isn't in \(path): it is NULL in every row")
            }
            let rows = SourceRows(importing: try reader.all(), into: source)
            do {
                sources[source.name] = try rows.withoutDuplicates(of: source)
            } catch {
                throw TableError(
                    file: path,
                    message:
                        "row \(error.row + 1) says something else of an id that is taken, and \(source.name) is a static source"
                )
            }
        }
        for name in plan.sources where sources[name] == nil {
            throw ValidationError("Source \(name) has no rows: give --rows \(name)=FILE.")
        }
        return sources
    }
}
