import Foundation
import TestSupport
import Tables
import Testing

/// Files that appear when they are whole.
@Suite struct NewFileTests {
    private func names(_ directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test func `a file appears when it is whole, in the place of an old one, and leaves nothing beside it`() throws {
        let directory = try temporaryDirectory(), path = directory + "/rows.csv"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        for content in ["first", "second"] {
            do {
                let file = try NewFile(path: path), abandoned = try NewFile(path: directory + "/abandoned.csv")
                try file.write(Array(content.utf8))
                try abandoned.write([1])
                #expect((try? text(path)) != content)
                try file.publish()
                #expect(try text(path) == content)
            }
            #expect(try names(directory) == ["rows.csv"])
        }
        #expect(throws: TableError.self) { try NewFile(path: directory) }
        #expect(throws: TableError.self) { try NewFile(path: directory + "/none/rows.csv") }
    }

    @Test func `a link stays one, and what it points to is replaced`() throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try "old".write(toFile: directory + "/target.csv", atomically: false, encoding: .utf8)
        try FileManager.default.createSymbolicLink(atPath: directory + "/link.csv", withDestinationPath: "target.csv")
        let file = try NewFile(path: directory + "/link.csv")
        try file.write(Array("new".utf8))
        try file.publish()
        #expect(try text(directory + "/target.csv") == "new")
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: directory + "/link.csv") == "target.csv")
    }

    @Test func `what killed runs left goes with the next, and what isn't theirs stays`() throws {
        let directory = try temporaryDirectory(), path = directory + "/rows.csv"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        // No process has that number; the second is another's that is at work, the third this process's own.
        let left = [
            "rows.csv.part-4194301", "rows.csv.part-1", "rows.csv.part-\(ProcessInfo.processInfo.processIdentifier)",
            "rows.csv.part-", "rows.csv.part-x", "other.csv.part-4194301",
        ]
        for name in left { try "part".write(toFile: directory + "/" + name, atomically: false, encoding: .utf8) }
        let file = try NewFile(path: path)
        try file.write(Array("whole".utf8))
        try file.publish()
        #expect(
            try names(directory) == [
                "other.csv.part-4194301", "rows.csv", "rows.csv.part-", "rows.csv.part-1", "rows.csv.part-x",
            ])
    }
}
