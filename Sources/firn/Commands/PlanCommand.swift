import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what applying definitions would register, and what it would refuse.",
        discussion:
            "Exits with 1 if something is refused. With --exit-code, also exits with 2 if there is something to register, and with 0 if there isn't."
    )

    @Argument(help: "Definitions files (YAML), or directories of them.")
    var definitions: [String]

    @Flag(help: "Print the plan as Markdown, for a pull request.")
    var markdown = false

    @Flag(help: "Print what patterns and tags in sets stand for, to be written out.")
    var expand = false

    @Flag(help: "Exit with 2 if there is something to register.")
    var exitCode = false

    @Flag(help: "Print the plan as JSON.")
    var json = false

    func validate() throws {
        guard !(expand && (json || markdown || exitCode)) else { throw ValidationError("--expand stands alone.") }
        guard !(json && markdown) else { throw ValidationError("--json and --markdown exclude each other.") }
    }

    func run() async throws {
        let documents = try readDocuments(definitions)
        let store = try await Environment.store(connections: 1)
        if expand {
            let expansions = try await store.catalog.expansions(of: documents)
            if expansions.isEmpty { Terminal.note("no set names a pattern or tag") }
            for expansion in expansions { Terminal.out("\(expansion.set):\n  \(expansion.yaml)") }
            return
        }
        let plan = try await store.catalog.plan(documents)
        let comparisons = try await store.catalog.comparisons(plan)
        if json {
            Terminal.out(plan.json(comparisons).pretty())
        } else if markdown {
            Terminal.out(plan.markdown(comparisons))
        } else {
            plan.print(applied: false)
            for comparison in comparisons {
                Terminal.out("\n\(comparison.right.name) beside \(comparison.left.name), the newest registered:")
                Terminal.out(comparison.sideBySide)
                Terminal.out(comparison.summary)
            }
        }
        if plan.isRefused { throw ExitCode(1) }
        if exitCode, !plan.isEmpty { throw ExitCode(2) }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check whether definitions are valid by themselves, without a store.",
        discussion: "Doesn't look at what is registered; firn plan does.")

    @Argument(help: "Definitions files (YAML), or directories of them.")
    var definitions: [String]

    @Flag(help: "Print the outcome as JSON.")
    var json = false

    func run() async throws {
        let plan = try RegistrationPlan(checking: readDocuments(definitions))
        for warning in plan.warnings { Terminal.note("warning: \(warning)") }
        let counts = DefinitionKind.allCases.map { kind in (kind, plan.steps.count { $0.definition.kind == kind }) }
        if json {
            return Terminal.out(
                JSON.object([
                    JSON.Member("definitions", .object(counts.map { JSON.Member($0.rawValue, JSON($1)) })),
                    JSON.Member("warnings", .array(plan.warnings.map { .string($0) })),
                ]).pretty())
        }
        let words = counts.filter { $1 > 0 }.map { kind, count in
            "\(count) \(kind == .entity && count > 1 ? "entities" : kind.rawValue + (count > 1 ? "s" : ""))"
        }
        Terminal.out("\(words.isEmpty ? "nothing" : words.joined(separator: ", ")): no fault")
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
            Terminal.out(
                "\(mark) \(step.definition.kind.rawValue) \(step.definition.name)  \(what)  \(step.fingerprint.short)\(step.stage.map { "  (\($0))" } ?? "")"
            )
        }
        if !applied, !unlisted.isEmpty {
            Terminal.out("  registered, and in none of these files: \(RegistrationPlan.few(unlisted))")
        }
        for warning in warnings { Terminal.note("warning: \(warning)") }
        if isRefused { Terminal.note("error: \(refusal)") }
    }

    private static func few(_ names: [String]) -> String {
        names.prefix(10).joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
    }

    /// The plan for a review: what is registered, what is refused and why, and how new versions differ from older ones.
    func markdown(_ comparisons: [Comparison]) -> String {
        func fenced(_ text: String) -> String { "```\n\(text)\n```" }
        var parts: [String] = []
        let changed = steps.filter { $0.change != .unchanged }
        if changed.isEmpty {
            parts.append("Nothing to register: \(steps.count) definitions are as they are registered.")
        } else {
            var table = "| | definition | fingerprint | |\n|---|---|---|---|"
            for step in changed {
                let (mark, what): (String, String) =
                    switch step.change {
                    case .new: ("➕", "new")
                    case .notes: ("✏️", "new notes")
                    case .extended(let columns):
                        (
                            "➕",
                            "gains \(columns.map { "`\($0.replacing("`", with: "'").replacing("|", with: "\\|"))`" }.joined(separator: ", "))"
                        )
                    case .refused: ("❌", "**refused**")
                    case .unchanged: ("", "")
                    }
                table +=
                    "\n| \(mark) | \(step.definition.kind.rawValue) `\(step.definition.name)` | `\(step.fingerprint.short)` | \(what)\(step.stage.map { "; \($0)" } ?? "") |"
            }
            parts.append(table)
            let unchanged = steps.count - changed.count
            if unchanged > 0 { parts.append("\(unchanged) unchanged.") }
        }
        for step in steps {
            guard case .refused(let reason, let advice) = step.change else { continue }
            parts.append(
                "**\(step.definition.kind.rawValue) `\(step.definition.name)` can't change**\n\n"
                    + fenced("\(reason)\n\(advice)"))
        }
        for comparison in comparisons {
            parts.append(
                "**`\(comparison.right.name)` beside `\(comparison.left.name)`**\n\n"
                    + fenced("\(comparison.sideBySide)\n\(comparison.summary)"))
        }
        for warning in warnings { parts.append("⚠️ \(warning)") }
        if !unlisted.isEmpty {
            parts.append("Registered, and in none of these files: \(RegistrationPlan.few(unlisted)).")
        }
        return parts.joined(separator: "\n\n")
    }
}
