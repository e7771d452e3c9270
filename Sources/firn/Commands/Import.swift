import ArgumentParser
import FeatureStore
import Tables

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take rows into a source, all or none: a file's, or those of a query.",
        discussion:
            "Files are .csv, .ndjson, .arrow or .arrows, each also .gz or .zst. A bad row is named by line and column, and nothing of the file stays."
    )

    @Argument(help: "The source.", completion: .sources)
    var source: String

    @Argument(help: "The file; none with --query.")
    var file: String?

    @Option(help: ArgumentHelp("Take what a select gives, its columns named as the source's.", valueName: "sql"))
    var query: String?

    @Option(help: ArgumentHelp("The PostgreSQL that the query runs in; the store's own without it.", valueName: "uri"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "A column that rises with time: only rows beyond what the source has are asked for.", valueName: "column"))
    var watermark: String?

    @Option(
        help: ArgumentHelp(
            "How far before the greatest watermark rows are asked for again, since some are committed late: 1h for times, 10000 for numbers.",
            valueName: "span"))
    var overlap: String?

    @OptionGroup var files: FileOptions

    @Flag(help: "Rows are known from now on, as if they were pushed.")
    var knownNow = false

    @Flag(help: "Take a file that was imported before.")
    var again = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    @OptionGroup var actor: ActorOption

    func validate() throws {
        guard (file == nil) != (query == nil) else { throw ValidationError("Give either a file or --query.") }
        guard query != nil || from == nil && watermark == nil else {
            throw ValidationError("--from and --watermark go with --query.")
        }
        guard watermark != nil || overlap == nil else { throw ValidationError("--overlap goes with --watermark.") }
    }

    func run() async throws {
        let progress = Progress("import \(source)")
        defer { progress.end() }
        let options = StoreLog.ImportOptions(reading: files.reading, knownNow: knownNow, again: again)
        let start = ContinuousClock.now
        let store = try await Environment.store(connections: 1, actor)
        let imported: StoreLog.Imported
        if let query {
            imported = try await store.log.importQuery(
                ImportQuery(sql: query, uri: from, watermark: watermark, overlap: overlap), into: source,
                options: options
            ) { rows, _, _ in
                progress.show(rows: rows, share: nil)
            }
        } else {
            imported = try await store.log.importFile(file ?? "", into: source, options: options) { rows, bytes, size in
                progress.show(rows: rows, share: size.map { Double(bytes) / Double(max($0, 1)) })
            }
        }
        progress.end()
        let seconds = (ContinuousClock.now - start).seconds
        for warning in imported.warnings { Terminal.note("warning: \(warning)") }
        if json { return Terminal.out(imported.json.pretty()) }
        let dropped = imported.duplicates > 0 ? ", \(imported.duplicates) duplicates dropped" : ""
        Terminal.out(
            "\(imported.rows) rows into \(source)\(dropped), up to offset \(imported.lastOffset) (\(Int(Double(imported.rows) / max(seconds, 0.001))) rows/s)"
        )
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
