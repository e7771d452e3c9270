import ArrowIPC
import FeatureEngine
import FeatureLanguage
import Foundation
import TestSupport
import Testing

/// A random column of a type, with NULLs and hard values among them.
private func randomColumn(_ type: ValueType, rows: Int, nulls: Bool, using random: inout Randomness) -> Column {
    var builder = ColumnBuilder(type)
    for _ in 0..<rows {
        if nulls, Int.random(in: 0..<4, using: &random) == 0 {
            builder.appendNull()
            continue
        }
        switch type {
        case .date:
            builder.append(
                [0, -1, 19_782, Instant.days.lowerBound, Instant.days.upperBound].randomElement(using: &random)!)
        case .decimal(let precision, _):
            let most = DecimalValue.powers[precision] - 1
            builder.append([Int128(0), -1, 1990, most, -most].randomElement(using: &random)!)
        case .list(let element):
            let items = randomColumn(
                element.type, rows: Int.random(in: 0..<4, using: &random), nulls: true, using: &random)
            builder.append(.list(ListValue(element, (0..<items.count).map { items[$0] })))
        case .vector(let count):
            builder.append(.vector((0..<count).map { _ in Float.random(in: -1...1, using: &random) }))
        case .bool: builder.append(Bool.random(using: &random))
        case .timestamp:
            builder.append(
                [0, -1, Instant.range.lowerBound.microseconds, Instant.range.upperBound.microseconds].randomElement(
                    using: &random)!)
        case .int64:
            builder.append(
                [0, -1, .max, .min, Int64.random(in: -1000...1000, using: &random)].randomElement(using: &random)!)
        case .float64:
            builder.append(
                [0, -0.0, .infinity, .nan, Double.random(in: -1...1, using: &random)].randomElement(using: &random)!)
        case .string:
            builder.append(
                bytes: ["", "é", "🙂 snow", String(repeating: "x", count: Int.random(in: 0..<70, using: &random))]
                    .randomElement(using: &random)!.utf8)
        }
    }
    return builder.finish()
}

/// Types of all layouts.
private let writtenTypes = RandomExpressions.types + [.vector(3)]

private struct Written {
    var layout: ArrowWriter.Layout
    var fields: [ArrowField]
    var columns: [Column]
    var bytes: [UInt8] = []

    init(rows: Int, compressed: Bool, layout: ArrowWriter.Layout, using random: inout Randomness) throws {
        self.layout = layout
        fields = writtenTypes.enumerated().map { ArrowField("column \($0)", ArrowType($1)) }
        columns = writtenTypes.map {
            randomColumn($0, rows: rows, nulls: Bool.random(using: &random), using: &random)
        }
        var bytes: [UInt8] = []
        var writer = try ArrowWriter(layout, fields: fields, isCompressed: compressed) { bytes += $0 }
        var start = 0
        while start < rows {
            let end = Int.random(in: start + 1...rows, using: &random)
            try writer.write(columns, rows: start..<end)
            start = end
        }
        try writer.finish()
        self.bytes = bytes
    }
}

/// A stream of one column, as a writer of ours makes it, with any rows claimed.
private func claimed(_ type: ArrowType, _ column: Column, rows: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var writer = try ArrowWriter(.stream, fields: [ArrowField("x", type)]) { bytes += $0 }
    try writer.write([column], rows: 0..<rows)
    try writer.finish()
    return bytes
}

/// `Tests/Golden/polars.arrow`, which Polars 2.1 wrote: six texts, and the same as a categorical column.
private func ofPolars() throws -> [UInt8] {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return Array(try Data(contentsOf: tests.appendingPathComponent("Golden/polars.arrow")))
}

/// Everything in it, in one column each; pieces of a length of one's own.
private func read(_ bytes: [UInt8], _ layout: ArrowWriter.Layout, pieces: Int = 1 << 20, maximumBytes: Int = .max)
    throws -> (fields: [ArrowField], batches: [[ArrowColumn]])
{
    var position = 0
    var reader = try ArrowReader(layout, maximumBytes: maximumBytes) {
        guard position < bytes.count else { return nil }
        defer { position = min(bytes.count, position + pieces) }
        return Array(bytes[position..<min(bytes.count, position + pieces)])
    }
    var batches: [[ArrowColumn]] = []
    while let batch = try reader.next() { batches.append(batch.columns) }
    return (reader.fields, batches)
}

@Suite struct `Arrow streams and files` {
    @Test(arguments: [ArrowWriter.Layout.stream, .file], [false, true])
    func `what is written reads back to the same bits`(layout: ArrowWriter.Layout, compressed: Bool) throws {
        var random = Randomness(seed: 4)
        for rows in [0, 1, 7, 8, 9, 64, 1000] {
            let written = try Written(rows: rows, compressed: compressed, layout: layout, using: &random)
            for pieces in [1, 7, 1 << 20] {
                let (fields, batches) = try read(written.bytes, layout, pieces: pieces)
                #expect(fields == written.fields)
                for (index, (field, column)) in zip(fields, written.columns).enumerated() {
                    let type = writtenTypes[index]
                    guard rows > 0 else { continue }
                    let values = try field.values(field.joined(batches.map { $0[index] }), as: type)
                    #expect(values.count == column.count)
                    for row in 0..<rows { #expect(values[row] == column[row], "row \(row) of \(field.name)") }
                }
            }
        }
    }

    @Test(arguments: writtenTypes)
    func `a block with any byte changed or cut off is read or refused, and ends nothing`(type: ValueType) throws {
        var random = Randomness(seed: 25)
        let column = randomColumn(type, rows: 20, nulls: true, using: &random)
        for isCompressed in [false, true] {
            let whole = try ArrowBlock.encode(column, isCompressed: isCompressed),
                plain = try ArrowBlock.encode(column, isCompressed: false).count
            func read(_ bytes: [UInt8]) {
                _ = try? ArrowBlock.decode(bytes, maximumBytes: plain)
                _ = unsafe bytes.withUnsafeBytes { unsafe try? ArrowBlock.layout(of: $0) }
            }
            for place in whole.indices {
                read(Array(whole.prefix(place)))
                for value in [0, 0x7F, 0x80, 0xFF] as [UInt8] {
                    var bytes = whole
                    bytes[place] = value
                    read(bytes)
                }
            }
        }
    }

    @Test func `the same columns give the same bytes`() throws {
        var first = Randomness(seed: 5), second = Randomness(seed: 5)
        #expect(
            try Written(rows: 100, compressed: true, layout: .file, using: &first).bytes
                == Written(rows: 100, compressed: true, layout: .file, using: &second).bytes)
    }

    @Test(arguments: [ArrowWriter.Layout.stream, .file])
    func `a file that is cut anywhere is refused`(layout: ArrowWriter.Layout) throws {
        var random = Randomness(seed: 6)
        let written = try Written(rows: 50, compressed: false, layout: layout, using: &random)
        let whole = try read(written.bytes, layout).batches.count
        for count in 0..<written.bytes.count {
            // A stream may end between two messages; it has fewer batches then.
            if let batches = try? read(Array(written.bytes.prefix(count)), layout).batches {
                #expect(layout == .stream && batches.count <= whole)
            }
        }
    }

    @Test(.timeLimit(.minutes(Fuzzer.minutes)))
    func `flipped bytes are refused or read, but never crash`() throws {
        var random = Randomness(seed: 7)
        let polars = try ofPolars()
        for round in 0..<600 * Fuzzer.length {
            let layout: ArrowWriter.Layout = round % 2 == 0 || Bool.random(using: &random) ? .file : .stream
            var bytes =
                round % 2 == 0
                ? polars
                : try Written(
                    rows: Int.random(in: 0..<40, using: &random), compressed: Bool.random(using: &random),
                    layout: layout, using: &random
                ).bytes
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: bytes.indices, using: &random)] = [
                    0, 0xFF, UInt8.random(in: 0...255, using: &random),
                ].randomElement(using: &random)!
            }
            guard let (fields, batches) = try? read(bytes, layout, maximumBytes: 1 << 24) else { continue }
            for batch in batches {
                for (field, column) in zip(fields, batch) {
                    for type in writtenTypes {
                        if let values = try? field.values(column, as: type) {
                            for row in 0..<values.count { _ = values[row] }
                        }
                    }
                }
            }
        }
    }

    @Test func `texts as views, dictionaries after their rows, and a schema without a length are read`() throws {
        let (fields, batches) = try read(ofPolars(), .file, pieces: 7)
        #expect(fields.map(\.type) == [.utf8View, .dictionary(bits: 32, isSigned: false, .utf8View, isOrdered: false)])
        let expected: [Literal] =
            ["", "é", "twelve bytes", "more than twelve bytes", "🙂🙂🙂🙂"].map { .string($0) } + [.null]
        for (field, column) in zip(fields, batches[0]) {
            let values = try field.values(column, as: .string)
            #expect((0..<values.count).map { values[$0] } == expected)
        }
        #expect(batches.count == 1)
        let whole = try ofPolars()
        for count in whole.indices { #expect(throws: ArrowError.self) { try read(Array(whole.prefix(count)), .file) } }
    }

    @Test func `more than a reader takes is refused`() throws {
        var random = Randomness(seed: 8)
        let written = try Written(rows: 1000, compressed: true, layout: .stream, using: &random)
        #expect(throws: ArrowError.self) { try read(written.bytes, .stream, maximumBytes: 1000) }
    }

    @Test func `what is only claimed is bounded like what is there`() throws {
        // A column of NULLs has no bytes of its own.
        let nulls = try claimed(.null, Column(.bool, .bits([])), rows: 1_000_000_000)
        #expect(throws: ArrowError.self) { _ = try read(nulls, .stream, maximumBytes: 1 << 24) }
    }
}
