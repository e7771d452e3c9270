internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation

/// The uncompressed file of a block, mapped into memory: its pages are the system's, and nothing is copied to read a value.
///
/// Sendable: the file never changes once it is there, and the memory stays mapped as long as this lives. Deleting the file meanwhile does no harm.
@safe final class MappedBlock: @unchecked Sendable {
    private let memory: UnsafeRawBufferPointer
    private let layout: ArrowBlock.Layout?

    /// - Returns: nil where it isn't the block's file, by length and checksum.
    init?(_ file: Int32, _ block: SegmentBlock) {
        var status = stat()
        guard unsafe fstat(file, &status) == 0, Int(status.st_size) == block.bytes, block.bytes > 0 else { return nil }
        guard let start = unsafe mmap(nil, block.bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0), unsafe start != MAP_FAILED else { return nil }
        unsafe memory = UnsafeRawBufferPointer(start: start, count: block.bytes)
        layout = unsafe (try? ArrowBlock.layout(of: memory)) ?? nil
        if unsafe SegmentBlock.checksum(memory) != block.checksum { return nil }
    }

    deinit { unsafe munmap(UnsafeMutableRawPointer(mutating: memory.baseAddress), memory.count) }

    /// Whether single values can be read in place.
    var isReadInPlace: Bool { layout != nil }
    var rowCount: Int { layout!.rowCount }
    var type: ValueType { layout!.type }
    var hasNull: Bool { layout!.validity != nil }

    /// Whether the value in a row is NULL.
    func isNull(_ row: Int) -> Bool {
        guard let validity = layout!.validity else { return false }
        return unsafe memory[validity.lowerBound + row >> 3] >> UInt8(row & 7) & 1 == 0
    }

    /// Adds the bits of the values in some rows, less `first`.
    func append(_ rows: some Sequence<Int32>, less first: Int, to words: inout [UInt64]) {
        let layout = layout!
        let values = unsafe UnsafeRawBufferPointer(rebasing: memory[layout.values])
        if layout.type == .bool {
            for row in rows { unsafe words.append(UInt64(values[(Int(row) - first) >> 3] >> UInt8((Int(row) - first) & 7) & 1)) }
        } else {
            for row in rows { unsafe words.append(UInt64(littleEndian: values.loadUnaligned(fromByteOffset: (Int(row) - first) * 8, as: UInt64.self))) }
        }
    }

    /// All of it, copied.
    func column() throws -> Column {
        guard let layout, layout.type != .bool, !hasNull else { return unsafe try ArrowBlock.decode(Array(memory)) }
        func copied<T: BitwiseCopyable>(_ type: T.Type) -> [T] {
            unsafe [T](unsafeUninitializedCapacity: layout.rowCount) { space, count in
                unsafe UnsafeMutableRawBufferPointer(space).copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[layout.values].prefix(layout.rowCount * 8)))
                count = layout.rowCount
            }
        }
        return switch layout.type {
        case .int64: Column(.int64(copied(Int64.self)))
        case .timestamp: Column(.timestamp(copied(Int64.self)))
        default: Column(.float64(copied(Double.self)))
        }
    }
}

/// A column in mapped blocks, one after the other.
struct MappedColumn: DeferredColumn {
    private var blocks: [MappedBlock]
    /// The first row of each.
    private var starts: [Int]

    init?(_ blocks: [MappedBlock]) {
        guard blocks.allSatisfy(\.isReadInPlace) else { return nil }
        self.blocks = blocks
        starts = []
        var count = 0
        for block in blocks {
            starts.append(count)
            count += block.rowCount
        }
    }

    func gathered(_ rows: [Int32]) -> Column {
        var words: [UInt64] = []
        words.reserveCapacity(rows.count)
        let hasNull = blocks.contains(where: \.hasNull) || rows.contains { $0 < 0 }
        var validity: [Bool] = []
        if hasNull { validity.reserveCapacity(rows.count) }
        // Rows come in order, mostly: runs of one block are read together.
        var place = 0
        while place < rows.count {
            guard rows[place] >= 0 else {
                words.append(0)
                validity.append(false)
                place += 1
                continue
            }
            let block = block(of: Int(rows[place]))
            let first = starts[block], end = first + blocks[block].rowCount
            var next = place + 1
            while next < rows.count, Int(rows[next]) >= first, Int(rows[next]) < end { next += 1 }
            blocks[block].append(rows[place..<next], less: first, to: &words)
            if hasNull { for row in rows[place..<next] { validity.append(!blocks[block].isNull(Int(row) - first)) } }
            place = next
        }
        let valid = validity.contains(false) ? validity : nil
        return switch blocks[0].type {
        case .bool: Column(.bool(words.map { $0 == 1 }), validity: valid)
        case .int64: Column(.int64(words.map { Int64(bitPattern: $0) }), validity: valid)
        case .timestamp: Column(.timestamp(words.map { Int64(bitPattern: $0) }), validity: valid)
        case .float64: Column(.float64(words.map { Double(bitPattern: $0) }), validity: valid)
        case .string: preconditionFailure("texts aren't read in place")
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
