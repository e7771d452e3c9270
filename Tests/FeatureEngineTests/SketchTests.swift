import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// What the language's page says of the sketches' errors, and that the order of rows doesn't matter.
@Suite struct SketchTests {
    /// The value of a feature over these values of `x`, a row each, at an instant after all.
    private func value(_ expression: String, _ values: [Double]) throws -> Literal {
        let source = Source(
            name: "s", columns: [.init("k", .int64), .init("x", .float64), .init("at", .timestamp)], eventTime: "at")
        let catalog = try Catalog([
            .entity(Entity(name: "e", keys: [.init("k", .int64)])), .source(source),
            .function(
                FunctionDefinition(
                    name: VersionedName("f.v1")!, kind: .feature, entity: "e", source: "s", expression: expression)),
        ])
        let table = Table([
            ("k", Column(.int64, values.map { _ in 1 } as [Int64])), ("x", Column(.float64, values)),
            ("at", Column(.timestamp, (0..<values.count).map { Int64($0) } as [Int64])),
        ])
        let rows = SourceRows(importing: table, into: source)
        let plan = Plan(try catalog.resolve(features: ["f.v1"]), in: catalog)
        let spine = Spine(columns: ["k": Column(.int64, [Int64(1)])], instants: [Int64(values.count)])
        return plan.evaluate(spine, Reading()) { _ in rows }.columns[0][0]
    }

    @Test(arguments: [1, 10, 100, 1000, 10_000, 100_000])
    func `distinct values are counted within five standard errors`(count: Int) throws {
        var random = Randomness(seed: UInt64(count))
        var values = (0..<count).map { _ in Double(random.next()) }
        values += values.prefix(count / 2)
        guard case .int64(let estimate) = try value("approx_count_distinct(x)", values) else {
            Issue.record("no estimate")
            return
        }
        #expect((Double(estimate) - Double(count)).magnitude <= max(1, 5 * 0.01625 * Double(count)), "\(estimate)")
        #expect(try value("approx_count_distinct(x)", values.shuffled(using: &random)) == .int64(estimate))
    }

    @Test(arguments: [0, 0.01, 0.25, 0.5, 0.99, 1])
    func `a percentile is within a hundredth of the value at its place`(fraction: Double) throws {
        var random = Randomness(seed: 3)
        let values = (0..<20_000).map { _ in
            Double.random(in: -1...1, using: &random) * random.pick([1e-300, 1e-3, 1, 1e3, 1e300])
        }
        let exact = values.sorted()[max(1, Int((fraction * Double(values.count)).rounded(.up))) - 1]
        let got = try value("approx_percentile(x, \(fraction))", values)
        guard case .float64(let bits) = got else {
            Issue.record("no estimate")
            return
        }
        #expect((Double(bitPattern: bits) - exact).magnitude <= 0.01 * exact.magnitude * (1 + 1e-12))
        #expect(try value("approx_percentile(x, \(fraction))", values.shuffled(using: &random)) == got)
    }
}
