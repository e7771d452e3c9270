import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct LineageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lineage", abstract: "Show what something is made of, and what is made of it.",
        discussion: """
            Works for a column (transactions.amount), source, entity, feature, label, set, snapshot, model, pointer (fraud@production) or the receipt of a lookup. \
            If a name means several things, set:fraud.v1 says which.
            """)

    @Argument(help: "Name to trace.", completion: .names)
    var name: String

    @Flag(help: "Show only what it is made of.")
    var up = false

    @Flag(help: "Show only what is made of it.")
    var down = false

    @Option(help: ArgumentHelp("Show the lineage as it was at this time.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @Flag(help: "For a receipt: also show the rows that counted in each of its values, as firn why does.")
    var rows = false

    @Option(help: "For a receipt: which entity's rows to show, counted from 0.")
    var entity = 0

    @Flag(help: "Print a graph for Graphviz's dot.")
    var graphviz = false

    @Flag(help: "Print as JSON.")
    var json = false

    func validate() throws {
        guard !(json && graphviz) else { throw ValidationError("Either --json or --graphviz.") }
        guard entity >= 0 else { throw ValidationError("Entities count from 0.") }
    }

    func run() async throws {
        let store = try await Environment.store(connections: 1),
            lineage = try await store.provenance.lineage(name, asOf: asOf)
        let directions: [Lineage.Direction] = up == down ? [.up, .down] : up ? [.up] : [.down]
        if json { return Terminal.out(lineage.json(directions).pretty()) }
        if graphviz { return Terminal.out(lineage.graphviz(directions)) }
        for root in lineage.roots {
            Terminal.out(line(root, lineage))
            for direction in directions {
                let next = (direction == .up ? lineage.parents : lineage.children)[root] ?? []
                if next.isEmpty { continue }
                Terminal.out(direction == .up ? "  made of" : "  used by")
                var seen: Set<Lineage.Node> = []
                print(next, "  ", direction, lineage, &seen)
            }
        }
        guard rows else { return }
        for (output, answer) in try await store.provenance.why(receipt: name, row: entity) {
            Terminal.out("\n\(output):")
            answer.print()
        }
    }

    private func line(_ node: Lineage.Node, _ lineage: Lineage) -> String {
        "\(node)\(lineage.texts[node].map { "  \($0)" } ?? "")"
    }

    private func print(
        _ nodes: [Lineage.Node], _ indent: String, _ direction: Lineage.Direction, _ lineage: Lineage,
        _ seen: inout Set<Lineage.Node>
    ) {
        // A function's columns take one line for each source: their names say where they come from.
        let columns = direction == .up ? nodes.filter { $0.kind == .column } : [],
            nodes = nodes.filter { !columns.contains($0) }
        var reads: [(source: String, columns: [String])] = []
        for column in columns {
            let parts = column.name.split(separator: ".", maxSplits: 1).map(String.init)
            if let place = reads.firstIndex(where: { $0.source == parts[0] }) {
                reads[place].columns.append(parts[1])
            } else {
                reads.append((parts[0], [parts[1]]))
            }
        }
        for (index, read) in reads.enumerated() {
            Terminal.out(
                "\(indent)\(index == reads.count - 1 && nodes.isEmpty ? "└─" : "├─") source \(read.source): \(read.columns.joined(separator: ", "))"
            )
        }
        for (index, node) in nodes.enumerated() {
            let isLast = index == nodes.count - 1,
                next = (direction == .up ? lineage.parents : lineage.children)[node] ?? [],
                isNew = seen.insert(node).inserted
            Terminal.out(
                "\(indent)\(isLast ? "└─" : "├─") \(line(node, lineage))\(isNew || next.isEmpty ? "" : "  (above)")")
            if isNew { print(next, indent + (isLast ? "   " : "│  "), direction, lineage, &seen) }
        }
    }
}
