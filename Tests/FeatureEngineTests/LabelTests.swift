import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// Labels look forward and in hindsight; what they see never reaches a feature beside them.
@Suite struct LabelTests {
    private static let columns: [ColumnDefinition] = [
        .init("k", .int64), .init("fact", .int64), .init("time", .timestamp), .init("known", .timestamp),
        .init("x", .float64),
    ]

    /// As served, a feature at an instant is the same whether the rows known later are there or not, though a label of
    /// the same set reads them.
    @Test func `no label's row can reach a feature`() throws {
        var labelsMoved = 0
        for seed in 0..<UInt64(400) {
            var random = Randomness(seed: seed)
            let source = Source(
                name: "s", columns: LabelTests.columns, eventTime: "time", id: random.chance(50) ? ["fact"] : [],
                knownAt: random.pick([.column("known"), .after(microseconds: 2), .eventTime]))
            let features = [
                "sum(x)", "count(*) over last_5us", "latest(x)", "max(x) over last_9us",
                "avg(x) over last_3us / nullif(sum(x), 0)", "median(x)",
            ]
            let labels = [
                "sum(x) over next_6us", "count(*) over next_2us > 0", "latest(x) over next_9us",
                "f0.v1 + sum(x) over next_4us",
            ]
            let functions =
                features.enumerated().map { function("f\($0)", .feature, $1) }
                + labels.enumerated().map { function("l\($0)", .label, $1) }
            let catalog = try Catalog(
                [.entity(Entity(name: "e", keys: [.init("k", .int64)])), .source(source)] + functions)
            let together = Plan(try catalog.resolve(features: functions.map(\.name)), in: catalog)
            let alone = Plan(try catalog.resolve(features: features.indices.map { "f\($0).v1" }), in: catalog)
            let all = rows(&random, source)
            let instant = Int64.random(in: -3...12, using: &random)
            let spine = Spine(columns: ["k": Column(.int64, .words([0, 1]))], instants: [instant, instant])
            let past = all.only { all.knownAt[$0] <= instant }
            let whole = together.evaluate(spine, Reading()) { _ in all }.columns
            let before = alone.evaluate(spine, Reading()) { _ in past }.columns
            for index in features.indices {
                for row in 0..<2 {
                    #expect(whole[index][row] == before[index][row], "seed \(seed): \(features[index]) at \(instant)")
                }
            }
            let unseen = together.evaluate(spine, Reading()) { _ in past }.columns
            for index in features.count..<whole.count where whole[index][0] != unseen[index][0] { labelsMoved += 1 }
        }
        // The rows left out are what labels are made of.
        #expect(labelsMoved > 200)
    }

    /// Not even through a label that refers to it: a feature inside a label is read in hindsight, the same feature
    /// beside it as served.
    @Test func `a feature beside a label that refers to it is as served`() throws {
        let source = Source(name: "s", columns: LabelTests.columns, eventTime: "time", knownAt: .column("known"))
        let functions = [function("f", .feature, "sum(x)"), function("l", .label, "f.v1 + 0 * count(*) over next_1us")]
        let catalog = try Catalog(
            [.entity(Entity(name: "e", keys: [.init("k", .int64)])), .source(source)] + functions)
        let plan = Plan(try catalog.resolve(features: ["f.v1", "l.v1"]), in: catalog)
        let rows = SourceRows(
            columns: [
                "k": Column(.int64, .words([0, 0])), "fact": Column(.int64, .words([1, 2])),
                "x": Column(.float64, .floats([1, 2])),
            ], eventTimes: [1, 2], knownAt: [1, 9],
            offsets: [1, 2])
        let columns = plan.evaluate(Spine(columns: ["k": Column(.int64, .words([0]))], instants: [5]), Reading()) { _ in
            rows
        }.columns
        #expect(columns[0][0] == .float64(1))
        #expect(columns[1][0] == .float64(3))
    }

    private func function(_ name: String, _ kind: FunctionKind, _ expression: String) -> Definition {
        .function(
            FunctionDefinition(
                name: VersionedName(name: name, version: 1), kind: kind, entity: "e", source: "s",
                expression: expression))
    }

    private func rows(_ random: inout Randomness, _ source: Source) -> SourceRows {
        var builders = LabelTests.columns.map { ColumnBuilder($0.type) }
        for _ in 0..<20 {
            let time = Int64.random(in: -5...20, using: &random)
            let values: [Literal] = [
                .int64(Int64.random(in: 0...1, using: &random)), .int64(Int64.random(in: 0...9, using: &random)),
                .timestamp(Instant(microseconds: time)),
                .timestamp(Instant(microseconds: time + Int64.random(in: -2...6, using: &random))),
                .float64(Double(Int.random(in: 1...9, using: &random))),
            ]
            for (index, value) in values.enumerated() { builders[index].append(value) }
        }
        return SourceRows(
            importing: Table(zip(LabelTests.columns, builders.indices).map { ($0.name, builders[$1].finish()) }),
            into: source)
    }
}

extension SourceRows {
    /// The rows for which something holds.
    fileprivate func only(_ holds: (Int) -> Bool) -> SourceRows {
        let kept = (0..<count).filter(holds)
        return SourceRows(
            columns: columns.mapValues { $0.gathered(kept.map { Int32($0) }) }, eventTimes: kept.map { eventTimes[$0] },
            knownAt: kept.map { knownAt[$0] },
            offsets: kept.map { offsets[$0] })
    }
}
