import Foundation
import TestSupport
import Testing

/// The folders of FeatureStore are floors: what stands on one knows those below, and never those above.
@Suite struct FloorTests {
    /// From the ground up; last what stands in no folder, the face of the store.
    private static let floors = ["Record", "Rows", "Segments", "Training", "Serving", "Provenance", "Catalog", ""]

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
        let root = URL(filePath: projectDirectory + "/Sources/FeatureStore")
        let paths = try #require(FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)).compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
        return try paths.map { path in
            let folder = path.deletingLastPathComponent().standardizedFileURL.path == root.standardizedFileURL.path ? "" : path.deletingLastPathComponent().lastPathComponent
            let floor = try #require(floors.firstIndex(of: folder), "\(folder) has no place among the floors")
            return File(floor: floor, name: "\(folder)/\(path.lastPathComponent)", code: code(of: try String(contentsOf: path, encoding: .utf8)))
        }
    }

    private static func code(of text: String) -> String {
        let interpolation = /\\\(([^()]*(?:\([^()]*\)[^()]*)*)\)/
        func interpolated(_ text: Substring) -> String { text.matches(of: interpolation).map { String($0.1) }.joined(separator: " ") }
        return text.replacing(/(?s)"""(.*?)"""/) { interpolated($0.1) }.replacing(/\/\/.*/, with: "").replacing(/"((?:[^"\\]|\\.)*)"/) { interpolated($0.1) }
    }

    /// Names that one file of several declares at its top, and that a file of a lower floor uses.
    private static func arrowsUp(_ files: [File]) -> [String] {
        var declared: [String: [Int]] = [:]
        let declaration = declaration
        for (index, file) in files.enumerated() { for match in file.code.matches(of: declaration) { declared[String(match.1), default: []].append(index) } }
        var arrows: [String] = []
        for file in files {
            // Not by word boundaries: to Swift's, Unicode's, a name and what follows its point are one word.
            for word in Set(file.code.matches(of: /[A-Za-z_]\w+/).map { String($0.0) }) {
                guard let places = declared[word], Set(places).count == 1, files[places[0]].floor > file.floor else { continue }
                // A name of its own, inside of another type.
                if file.code.contains(try! Regex("(?:^|\\W)(?:struct|class|enum|case|let|var|func) \(word)(?!\\w)")) { continue }
                arrows.append("\(file.name) knows \(word) of \(files[places[0]].name)")
            }
        }
        return arrows.sorted()
    }

    @Test func `no arrow runs from a floor to one above it`() throws {
        let files = try FloorTests.files()
        #expect(files.count > 60 && Set(files.map(\.floor)).count == FloorTests.floors.count)
        #expect(FloorTests.arrowsUp(files) == [])
    }

    @Test func `an arrow that runs up is found, in code and inside of texts`() {
        let low = { (code: String) in File(floor: 0, name: "low", code: FloorTests.code(of: code)) }
        let high = File(floor: 1, name: "high", code: FloorTests.code(of: "/// A Roof.\npublic struct Roof {}\nfinal class Chimney {}\n"))
        #expect(FloorTests.arrowsUp([low("let a = Roof()"), high]) == ["low knows Roof of high"])
        #expect(FloorTests.arrowsUp([low(#"let a = "of \(Chimney.height(1)) m""#), high]) == ["low knows Chimney of high"])
        #expect(FloorTests.arrowsUp([low("// A Roof above\nlet a = \"Roof\"\nstruct B { struct Roof {} }"), high]) == [])
    }
}
