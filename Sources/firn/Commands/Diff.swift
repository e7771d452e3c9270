import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare two features or labels: their definitions, and how many values differ in a sample.",
        discussion:
            "Example: firn diff spend_7d.v1 spend_7d.v2. The sample is of entities that have rows, each as of its newest rows."
    )

    @Argument(help: "First feature or label.", completion: .features)
    var left: String

    @Argument(help: "Second feature or label.", completion: .features)
    var right: String

    @Option(help: "Number of values to compare, from as many entities or from several instants of fewer.")
    var sample = Diff.usualSample

    private static let usualSample = 1000

    @Option(help: ArgumentHelp("Compare all entities at this instant.", valueName: "time"), transform: parseInstant)
    var asOf: Instant?

    @Option(help: "Compare on the rows of this file instead, which also provides request inputs.")
    var spine: String?

    @Option(help: "Spine column that holds the instants.")
    var timestamp = FeatureSet.instantColumn

    @OptionGroup var files: FileOptions

    @Flag(help: "Print the comparison as JSON.")
    var json = false

    func validate() throws {
        guard spine == nil || asOf == nil && sample == Diff.usualSample else {
            throw ValidationError("--spine brings entities and instants of its own: no --sample or --as-of beside it.")
        }
        guard (1...ComparisonSample.maximum).contains(sample) else {
            throw ValidationError("A sample has 1 to \(ComparisonSample.maximum) values.")
        }
    }

    func run() async throws {
        let sample: ComparisonSample =
            spine.map { .file($0, timestamp: timestamp, options: files.reading) } ?? .values(sample, asOf: asOf)
        let comparison = try await Environment.store(connections: 1).catalog.compare(left, right, on: sample)
        if json { return Terminal.out(comparison.json.pretty()) }
        Terminal.out(comparison.sideBySide)
        Terminal.out(comparison.summary)
    }
}

extension Comparison {
    /// Both definitions, part by part.
    var sideBySide: String {
        var lines: [String] = []
        for (name, left, right) in parts {
            if left == right {
                lines.append("  \(name.padded(14))\(left.indented)")
            } else {
                lines.append("- \(name.padded(14))\(left.indented)")
                lines.append("+ \(name.padded(14))\(right.indented)")
            }
        }
        return "  \("".padded(14))\(left.name) (-), \(right.name) (+)\n" + lines.joined(separator: "\n")
    }

    /// How many values differ, and by how much.
    var summary: String {
        guard let sample else { return "values not compared: \(obstacle ?? "there is no sample")" }
        var text = "\(different) of \(rows) values differ (\(sample))"
        if different > 0 {
            text += "\n  \(onlyLeftNull) are NULL in \(left.name) alone, \(onlyRightNull) in \(right.name) alone"
            if let median, let greatest { text += "\n  numbers differ by a median of \(median), \(greatest) at most" }
        }
        if bothNull > 0 {
            text +=
                "\n  \(bothNull) are NULL in both\(bothNull == rows ? ": --spine FILE brings other entities, instants and request inputs" : "")"
        }
        for example in examples {
            let keys = example.keys.map { "\($0.name)=\(JSON($0.value).plain)" }.joined(separator: " ")
            text +=
                "\n  \(keys.isEmpty ? "" : keys + " ")as of \(example.instant): \(JSON(example.left).plain), \(JSON(example.right).plain)"
        }
        return text
    }
}

extension String {
    fileprivate var indented: String { replacing("\n", with: "\n" + String(repeating: " ", count: 16)) }
}
