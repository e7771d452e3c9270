import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Search: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Search names, descriptions, tags, expressions and columns.")

    @Argument(help: "Words to look for; every one must occur.")
    var text: [String]

    @Flag(help: "Print what is found as JSON.")
    var json = false

    func run() async throws {
        let entries = try await Environment.store(connections: 1).catalog.browser().search(
            text.joined(separator: " "))
        if json { return Terminal.out(JSON.array(entries.map(\.json)).pretty()) }
        if entries.isEmpty { Terminal.note("nothing found") } else { entries.printTable(withKind: true) }
    }
}
