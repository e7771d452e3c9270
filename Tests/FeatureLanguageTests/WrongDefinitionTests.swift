import FeatureLanguage
import Foundation
import Testing

/// What people are told about wrong definitions, word for word: `Tests/Golden/WrongDefinitions` holds each with its
/// answer.
///
/// With `FIRN_RECORD=1` the answers are written anew: read the difference before you keep it.
@Suite struct WrongDefinitionTests {
    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Golden/WrongDefinitions")

    private struct Case {
        var title: String
        var definitions: String
        var answer: String

        /// `=== title`, the definitions, `---`, the answer.
        init(_ text: Substring) {
            let parts = text.split(separator: "---\n", maxSplits: 1, omittingEmptySubsequences: false)
            let lines = parts[0].split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
            title = String(lines[0])
            definitions = String(lines[1])
            answer = String(parts[1])
        }
    }

    @Test(arguments: ["expressions.txt", "documents.txt"])
    func `each is answered as recorded`(file: String) throws {
        let path = WrongDefinitionTests.directory.appendingPathComponent(file)
        let base = try DefinitionDocument(
            yaml: String(
                contentsOf: WrongDefinitionTests.directory.appendingPathComponent("base.yaml"), encoding: .utf8),
            file: "base.yaml")
        let registered = try Catalog(documents: [base])
        var cases = try String(contentsOf: path, encoding: .utf8).split(separator: "=== ").map(Case.init)
        for index in cases.indices {
            let answer: String
            do {
                _ = try Catalog(
                    base: registered,
                    documents: [DefinitionDocument(yaml: cases[index].definitions, file: "wrong.yaml")])
                answer = "accepted\n\n"
            } catch {
                answer = "\(error)\n\n"
            }
            if ProcessInfo.processInfo.environment["FIRN_RECORD"] == "1" { cases[index].answer = answer }
            #expect(cases[index].answer == answer, "\(cases[index].title)")
        }
        let text = cases.map { "=== \($0.title)\n\($0.definitions)---\n\($0.answer)" }.joined()
        if ProcessInfo.processInfo.environment["FIRN_RECORD"] == "1" {
            try text.write(to: path, atomically: true, encoding: .utf8)
        }
        #expect(!text.contains("---\naccepted\n"), "a wrong definition is accepted")
    }
}
