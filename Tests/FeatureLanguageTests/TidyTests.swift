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

    @Test func `text becomes SQL only where that is said`() throws {
        for (path, lines) in try TidyTests.sources("Sources", "Tests") where !path.hasSuffix("TidyTests.swift") {
            for (number, line) in lines.enumerated() {
                #expect(!line.contains("SQL(stringLiteral:"), "\(path):\(number + 1): SQL(raw:) is what a grep finds")
            }
        }
    }

    @Test func `nothing falls through a switch over types, layouts or formats`() throws {
        let ours = try Regex(
            #"^case (\(.*)?\.(int64|float64|timestamp|bits|words|floats|csv|ndjson|arrows)\b"#)
        for (path, lines) in try TidyTests.sources("Sources") {
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
                let isOfTypes = cases.contains { $0.firstMatch(of: ours) != nil }
                #expect(!isOfTypes || TidyTests.foreign.contains(path), "\(path):\(number + 1): say each case")
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
}
