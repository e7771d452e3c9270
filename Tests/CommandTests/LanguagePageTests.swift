import FeatureEngine
import FeatureLanguage
import Foundation
import TestSupport
import Tables
import Testing

/// The examples of docs/language.md, each with the value that stands behind it.
@Suite struct LanguagePageTests {
    /// The page's fenced blocks, by what stands behind the fence.
    private let blocks: [(kind: String, lines: [String])]

    init() throws {
        var blocks: [(kind: String, lines: [String])] = []
        var isInside = false
        for line in try String(contentsOfFile: projectDirectory + "/docs/language.md", encoding: .utf8).split(
            separator: "\n", omittingEmptySubsequences: false)
        {
            if line.hasPrefix("```") {
                isInside.toggle()
                if isInside { blocks.append((String(line.dropFirst(3)), [])) }
            } else if isInside {
                blocks[blocks.count - 1].lines.append(String(line))
            }
        }
        self.blocks = blocks
    }

    private func text(_ kind: String) -> String {
        blocks.filter { $0.kind == kind }.flatMap(\.lines).map { $0 + "\n" }.joined()
    }

    /// Each expression with what stands behind `--`.
    private func examples(_ kind: String) -> [(expression: String, expected: String)] {
        blocks.filter { $0.kind == kind }.flatMap(\.lines).map { line in
            let parts = line.split(separator: " -- ", maxSplits: 1)
            return (parts[0].trimmingCharacters(in: .whitespaces), parts[1].trimmingCharacters(in: .whitespaces))
        }
    }

    private func value(_ expression: String, kind: FunctionKind) throws -> JSON {
        let document = try DefinitionDocument(yaml: text("yaml"), file: "language.md")
        let function = FunctionDefinition(
            name: VersionedName("example.v1")!, kind: kind, entity: "customer", source: "payments",
            request: [ColumnDefinition("amount", .float64)], expression: expression)
        let catalog = try Catalog(document.items.map(\.definition) + [.function(function)])
        let plan = Plan(try catalog.resolve(features: ["example.v1"]), in: catalog)
        let source = try catalog.source(named: "payments")
        var reader = try TableReader(
            ByteReader(bytes: Array(text("csv").utf8), name: "rows"), layout: .csv, name: "rows",
            schema: .init(source.columns), options: ReadOptions())
        let rows = SourceRows(importing: try reader.all(), into: source)
        let spine = Spine(
            columns: ["customer_id": Column(.int64, .words([42])), "amount": Column(.float64, .floats([12.5]))],
            instants: [Instant(text: "2024-05-08T12:00:00Z")!.microseconds])
        return JSON(plan.evaluate(spine, Reading()) { _ in rows }.columns[0][0])
    }

    @Test func `the definitions of docs/definitions.md are definitions`() throws {
        let page = try String(contentsOfFile: projectDirectory + "/docs/definitions.md", encoding: .utf8)
        let yaml = try #require(page.split(separator: "```yaml\n").last?.split(separator: "```").first)
        let catalog = try Catalog(documents: [DefinitionDocument(yaml: String(yaml), file: "definitions.md")])
        #expect(catalog.functions.count == 4 && catalog.sets.count == 1)
    }

    @Test func `every example has its value`() throws {
        let examples = examples("firn")
        #expect(examples.count > 80)
        for (expression, expected) in examples {
            #expect(try value(expression, kind: .feature).description == expected, "\(expression)")
        }
        #expect(self.examples("firn label").count > 1)
        for (expression, expected) in self.examples("firn label") {
            #expect(try value(expression, kind: .label).description == expected, "\(expression)")
        }
    }

    @Test func `what is refused is refused with these words`() throws {
        #expect(examples("firn refused").count > 5)
        for (expression, expected) in examples("firn refused") {
            let error = #expect(throws: DefinitionError.self, "\(expression)") { try value(expression, kind: .feature) }
            #expect(error?.description.contains(expected) == true, "\(expression): \(error?.description ?? "")")
        }
    }
}
