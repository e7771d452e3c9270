import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Tables

struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a definition: what it means, its windows in words, and who uses it.")

    @Argument(help: "Name of an entity, source, feature, label or set.", completion: .names)
    var name: String

    @Flag(help: "For a set: show what is computed from which rows, with which windows, and what grows with history.")
    var plan = false

    @Flag(help: "Print as JSON.")
    var json = false

    func run() async throws {
        if plan { return try await showPlan() }
        let store = try await Environment.store(connections: 1), browser = try await store.catalog.browser()
        let entries = browser.named(name)
        guard !entries.isEmpty else {
            throw Failure(
                "nothing is registered as '\(name)'\(browser.nearest(name).map { "; did you mean \($0)?" } ?? "")")
        }
        if json {
            var whole: [JSON] = []
            for entry in entries { whole.append(try await store.catalog.history(of: entry)) }
            return Terminal.out((whole.count == 1 ? whole[0] : .array(whole)).pretty())
        }
        for entry in entries {
            Terminal.out("\(entry.kind.rawValue) \(entry.name)")
            for (title, value) in entry.details { show(title, value) }
            if entry.kind == .feature || entry.kind == .label, let name = VersionedName(entry.name),
                let seen = try await store.training.statistics(of: name)
            {
                show("values", seen.statistics.summary + "\nin \(seen.snapshot.id), \(seen.snapshot.createdAt)")
            }
            if entry.kind == .source {
                let figures = try await store.catalog.figures(ofSource: entry.name)
                show(
                    "rows",
                    "\(figures.rows) in \(figures.batches) \(figures.batches == 1 ? "batch" : "batches"), \(ByteCountFormatter.string(fromByteCount: figures.bytes, countStyle: .binary)) with indexes"
                )
                if let delay = figures.delay {
                    show(
                        "known",
                        "\(delay.median.rough) after they happened (median), 95 of 100 within \(delay.high.rough)")
                }
            }
            let history = try await store.provenance.ledger(subject: "\(entry.kind.rawValue) \(entry.name)").map {
                "\($0.at) \($0.kind) by \($0.actor)"
            }
            show("history", history.joined(separator: "\n"))
        }
    }

    private func show(_ title: String, _ value: String) {
        Terminal.out("  \(title.padded(14))\(value.replacing("\n", with: "\n" + String(repeating: " ", count: 16)))")
    }

    private func showPlan() async throws {
        let outline = try await Environment.store(connections: 1).catalog.outline(ofSet: name)
        if json { return Terminal.out(outline.json.pretty()) }
        for group in outline.groups {
            let keys = group.keys.map { $0.column == $0.spine ? $0.column : "\($0.column) = \($0.spine)" }.joined(
                separator: ", ")
            Terminal.out("\(group.source) \(keys.isEmpty ? "as one series" : "by \(keys)"), \(group.mode.words)")
            var table = TextTable("", "AGGREGATE", "EVENT TIMES", "USED BY", "STATE")
            for step in group.steps {
                let state =
                    switch step.state {
                    case .constant: "constant"
                    case .window: "the window's rows"
                    case .waiting: "rows too new for it"
                    case .history(let reason): "grows with history: \(reason)"
                    }
                table.rows.append(["  \(step.id)", step.text, step.window, step.usedBy.joined(separator: ", "), state])
            }
            table.print()
        }
        var table = TextTable("OUTPUT", "TYPE", "COMPUTED", "")
        for output in outline.outputs {
            table.rows.append([
                output.name, output.type.rawValue, output.text,
                output.growing.isEmpty ? "" : "grows with history (\(output.growing.joined(separator: ", ")))",
            ])
        }
        table.print()
    }
}
