internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation

/// The uncompressed file of a block in memory: its values are read where they lie, and nothing is decoded for one of them.
final class PlainBlock: Sendable {
    private let bytes: [UInt8]
    private let checksum: Int64
    private let layout: ArrowBlock.Layout?

    /// - Returns: nil where it isn't the block's file, by length and checksum.
    init?(_ bytes: [UInt8], _ block: SegmentBlock) {
        self.bytes = bytes
        checksum = Checksum.of(bytes)
        guard block.isLike(bytes.count, checksum) else { return nil }
        layout = unsafe bytes.withUnsafeBytes { unsafe (try? ArrowBlock.layout(of: $0)) ?? nil }
    }

    /// Reads a file. Not mapped: with pages of 4 KiB, mapping costs more than copying does.
    ///
    /// - Returns: nil where it isn't the block's file, by length and checksum.
    convenience init?(_ file: Int32, _ block: SegmentBlock) {
        var status = stat()
        guard unsafe fstat(file, &status) == 0, Int(status.st_size) == block.bytes else { return nil }
        guard let bytes = WholeFile.read(block.bytes, from: file) else { return nil }
        self.init(bytes, block)
    }

    /// Whether it is another block's file too.
    func isLike(_ block: SegmentBlock) -> Bool { block.isLike(bytes.count, checksum) }

    /// Whether single values can be read in place.
    var isReadInPlace: Bool { layout != nil }
    var rowCount: Int { layout!.rowCount }
    var type: ValueType { layout!.type }
    var hasNull: Bool { layout!.validity != nil }

    /// Adds the values in some rows, less `first`, each of eight bytes.
    func append<T: BitwiseCopyable>(_ rows: some Sequence<Int32>, less first: Int, to column: inout [T]) {
        let values = layout!.values
        unsafe bytes.withUnsafeBytes { bytes in
            let values = unsafe UnsafeRawBufferPointer(rebasing: bytes[values])
            for row in rows { unsafe column.append(values.loadUnaligned(fromByteOffset: (Int(row) - first) * 8, as: T.self)) }
        }
    }

    /// Adds the bools in some rows, less `first`.
    func append(bools rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) { append(bits: layout!.values, rows, less: first, to: &column) }

    /// Adds whether the values in some rows, less `first`, are not NULL.
    func append(validityOf rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) { append(bits: layout!.validity!, rows, less: first, to: &column) }

    private func append(bits: Range<Int>, _ rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) {
        unsafe bytes.withUnsafeBytes { bytes in
            let bits = unsafe UnsafeRawBufferPointer(rebasing: bytes[bits])
            for row in rows { unsafe column.append(bits[(Int(row) - first) >> 3] >> UInt8((Int(row) - first) & 7) & 1 == 1) }
        }
    }

    /// All of it, decoded.
    func column() throws -> Column {
        guard let layout, !hasNull else { return try ArrowBlock.decode(bytes) }
        func copied<T: BitwiseCopyable>(_ type: T.Type) -> [T] {
            unsafe [T](unsafeUninitializedCapacity: layout.rowCount) { space, count in
                unsafe bytes.withUnsafeBytes {
                    unsafe UnsafeMutableRawBufferPointer(space).copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[layout.values].prefix(layout.rowCount * 8)))
                }
                count = layout.rowCount
            }
        }
        switch layout.type {
        case .int64: return Column(.int64(copied(Int64.self)))
        case .timestamp: return Column(.timestamp(copied(Int64.self)))
        case .float64: return Column(.float64(copied(Double.self)))
        case .bool, .string: return try ArrowBlock.decode(bytes)
        }
    }
}

/// A column in blocks, one after the other.
struct PlainColumn: DeferredColumn {
    private let blocks: [PlainBlock]
    /// The first row of each.
    private var starts: [Int]

    init(_ blocks: [PlainBlock]) {
        self.blocks = blocks
        starts = []
        var count = 0
        for block in blocks {
            starts.append(count)
            count += block.rowCount
        }
    }

    func gathered(_ rows: [Int32]) -> Column {
        let validity = validity(rows)
        return switch blocks[0].type {
        case .bool: Column(.bool(values(rows, none: false) { $0.append(bools: $1, less: $2, to: &$3) }), validity: validity)
        case .int64: Column(.int64(values(rows, none: 0) { $0.append($1, less: $2, to: &$3) }), validity: validity)
        case .timestamp: Column(.timestamp(values(rows, none: 0) { $0.append($1, less: $2, to: &$3) }), validity: validity)
        case .float64: Column(.float64(values(rows, none: 0) { $0.append($1, less: $2, to: &$3) }), validity: validity)
        case .string: preconditionFailure("texts aren't read in place")
        }
    }

    private func values<T>(_ rows: [Int32], none: T, _ append: (PlainBlock, ArraySlice<Int32>, Int, inout [T]) -> Void) -> [T] {
        var values: [T] = []
        values.reserveCapacity(rows.count)
        forEachRun(rows) { places, block, first in
            if let block { append(block, rows[places], first, &values) } else { values.append(contentsOf: repeatElement(none, count: places.count)) }
        }
        return values
    }

    private func validity(_ rows: [Int32]) -> [Bool]? {
        if !blocks.contains(where: \.hasNull), !rows.contains(where: { $0 < 0 }) { return nil }
        var validity: [Bool] = []
        validity.reserveCapacity(rows.count)
        forEachRun(rows) { places, block, first in
            if let block, block.hasNull {
                block.append(validityOf: rows[places], less: first, to: &validity)
            } else {
                validity.append(contentsOf: repeatElement(block != nil, count: places.count))
            }
        }
        return validity.contains(false) ? validity : nil
    }

    /// Rows come in order, mostly: runs of one block are read together.
    ///
    /// - Parameter body: places of rows of one block, the block and its first row; no block where a row is negative.
    private func forEachRun(_ rows: [Int32], _ body: (Range<Int>, PlainBlock?, Int) -> Void) {
        var place = 0
        while place < rows.count {
            let start = place
            guard rows[place] >= 0 else {
                while place < rows.count, rows[place] < 0 { place += 1 }
                body(start..<place, nil, 0)
                continue
            }
            let block = block(of: Int(rows[place]))
            let first = starts[block], end = first + blocks[block].rowCount
            while place < rows.count, Int(rows[place]) >= first, Int(rows[place]) < end { place += 1 }
            body(start..<place, blocks[block], first)
        }
    }

    private func block(of row: Int) -> Int {
        if blocks.count == 1 { return 0 }
        var low = 0, high = starts.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if starts[middle] <= row { low = middle } else { high = middle - 1 }
        }
        return low
    }

    func whole() -> Column { gathered((0..<Int32(starts.last! + blocks.last!.rowCount)).map { $0 }) }
}
