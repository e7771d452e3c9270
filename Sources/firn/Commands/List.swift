import ArgumentParser
import FeatureLanguage
import FeatureStore
import Foundation
import Tables

struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List entities, sources, features, labels or sets.")

    @Argument(help: "What to list: entities, sources, features, labels or sets; all by default.")
    var kind: Kind?

    @Option(help: "Only definitions of this owner.")
    var owner: String?

    @Option(help: "Only definitions with this tag; may be repeated.")
    var tag: [String] = []

    @Option(help: "Only definitions about this entity.")
    var entity: String?

    @Flag(help: "Only definitions that nothing uses: no function, set, snapshot, model or pointer.")
    var unused = false

    @Flag(help: "Only definitions that read a source without recent rows.")
    var stale = false

    @Option(help: ArgumentHelp("For --stale: how old a source's newest rows must be.", valueName: "span"))
    var olderThan = "7d"

    @Flag(help: "Print only names, one per line, for other programs.")
    var names = false

    @Flag(help: "Print as JSON.")
    var json = false

    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case entities, sources, features, labels, sets
    }

    func run() async throws {
        let browser = try await Environment.store(connections: 1).catalog.browser()
        var filter = CatalogFilter(kind: DefinitionKind.allCases.first { $0.plural == kind?.rawValue })
        (filter.owner, filter.tags, filter.entity, filter.isUnused) = (owner, tag, entity, unused)
        if stale {
            guard let span = TimeSpan(text: olderThan) else {
                throw ValidationError("'\(olderThan)' is no span of time; write 7d or 12h.")
            }
            filter.staleSince = Instant(microseconds: Instant.now.microseconds - span.microseconds)
        }
        let entries = browser.entries(filter)
        if names { return entries.forEach { Terminal.out($0.name) } }
        if json { return Terminal.out(JSON.array(entries.map(\.json)).pretty()) }
        entries.printTable(withKind: kind == nil)
    }
}

extension [CatalogEntry] {
    func printTable(withKind: Bool) {
        var table =
            withKind
            ? TextTable("KIND", "NAME", "WHAT", "OWNER", "DESCRIPTION")
            : TextTable("NAME", "WHAT", "OWNER", "DESCRIPTION")
        for entry in self {
            let row = [
                entry.name, entry.summary, entry.notes.owner ?? "",
                entry.notes.description?.split(separator: "\n").first.map(String.init) ?? "",
            ]
            table.rows.append(withKind ? [entry.kind.rawValue] + row : row)
        }
        table.print()
    }
}
