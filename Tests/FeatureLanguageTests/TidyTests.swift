import FeatureLanguage
import Foundation
import TestSupport
import Testing

/// What a machine can see of how the sources are written.
@Suite struct TidyTests {
    private static let project = URL(filePath: projectDirectory)

    /// Each file of the folders and its lines.
    private static func sources(_ folders: String...) throws -> [(path: String, lines: [Substring])] {
        try folders.flatMap { folder in
            let root = project.appending(path: folder)
            let paths = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
                .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
            return try paths.map {
                (
                    $0.path.replacing(project.path + "/", with: ""),
                    try String(contentsOf: $0, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
                )
            }
        }
    }

    /// Files beyond 400 lines, each with as many hundreds as it may have: fewer are welcome.
    private static let long: [String: Int] = [
        "Sources/ArrowIPC/ArrowReader.swift": 800, "Sources/FeatureLanguage/Expressions/TypeChecker.swift": 600,
        "Sources/FeatureLanguage/Expressions/Parser.swift": 600, "Sources/Postgres/Connection.swift": 600,
    ]

    @Test func `code has at most 120 columns, but for what a text, a picture or a test's name needs`() throws {
        for (path, lines) in try TidyTests.sources("Sources", "Tests") {
            var isInText = false
            for (number, line) in lines.enumerated() {
                let wasInText = isInText
                if line.split(separator: "\"\"\"", omittingEmptySubsequences: false).count.isMultiple(of: 2) {
                    isInText.toggle()
                }
                if wasInText || line.count <= 120 || line.contains("\"") || line.contains("`") || line.contains("(?") {
                    continue
                }
                let text = line.trimmingCharacters(in: .whitespaces)
                #expect(
                    text.hasPrefix("///     ") || text.hasPrefix("// mutant: "),
                    "\(path):\(number + 1) has \(line.count)")
            }
        }
    }

    @Test func `a file is read in one sitting`() throws {
        for (path, lines) in try TidyTests.sources("Sources") {
            #expect(lines.count <= TidyTests.long[path] ?? 400, "\(path) has \(lines.count) lines")
        }
        for path in TidyTests.long.keys {
            #expect(
                FileManager.default.fileExists(atPath: TidyTests.project.appending(path: path).path), "\(path) is gone")
        }
    }

    /// Functions beyond 70 lines, each with as many as it has: tables of entries, routes and figures, and the few that
    /// read better whole.
    private static let longFunctions: [String: Int] = [
        "FeatureLanguage/Functions/AggregateOperator.swift makeEntry": 115,
        "FeatureLanguage/Functions/Operation.swift makeEntry": 165,
        "FeatureServer/GovernanceRoutes.swift governance": 120,
        "FeatureServer/Routes.swift router": 115,
        "FeatureServer/ServerMetrics.swift add": 80,
        "FeatureStore/Provenance/RecordHolding.swift checkRecords": 85,
        "StoreRows/Log/Watermark.swift init": 80,
        "Tables/CSV/CSVParser.swift scan": 75,
    ]

    @Test func `a function is seen at a glance`() throws {
        let start = /^( *)(?:[@\w()]+ )*(func|init|subscript)\b[?!]? ?(\w*)/
        var found: Set<String> = []
        for (path, lines) in try TidyTests.sources("Sources") {
            for (number, line) in lines.enumerated() {
                guard let match = line.prefixMatch(of: start), !line.hasSuffix("}"),
                    let opening = lines[number...].prefix(12).firstIndex(where: { $0.hasSuffix("{") }),
                    let end = lines[opening...].firstIndex(where: { $0.hasPrefix(match.1 + "}") })
                else { continue }
                let name = "\(path.dropFirst("Sources/".count)) \(match.2 == "func" ? match.3 : match.2)"
                let length = end - number + 1
                if length > 70 { found.insert(name) }
                #expect(length <= TidyTests.longFunctions[name] ?? 70, "\(name) has \(length) lines")
            }
        }
        #expect(found == Set(TidyTests.longFunctions.keys), "a function of the list is short by now")
    }

    @Test func `a type that ten files use stands in a file of its name`() throws {
        let declaration =
            /^(?:@\w+(?:\([^)]*\))? )*(?:(?:public|package|final|indirect) )*(?:struct|class|enum|protocol|actor) (\w+)/
        let files = try TidyTests.sources("Sources").map { path, lines in
            let code = lines.map { $0.replacing(/\/\/.*/, with: "").replacing(/"(?:[^"\\]|\\.)*"/, with: "") }
            return (
                path: path, types: code.compactMap { $0.prefixMatch(of: declaration).map { String($0.1) } },
                words: Set(code.flatMap { $0.matches(of: /\b[A-Z]\w+/).map { String($0.0) } })
            )
        }
        for (path, types, _) in files {
            for type in types where !path.hasSuffix("/\(type).swift") {
                let users = files.count { $0.path != path && $0.words.contains(type) }
                #expect(users < 10, "\(type) of \(path) is used in \(users) files")
            }
        }
    }

    @Test func `whatever is public says what it is`() throws {
        let declaration = /^ *(?:@\w+(?:\([^)]*\))? )*public (?!import)/
        // What a protocol of the library's asks for says the same everywhere.
        let known =
            /public (?:static )?(?:var description|func ==|func <|func hash\(|func makeIterator|mutating func next\(|init\(\)|init\(from |func encode\(to )/
        for (path, lines) in try TidyTests.sources("Sources") {
            for (number, line) in lines.enumerated()
            where line.prefixMatch(of: declaration) != nil && line.firstMatch(of: known) == nil {
                let above = lines[..<number].last { !$0.trimmingCharacters(in: .whitespaces).hasPrefix("@") }
                let isDocumented = above.map { $0.trimmingCharacters(in: .whitespaces).hasPrefix("///") } ?? false
                #expect(isDocumented, "\(path):\(number + 1): \(line)")
            }
        }
    }

    @Test func `text becomes SQL only where that is said`() throws {
        for (path, lines) in try TidyTests.sources("Sources", "Tests") where !path.hasSuffix("TidyTests.swift") {
            for (number, line) in lines.enumerated() {
                #expect(!line.contains("SQL(stringLiteral:"), "\(path):\(number + 1): SQL(raw:) is what a grep finds")
            }
        }
    }

    @Test func `nothing falls through a switch over types, layouts, formats, operations or aggregates`() throws {
        let named =
            ValueType.plain.map(\.rawValue) + ["decimal"] + FeatureLanguage.Operation.allCases.map { "\($0)" }
            + AggregateOperator.allCases.map { "\($0)" }
            + ["bits", "words", "floats", "wides", "csv", "ndjson", "arrows"]
        // Names that others have, too: characters, comparisons, parts of JSON.
        let ours = Set(named).subtracting(["bool", "string", "decimal", "in"])
        for (path, lines) in try TidyTests.sources("Sources") where !TidyTests.foreign.contains(path) {
            for (number, line) in lines.enumerated()
            where line.trimmingCharacters(in: .whitespaces).hasPrefix("default:") {
                let indent = line.prefix { $0 == " " }.count
                // The cases of the same switch, above it.
                let above = lines[..<number].reversed().prefix {
                    !($0.prefix { $0 == " " }.count < indent && !$0.isEmpty) || $0.contains("switch")
                }
                let cases = above.filter { $0.prefix { $0 == " " }.count == indent }.map {
                    $0.trimmingCharacters(in: .whitespaces)
                }
                let names = cases.filter { $0.hasPrefix("case ") }.compactMap {
                    $0.firstMatch(of: /^case \(?(?:let )?\.(\w+)/).map { String($0.1) }
                }
                #expect(ours.isDisjoint(with: names), "\(path):\(number + 1): say each case")
            }
        }
    }

    /// Files whose switches with such names are over types of others: Arrow's, JSON's, and a value read from outside.
    private static let foreign: Set<String> = [
        "Sources/ArrowIPC/ArrowArray.swift", "Sources/ArrowIPC/ArrowReader.swift", "Sources/ArrowIPC/ArrowType.swift",
        "Sources/ArrowIPC/ArrowWriter.swift",
        "Sources/ArrowIPC/TypedColumn.swift", "Sources/ArrowIPC/ArrowMetadata.swift",
        "Sources/ArrowIPC/FlatBuffer.swift", "Sources/Tables/PassedColumn.swift",
    ]

    @Test func `no force is used where a sentence would do`() throws {
        for (path, lines) in try TidyTests.sources("Sources") {
            for (number, line) in lines.enumerated() where !line.trimmingCharacters(in: .whitespaces).hasPrefix("//") {
                #expect(!line.contains("try!") && !line.contains("fatalError("), "\(path):\(number + 1)")
            }
        }
    }

    @Test func `a doc comment stands by itself`() throws {
        for (path, lines) in try TidyTests.sources("Sources") {
            for (number, line) in lines.enumerated() {
                let text = line.trimmingCharacters(in: .whitespaces)
                #expect(!text.hasPrefix("/// Of ") && !text.hasPrefix("/// The same"), "\(path):\(number + 1): \(text)")
            }
        }
    }

    @Test func `the first page of the library's documentation shows a program that is built and run`() throws {
        func text(_ path: String) throws -> String {
            try String(contentsOf: TidyTests.project.appending(path: path), encoding: .utf8)
        }
        let page = try text("Sources/FeatureStore/FeatureStore.docc/FeatureStore.md")
        let shown = try #require(page.firstMatch(of: /(?s)```swift\n(.*?)```/)).1
        #expect(try shown == text("examples/embedded/Sources/first-page/main.swift"))
    }
}
