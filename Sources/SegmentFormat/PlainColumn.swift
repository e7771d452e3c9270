internal import FeatureEngine
internal import FeatureLanguage

/// A column in blocks, one after another.
struct PlainColumn: DeferredColumn {
    private let blocks: [PlainBlock]
    /// The first row of each block.
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
        let type = blocks[0].type
        return switch type.layout {
        case .bits:
            Column(type, values(rows, none: false) { $0.append(bools: $1, less: $2, to: &$3) }, validity: validity)
        case .words: Column(type, values(rows, none: Int64(0)) { $0.append($1, less: $2, to: &$3) }, validity: validity)
        case .floats: Column(type, values(rows, none: 0.0) { $0.append($1, less: $2, to: &$3) }, validity: validity)
        case .wides:
            Column(type, values(rows, none: Int128(0)) { $0.append($1, less: $2, to: &$3) }, validity: validity)
        case .bytes, .packed: preconditionFailure("texts and lists aren't read in place")
        }
    }

    private func values<T>(_ rows: [Int32], none: T, _ append: (PlainBlock, ArraySlice<Int32>, Int, inout [T]) -> Void)
        -> [T]
    {
        var values: [T] = []
        values.reserveCapacity(rows.count)
        forEachRun(rows) { places, block, first in
            if let block {
                append(block, rows[places], first, &values)
            } else {
                values.append(contentsOf: repeatElement(none, count: places.count))
            }
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

    /// Rows mostly come in order, so runs from one block are read together.
    ///
    /// - Parameter body: given the places of rows from one block, the block, and its first row; no block for negative
    ///   rows.
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
