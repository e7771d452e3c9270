import ArgumentParser
import FeatureEngine
import FeatureLanguage
import FeatureStore
import Tables

struct Why: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Explain a value: the rows that counted, and the nearest that didn't.",
        discussion: "Example: firn why spend_7d.v1 customer_id=42 --as-of 2024-05-08T10:00:00Z")

    @Argument(help: "Feature or label to explain.", completion: .features)
    var feature: String

    @Argument(help: ArgumentHelp("Keys and request inputs; name= without a value is NULL.", valueName: "name=value"))
    var values: [String] = []

    @Option(
        help: ArgumentHelp("Explain the value as of this past instant.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @OptionGroup var reading: ReadingOptions

    @Option(help: "How many rows of each kind to show.")
    var rows = WhyRequest.usualRows

    @Flag(help: "Print the answer as JSON, as the server returns it.")
    var json = false

    func validate() throws {
        guard (1...WhyRequest.maximumRows).contains(rows) else {
            throw ValidationError("Rows are 1 to \(WhyRequest.maximumRows).")
        }
    }

    func run() async throws {
        let store = try await Environment.store(connections: 1)
        var request = WhyRequest(feature)
        try request.lookup.add(values, requests: try await store.catalog.read().resolve(features: [feature]).requests)
        (request.lookup.asOf, request.isHindsight, request.knownBy, request.rows) = (
            asOf, reading.hindsight, reading.knownBy, rows
        )
        let answer = try await store.serving.why(request)
        if json { Terminal.out(answer.json.pretty()) } else { answer.print() }
    }
}

extension WhyAnswer {
    /// The value, and for each aggregate the rows that counted and the nearest that didn't.
    func print() {
        let inputs = inputs.map { "\($0.name)=\(JSON($0.value).plain)" }.joined(separator: " ")
        Terminal.out("\(function.name) \(inputs) as of \(asOf)")
        Terminal.out("  = \(plan.outputs[0].text) = \(JSON(value).plain)")
        for reason in overrides { Terminal.out("  \(reason)") }
        for (step, explanation) in zip(plan.groups.flatMap(\.steps), explanations) { print(step.id, explanation) }
    }

    private func print(_ id: String, _ explanation: Explanation) {
        let keys = explanation.keys.map { "\($0.column) = \(JSON($0.value).plain)" }.joined(separator: ", ")
        let times =
            explanation.source.isStatic
            ? "" : ", event times \(explanation.after.map { "after \($0), " } ?? "")up to \(explanation.upTo)"
        Terminal.out("\n\(id) = \(explanation.aggregate.text) = \(JSON(explanation.value).plain)")
        Terminal.out(
            "  \(explanation.source.name)\(keys.isEmpty ? "" : " where \(keys)")\(times), \(explanation.mode.words)")
        let shown =
            explanation.counted.count < explanation.countedTotal
            ? ", \(explanation.counted.count) of them:" : explanation.countedTotal == 0 ? "" : ":"
        Terminal.out(
            "  \(explanation.countedTotal) row\(explanation.countedTotal == 1 ? " counts" : "s count")\(shown)")
        table(explanation, explanation.counted)
        if explanation.missed.isEmpty { return }
        Terminal.out("  the nearest that don\u{27}t count:")
        table(explanation, explanation.missed)
    }

    private func table(_ explanation: Explanation, _ rows: [Explanation.Row]) {
        guard let first = rows.first else { return }
        var table = TextTable("", "OFFSET", "EVENT TIME", "KNOWN AT")
        table.titles += first.values.map(\.name) + [""]
        for row in rows {
            let reason = row.verdict == .counted ? "" : explanation.reason(row)
            table.rows.append(
                ["  ", String(row.offset), row.eventTime?.description ?? "", row.knownAt?.description ?? ""]
                    + row.values.map { JSON($0.value).plain } + [reason])
        }
        table.print()
    }
}
