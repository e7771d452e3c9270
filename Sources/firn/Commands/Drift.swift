import ArgumentParser
import FeatureLanguage
import FeatureStore
import Foundation
import Tables

struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "Measure how far apart the values of two training sets are, or of training and serving.",
        discussion: """
            PSI is the population stability index (above 0.2, much has moved); KS is the greatest distance between the two distributions. For pipelines, exits with 1 if a \
            feature exceeds a bound, unless there are so few rows that chance alone could explain it. With --live, compares the snapshot with the kept lookups (firn serve --log-lookups).
            """)

    @Argument(help: "Id or name of a snapshot.")
    var snapshot: String

    @Argument(help: "Id or name of another snapshot.")
    var other: String?

    @Flag(help: "Compare with what is served: the kept lookups of the snapshot's set.")
    var live = false

    @Option(help: "With --live: set or pointer that is served, if it isn't the snapshot's set.")
    var set: String?

    @Option(
        help: ArgumentHelp(
            "With --live: only lookups from this time on; by default, those of the last day.", valueName: "time"),
        transform: parseInstant)
    var since: Instant?

    @Option(help: "Highest PSI that passes.")
    var maxPsi = 0.2

    @Option(help: "Highest KS that passes.")
    var maxKs = 0.2

    @Flag(help: "Print as JSON.")
    var json = false

    func validate() throws {
        guard (other == nil) == live else { throw ValidationError("Give another snapshot, or --live.") }
        guard live || set == nil && since == nil else { throw ValidationError("--set and --since go with --live.") }
        guard maxPsi >= 0, maxKs >= 0 else { throw ValidationError("Bounds are 0 or greater.") }
    }

    func run() async throws {
        let store = try await Environment.store(connections: 1)
        let drift: Drift
        if let other {
            drift = try await store.training.drift(snapshot, other)
        } else {
            let yesterday = Instant(microseconds: Instant.now.microseconds - 86_400_000_000)
            drift = try await store.training.drift(snapshot, live: set, since: since ?? yesterday)
        }
        let beyond = drift.beyond(stability: maxPsi, distance: maxKs).map(\.name),
            tooFew = drift.tooFew(stability: maxPsi, distance: maxKs).map(\.name)
        if json {
            Terminal.out(drift.json(beyond: beyond, tooFew: tooFew).pretty())
        } else {
            Terminal.out("\(drift.left) and \(drift.right)")
            var table = TextTable("FEATURE", "PSI", "KS", "NULLS", "MEAN", "MEDIAN", "DISTRIBUTIONS", "")
            for feature in drift.features {
                func both(_ value: (ColumnStatistics) -> String?) -> String {
                    "\(value(feature.left) ?? "–") → \(value(feature.right) ?? "–")"
                }
                let words =
                    (beyond.contains(feature.name)
                        ? ["✗ beyond"] : tooFew.contains(feature.name) ? ["too few rows to tell"] : [])
                    + (feature.isRedefined ? ["other functions"] : [])
                table.rows.append([
                    feature.name, String(format: "%.3f", feature.stability),
                    feature.distance.map { String(format: "%.2f", $0) } ?? "",
                    both { String(format: "%.1f%%", $0.rows == 0 ? 0 : 100 * Double($0.nulls) / Double($0.rows)) },
                    both { $0.mean.map { String(format: "%.4g", $0) } },
                    both { $0.quantiles.isEmpty ? nil : String(format: "%.4g", $0.quantiles[50]) },
                    "\(feature.left.sparkline) \(feature.right.sparkline)",
                    words.joined(separator: ", "),
                ])
            }
            table.print()
            if !drift.alone.isEmpty { Terminal.out("only in one: \(drift.alone.joined(separator: ", "))") }
        }
        if !beyond.isEmpty { throw ExitCode(1) }
    }
}

extension ColumnStatistics {
    /// The statistics in a few lines, with a histogram.
    var summary: String {
        func number(_ value: Double) -> String { String(format: "%.4g", value) }
        var lines = ["\(rows) rows, \(nulls) NULL\(notFinite > 0 ? ", \(notFinite) not finite" : "")"]
        if let mean, let deviation { lines.append("mean \(number(mean)), deviation \(number(deviation))") }
        if !quantiles.isEmpty {
            lines.append(
                "\(number(quantiles[0])) \(sparkline) \(number(quantiles[100])), median \(number(quantiles[50]))")
        }
        if !top.isEmpty {
            lines.append(
                "most often "
                    + top.prefix(5).map { "\($0.value) (\(100 * $0.count / max(1, sampled))%)" }.joined(separator: ", ")
            )
        }
        return lines.joined(separator: "\n")
    }

    /// The histogram in a few characters; empty if there is none.
    var sparkline: String {
        guard let most = histogram.max(), most > 0 else { return "" }
        let bars = Array(" ▁▂▃▄▅▆▇█")
        return String(histogram.map { $0 == 0 ? bars[0] : bars[max(1, $0 * (bars.count - 1) / most)] })
    }
}
