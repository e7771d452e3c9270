import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a definition: what it means, its windows in words, and who uses it.")

    @Argument(help: "The name of an entity, source, feature, label or set.")
    var name: String

    @Flag(help: "Print it as JSON.")
    var json = false

    func run() async throws {
        let browser = try await CatalogBrowser(Environment.store(connections: 1))
        let entries = browser.named(name)
        guard !entries.isEmpty else { throw Failure("nothing is registered as '\(name)'\(browser.nearest(name).map { "; did you mean \($0)?" } ?? "")") }
        if json { return Terminal.out((entries.count == 1 ? entries[0].json : .array(entries.map(\.json))).pretty()) }
        for entry in entries {
            Terminal.out("\(entry.kind.rawValue) \(entry.name)")
            for (title, value) in entry.details { Terminal.out("  \(title.padded(14))\(value.replacing("\n", with: "\n" + String(repeating: " ", count: 16)))") }
        }
    }
}
