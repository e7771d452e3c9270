import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// The kernels of scalars against their naive twin: 20,000 random expressions over 24 rows of hard values.
@Suite struct ScalarTests {
    @Test func `scalars equal their naive twin`() {
        for seed in 0..<UInt64(200) {
            let isSame = compare(seed: seed, { $0 == $1 }) {
                $0.draw(RandomExpressions.types[$1 % 7], depth: 1 + $1 % 4)
            }
            if !isSame { return }
        }
    }

    @Test func `logarithms and powers equal a C library's to a few units in the last place`() {
        for seed in 1000..<UInt64(1020) {
            let isSame = compare(
                seed: seed,
                { ours, twin in
                    guard case .float64(let a) = ours, case .float64(let b) = twin else { return ours == twin }
                    let x = Double(bitPattern: a), y = Double(bitPattern: b)
                    return a == b || x.isNaN && y.isNaN || x == y || abs(x - y) <= 1e-15 * max(abs(x), abs(y))
                }
            ) { $0.elementary(depth: $1 % 3) }
            if !isSame { return }
        }
    }

    /// Compares a hundred expressions over 24 rows, and says of the first that differs the smallest that still does.
    private func compare(
        seed: UInt64, _ areEqual: (Literal, Literal) -> Bool,
        _ draw: (inout RandomExpressions, Int) -> JudgedExpression
    ) -> Bool {
        let rows = HardRows(seed: seed)
        let fault = RandomExpressions.fault(seed: seed, draw) { try rows.mismatch($0.map(\.firn), areEqual) }
        if let fault { Issue.record("\(fault)") }
        return fault == nil
    }
}

/// 24 rows of hard values, as the spine that expressions are evaluated over.
private struct HardRows {
    private let instants: [Int64]
    private let rows: [[String: Literal]]
    private let spine: Spine

    init(seed: UInt64) {
        var random = Randomness(seed: seed)
        let instants = (0..<24).map { _ in Int64.random(in: -1_000_000_000_000...2_000_000_000_000_000, using: &random)
        }
        let rows = instants.map { _ in
            Dictionary(
                uniqueKeysWithValues: RandomExpressions.inputs.map { ($0.name, HardValues.draw($0.type, &random)) })
        }
        let columns = RandomExpressions.inputs.map { input in
            var builder = ColumnBuilder(input.type)
            for row in rows { builder.append(row[input.name]!) }
            return (input.name, builder.finish())
        }
        (self.instants, self.rows) = (instants, rows)
        spine = Spine(columns: Dictionary(uniqueKeysWithValues: columns), instants: instants)
    }

    /// The first value that isn't its twin's: of which expression, and what it is.
    func mismatch(_ texts: [String], _ areEqual: (Literal, Literal) -> Bool) throws -> (index: Int, text: String)? {
        let definitions = texts.enumerated().map { index, text in
            Definition.function(
                FunctionDefinition(
                    name: VersionedName(name: "f\(index)", version: 1), kind: .feature, entity: "all",
                    request: RandomExpressions.inputs, expression: text))
        }
        let catalog = try Catalog([.entity(Entity(name: "all", keys: []))] + definitions)
        let plan = Plan(try catalog.resolve(features: texts.indices.map { "f\($0).v1" }), in: catalog)
        let ours = plan.evaluate(spine, Reading()) { _ in preconditionFailure("no rows are read") }.columns
        for (index, text) in texts.enumerated() {
            let expression = try #require(catalog.functions[VersionedName(name: "f\(index)", version: 1)]).expression
            for row in rows.indices {
                let twin = NaiveScalars.value(expression, rows[row], asOf: instants[row])
                if areEqual(HardRows.folded(ours[index][row]), HardRows.folded(twin)) { continue }
                let values = rows[row].keys.filter(text.contains).sorted().map { "\($0) \(rows[row][$0]!)" }
                return (
                    index, "\(text) is \(ours[index][row]), its twin \(twin), where \(values.joined(separator: ", "))"
                )
            }
        }
        return nil
    }

    /// Any NaN for another: which bits it has is nobody's promise.
    private static func folded(_ literal: Literal) -> Literal {
        if case .float64(let bits) = literal, Double(bitPattern: bits).isNaN { return .float64(.nan) }
        return literal
    }
}
