import FeatureEngine
import FeatureLanguage
import Foundation
import Tables
import Testing

/// A spine's columns that only pass through: of any type, and known by their values.
@Suite struct `Spines` {
    private func plan() throws -> Plan {
        let text = """
            entities: {thing: {keys: {k: int64}}}
            sources: {s: {columns: {k: int64, f: float64, at: timestamp}, event_time: at}}
            features: {f.v1: {entity: thing, source: s, expression: latest(f)}}
            sets: {all.v1: {features: [f.v1]}}
            """
        let catalog = try Catalog(documents: [DefinitionDocument(yaml: text, file: "d.yaml")])
        return Plan(try catalog.set(named: "all.v1"), in: catalog)
    }

    private func spine(_ text: String, _ options: ReadOptions = ReadOptions()) throws -> SpineFile {
        let layout = text.hasPrefix("{") ? FileFormat.Layout.ndjson : .csv
        return try SpineFile(
            ByteReader(bytes: Array(text.utf8), name: "s"), layout: layout, name: "s", plan: plan(),
            timestamp: "event_timestamp", options: options)
    }

    private func golden(_ name: String) throws -> SpineFile {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try SpineFile(
            path: tests.appendingPathComponent("Golden/" + name).path, plan: plan(), timestamp: "event_timestamp",
            options: ReadOptions())
    }

    private func stream(_ file: SpineFile) throws -> [UInt8] {
        file.arrowStream(Table(rowCount: file.rowCount)).reduce(into: []) { $0 += $1 }
    }

    private func again(_ bytes: [UInt8]) throws -> SpineFile {
        try SpineFile(
            ByteReader(bytes: bytes, name: "s"), layout: .arrows, name: "s", plan: plan(), timestamp: "event_timestamp",
            options: ReadOptions())
    }

    @Test(arguments: ["types.arrows", "types-lz4.arrow", "types-categories.arrows"])
    func `columns of any type come out as they went in`(name: String) throws {
        let bytes = try stream(golden(name))
        #expect(try stream(again(bytes)) == bytes)
        // What is kept with a snapshot is the same stream.
        var kept: [UInt8] = []
        _ = try golden(name).archive { kept += $0 }
        #expect(kept == bytes)
    }

    @Test func `what a CSV file says unquoted is in NDJSON a number or a bool, and else its text`() throws {
        let file = try spine(
            "k,event_timestamp,a\n1,2024-01-01,null\n2,2024-01-01,7.50\n3,2024-01-01,true\n4,2024-01-01,\"8\"\n5,2024-01-01,\n"
        )
        let path = FileManager.default.temporaryDirectory.path + "/firn-\(UUID().uuidString).ndjson"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let writer = try TableWriter(path: path)
        try writer.write(file, Table(rowCount: file.rowCount))
        try writer.publish()
        let values = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            $0.split(separator: "\"a\":")[1].dropLast()
        }
        #expect(values == ["\"null\"", "7.50", "true", "\"8\"", "null"])
    }

    @Test(arguments: ["csv", "ndjson", "jsonl.gz"])
    func `a text file refuses what it can't hold, by name and type, before work is done`(suffix: String) throws {
        let path = FileManager.default.temporaryDirectory.path + "/firn-\(UUID().uuidString).\(suffix)",
            spine = try golden("types.arrows")
        let error = #expect(throws: TableError.self) { try TableWriter.require(spine, for: path) }
        #expect(error?.column == "d256" && error?.message.contains("is decimal256(70, 0)") == true)
        let writer = try TableWriter(path: path)
        #expect(throws: TableError.self) { try writer.require(spine) }
        // Categories are the values that they mean.
        try TableWriter(path: path).require(golden("types-categories.arrows"))
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `rows leave columns of any type`() throws {
        let spine = try golden("types.arrows"), erased = try spine.erasing([0, 4], keeping: ["k"])
        #expect(try again(stream(erased)).rowCount == 6)
        for name in ["category", "numbers", "uuid", "d128", "t64", "views"] {
            let before = try #require(try spine.identities(of: name)),
                after = try #require(try erased.identities(of: name))
            for row in 0..<6 {
                #expect(after[row] == ([0, 4].contains(row) ? .null : before[row]), "\(name) in row \(row)")
            }
        }
        #expect(try stream(erased.erasing([0, 4], keeping: ["k"])) == stream(erased))
    }

    @Test(
        arguments: [
            ["7", "007", "7.0", "+7", "7e0", "0.7e1", "\"7\""], ["true", "True", "TRUE", "t"], ["false", "False", "f"],
            ["-0.10", "-.1", "-1e-1"], ["0", "-0.0", "0e9"],
            [
                "2024-05-08", "2024-05-08T00:00:00Z", "2024-05-08 00:00:00", "2024-05-08 02:00:00+02:00",
                "2024-05-08 00:00:00 UTC", "2024-05-08 00:00:00.000000000",
            ],
            ["NaN", "nan"], ["inf", "Infinity"], ["9007199254740993", "9007199254740993.0"],
            ["2024-05-08 00:00:00.000000001", "2024-05-08 00:00:00.000000001Z"],
        ])
    func `one value is one identity, however it is spelled`(texts: [String]) throws {
        let file = try spine("k,event_timestamp,v\n" + texts.map { "1,2024-01-01,\($0)\n" }.joined())
        let values = try #require(try file.identities(of: "v"))
        for row in texts.indices { #expect(values[row] == values[0] && values[row] != .null, "\(texts[row])") }
    }

    @Test func `other values are others`() throws {
        let texts = [
            "7", "7.5", "70", "-7", "true", "false", "x", "X", "2024-05-08", "2024-05-09",
            "2024-05-08 00:00:00.000000001", "9007199254740992", "9007199254740993", "1.2.3", "7 ",
            "e1", "-", "\"\"", "",
        ]
        let values = try #require(
            try spine("k,event_timestamp,v\n" + texts.map { "1,2024-01-01,\($0)\n" }.joined()).identities(of: "v"))
        for row in texts.indices {
            for other in 0..<row { #expect(values[row] != values[other], "\(texts[row]) and \(texts[other])") }
        }
        #expect(values[texts.count - 1] == .null)
        #expect(
            try spine("k,event_timestamp,v\n1,2024-01-01,NA\n1,2024-01-01,\"NA\"\n", ReadOptions(null: "NA"))
                .identities(of: "v")?[0] == .null)
    }

    @Test func `a column's identities are those of its own CSV and NDJSON`() throws {
        let arrow = try golden("types.arrows")
        let texts = [
            "d128": ["19.90", "-0.01", "", "19.90", "-0.01", ""],
            "numbers": ["10.0", "20.0", "", "10.0", "30.0", "20.0"], "category": ["a", "b", "", "a", "c", "b"],
            "t64": ["23:59:59.999999", "", "23:59:59.999999", "", "23:59:59.999999", ""],
            "k": ["1", "2.0", "003", "4", "5", "6"], "half": ["0.5", "", "5e-1", "", "0.5", ""],
            "uuid": [
                "00000000-0000-0000-0000-000000000007", "", "00000000-0000-0000-0000-000000000007", "",
                "00000000-0000-0000-0000-000000000007", "",
            ],
        ]
        for (name, column) in texts {
            let csv = try spine("k,event_timestamp,v\n" + column.map { "1,2024-01-01,\($0)\n" }.joined())
            let lines = try spine(
                column.map {
                    "{\"k\":1,\"event_timestamp\":\"2024-01-01\",\"v\":\($0.isEmpty ? "null" : "\"\($0)\"")}\n"
                }.joined())
            let known = try #require(try arrow.identities(of: name)), other = try #require(try csv.identities(of: "v")),
                third = try #require(try lines.identities(of: "v"))
            for row in column.indices {
                #expect(known[row] == other[row] && known[row] == third[row], "\(name) in row \(row)")
            }
        }
    }

    @Test func `a pandas frame and its own CSV have the same identities`() throws {
        let frame = try golden("pandas.feather"), text = try golden("pandas.csv")
        #expect(frame.rowCount == 5 && frame.spine.columns["k"]![4] == text.spine.columns["k"]![4])
        for column in [
            "k", "event_timestamp", "id", "n", "text", "flag", "maybe", "when", "local", "day", "narrow", "float",
            "kind", "code", "Int64",
        ] {
            let left = try #require(try frame.identities(of: column)),
                right = try #require(try text.identities(of: column))
            for row in 0..<5 { #expect(left[row] == right[row], "\(column) in row \(row)") }
        }
        // An id is the same beside a missing one, as a text, and alone.
        let ids = try #require(try frame.identities(of: "id")), numbers = try #require(try frame.identities(of: "n")),
            texts = try #require(try frame.identities(of: "text"))
        #expect(ids[0] == numbers[0] && ids[0] == texts[0] && ids[1] == .null && ids[4] == numbers[3])
    }

    @Test func `what was kept before is read as it was`() throws {
        let text = "k,event_timestamp,x\n1,2024-01-01,9007199254740993\n"
        let catalog = try Catalog(documents: [
            DefinitionDocument(
                yaml: """
                    entities: {thing: {keys: {k: int64}}}
                    features: {y.v1: {entity: thing, request: {x: float64}, expression: request.x}}
                    sets: {all.v1: {features: [y.v1]}}
                    """, file: "d.yaml")
        ])
        let plan = Plan(try catalog.set(named: "all.v1"), in: catalog)
        func read(_ options: ReadOptions) throws -> SpineFile {
            try SpineFile(
                ByteReader(bytes: Array(text.utf8), name: "s"), layout: .csv, name: "s", plan: plan,
                timestamp: "event_timestamp", options: options)
        }
        let error = #expect(throws: TableError.self) { try read(ReadOptions()) }
        #expect(error?.column == "x" && error?.advice?.contains("int64") == true)
        #expect(try read(.kept()).spine.columns["x"]![0] == .float64(0x1p53))
    }
}
