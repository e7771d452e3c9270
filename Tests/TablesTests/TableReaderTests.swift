import FeatureEngine
import FeatureLanguage
import TestSupport
import Tables
import Testing

@Suite struct TableReaderTests {
    private let schema = TableReader.Schema(
        [.init("i", .int64), .init("f", .float64), .init("s", .string), .init("b", .bool), .init("t", .timestamp)], present: ["i"], notNull: ["i"])

    private func read(_ text: String, layout: FileFormat.Layout = .csv, options: ReadOptions = ReadOptions()) throws -> Table {
        var reader = try TableReader(ByteReader(bytes: Array(text.utf8), name: "f"), layout: layout, name: "f", schema: schema, options: options)
        return try reader.all()
    }

    private func fault(_ text: String, layout: FileFormat.Layout = .csv) -> TableError? {
        #expect(throws: TableError.self) { try read(text, layout: layout) }
    }

    @Test func `values of every type are read`() throws {
        let table = try read("\u{FEFF}i,s,f,b,t\r\n-9223372036854775808,\"a \"\"q\"\",\nb\",-0.0,t,2024-01-01 00:00:00\r\n1,,NaN,0,\r\n2,\"\",-inf,,1969-12-31")
        #expect(table.rowCount == 3)
        #expect(table["i"]![0] == .int64(.min))
        #expect(table["s"]![0] == .string("a \"q\",\nb"))
        #expect(table["f"]![0] == .float64(-0.0))
        #expect(table["s"]![1] == .null)
        #expect(table["s"]![2] == .string(""))
        #expect(table["b"]![1] == .bool(false))
        #expect(table["t"]![1] == .null)
        #expect(table["t"]![2] == .timestamp(Instant(microseconds: -86_400_000_000)))
    }

    @Test func `a word for NULL counts unquoted only, and integers may be times`() throws {
        let table = try read("i,s,f,t\n1,NA,NA,1500\n2,\"NA\",1,-1\n", options: ReadOptions(null: "NA", epoch: .milliseconds))
        #expect(table["s"]![0] == .null && table["f"]![0] == .null)
        #expect(table["s"]![1] == .string("NA"))
        #expect(table["t"]![0] == .timestamp(Instant(microseconds: 1_500_000)))
    }

    @Test(
        arguments: [
            ("i\n1\nx\n", 3, "i", "is not an int64"), ("i,s\n1,\"a\nb\"\n2\n", 4, nil, "1 fields"), ("i\n9223372036854775808\n", 2, "i", "is not an int64"),
            ("i,f\n1,1e999\n", 2, "f", "is not a float64"),
            ("i,z\n1,2\n", 1, "z", "is not declared"), ("s\na\n", 1, "i", "missing from the header"), ("i,s,s\n", 1, "s", "stands twice"), ("i,s\n1,\"a\n", 2, nil, "never closed"),
            ("i,s\n1,\"a\"b\n", 2, nil, "after the closing quote"), ("i,s\n1,a\"b\n", 2, nil, "inside an unquoted"), ("i,b\n\n1,yes\n", 3, "b", "is not a bool"),
            ("i\n1\n\"\"\n", 3, "i", "is not an int64"),
            ("i,s\n,a\n", 2, "i", "may not be NULL"), ("i,t\n1,2024-02-30\n", 2, "t", "is not a timestamp"), ("i,s\n1,\u{0}\n", 2, "s", "is not a string"),
        ] as [(String, Int, String?, String)])
    func `a bad CSV names line and column`(text: String, line: Int, column: String?, message: String) {
        let fault = fault(text)
        #expect(fault?.line == line)
        #expect(fault?.column == column)
        #expect(fault?.message.contains(message) == true, "\(String(describing: fault))")
    }

    @Test(
        arguments: [
            ("{\"i\": 1}\n{\"i\": 1.5}", 2, "i"), ("{\"i\": 1}\n\n[]", 3, nil), ("{\"i\": 1, \"z\": 2}", 1, "z"), ("{\"s\": \"a\"}", 1, "i"), ("{\"i\": null}", 1, "i"),
            ("{\"i\": 1", 1, nil), ("{\"i\": \"1\"}", 1, "i"),
            ("{\"i\":1,\"i\":2}", 1, nil), ("{\"i\":1,\"f\":1e999}", 1, "f"),
        ] as [(String, Int, String?)])
    func `a bad line of JSON names line and column`(text: String, line: Int, column: String?) {
        let fault = fault(text, layout: .ndjson)
        #expect(fault?.line == line)
        #expect(fault?.column == column)
    }

    @Test func `floats are read to the nearest, the short way and the long`() throws {
        var random = Randomness(seed: 5)
        for _ in 0..<20_000 {
            let digits = Int.random(in: 1...19, using: &random)
            var text = random.chance(30) ? "-" : ""
            for index in 0..<digits { text += String(Int.random(in: 0...9, using: &random)) + (index == digits / 2 && random.chance(60) ? "." : "") }
            if text.hasSuffix(".") { text += "0" }
            if random.chance(20) { text += "e\(Int.random(in: -30...30, using: &random))" }
            let table = try read("i,f\n1,\(text)\n")
            guard table["f"]![0] == .float64(Double(text)!) else {
                Issue.record("\(text): \(table["f"]![0])")
                return
            }
        }
    }

    @Test(arguments: [FileFormat.Compression.gzip, .zstd])
    func `a compressed file reads as the plain one, and a cut one is refused`(compression: FileFormat.Compression) throws {
        var random = Randomness(seed: 9)
        var text = "i,s\n"
        for number in 0..<200_000 { text += "\(number),\(random.next())\n" }
        var packed: [UInt8] = []
        let writer = try ByteWriter(compression, name: "f") { bytes throws(TableError) in packed += bytes }
        try writer.write(Array(text.utf8))
        try writer.finish()
        var reader = try TableReader(ByteReader(bytes: packed, name: "f", compression: compression), layout: .csv, name: "f", schema: schema, options: ReadOptions())
        let table = try reader.all()
        #expect(table.rowCount == 200_000)
        #expect(table["i"]![199_999] == .int64(199_999))
        #expect(throws: TableError.self) {
            var cut = try TableReader(
                ByteReader(bytes: Array(packed.dropLast(9)), name: "f", compression: compression), layout: .csv, name: "f", schema: schema, options: ReadOptions())
            _ = try cut.all()
        }
    }

    @Test func `random bytes never crash a reader`() {
        var random = Randomness(seed: 11)
        let alphabet = Array("i,sf\"\n\r{}[]:0123456789.-e\\untrue\u{0}\u{FEFF}é".utf8)
        for _ in 0..<30_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in random.pick(alphabet) }
            for layout in [FileFormat.Layout.csv, .ndjson] {
                var reader = try? TableReader(ByteReader(bytes: Array("i,s\n".utf8) + bytes, name: "f"), layout: layout, name: "f", schema: schema, options: ReadOptions())
                _ = try? reader?.all()
            }
            _ = try? JSON(parsing: bytes)
        }
    }
}

@Suite struct JSONTests {
    @Test func `values come back as they were`() throws {
        let text = #"{"a":[1,-2.5e-3,9223372036854775807,null,true,"\u00e9\ud83d\ude00\n\"\\"],"b":{}}"#
        let value = try JSON(parsing: Array(text.utf8))
        #expect(try JSON(parsing: Array(value.description.utf8)) == value)
        #expect(value["a"].map { $0 == .array([1, .number("-2.5e-3"), .number("9223372036854775807"), .null, true, "é😀\n\"\\"]) } == true)
        #expect(try JSON(parsing: Array(value.pretty().utf8)) == value)
    }

    @Test(arguments: ["", "01", "1.", "[1,]", "{\"a\":1,}", "\"\\ud800\"", "nul", "1 2", "\"a", "{\"a\" 1}", "'a'", "+1", "[", "\"\u{1}\""])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: JSON.Fault.self) { try JSON(parsing: Array(text.utf8)) }
    }

    @Test func `depth is bounded`() {
        #expect(throws: JSON.Fault.self) { try JSON(parsing: Array(repeating: UInt8(ascii: "["), count: 100_000)) }
    }
}
