internal import ArrowIPC
package import FeatureEngine
package import FeatureLanguage

/// A block's uncompressed file in memory: its values are read where they lie, so reading one doesn't decode the others.
package final class PlainBlock: Sendable {
    private let bytes: [UInt8]
    private let checksum: Int64
    private let layout: ArrowBlock.Layout?

    /// Nil if it isn't the block's file, judging by length and checksum.
    package init?(_ bytes: [UInt8], _ block: SegmentBlock) {
        self.bytes = bytes
        checksum = Checksum.of(bytes)
        guard block.isLike(bytes.count, checksum) else { return nil }
        layout = unsafe bytes.withUnsafeBytes { unsafe (try? ArrowBlock.layout(of: $0)) ?? nil }
    }

    /// Whether it is also another block's file.
    package func isLike(_ block: SegmentBlock) -> Bool { block.isLike(bytes.count, checksum) }

    /// Whether single values can be read in place.
    package var isReadInPlace: Bool { layout != nil }
    package var rowCount: Int { layout!.rowCount }
    package var type: ValueType { layout!.type }
    package var hasNull: Bool { layout!.validity != nil }

    /// Appends values of fixed width, at `rows` minus `first`.
    package func append<T: BitwiseCopyable>(_ rows: some Sequence<Int32>, less first: Int, to column: inout [T]) {
        let values = layout!.values
        unsafe bytes.withUnsafeBytes { bytes in
            let values = unsafe UnsafeRawBufferPointer(rebasing: bytes[values])
            for row in rows {
                unsafe column.append(
                    values.loadUnaligned(fromByteOffset: (Int(row) - first) * MemoryLayout<T>.size, as: T.self))
            }
        }
    }

    /// Appends bools, at `rows` minus `first`.
    package func append(bools rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) {
        append(bits: layout!.values, rows, less: first, to: &column)
    }

    /// Appends whether values, at `rows` minus `first`, are not NULL.
    package func append(validityOf rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) {
        append(bits: layout!.validity!, rows, less: first, to: &column)
    }

    private func append(bits: Range<Int>, _ rows: some Sequence<Int32>, less first: Int, to column: inout [Bool]) {
        unsafe bytes.withUnsafeBytes { bytes in
            let bits = unsafe UnsafeRawBufferPointer(rebasing: bytes[bits])
            for row in rows {
                unsafe column.append(bits[(Int(row) - first) >> 3] >> UInt8((Int(row) - first) & 7) & 1 == 1)
            }
        }
    }

    /// The whole column, decoded.
    package func column() throws -> Column {
        guard let layout, !hasNull else { return try ArrowBlock.decode(bytes) }
        func copied<T: BitwiseCopyable>(_ type: T.Type) -> [T] {
            unsafe [T](unsafeUninitializedCapacity: layout.rowCount) { space, count in
                unsafe bytes.withUnsafeBytes {
                    unsafe UnsafeMutableRawBufferPointer(space).copyMemory(
                        from: UnsafeRawBufferPointer(
                            rebasing: $0[layout.values].prefix(layout.rowCount * MemoryLayout<T>.size)))
                }
                count = layout.rowCount
            }
        }
        switch layout.type.layout {
        case .words: return Column(layout.type, copied(Int64.self))
        case .floats: return Column(layout.type, copied(Double.self))
        case .wides: return Column(layout.type, copied(Int128.self))
        case .bits, .bytes, .packed: return try ArrowBlock.decode(bytes)
        }
    }
}
