import Foundation
import TestSupport
import Testing

/// The targets and folders of the store are floors: what stands on one knows those below, and never those above.
@Suite struct FloorTests {
    /// From the ground up; last what stands in no folder, the face of the store. The targets among them are held apart
    /// by the compiler as well.
    private static let floors = [
        "StoreRecord", "StoreRows/Log", "StoreRows/Segments", "FeatureStore/Training", "FeatureStore/Serving",
        "FeatureStore/Provenance", "FeatureStore/Catalog", "FeatureStore",
    ]

    private struct File {
        var floor: Int
        var name: String
        /// Without comments and texts, but with what is interpolated into texts.
        var code: String
    }

    private static var declaration: Regex<(Substring, Substring)> {
        /(?m)^(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:public|package|internal|final|indirect|nonisolated)\s+)*(?:struct|class|enum|protocol|actor|func|let|var|typealias)\s+(\w+)/
    }

    private static func files() throws -> [File] {
        try floors.enumerated().flatMap { floor, path in
            let directory = URL(filePath: "\(projectDirectory)/Sources/\(path)")
            let found = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
                .filter { $0.pathExtension == "swift" }
            return try found.map {
                File(
                    floor: floor, name: "\(path)/\($0.lastPathComponent)",
                    code: code(of: try String(contentsOf: $0, encoding: .utf8)))
            }
        }
    }

    /// Swift files of a target, wherever they lie in it.
    private static func sources(_ target: String) throws -> [URL] {
        let all = try #require(
            FileManager.default.enumerator(
                at: URL(filePath: "\(projectDirectory)/Sources/\(target)"), includingPropertiesForKeys: nil))
        return all.compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    }

    private static func code(of text: String) -> String {
        let interpolation = /\\\(([^()]*(?:\([^()]*\)[^()]*)*)\)/
        func interpolated(_ text: Substring) -> String {
            text.matches(of: interpolation).map { String($0.1) }.joined(separator: " ")
        }
        return text.replacing(/(?s)"""(.*?)"""/) { interpolated($0.1) }.replacing(/\/\/.*/, with: "").replacing(
            /"((?:[^"\\]|\\.)*)"/
        ) { interpolated($0.1) }
    }

    /// Names that one file of several declares at its top, and that a file of a lower floor uses.
    private static func arrowsUp(_ files: [File]) -> [String] {
        var declared: [String: [Int]] = [:]
        let declaration = declaration
        for (index, file) in files.enumerated() {
            for match in file.code.matches(of: declaration) { declared[String(match.1), default: []].append(index) }
        }
        var arrows: [String] = []
        for file in files {
            // Not by word boundaries: to Swift's, Unicode's, a name and what follows its point are one word.
            for word in Set(file.code.matches(of: /[A-Za-z_]\w+/).map { String($0.0) }) {
                guard let places = declared[word], Set(places).count == 1, files[places[0]].floor > file.floor else {
                    continue
                }
                // A name of its own, inside of another type.
                if file.code.contains(try! Regex("(?:^|\\W)(?:struct|class|enum|case|let|var|func) \(word)(?!\\w)")) {
                    continue
                }
                arrows.append("\(file.name) knows \(word) of \(files[places[0]].name)")
            }
        }
        return arrows.sorted()
    }

    @Test func `no arrow runs from a floor to one above it`() throws {
        let files = try FloorTests.files()
        let all = try ["StoreRecord", "StoreRows", "FeatureStore"].reduce(0) { try $0 + FloorTests.sources($1).count }
        #expect(files.count > 60 && files.count == all && Set(files.map(\.floor)).count == FloorTests.floors.count)
        #expect(FloorTests.arrowsUp(files) == [])
    }

    @Test func `what does no I/O imports nothing that could`() throws {
        let outside = ["Foundation", "Glibc", "Darwin", "Dispatch", "Postgres", "NIO", "Logging"]
        for target in ["SegmentFormat", "ServingMemory"] {
            for file in try FloorTests.sources(target) where file.lastPathComponent != "DatabaseClock.swift" {
                let text = try String(contentsOf: file, encoding: .utf8)
                for line in text.split(separator: "\n") where line.contains("import ") && !line.contains("///") {
                    #expect(
                        !outside.contains { line.hasSuffix("import \($0)") },
                        "\(target)/\(file.lastPathComponent): \(line)")
                }
            }
        }
    }

    @Test func `no target holds more than a quarter of the code, and the store's face is extended in few places`()
        throws
    {
        let targets = try FileManager.default.contentsOfDirectory(atPath: "\(projectDirectory)/Sources")
        var lines: [String: Int] = [:], faces = 0
        for target in targets {
            for file in try FloorTests.sources(target) {
                let text = try String(contentsOf: file, encoding: .utf8)
                lines[target, default: 0] += text.split(separator: "\n", omittingEmptySubsequences: false).count
                faces += text.matches(of: /(?m)^extension Store \{/).count
            }
        }
        let all = lines.values.reduce(0, +)
        #expect(lines.values.allSatisfy { 4 * $0 <= all }, "\(lines.sorted { $0.value > $1.value })")
        #expect(faces <= 12)
    }

    @Test func `an arrow that runs up is found, in code and inside of texts`() {
        let low = { (code: String) in File(floor: 0, name: "low", code: FloorTests.code(of: code)) }
        let high = File(
            floor: 1, name: "high",
            code: FloorTests.code(of: "/// A Roof.\npublic struct Roof {}\nfinal class Chimney {}\n"))
        #expect(FloorTests.arrowsUp([low("let a = Roof()"), high]) == ["low knows Roof of high"])
        #expect(
            FloorTests.arrowsUp([low(#"let a = "of \(Chimney.height(1)) m""#), high]) == ["low knows Chimney of high"])
        #expect(
            FloorTests.arrowsUp([low("// A Roof above\nlet a = \"Roof\"\nstruct B { struct Roof {} }"), high]) == [])
    }
}
