import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "plan", abstract: "Show what applying definitions would register, and what is refused.")

    @Argument(help: "Definitions files (YAML).")
    var definitions: [String]

    @Flag(help: "Print the plan as JSON.")
    var json = false

    func run() async throws {
        let documents = try readDocuments(definitions)
        let store = try await Environment.store(connections: 1)
        let plan = try await store.plan(documents)
        let comparisons = try await store.comparisons(plan)
        if json {
            Terminal.out(plan.json(comparisons).pretty())
        } else {
            plan.print(applied: false)
            for comparison in comparisons {
                Terminal.out("\n\(comparison.right.name) beside \(comparison.left.name), the newest registered:")
                Terminal.out(comparison.sideBySide)
                Terminal.out(comparison.summary)
            }
        }
        if plan.isRefused { throw ExitCode(1) }
    }
}

extension RegistrationPlan {
    func print(applied: Bool) {
        for step in steps {
            let (mark, what): (String, String) =
                switch step.change {
                case .new: ("+", applied ? "registered" : "new")
                case .unchanged: ("=", "unchanged")
                case .notes: ("~", "new notes")
                case .extended(let columns): ("+", "gains \(columns.joined(separator: ", "))")
                case .refused: ("✗", "refused")
                }
            Terminal.out("\(mark) \(step.definition.kind.rawValue) \(step.definition.name)  \(what)  \(step.fingerprint.short)")
        }
        for warning in warnings { Terminal.note("warning: \(warning)") }
        if isRefused { Terminal.note("error: \(refusal)") }
    }
}
