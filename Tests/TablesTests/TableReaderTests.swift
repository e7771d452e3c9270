import FeatureEngine
import FeatureLanguage
import TestSupport
import Tables
import Testing

@Suite struct TableReaderTests {
    private let schema = TableReader.Schema(
        [.init("i", .int64), .init("f", .float64), .init("s", .string), .init("b", .bool), .init("t", .timestamp)],
        present: ["i"], notNull: ["i"])

    private func read(_ text: String, layout: FileFormat.Layout = .csv, options: ReadOptions = ReadOptions()) throws
        -> Table
    {
        var reader = try TableReader(
            ByteReader(bytes: Array(text.utf8), name: "f"), layout: layout, name: "f", schema: schema, options: options)
        return try reader.all()
    }

    private func fault(_ text: String, layout: FileFormat.Layout = .csv) -> TableError? {
        #expect(throws: TableError.self) { try read(text, layout: layout) }
    }

    @Test func `values of every type are read`() throws {
        let table = try read(
            "\u{FEFF}i,s,f,b,t\r\n-9223372036854775808,\"a \"\"q\"\",\nb\",-0.0,t,2024-01-01 00:00:00\r\n1,,NaN,0,\r\n2,\"\",-inf,,1969-12-31"
        )
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
        let table = try read(
            "i,s,f,t\n1,NA,NA,1500\n2,\"NA\",1,-1\n", options: ReadOptions(null: "NA", epoch: .milliseconds))
        #expect(table["s"]![0] == .null && table["f"]![0] == .null)
        #expect(table["s"]![1] == .string("NA"))
        #expect(table["t"]![0] == .timestamp(Instant(microseconds: 1_500_000)))
    }

    @Test(
        arguments: [
            ("i\n1\nx\n", 3, "i", "is not an int64"), ("i,s\n1,\"a\nb\"\n2\n", 4, nil, "1 fields"),
            ("i\n9223372036854775808\n", 2, "i", "is not an int64"),
            ("i,f\n1,1e999\n", 2, "f", "is not a float64"), ("i,f\n1,9007199254740993\n", 2, "f", "is not a float64"),
            ("i\n42.5\n", 2, "i", "is not an int64"),
            ("i\n9007199254740993.0\n", 2, "i", "is not an int64"), ("i\nNaN\n", 2, "i", "is not an int64"),
            ("i,t\n1,2024-05-08 10:00:00.1234567\n", 2, "t", "is not a timestamp"),
            ("i,t\n1,2024-05-08 10:00:00 CET\n", 2, "t", "is not a timestamp"),
            ("i,t\n1,2024-05-08 10:00:00 \n", 2, "t", "is not a timestamp"),
            ("i;f\n1;2\n", 1, nil, "separated by semicolons"), ("i\tf\n1\t2\n", 1, nil, "separated by tabs"),
            ("i,f\r1,2\r", 1, nil, "CR alone"),
            ("\"i\",\"f\"\r1,2\r", 1, nil, "CR alone"), ("i\r1\r2\r", 1, nil, "CR alone"),
            ("i,z\n1,2\n", 1, "z", "is not declared"), ("s\na\n", 1, "i", "missing from the header"),
            ("i,s,s\n", 1, "s", "stands twice"), ("i,s\n1,\"a\n", 2, nil, "never closed"),
            ("i,s\n1,\"a\"b\n", 2, nil, "after the closing quote"), ("i,s\n1,a\"b\n", 2, nil, "inside an unquoted"),
            ("i,b\n\n1,yes\n", 3, "b", "is not a bool"),
            ("i\n1\n\"\"\n", 3, "i", "is not an int64"),
            ("i,s\n,a\n", 2, "i", "may not be NULL"), ("i,t\n1,2024-02-30\n", 2, "t", "is not a timestamp"),
            ("i,s\n1,\u{0}\n", 2, "s", "is not a string"),
        ] as [(String, Int, String?, String)])
    func `a bad CSV names line and column`(text: String, line: Int, column: String?, message: String) {
        let fault = fault(text)
        #expect(fault?.line == line)
        #expect(fault?.column == column)
        #expect(fault?.message.contains(message) == true, "\(String(describing: fault))")
    }

    @Test(
        arguments: [
            ("{\"i\": 1}\n{\"i\": 1.5}", 2, "i"), ("{\"i\": 1}\n\n[]", 3, nil), ("{\"i\": 1, \"z\": 2}", 1, "z"),
            ("{\"s\": \"a\"}", 1, "i"), ("{\"i\": null}", 1, "i"),
            ("{\"i\": 1", 1, nil), ("{\"i\": \"1.0\"}", 1, "i"), ("{\"i\": \"\"}", 1, "i"),
            ("{\"i\": 9007199254740993.0}", 1, "i"),
            ("{\"i\": 1, \"f\": 9007199254740993}", 1, "f"), ("{\"i\": 1, \"f\": \"9007199254740993\"}", 1, "f"),
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
            for index in 0..<digits {
                text +=
                    String(Int.random(in: 0...9, using: &random))
                    + (index == digits / 2 && random.chance(60) ? "." : "")
            }
            if text.hasSuffix(".") { text += "0" }
            if random.chance(20) { text += "e\(Int.random(in: -30...30, using: &random))" }
            // What is an integer has to be exact.
            let isRounded = !text.contains(where: { ".e".contains($0) }) && Int128(Double(text)!) != Int128(text)!
            let table = try? read("i,f\n1,\(text)\n")
            guard table?["f"]![0] == (isRounded ? nil : .float64(Double(text)!)) else {
                Issue.record("\(text): \(String(describing: table?["f"]![0]))")
                return
            }
        }
    }

    @Test func `numbers come in where nothing is lost`() throws {
        let csv = try read(
            "i,f\n42.0,9007199254740992\n-7.00,18014398509481984\n9007199254740992.0,9007199254740993.0\n1,1e23\n")
        #expect((0..<4).map { csv["i"]![$0] } == [42, -7, 1 << 53, 1].map { .int64($0) })
        #expect((0..<4).map { csv["f"]![$0] } == [0x1p53, 0x1p54, 0x1p53, 1e23].map { .float64($0) })
        let lines = try read(
            "{\"i\": 42.0, \"f\": 9007199254740992}\n{\"i\": \"9223372036854775807\", \"f\": \"19.90\"}\n{\"i\": \"-1\", \"f\": 0.1}\n",
            layout: .ndjson)
        #expect((0..<3).map { lines["i"]![$0] } == [42, .max, -1].map { .int64($0) })
        #expect((0..<3).map { lines["f"]![$0] } == [0x1p53, 19.9, 0.1].map { .float64($0) })
    }

    @Test(
        arguments: [
            "2024-05-08 10:00:00 UTC", "2024-05-08 12:00:00 +0200", "2024-05-08 03:00:00 -0700",
            "2024-05-08 10:00:00 Z", "2024-05-08 10:00:00.000000000 UTC",
            "2024-05-08T10:00:00.000000000Z", "2024-05-08 10:00:00 +00:00", "2024-05-08 10:00:00.0000000000+00",
        ])
    func `times are read as warehouses write them`(text: String) throws {
        let expected = Literal.timestamp(Instant(text: "2024-05-08T10:00:00Z")!)
        #expect(try read("i,t\n1,\(text)\n")["t"]![0] == expected)
        #expect(try read("{\"i\":1,\"t\":\"\(text)\"}", layout: .ndjson)["t"]![0] == expected)
        // What a cast in a definition means doesn't change.
        #expect(Literal(text: text, as: .timestamp) == nil)
    }

    @Test func `an empty field in quotes is NULL where the word for it is empty, but for texts`() throws {
        let table = try read("i,f,s,b,t\n1,\"\",\"\",\"\",\"\"\n", options: ReadOptions(null: ""))
        #expect(["f", "b", "t"].allSatisfy { table[$0]![0] == .null } && table["s"]![0] == .string(""))
        let error = #expect(throws: TableError.self) { try read("i,f\n1,\"\"\n", options: ReadOptions(names: .flags)) }
        #expect(error?.advice == "--null '' reads the empty field in quotes as NULL")
    }

    @Test(arguments: [(";", ";"), ("\t", "\\t"), ("|", "|")])
    func `fields may stand between other characters, and the fault says which`(delimiter: String, given: String) throws
    {
        let text = "i,f,s\n1,2.5,\"a\(delimiter)b\"\n".replacing(",", with: delimiter)
        let table = try read(text, options: ReadOptions(delimiter: try #require(ReadOptions.delimiter(given))))
        #expect(table["f"]![0] == .float64(2.5) && table["s"]![0] == .string("a\(delimiter)b"))
        let error = #expect(throws: TableError.self) { try read(text, options: ReadOptions(names: .parameters)) }
        #expect(error?.advice == "'delimiter' '\(given)' reads them")
        let extra = #expect(throws: TableError.self) { try read(text, options: ReadOptions(ignoresExtra: true)) }
        #expect(extra?.message.contains("separated by") == true)
        #expect(try read("i,s\n1,a\(delimiter)b\n")["s"]![0] == .string("a\(delimiter)b"))
    }

    @Test(arguments: ["", ";;", "\"", "\n", "\r", "é", "\u{0}"])
    func `a delimiter is one character of ASCII`(text: String) { #expect(ReadOptions.delimiter(text) == nil) }

    @Test func `columns that are passed over may have one name`() throws {
        #expect(try read("i,x,x,,\n1,2,3,4,5\n", options: ReadOptions(ignoresExtra: true))["i"]![0] == .int64(1))
    }

    @Test func `a comma for a point is named`() throws {
        let error = #expect(throws: TableError.self) {
            try read("i;f\n1;19,90\n", options: ReadOptions(delimiter: UInt8(ascii: ";")))
        }
        #expect(error?.advice == "write the decimal point as a point")
    }

    @Test func `another encoding is named`() throws {
        for layout in [FileFormat.Layout.csv, .ndjson] {
            let text = layout == .csv ? "i,s\n1,a\n" : "{\"i\":1}\n"
            for (mark, isBig) in [([0xFF, 0xFE], false), ([0xFE, 0xFF], true), ([], false), ([], true)]
                as [([UInt8], Bool)]
            {
                let bytes =
                    mark
                    + text.utf16.flatMap {
                        isBig ? [UInt8($0 >> 8), UInt8($0 & 0xFF)] : [UInt8($0 & 0xFF), UInt8($0 >> 8)]
                    }
                let error = #expect(throws: TableError.self) {
                    var reader = try TableReader(
                        ByteReader(bytes: bytes, name: "f", pieceSize: 1), layout: layout, name: "f", schema: schema,
                        options: ReadOptions())
                    _ = try reader.all()
                }
                #expect(error?.message == "is UTF-16" && error?.advice?.contains("iconv -f UTF-16") == true)
            }
        }
    }

    @Test(
        arguments: [
            ("a.CSV", .csv), ("a.jsonl", .ndjson), ("A.JSONL.GZ", .ndjson), ("a.feather", .arrow),
            ("a.Arrows.zst", .arrows),
        ] as [(String, FileFormat.Layout)])
    func `a file's suffix is read in any case, and by other names`(path: String, layout: FileFormat.Layout) throws {
        #expect(try FileFormat(path: path).layout == layout)
    }

    @Test(arguments: [FileFormat.Compression.gzip, .zstd])
    func `a compressed file reads as the plain one, and a cut one is refused`(compression: FileFormat.Compression)
        throws
    {
        var random = Randomness(seed: 9)
        var text = "i,s\n"
        for number in 0..<200_000 { text += "\(number),\(random.next())\n" }
        var packed: [UInt8] = []
        let writer = try ByteWriter(compression, name: "f") { bytes throws(TableError) in packed += bytes }
        try writer.write(Array(text.utf8))
        try writer.finish()
        var reader = try TableReader(
            ByteReader(bytes: packed, name: "f", compression: compression), layout: .csv, name: "f", schema: schema,
            options: ReadOptions())
        let table = try reader.all()
        #expect(table.rowCount == 200_000)
        #expect(table["i"]![199_999] == .int64(199_999))
        #expect(throws: TableError.self) {
            var cut = try TableReader(
                ByteReader(bytes: Array(packed.dropLast(9)), name: "f", compression: compression), layout: .csv,
                name: "f", schema: schema, options: ReadOptions())
            _ = try cut.all()
        }
    }

    @Test(arguments: [FileFormat.Compression.gzip, .zstd])
    func `compressed bytes come in small pieces, however much they come to`(compression: FileFormat.Compression) throws
    {
        // Also where what comes out fills the pieces to the last byte, and where several members follow each other.
        for sizes in [[0], [1], [1 << 17], [1 << 18], [3 << 18, 1 << 18], [64 << 20, 5]] {
            var packed: [UInt8] = []
            for size in sizes {
                let writer = try ByteWriter(compression, name: "f") { bytes throws(TableError) in packed += bytes }
                for _ in 0..<(size >> 20) { try writer.write([UInt8](repeating: 7, count: 1 << 20)) }
                try writer.write([UInt8](repeating: 7, count: size & (1 << 20 - 1)))
                try writer.finish()
            }
            for pieceSize in [1 << 20, 100] {
                let reader = try ByteReader(bytes: packed, name: "f", compression: compression, pieceSize: pieceSize)
                var count = 0, most = 0
                while let piece = try reader.next() {
                    #expect(piece.allSatisfy { $0 == 7 })
                    (count, most) = (count + piece.count, max(most, piece.count))
                }
                #expect(count == sizes.reduce(0, +) && most <= 1 << 18, "\(sizes) in pieces of \(pieceSize)")
            }
        }
    }

    @Test func `random bytes never crash a reader`() {
        var random = Randomness(seed: 11)
        let alphabet = Array("i,sf\"\n\r{}[]:0123456789.-e\\untrue\u{0}\u{FEFF}é".utf8)
        for _ in 0..<30_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in random.pick(alphabet) }
            for layout in [FileFormat.Layout.csv, .ndjson] {
                var reader = try? TableReader(
                    ByteReader(bytes: Array("i,s\n".utf8) + bytes, name: "f"), layout: layout, name: "f",
                    schema: schema, options: ReadOptions())
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
        #expect(
            value["a"].map {
                $0 == .array([1, .number("-2.5e-3"), .number("9223372036854775807"), .null, true, "é😀\n\"\\"])
            } == true)
        #expect(try JSON(parsing: Array(value.pretty().utf8)) == value)
    }

    @Test(arguments: [
        "", "01", "1.", "[1,]", "{\"a\":1,}", "\"\\ud800\"", "nul", "1 2", "\"a", "{\"a\" 1}", "'a'", "+1", "[",
        "\"\u{1}\"",
    ])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: JSON.Fault.self) { try JSON(parsing: Array(text.utf8)) }
    }

    @Test func `depth is bounded`() {
        #expect(throws: JSON.Fault.self) { try JSON(parsing: Array(repeating: UInt8(ascii: "["), count: 100_000)) }
    }
}
