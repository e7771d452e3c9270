import ArgumentParser
import FeatureStore
import Tables

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take a file's rows into a source, all or none.",
        discussion: "Files are .csv, .ndjson, .arrow or .arrows, each also .gz or .zst. A bad row is named by line and column, and nothing of the file stays.")

    @Argument(help: "The source.")
    var source: String

    @Argument(help: "The file.")
    var file: String

    @OptionGroup var files: FileOptions

    @Flag(help: "Rows are known from now on, as if they were pushed.")
    var knownNow = false

    @Flag(help: "Take a file that was imported before.")
    var again = false

    @Flag(help: "Print the result as JSON.")
    var json = false

    func run() async throws {
        let progress = Progress("import \(source)")
        defer { progress.end() }
        let options = Store.ImportOptions(reading: files.reading, knownNow: knownNow, again: again)
        let start = ContinuousClock.now
        let imported = try await Environment.store(connections: 1).importFile(file, into: source, options: options) { rows, bytes, size in
            progress.show(rows: rows, share: size.map { Double(bytes) / Double(max($0, 1)) })
        }
        progress.end()
        let seconds = (ContinuousClock.now - start).seconds
        for warning in imported.warnings { Terminal.note("warning: \(warning)") }
        if json {
            return Terminal.out(JSON.object(["rows": JSON(imported.rows), "duplicates": JSON(imported.duplicates), "last_offset": JSON(imported.lastOffset)]).pretty())
        }
        let dropped = imported.duplicates > 0 ? ", \(imported.duplicates) duplicates dropped" : ""
        Terminal.out("\(imported.rows) rows into \(source)\(dropped), up to offset \(imported.lastOffset) (\(Int(Double(imported.rows) / max(seconds, 0.001))) rows/s)")
    }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
