import FeatureLanguage
import Foundation
import TestSupport
import Testing

/// Whatever is read as a definition or an expression is accepted or refused with a reason, within bounds of time and
/// depth.
@Suite struct FuzzTests {
    private static let directory = URL(fileURLWithPath: projectDirectory)

    private static func text(_ path: String) -> String {
        (try? String(contentsOf: directory.appendingPathComponent(path), encoding: .utf8)) ?? ""
    }

    private static let tokens = [
        "(", ")", "[", "]", "{", "}", ": ", "- ", "\n", "\n  ", "'", "\"", ",", ".v1", "&a ", "*a", "<<: ", "|\n",
        ">\n", "!!binary ", "#", "~", "null", "\0", "\u{FEFF}", "é",
        "\u{1F600}",
        "case when ", " then ", " else ", " end", " and ", " or ", "not ", " is ", " in (", " between ", " like ", "::",
        "interval '", "filter (where ", " over ", "last_", "next_",
        "range ", "sum(",
        "count(distinct ", "percentile(", "9223372036854775808", "1e999", "-", "+", "*", "/", "%", "||", "<>",
        "request.", "as_of", "date_trunc('", "extract(", "current row",
        "preceding",
    ]

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `definitions`() throws {
        let wrong = ["expressions.txt", "documents.txt"].flatMap {
            FuzzTests.text("Tests/Golden/WrongDefinitions/\($0)").split(separator: "=== ").map {
                String($0.split(separator: "\n---\n")[0].drop { $0 != "\n" })
            }
        }
        let right = [
            "Tests/Golden/WrongDefinitions/base.yaml", "examples/credit-card/definitions.yaml",
            "examples/flights/definitions.yaml",
        ].map(FuzzTests.text)
        // The right ones as often as the wrong ones.
        let inputs = Array(repeating: right, count: wrong.count / right.count).flatMap { $0 } + wrong
        #expect(inputs.allSatisfy { !$0.isEmpty })
        var accepted = 0
        for (number, bytes) in Fuzzer("definitions", inputs: inputs, tokens: FuzzTests.tokens, count: 6000) {
            do {
                let document = try DefinitionDocument(yaml: String(decoding: bytes, as: UTF8.self), file: "f")
                let catalog = try Catalog(documents: [document])
                accepted += 1
                // What is accepted can be registered: it reads back as the same, and from its stored form too.
                let again = try Catalog(document.items.map(\.definition))
                for (name, function) in catalog.functions {
                    #expect(again.functions[name]?.fingerprint == function.fingerprint, "input \(number)")
                }
            } catch {
                #expect(
                    !error.diagnostics.isEmpty && error.diagnostics.allSatisfy { !$0.message.isEmpty },
                    "input \(number)")
            }
        }
        #expect(accepted > 100)
    }

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `expressions`() throws {
        let columns = RandomExpressions.inputs
        let source = Source(name: "s", columns: columns + [.init("t", .timestamp), .init("k", .int64)], eventTime: "t")
        let entity = Entity(name: "e", keys: [.init("k", .int64)])
        var inputs: [String] = []
        for seed in 0..<UInt64(300) {
            var expressions = RandomExpressions(
                seed: seed, prefix: seed % 2 == 0 ? "request." : "", hasInstant: seed % 2 == 0)
            let text = expressions.draw(RandomExpressions.types[Int(seed) % RandomExpressions.types.count], depth: 2)
                .firn
            inputs.append(
                seed % 2 == 0
                    ? text : "max(\(text)) filter (where \(expressions.draw(.bool, depth: 1).firn)) over last_7d")
        }
        inputs += [
            "sum(f1) over (range between interval '14 days' preceding and current row)",
            "percentile(i1, 0.9) over next_90m", "median(f1) / nullif(count(distinct s1), 0)",
        ]
        var accepted = 0
        for (number, bytes) in Fuzzer("expressions", inputs: inputs, tokens: FuzzTests.tokens, count: 20_000) {
            func expression(_ text: String) throws -> FeatureLanguage.Expression {
                let definition = FunctionDefinition(
                    name: VersionedName("f.v1")!, kind: .label, entity: "e", source: "s", request: columns,
                    expression: text)
                return try Catalog([.entity(entity), .source(source), .function(definition)]).functions[
                    VersionedName("f.v1")!]!.expression
            }
            do {
                let read = try expression(String(decoding: bytes, as: UTF8.self))
                accepted += 1
                #expect(try expression(read.text) == read, "input \(number): \(read.text)")
            } catch let error as DefinitionError {
                #expect(error.diagnostics.allSatisfy { !$0.message.isEmpty }, "input \(number)")
            }
        }
        #expect(accepted > 500)
    }
}
