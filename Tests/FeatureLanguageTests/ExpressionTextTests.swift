import FeatureLanguage
import TestSupport
import Testing

/// The text of a checked expression reads back as the same expression.
@Suite struct ExpressionTextTests {
    private static let columns: [ColumnDefinition] =
        RandomExpressions.inputs + [
            .init("Loan \"Amount\"", .float64), .init("case", .string), .init("as_of", .timestamp),
        ]

    private func expression(_ text: String) throws -> Expression {
        let source = Source(
            name: "s", columns: ExpressionTextTests.columns + [.init("t", .timestamp), .init("k", .int64)],
            eventTime: "t")
        let definition = FunctionDefinition(
            name: VersionedName("f.v1")!, kind: .label, entity: "e", source: "s", request: ExpressionTextTests.columns,
            expression: text)
        let catalog = try Catalog([
            .entity(Entity(name: "e", keys: [.init("k", .int64)])), .source(source), .function(definition),
        ])
        return catalog.functions[VersionedName("f.v1")!]!.expression
    }

    @Test(arguments: [
        ("SUM(f1) FILTER (WHERE s1='settled')  OVER last_1w", "sum(f1) filter (where s1 = 'settled') over last_7d"),
        ("count(*)", "count(*)"),
        ("count(distinct s1) over next_90m", "count(distinct s1) over next_90m"), ("median(f1)", "median(f1)"),
        ("percentile(i1, .9)", "percentile(i1::float64, 0.9)"),
        (
            "sum(f1) over (range between unbounded preceding and interval '36 h' preceding)",
            "sum(f1) over (range between unbounded preceding and interval '36h' preceding)"
        ),
        ("max(\"Loan \"\"Amount\"\"\") + 1", "max(\"Loan \"\"Amount\"\"\") + 1::float64"),
        ("latest(\"case\")", "latest(\"case\")"),
        ("as_of - latest(\"as_of\")", "as_of - latest(\"as_of\")"),
        ("(sum(i1) over last_7d + 1) * 2", "((sum(i1) over last_7d) + 1) * 2"),
        ("latest(s1) = 'It''s'", "latest(s1) = 'It''s'"), ("'5'::string::int64", "'5'::string::int64"),
        ("request.i1 is not true", nil), ("latest(b1) is not true", "not (not (latest(b1) is distinct from true))"),
        ("-5 + count(*)", "(- 5) + count(*)"),
        ("as_of - interval '90 minutes'", "as_of - interval '90m'"), ("'-1.5'::float64", "'-1.5'::float64"),
        ("'2024-01-01'::timestamp", "timestamp '2024-01-01T00:00:00Z'"),
    ])
    func `it is what people would write`(text: String, expected: String?) throws {
        guard let expected else {
            #expect(throws: DefinitionError.self) { try expression(text) }
            return
        }
        let read = try expression(text)
        #expect(read.text == expected)
        #expect(try expression(read.text) == read)
    }

    @Test func `the text of a deep expression is written in linear time`() throws {
        let depth = 90
        for (open, close) in [
            ("abs(", ")"), ("coalesce(0, ", ")"), ("case when true then ", " end"), ("1 + (", ")"), ("(- ", ")"),
            ("(", ")::float64::int64"), ("1 - abs(", ")"),
        ] {
            let count = depth / (open.contains("1") ? 2 : 1) / (close.contains("::") ? 2 : 1)
            let text = String(repeating: open, count: count) + "count(*)" + String(repeating: close, count: count)
            let read = try expression(text)
            #expect(read.text.utf8.count < 10_000)
        }
    }

    @Test func `random expressions read back`() throws {
        for seed in 0..<UInt64(3000) {
            var expressions = RandomExpressions(seed: seed, prefix: "request.", hasInstant: true)
            let text = expressions.draw(
                RandomExpressions.types[Int(seed) % RandomExpressions.types.count], depth: 1 + Int(seed % 5)
            ).firn
            let read = try expression(text)
            #expect(try expression(read.text) == read, "\(text)\n\(read.text)")
        }
    }
}
