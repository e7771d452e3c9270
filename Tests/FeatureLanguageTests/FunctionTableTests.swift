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
