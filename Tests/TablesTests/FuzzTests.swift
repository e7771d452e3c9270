import FeatureEngine
import FeatureLanguage
import TestSupport
import Tables
import Testing

/// Whatever is read as CSV, NDJSON or JSON is a table or a fault with its place; where a file is cut into pieces
/// changes nothing.
@Suite struct FuzzTests {
    private static let schema = TableReader.Schema(
        [.init("i", .int64), .init("f", .float64), .init("s", .string), .init("b", .bool), .init("t", .timestamp)],
        present: ["i"], notNull: ["i"])

    private static let csv = [
        "i,f,s,b,t\n1,1.5,a,true,2024-01-01\n2,,\"a \"\"q\"\", b\",f,2024-01-01T00:00:00.5Z\n",
        "\u{FEFF}i,s\r\n1,\r\n2,\"\"\r\n3,\"line\nbreak\"\r\n", "s,i\n",
        "i,f\n-9223372036854775808,NaN\n7,-inf\n",
    ]
    private static let lines = [
        "{\"i\":1,\"f\":1.5,\"s\":\"a\",\"b\":true,\"t\":\"2024-01-01T00:00:00Z\"}\n{\"i\":9007199254740993,\"s\":null}\n",
        "{\"i\": 1, \"s\": \"\\u00e9\\n\\ud83d\\ude00\"}\n\n{\"i\":2,\"f\":\"NaN\"}",
        "{\"i\":-1,\"f\":1e-5,\"x\":[1,{\"y\":[]}]}\n",
    ]
    private static let tokens = [
        ",", "\n", "\r\n", "\"", "\"\"", "\u{FEFF}", "\0", "NaN", "inf", "1e999", "1e-999", "9223372036854775808",
        "2024-02-30", "24:00:00", "i", "true", "{", "}", "[", "]", ":",
        "null", "\\u", "\\ud800",
        "\\", "é", "\u{1F600}", " ",
    ]

    /// The rows, or what is wrong with them.
    private func read(_ bytes: [UInt8], _ layout: FileFormat.Layout, pieces: Int) -> String {
        do {
            let input = try ByteReader(bytes: bytes, name: "f", pieceSize: pieces)
            var reader = try TableReader(
                input, layout: layout, name: "f", schema: FuzzTests.schema, options: ReadOptions(ignoresExtra: true))
            var text = ""
            while let table = try reader.next(2) {
                for row in 0..<table.rowCount {
                    text += table.columns.map { "\($0[row])" }.joined(separator: " ") + "\n"
                }
            }
            return text
        } catch {
            return "\(error)"
        }
    }

    @Test(.timeLimit(.minutes(Fuzzer.minutes)), arguments: [FileFormat.Layout.csv, .ndjson])
    func `files of rows`(layout: FileFormat.Layout) {
        for (number, bytes) in Fuzzer(
            "rows-\(layout)", inputs: layout == .csv ? FuzzTests.csv : FuzzTests.lines, tokens: FuzzTests.tokens,
            count: 10_000)
        {
            let whole = read(bytes, layout, pieces: 1 << 20)
            #expect(whole == read(bytes, layout, pieces: 1 + number % 7), "input \(number)")
        }
    }

    @Test func `numbers that are written fast are the ones that Swift prints`() {
        var random = Randomness(seed: 3)
        func text(_ value: Literal, _ type: ValueType) -> String {
            var bytes: [UInt8] = []
            JSON.write(Column(repeating: value, type: type, count: 1), 0, to: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        var floats: [Double] = [
            0, -0.0, 0.005, 0.01, -0.01, 0.1, 1e-5, 1e16, 123456789012.34, .infinity, -.infinity, .nan, 0.07, 1.1, 4.35,
            9_999_999_999.99,
        ]
        for _ in 0..<100_000 {
            floats.append(
                Double(Int.random(in: -1_000_000...1_000_000, using: &random)) / random.pick([1, 10, 100, 1000]))
            floats.append(Double(bitPattern: UInt64.random(in: 0...UInt64.max, using: &random)))
        }
        let wrong = floats.filter { text(.float64($0), .float64) != JSON(.float64($0)).description }
        #expect(wrong.isEmpty, "\(wrong.prefix(5))")
        for value in [0, 1, -1, .max, .min, 10, -100, 99]
            + (0..<1000).map({ _ in Int64.random(in: .min ... .max, using: &random) })
        {
            #expect(text(.int64(value), .int64) == String(value))
        }
    }

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `JSON reads back what it writes`() {
        for (number, bytes) in Fuzzer(
            "json", inputs: FuzzTests.lines.map { String($0.split(separator: "\n")[0]) }, tokens: FuzzTests.tokens,
            count: 20_000)
        {
            guard let value = try? JSON(parsing: bytes) else { continue }
            #expect((try? JSON(parsing: Array(value.description.utf8))) == value, "input \(number)")
            #expect((try? JSON(parsing: Array(value.pretty().utf8))) == value, "input \(number)")
        }
    }

    @Test func `what never ends is refused, not kept`() {
        let long = Array(repeating: UInt8(ascii: "x"), count: 17 << 20)
        #expect(read(Array("i,s\n1,\"".utf8) + long, .csv, pieces: 1 << 20).contains("is a quote never closed?"))
        #expect(read(Array("{\"i\":1,\"s\":\"".utf8) + long, .ndjson, pieces: 1 << 20).contains("more than 16 MiB"))
        #expect(
            read(Array(String(repeating: "[", count: 100_000).utf8), .ndjson, pieces: 1 << 20).contains(
                "deeper than 64 levels"))
    }
}
