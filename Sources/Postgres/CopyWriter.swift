/// Writes rows in PostgreSQL's binary COPY format.
///
///     header   "PGCOPY\n\377\r\n\0"  int32 flags  int32 extension length
///     row      int16 fields  (int32 length or −1 for NULL, bytes)…
///     trailer  int16 −1
///
/// Integers are big-endian.
public struct CopyWriter {
    private var buffer: [UInt8] = CopyWriter.header
    private let send: ([UInt8]) throws(PostgresError) -> Void

    static let header: [UInt8] = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)
    private static let pieceSize = 1 << 16

    init(_ send: @escaping ([UInt8]) throws(PostgresError) -> Void) {
        self.send = send
    }

    /// Begins a row: exactly this many fields have to be written next. Rows are sent in pieces of some 64 KiB.
    public mutating func beginRow(fields: Int) throws(PostgresError) {
        if buffer.count >= CopyWriter.pieceSize {
            try send(buffer)
            buffer.removeAll(keepingCapacity: true)
        }
        append(UInt16(fields))
    }

    /// Writes a NULL, for a column of any type.
    public mutating func writeNull() { append(UInt32.max) }

    /// Writes a `boolean`.
    public mutating func write(_ value: Bool) {
        append(UInt32(1))
        buffer.append(value ? 1 : 0)
    }

    /// Writes a `bigint`.
    public mutating func write(_ value: Int64) {
        append(UInt32(8))
        append(UInt64(bitPattern: value))
    }

    /// Writes an `integer`.
    public mutating func write(int32 value: Int32) {
        append(UInt32(4))
        append(UInt32(bitPattern: value))
    }

    /// Writes a `double precision`.
    public mutating func write(_ value: Double) {
        append(UInt32(8))
        append(value.bitPattern)
    }

    /// Writes a `timestamptz`, given in microseconds since 1970.
    public mutating func write(timestamp value: Int64) { write(value &- postgresEpoch) }

    /// Writes a `date`, given in days since 1970.
    public mutating func write(date value: Int64) { write(int32: Int32(truncatingIfNeeded: value - postgresEpochDay)) }

    /// Writes a `numeric`: the number `unscaled`·10^−`scale`, of at most 38 digits.
    public mutating func write(_ unscaled: Int128, scale: Int) { write(bytes: Numeric.bytes(unscaled, scale: scale)) }

    /// Writes a value in its binary form: the UTF-8 of a `text`, the content of a `bytea`.
    public mutating func write(bytes: some Collection<UInt8>) {
        append(UInt32(bytes.count))
        buffer += bytes
    }

    /// Writes an array of one dimension.
    ///
    /// - Parameter body: writes the elements, as many as there are.
    public mutating func writeArray(of kind: Parameter.Kind, count: Int, _ body: (inout CopyWriter) -> Void) {
        let start = buffer.count
        append(UInt32(0))
        append(UInt32(count == 0 ? 0 : 1))
        // Whether an element may be NULL.
        append(UInt32(1))
        append(kind.rawValue)
        if count > 0 {
            append(UInt32(count))
            append(UInt32(1))
            body(&self)
        }
        let length = UInt32(buffer.count - start - 4)
        for byte in 0..<4 { buffer[start + byte] = UInt8(truncatingIfNeeded: length >> (24 - 8 * UInt32(byte))) }
    }

    /// Writes a `real[]`, given as little-endian float32s.
    public mutating func write(reals bytes: ArraySlice<UInt8>) {
        let count = bytes.count / 4
        append(UInt32(20 + 8 * count))
        for word in [1, 0, 700, UInt32(count), 1] { append(word) }
        buffer.reserveCapacity(buffer.count + 8 * count)
        var place = bytes.startIndex
        for _ in 0..<count {
            append(UInt32(4))
            buffer.append(bytes[place + 3])
            buffer.append(bytes[place + 2])
            buffer.append(bytes[place + 1])
            buffer.append(bytes[place])
            place += 4
        }
    }

    mutating func finish() throws(PostgresError) {
        append(UInt16.max)
        try send(buffer)
        buffer.removeAll()
    }

    private mutating func append(_ word: some FixedWidthInteger & UnsignedInteger) {
        var shift = word.bitWidth - 8
        while shift >= 0 {
            buffer.append(UInt8(truncatingIfNeeded: word >> shift))
            shift -= 8
        }
    }
}
