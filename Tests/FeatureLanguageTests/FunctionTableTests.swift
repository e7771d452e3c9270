import FeatureLanguage
import Foundation
import TestSupport
import Testing

/// The table of functions. That each has a state, a twin and a judge is the compiler's to see: what gives them is a
/// switch without a default.
@Suite struct FunctionTableTests {
    private static func read(_ path: String) throws -> String {
        try String(contentsOfFile: projectDirectory + "/" + path, encoding: .utf8)
    }

    @Test(arguments: AggregateOperator.allCases)
    func `each aggregate has an example that the language's page runs`(each: AggregateOperator) throws {
        let example = each.entry.example
        let line = try FunctionTableTests.read("docs/language.md").split(separator: "\n").first {
            $0.hasPrefix(example.expression + " ") && $0.contains(" -- ")
        }
        #expect(line?.hasSuffix("-- " + example.value) == true, "\(example)")
    }

    @Test(arguments: AggregateOperator.allCases)
    func `each aggregate has a mutant that breaks it`(each: AggregateOperator) throws {
        let mutant = AggregateProof.of(each).mutant,
            listed = try FunctionTableTests.read("scripts/mutants").contains("(\"\(mutant)\", ")
        let beside = try FileManager.default.contentsOfDirectory(
            at: URL(filePath: projectDirectory + "/Tests/TestSupport/Proofs"), includingPropertiesForKeys: nil
        ).contains { try String(contentsOf: $0, encoding: .utf8).contains("// mutant: \(mutant) | ") }
        #expect(listed || beside, "\(mutant)")
    }

    @Test(arguments: FeatureLanguage.Operation.allCases)
    func `each operation has an example that needs it and that the language's page runs`(
        each: FeatureLanguage.Operation
    ) throws {
        let example = each.entry.example
        let line = try FunctionTableTests.read("docs/language.md").split(separator: "\n").first {
            $0.hasPrefix(example.expression + " ") && $0.contains(" -- ")
        }
        #expect(line?.hasSuffix("-- " + example.value) == true, "\(each): \(example)")
        #expect(try FunctionTableTests.operations(example.expression).contains(each), "\(each): \(example)")
    }

    /// What the twin and PostgreSQL are asked, they are asked of every operation.
    @Test func `each operation is drawn where scalars are compared with their twin and their judge`() throws {
        var drawn: Set<FeatureLanguage.Operation> = []
        var expressions = RandomExpressions(seed: 1, prefix: "", hasInstant: false)
        for index in 0..<2000 {
            let text =
                index % 10 == 0 ? expressions.elementary(depth: 2) : expressions.draw(expressions.anyType(), depth: 3)
            drawn.formUnion(try FunctionTableTests.operations("latest(\(text.firn))"))
        }
        #expect(Set(FeatureLanguage.Operation.allCases).subtracting(drawn).isEmpty)
    }

    @Test(arguments: FeatureLanguage.Operation.allCases)
    func `each operation has a mutant that breaks its kernel`(each: FeatureLanguage.Operation) throws {
        let mutants = try FunctionTableTests.read("Tests/TestSupport/Proofs/ScalarMutants.swift")
        let mutant = try #require(
            mutants.split(separator: "\n").first { $0.hasPrefix("// mutant: \(each.rawValue): ") }, "\(each)")
        let parts = mutant.split(separator: " | ").map(String.init)
        let kernel = try FunctionTableTests.read(parts[1])
        #expect(kernel.ranges(of: parts[2]).count == 1, "\(mutant)")
    }

    /// The operations of an expression over a source's columns.
    private static func operations(_ text: String) throws -> Set<FeatureLanguage.Operation> {
        let columns: [ColumnDefinition] =
            RandomExpressions.inputs + [.init("amount", .float64), .init("status", .string), .init("card", .bool)]
        let catalog = try Catalog([
            .entity(Entity(name: "all", keys: [])),
            .source(Source(name: "rows", columns: columns, eventTime: "t1")),
            .function(
                FunctionDefinition(
                    name: VersionedName("f.v1")!, kind: .feature, entity: "all", source: "rows", expression: text)),
        ])
        var found: Set<FeatureLanguage.Operation> = []
        catalog.functions[VersionedName("f.v1")!]!.expression.forEach {
            if case .call(let operation, _, _) = $0 { found.insert(operation) }
        }
        return found
    }

    @Test func `each name means one aggregate, or one with distinct and one without`() {
        for each in AggregateOperator.allCases {
            for name in each.entry.names {
                #expect(
                    AggregateOperator.allCases.filter {
                        $0.entry.names.contains(name) && $0.entry.isDistinct == each.entry.isDistinct
                    } == [each], "\(name)")
            }
        }
    }
}
