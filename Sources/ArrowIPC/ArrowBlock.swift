public import FeatureEngine
public import FeatureLanguage

/// One column as an Arrow file of its own, which is how segments keep their columns.
public enum ArrowBlock {
    /// Writes a column as a file; equal columns give equal bytes.
    public static func encode(_ column: Column, isCompressed: Bool) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var writer = try ArrowWriter(
            .file, fields: [ArrowField("value", ArrowType(column.type))], isCompressed: isCompressed
        ) { piece in
            // The body is most of the file, and comes in one piece.
            if bytes.count + piece.count > bytes.capacity { bytes.reserveCapacity(bytes.count + piece.count + 1024) }
            bytes += piece
        }
        try writer.write([column], rows: 0..<column.count)
        try writer.finish()
        return bytes
    }

    /// Reads what `encode` wrote, in place.
    ///
    /// - Parameter maximumBytes: a file whose record batches together come to more than this, decompressed, is refused.
    public static func decode(_ file: [UInt8], maximumBytes: Int = .max) throws(ArrowError) -> Column {
        var position = 8, bytesLeft = maximumBytes
        var field: ArrowMetadata.Column?
        var parts: [Column] = []
        while true {
            guard position <= file.count - 8 else { throw .cut }
            let length = file[position + 4..<position + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
            if length == 0 { break }
            guard length <= file.count - position - 8 else { throw .cut }
            let message = try FlatView(root: Array(file[position + 8..<position + 8 + length]))
            position += 8 + length
            let bodyLength = try message.int64(3)
            guard bodyLength >= 0, bodyLength <= Int64(file.count - position), let header = try message.table(2) else {
                throw .cut
            }
            if let field {
                let batch = try readBatch(
                    header, file, position..<position + Int(bodyLength), [field], bytesLeft: bytesLeft)
                bytesLeft = batch.bytesLeft
                for part in batch.columns { parts.append(try field.field.own(part)) }
            } else {
                field = try ArrowMetadata.columns(header).first
            }
            position += Int(bodyLength)
        }
        guard !parts.isEmpty else { throw .damaged }
        return Column(concatenating: parts)
    }

    /// Where the values of an uncompressed block lie, for reading some of them in place.
    public struct Layout: Sendable {
        /// A type whose layout is fixed.
        public var type: ValueType
        /// The number of rows, all of which are in one record batch.
        public var rowCount: Int
        /// The bytes of the file with one bit per row, the least significant first, 1 where a value is not NULL; nil if
        /// none is NULL.
        public var validity: Range<Int>?
        /// The bytes of the file with the values, each as wide as it is in memory, or one bit for bool.
        public var values: Range<Int>
    }

    /// Finds the values in an uncompressed block.
    ///
    /// - Returns: nil for texts, lists, vectors and dates, for compressed blocks, and for anything that isn't in one
    ///   record batch.
    public static func layout(of file: UnsafeRawBufferPointer) throws(ArrowError) -> Layout? {
        var position = 8
        var type: ValueType?
        var layout: Layout?
        while true {
            guard position <= file.count - 8 else { throw .cut }
            let length = unsafe Int(
                UInt32(littleEndian: file.loadUnaligned(fromByteOffset: position + 4, as: UInt32.self)))
            if length == 0 { return layout }
            guard length <= file.count - position - 8, layout == nil else { return nil }
            let message = unsafe try FlatView(root: Array(file[position + 8..<position + 8 + length]))
            position += 8 + length
            let bodyLength = try message.int64(3)
            guard bodyLength >= 0, bodyLength <= Int64(file.count - position), let header = try message.table(2) else {
                throw .cut
            }
            let body = position..<position + Int(bodyLength)
            position = body.upperBound
            guard let known = type else {
                type = (try? ArrowMetadata.columns(header).first?.field.type).flatMap { ValueType(written: $0) }
                // A date has fewer bytes there than in memory.
                guard let type, type != .date, type.layout.isFixed else { return nil }
                continue
            }
            let buffers = try header.pairs(2), rows = Int(try header.int64(0))
            guard buffers.count == 2, try header.table(3) == nil, rows >= 0 else { return nil }
            let size = Int64(body.count)
            guard rows <= body.count * 8,
                buffers.allSatisfy({ $0.0 >= 0 && $0.0 <= size && $0.1 >= 0 && $0.1 <= size - $0.0 })
            else { throw .damaged }
            let ranges = buffers.map { body.lowerBound + Int($0.0)..<body.lowerBound + Int($0.0 + $0.1) }
            let needed = ArrowType(known).width.map { $0 * rows } ?? (rows + 7) / 8
            guard ranges[1].count >= needed, ranges[0].isEmpty || ranges[0].count >= (rows + 7) / 8 else {
                throw .damaged
            }
            layout = Layout(
                type: known, rowCount: rows, validity: ranges[0].isEmpty ? nil : ranges[0], values: ranges[1])
        }
    }
}

extension ArrowField {
    /// A column of ours, as it was before it was written.
    package func own(_ column: ArrowColumn) throws(ArrowError) -> Column {
        guard case .flat(let flat) = column else {
            guard let type = ValueType(written: type) else { throw .damaged }
            return try values(column, as: type)
        }
        return flat.typed(as: type)
    }
}

extension Column {
    /// This column as our type that is written as `type`: times, for one, travel as plain words.
    fileprivate func typed(as type: ArrowType) -> Column {
        guard let meant = ValueType(written: type), meant != self.type, meant.layout == self.type.layout
        else { return self }
        return Column(meant, values, validity: validity)
    }
}
