import ArrowIPC
import FeatureEngine
import FeatureLanguage
import Foundation
import TestSupport
import Testing

/// Files that pyarrow and Polars wrote (`Tests/Golden/arrow.py`): every type there is, read, written and read again.
@Suite struct `Every Arrow type` {
    private func golden(_ name: String) throws -> [UInt8] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return Array(try Data(contentsOf: tests.appendingPathComponent("Golden/" + name)))
    }

    private func read(
        _ bytes: [UInt8], _ layout: ArrowWriter.Layout, only names: Set<String>? = nil, maximumBytes: Int = .max
    ) throws -> (
        fields: [ArrowField], columns: [ArrowColumn]
    ) {
        var rest: [UInt8]? = bytes
        var reader = try ArrowReader(layout, maximumBytes: maximumBytes) {
            defer { rest = nil }
            return rest
        }
        if let names { reader.read(only: { names.contains($0.name) }) }
        var batches: [[ArrowColumn]] = []
        while let batch = try reader.next() { batches.append(batch.columns) }
        let columns = try reader.fields.enumerated().map { index, field in
            if case .absent? = batches.first?[index] { return ArrowColumn.absent }
            return try field.joined(batches.map { $0[index] })
        }
        return (reader.fields, columns)
    }

    private func write(
        _ fields: [ArrowField], _ columns: [ArrowColumn], rows: Int, _ layout: ArrowWriter.Layout, isCompressed: Bool
    ) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var writer = try ArrowWriter(layout, fields: fields, isCompressed: isCompressed) { bytes += $0 }
        try writer.write(columns, rowCount: rows)
        try writer.finish()
        return bytes
    }

    private func expectSame(_ left: [ArrowColumn], _ right: [ArrowColumn], _ fields: [ArrowField]) {
        for ((one, other), field) in zip(zip(left, right), fields) {
            switch (one, other) {
            case (.flat(let one), .flat(let other)):
                #expect((0..<one.count).map { one[$0] } == (0..<other.count).map { other[$0] }, "\(field.name)")
            case (.other(let one), .other(let other)): #expect(one == other, "\(field.name)")
            default: Issue.record("\(field.name) comes otherwise")
            }
        }
    }

    @Test(
        arguments: [
            "types.arrows", "types-lz4.arrow", "types-categories.arrows", "types-polars.arrow", "polars.arrow",
        ], [false, true])
    func `comes back as it was`(name: String, isCompressed: Bool) throws {
        let (fields, columns) = try read(golden(name), name.hasSuffix("s") ? .stream : .file)
        let rows =
            switch columns[0] {
            case .flat(let column): column.count;
            case .other(let array): array.count;
            case .absent: 0
            }
        for layout in [ArrowWriter.Layout.stream, .file] {
            let (again, values) = try read(
                write(fields, columns, rows: rows, layout, isCompressed: isCompressed), layout)
            #expect(again == fields)
            expectSame(columns, values, fields)
        }
    }

    @Test func `LZ4 holds the same as no compression`() throws {
        let (fields, columns) = try read(golden("types.arrows"), .stream),
            (others, values) = try read(golden("types-lz4.arrow"), .file)
        #expect(fields == others && fields.count > 30)
        expectSame(columns, values, fields)
    }

    @Test func `what isn't asked for is passed over, whatever it is`() throws {
        let (fields, columns) = try read(golden("types.arrows"), .stream, only: ["k", "category"])
        for (field, column) in zip(fields, columns) {
            if case .absent = column {
                #expect(!["k", "category"].contains(field.name))
            } else {
                #expect(["k", "category"].contains(field.name))
            }
        }
        #expect(try literals(fields, columns, "k", .int64) == (1...6).map { .int64($0) })
        #expect(
            try literals(fields, columns, "category", .string)
                == ["a", "b", nil, "a", "c", "b"].map { $0.map { .string($0) } ?? .null })
    }

    private func literals(_ fields: [ArrowField], _ columns: [ArrowColumn], _ name: String, _ type: ValueType) throws
        -> [Literal]
    {
        let place = try #require(fields.firstIndex { $0.name == name }),
            column = try fields[place].values(columns[place], as: type)
        return (0..<column.count).map { column[$0] }
    }

    @Test func `values that lose nothing are read as ours`() throws {
        let (fields, columns) = try read(golden("types.arrows"), .stream)
        func float(_ values: Double?...) -> [Literal] { values.map { $0.map { .float64($0) } ?? .null } }
        #expect(try literals(fields, columns, "d128", .float64) == float(19.9, -0.01, nil, 19.9, -0.01, nil))
        #expect(try literals(fields, columns, "d64", .float64) == float(-1.5, nil, -1.5, nil, -1.5, nil))
        #expect(try literals(fields, columns, "d32", .float64) == float(1.5, nil, 1.5, nil, 1.5, nil))
        #expect(
            try literals(fields, columns, "numbers", .int64) == [
                .int64(10), .int64(20), .null, .int64(10), .int64(30), .int64(20),
            ])
        #expect(try literals(fields, columns, "numbers", .float64) == float(10, 20, nil, 10, 30, 20))
        #expect(
            try literals(fields, columns, "runs", .int64) == [.int64(1), .int64(1), .null, .null, .null, .int64(3)])
        #expect(
            try literals(fields, columns, "short_runs", .string) == ["a", "a", "b", "b", "b"].map { .string($0) } + [
                .null
            ])
        let uuid = Literal.string("00000000-0000-0000-0000-000000000007")
        #expect(try literals(fields, columns, "uuid", .string) == [uuid, .null, uuid, .null, uuid, .null])
        #expect(
            try literals(fields, columns, "views", .string).suffix(3) == [
                .string("more than twelve bytes"), .null, .string("🙂🙂🙂🙂"),
            ])
        let (others, values) = try read(golden("types-categories.arrows"), .stream)
        #expect(try literals(others, values, "c", .int64) == [10, 20, 30, 10].map { .int64($0) })
        let (polars, wide) = try read(golden("types-polars.arrow"), .file)
        #expect(try literals(polars, wide, "big", .int64) == [.int64(7), .null])
        #expect(try literals(polars, wide, "far", .float64) == [.float64(0x1p70), .float64(1)])
    }

    @Test(
        arguments: [
            ("list", .int64, "is list<item: int64>, not an int64"),
            ("struct", .string, "is struct<a: int32, b: list<item: string>>, not a string"),
            ("t64", .timestamp, "is time64[us], not a timestamp"),
            ("duration", .int64, "is duration[ms], not an int64"),
            ("uuid", .int64, "is extension<arrow.uuid>, not an int64"),
            ("d128", .string, "is decimal128(20, 2), not a string"), ("d128", .int64, "is not an int64"),
            ("d256", .int64, "is not an int64"), ("half", .int64, "is not an int64"),
            ("category", .float64, "not a float64"),
        ] as [(String, ValueType, String)])
    func `what would lose something is refused with the type and the cast to write`(
        name: String, type: ValueType, message: String
    ) throws {
        let (fields, columns) = try read(golden("types.arrows"), .stream)
        let error = #expect(throws: ArrowError.self) { try literals(fields, columns, name, type) }
        #expect(error?.message.contains(message) == true && error?.column == name, "\(String(describing: error))")
        #expect(error?.advice?.contains(" in pandas") == true)
    }

    @Test func `a column of any type loses a row, and nothing of it stays`() throws {
        let (fields, columns) = try read(golden("types.arrows"), .stream)
        for (field, column) in zip(fields, columns) {
            guard case .other(let array) = column else { continue }
            let erased = try array.withNulls(in: [0, 3])
            #expect(erased.count == 6)
            // What is left is what it was, and erasing again changes nothing.
            #expect(try erased.withNulls(in: [0, 3]) == erased, "\(field.name)")
            #expect(try erased.withNulls(in: []) == erased, "\(field.name)")
            var field = field
            field.isNullable = true
            let (_, again) = try read(write([field], [.other(erased)], rows: 6, .stream, isCompressed: false), .stream)
            expectSame([.other(erased)], again, [field])
        }
        let place = try #require(fields.firstIndex { $0.name == "category" })
        guard case .other(let category) = columns[place] else { return }
        // "c" was row 4's alone; "never" was nobody's.
        let bytes = try write(
            [fields[place]], [.other(category.withNulls(in: [4]))], rows: 6, .stream, isCompressed: false)
        #expect(!bytes.contains(UInt8(ascii: "c")) || !String(decoding: bytes, as: UTF8.self).contains("abc"))
        let ordered = try #require(fields.firstIndex { $0.name == "ordered" })
        guard case .other(let levels) = columns[ordered] else { return }
        let kept = try String(
            decoding: write(
                [fields[ordered]], [.other(levels.withNulls(in: [2]))], rows: 6, .stream, isCompressed: false),
            as: UTF8.self)
        #expect(kept.contains("never") && kept.contains("mid") && !kept.contains("hi"))
    }

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `flipped bytes are refused or read, but never crash`() throws {
        var random = Randomness(seed: 12)
        let files = try ["types.arrows", "types-lz4.arrow", "types-categories.arrows", "types-polars.arrow"].map {
            ($0.hasSuffix("s") ? ArrowWriter.Layout.stream : .file, try golden($0))
        }
        for _ in 0..<1500 * Fuzzer.length {
            var (layout, bytes) = random.pick(files)
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = random.pick([
                    0, 1, 0x7F, 0xFF, UInt8.random(in: 0...255, using: &random),
                ])
            }
            guard let (fields, columns) = try? read(bytes, layout, maximumBytes: 1 << 22) else { continue }
            for (field, column) in zip(fields, columns) {
                for type in RandomExpressions.types {
                    if let values = try? field.values(column, as: type) {
                        for row in 0..<values.count { _ = values[row] }
                    }
                }
                guard case .other(let array) = column, array.count < 1000 else { continue }
                if let erased = try? array.withNulls(in: [0, 2]) {
                    _ = try? write([field], [.other(erased)], rows: erased.count, .file, isCompressed: true)
                }
            }
        }
    }

    @Test func `a few bytes of LZ4 don't make room for more than is read`() throws {
        // A buffer that says it comes to 1 TiB.
        #expect(throws: (any Error).self) { try read(golden("types-lz4.arrow"), .file, maximumBytes: 100) }
    }
}

@Suite struct `Decimals as float64` {
    @Test(
        arguments: [
            ("19.90", 19.9), ("0", 0), ("-0.5", -0.5), ("9007199254740992", 0x1p53), ("9007199254740994", 0x1p53 + 2),
            ("9007199254740993", nil), ("18446744073709551616", 0x1p64),
            ("1234567890.1234567890", nil), ("0.1", 0.1), ("0.5000000000000000000000000", 0.5),
            ("0.1000000000000000000000000", nil), ("12345678901234567890", nil),
            ("123456789012345678.90", nil), ("99999999999999.9", 99_999_999_999_999.9), ("1e400", nil), ("1e-400", nil),
            ("0.0000000000000000000000000000000000001", 1e-37),
            ("1000000000000000000000", 1e21), ("100000000000000000000000", nil),
        ] as [(String, Double?)])
    func `a decimal is one where its digits come back`(text: String, value: Double?) throws {
        let number = try #require(DecimalDigits(text: text.utf8))
        #expect(number.float64 == value)
    }

    @Test func `every decimal of 15 digits is one, and 17 digits are where they are printed`() throws {
        var random = Randomness(seed: 21)
        for _ in 0..<20_000 {
            let digits = Int64.random(in: 0...999_999_999_999_999, using: &random),
                scale = Int.random(in: 0...30, using: &random)
            #expect(DecimalDigits(Int128(digits), scale: scale).float64 == Double("\(digits)e-\(scale)"))
        }
        for _ in 0..<3000 {
            // The judge prints the nearest float64 with as many digits.
            let digits = Int128.random(in: 0...99_999_999_999_999_999_999, using: &random),
                scale = Int.random(in: 0...20, using: &random)
            let number = DecimalDigits(digits, scale: scale), value = Double("\(digits)e-\(scale)")!
            let printed = String(format: "%.\(scale)f", value)
            #expect(number.float64 == (printed == number.description ? value : nil), "\(number)")
        }
    }

    @Test(
        arguments: [
            ("42.00", 42), ("42", 42), ("42.5", nil), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil), ("0.0", 0), ("5e2", 500),
        ] as [(String, Int64?)])
    func `a whole one is an int64`(text: String, value: Int64?) throws {
        #expect(try #require(DecimalDigits(text: text.utf8)).int64 == value)
    }
}
