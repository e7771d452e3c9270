import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Import rows into a source from a file or a query, all or nothing.",
        discussion:
            "Files are \(FileFormat.suffixes), each optionally with .gz or .zst. A bad row is reported by line and column, and nothing from the file is kept."
    )

    @Argument(help: "Source to import into.", completion: .sources)
    var source: String

    @Argument(help: "File to import; omit it with --query.")
    var file: String?

    @Option(
        help: ArgumentHelp(
            "Import the result of a select whose columns are named like the source's.", valueName: "sql"))
    var query: String?

    @Option(help: ArgumentHelp("PostgreSQL to run the query in; the store's own by default.", valueName: "uri"))
    var from: String?

    @Option(
        help: ArgumentHelp(
            "Column that rises with time, to ask only for rows beyond what the source has.", valueName: "column"))
    var watermark: String?

    @Option(
        help: ArgumentHelp(
            "How far before the greatest watermark to ask for rows again, because some are committed late; by default, 1h for times and 10000 for numbers.",
            valueName: "span"))
    var overlap: String?

    @OptionGroup var files: FileOptions

    @Flag(help: "Treat rows as known from now on, as if they were pushed.")
    var knownNow = false

    @Flag(help: "Import the file even if it was imported before.")
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
