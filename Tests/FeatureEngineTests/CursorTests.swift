import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// The engine against `NaiveStore`, bit for bit, on random sources full of ties, late rows, corrections that move keys, versions out of
/// order, tombstones, NULLs and hits on window edges.
@Suite struct CursorTests {
    struct Trial {
        var source: Source
        var rows: Table
        var spine: Spine
        var reading: Reading
        var features: [(name: String, expression: String, operator: String, column: String?, filter: Bool, frame: Frame)]
        var isLabel: Bool
    }

    @Test(arguments: 0..<40)
    func `every aggregate equals its naive twin`(round: Int) throws {
        for seed in UInt64(round * 25)..<UInt64(round * 25 + 25) {
            var random = Randomness(seed: seed)
            try compare(CursorTests.trial(&random), seed: seed)
        }
    }

    private func compare(_ trial: Trial, seed: UInt64) throws {
        let kind: FunctionKind = trial.isLabel ? .label : .feature
        let functions = trial.features.map {
            Definition.function(FunctionDefinition(name: VersionedName($0.name)!, kind: kind, entity: "e", source: "s", expression: $0.expression))
        }
        let catalog = try Catalog([.entity(Entity(name: "e", keys: [ColumnDefinition("k", .int64), ColumnDefinition("l", .string)])), .source(trial.source)] + functions)
        let plan = Plan(try catalog.resolve(features: trial.features.map(\.name)), in: catalog)
        let rows = try SourceRows(importing: trial.rows, into: trial.source).withoutDuplicates(of: trial.source)
        let outputs = plan.evaluate(trial.spine, trial.reading) { _ in rows }
        let naive = NaiveStore(trial.rows, of: trial.source)
        var reading = trial.reading
        if trial.isLabel { reading.mode = .hindsight }
        for (feature, column) in zip(trial.features, outputs.columns) {
            for (row, instant) in trial.spine.instants.enumerated() {
                let key = ["k": trial.spine.columns["k"]![row], "l": trial.spine.columns["l"]![row]]
                var expected = naive.value(
                    feature.operator, frame: feature.frame, key: key, at: instant, reading, hasFilter: feature.filter,
                    test: { !feature.filter || $0.values["i"] != .null && CursorTests.isPositive($0.values["i"]!) },
                    value: { row in feature.column.map { row.values[$0]! } ?? .null })
                if key.values.contains(.null) { expected = .null }
                if feature.frame.looksForward, let knownBy = reading.knownBy, instant - feature.frame.newer.microseconds > knownBy { expected = .null }
                if !CursorTests.isSame(column[row], expected) {
                    Issue.record("seed \(seed): \(feature.expression) for \(key) at \(instant), \(reading): \(column[row]), naive \(expected)")
                    return
                }
            }
        }
    }

    private static func isPositive(_ literal: Literal) -> Bool {
        if case .int64(let value) = literal { value > 0 } else { false }
    }

    private static func isSame(_ a: Literal, _ b: Literal) -> Bool {
        if case .float64(let x) = a, case .float64(let y) = b, Double(bitPattern: x).isNaN { return Double(bitPattern: y).isNaN }
        return a == b
    }

    static func trial(_ random: inout Randomness) -> Trial {
        let hasID = random.chance(60), hasTombstone = random.chance(50)
        let knownAt: KnownAt = random.pick([.eventTime, .after(microseconds: 3), .column("known"), .column("known")])
        let columns: [ColumnDefinition] = [
            .init("k", .int64), .init("l", .string), .init("fact", .int64), .init("time", .timestamp), .init("known", .timestamp), .init("gone", .bool),
            .init("i", .int64), .init("f", .float64), .init("s", .string), .init("b", .bool),
        ]
        let source = Source(
            name: "s", columns: columns, eventTime: "time", id: hasID ? ["fact"] : [], tombstone: hasTombstone ? "gone" : nil, knownAt: knownAt)
        let count = Int.random(in: 0...30, using: &random)
        var builders = columns.map { ColumnBuilder($0.type) }
        var last: [Literal] = []
        for _ in 0..<count {
            var values: [Literal] = [
                random.chance(8) ? .null : .int64(Int64.random(in: 0...1, using: &random)), random.chance(8) ? .null : .string(random.pick(["a", "b"])),
                .int64(Int64.random(in: 0...4, using: &random)), .timestamp(Instant(microseconds: Int64.random(in: -10...20, using: &random))),
                random.chance(15) ? .null : .timestamp(Instant(microseconds: Int64.random(in: -10...25, using: &random))), random.chance(15) ? .null : .bool(random.chance(25)),
                random.chance(15) ? .null : .int64(random.pick([-1, 0, 1, 2, .max, .min])),
                random.chance(15) ? .null : .float64(random.pick([0.0, -0.0, 0.1, 1e16, -1e16, 1, -1, .leastNonzeroMagnitude, .nan, .infinity, -.infinity, 1e300])),
                random.chance(15) ? .null : .string(random.pick(["", "x", "é", "xy", "Z"])), random.chance(15) ? .null : .bool(random.chance(50)),
            ]
            // The same again, or the same but for its knowledge time: duplicates and what is none.
            if !last.isEmpty, random.chance(15) {
                let known = values[4]
                values = last
                if random.chance(50) { values[4] = known }
            }
            last = values
            for (index, value) in values.enumerated() { builders[index].append(value) }
        }
        let table = Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
        let isLabel = random.chance(20)
        var keys = ColumnBuilder(.int64), others = ColumnBuilder(.string)
        var instants: [Int64] = []
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            keys.append(random.chance(8) ? .null : .int64(Int64.random(in: 0...2, using: &random)))
            others.append(random.chance(8) ? .null : .string(random.pick(["a", "b"])))
            instants.append(Int64.random(in: -12...30, using: &random))
        }
        var reading = Reading(mode: random.chance(50) ? .asServed : .hindsight, knownBy: random.chance(40) ? Int64.random(in: -5...25, using: &random) : nil)
        if random.chance(30) { reading.cuts = ["s": Int64.random(in: 0...30, using: &random)] }
        var features: [(name: String, expression: String, operator: String, column: String?, filter: Bool, frame: Frame)] = []
        for index in 0..<8 {
            let (op, column) = random.pick(
                [
                    ("count(*)", nil), ("count", "s"), ("count distinct", "f"), ("count distinct", "s"), ("sum", "f"), ("sum", "i"), ("avg", "f"), ("avg", "i"), ("min", "f"),
                    ("max", "f"), ("min", "s"), ("max", "i"), ("max", "b"), ("latest", "f"), ("latest", "s"), ("earliest", "i"), ("earliest", "time"), ("bool_and", "b"),
                    ("bool_or", "b"),
                ] as [(String, String?)])
            let filter = random.chance(30)
            let span = TimeSpan(microseconds: Int64.random(in: 1...12, using: &random))
            let frame: Frame
            let window: String
            switch Int.random(in: 0..<3, using: &random) {
            case 0: (frame, window) = (.allHistory, "")
            case 1 where isLabel: (frame, window) = (.next(span), " over next_\(span.microseconds)us")
            case 1: (frame, window) = (.last(span), " over last_\(span.microseconds)us")
            default:
                let newer = TimeSpan(microseconds: Int64.random(in: 0..<span.microseconds, using: &random))
                frame = Frame(older: span, newer: newer)
                window = " over (range between interval '\(span.microseconds) us' preceding and interval '\(newer.microseconds) us' preceding)"
            }
            let call = op == "count(*)" ? op : op == "count distinct" ? "count(distinct \(column!))" : "\(op)(\(column!))"
            features.append(("f\(index).v1", call + (filter ? " filter (where i > 0)" : "") + window, op, column, filter, frame))
        }
        return Trial(
            source: source, rows: table, spine: Spine(columns: ["k": keys.finish(), "l": others.finish()], instants: instants), reading: reading, features: features,
            isLabel: isLabel)
    }
}
