import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List entities, sources, features, labels or sets.")

    @Argument(help: "entities, sources, features, labels or sets.")
    var kind: Kind

    @Flag(help: "Print them as JSON.")
    var json = false

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case entities, sources, features, labels, sets
    }

    func run() async throws {
        let browser = try await CatalogBrowser(Environment.store(connections: 1))
        let entries = browser.entries(kind: DefinitionKind.allCases.first { $0.plural == kind.rawValue })
        if json { return Terminal.out(JSON.array(entries.map(\.json)).pretty()) }
        entries.printTable(withKind: false)
    }
}

extension [CatalogEntry] {
    func printTable(withKind: Bool) {
        var table = withKind ? TextTable("KIND", "NAME", "WHAT", "OWNER", "DESCRIPTION") : TextTable("NAME", "WHAT", "OWNER", "DESCRIPTION")
        for entry in self {
            let row = [entry.name, entry.summary, entry.notes.owner ?? "", entry.notes.description?.split(separator: "\n").first.map(String.init) ?? ""]
            table.rows.append(withKind ? [entry.kind.rawValue] + row : row)
        }
        table.print()
    }
}
