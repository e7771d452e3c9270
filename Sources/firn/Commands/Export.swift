import ArgumentParser
import FeatureStore
import Tables

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a source's rows to a file, with the time each became known.",
        discussion:
            "Rows are in commit order, with a column firn_known_at besides the declared ones. Importing the file into an empty source gives the same history."
    )

    @Argument(help: "Source to export.", completion: .sources)
    var source: String

    @Option(help: "Output file (\(FileFormat.suffixes), optionally with .gz or .zst); standard output by default.")
    var out: String?

    func run() async throws {
        let progress = Progress("export \(source)")
        defer { progress.end() }
        let count = try await Environment.store(connections: 1).log.exportRows(of: source, to: out) {
            progress.show(rows: $0, share: $1 > 0 ? Double($0) / Double($1) : nil)
        }
        progress.end()
        if let out { Terminal.beside(out, "\(count) rows of \(source) written to \(out)") }
    }
}
