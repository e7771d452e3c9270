import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// Whatever expression is accepted gives a value for every row: nothing that SQL would refuse stops the engine.
@Suite struct FuzzTests {
    private static let rows: [(name: String, column: Column)] = {
        var random = Randomness(seed: 3)
        func column(_ type: ValueType, _ values: [Literal]) -> Column {
            var builder = ColumnBuilder(type)
            for _ in 0..<40 { builder.append(random.chance(15) ? .null : random.pick(values)) }
            return builder.finish()
        }
        let values: [(String, ValueType, [Literal])] = [
            ("i", .int64, [0, 1, -1, 64, 1 << 53, .max, .min].map { .int64($0) }),
            (
                "f", .float64,
                [0, -0.0, 0.5, 1e308, -1e308, .leastNonzeroMagnitude, .nan, .infinity, -.infinity, 9.3e18].map {
                    .float64($0)
                }
            ),
            (
                "s", .string,
                ["", "a", "%", "\\", "é", "1e308", "294246-12-31", "-4713-11-24", "NaN"].map { .string($0) }
            ), ("b", .bool, [.bool(true), .bool(false)]),
            (
                "t", .timestamp,
                [
                    Instant.range.lowerBound, Instant(microseconds: -1), Instant(microseconds: 0),
                    Instant.range.upperBound,
                ].map { .timestamp($0) }
            ),
        ]
        let plain = values.flatMap { letter, type, values in
            ["1", "2"].map { ("\(letter)\($0)", column(type, values)) }
        }
        let others = RandomExpressions.inputs.filter { input in !plain.contains { $0.0 == input.name } }
        return plain
            + others.map { input in
                (input.name, column(input.type, (0..<20).map { _ in HardValues.draw(input.type, &random) }))
            }
    }()

    private static let tokens = [
        "request.i1", "request.f2", "request.s1", "request.t1", "request.b2", "9223372036854775807",
        "'-9223372036854775808'::int64", "1e308", "'NaN'::float64", "'inf'::float64",
        "null", " + ", " - ",
        " * ", " / ", " % ", "power(", "exp(", "ln(", "round(", "abs(", "sqrt(", "::int64", "::float64", "::string",
        "::timestamp", "::date", "::decimal(38, 37)", "::decimal(3, 0)", "date '2024-02-29'", "interval '100000000 d'",
        "substring(", ", ",
        "(", ")",
        "extract(week from ", "date_trunc('year', ", " like ", "'%_\\'", "- ",
    ]

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `every accepted expression has a value for every row`() throws {
        var inputs: [String] = []
        for seed in 0..<UInt64(300) {
            var expressions = RandomExpressions(seed: seed, prefix: "request.", hasInstant: true)
            inputs.append(
                seed % 6 == 5
                    ? expressions.elementary(depth: 2).firn
                    : expressions.draw(RandomExpressions.types[Int(seed % 7)], depth: 2).firn)
        }
        var accepted = 0
        for (number, bytes) in Fuzzer("values", inputs: inputs, tokens: FuzzTests.tokens, count: 15_000) {
            guard let column = try? evaluate(String(decoding: bytes, as: UTF8.self), FuzzTests.rows) else { continue }
            accepted += 1
            #expect(column.count == 40, "input \(number)")
        }
        #expect(accepted > 500)
    }
}
