import ArgumentParser
import FeatureStore
import Tables

struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a source's rows to a file, with when each was known.",
        discussion:
            "In commit order, with a column firn_known_at beside the declared ones; importing the file into an empty source gives the same history."
    )

    @Argument(help: "The source.", completion: .sources)
    var source: String

    @Option(help: "The file (.csv, .ndjson, .arrow or .arrows, also .gz or .zst); standard output without it.")
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
