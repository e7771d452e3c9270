internal import CLibPQ

/// One row as it arrives, read field by field, in order; each reader returns nil for NULL.
@safe public struct RowReader {
    /// A row of a result or, if nil, `copied`: the bytes of one in COPY's binary form, from its first field's length
    /// on.
    private let result: OpaquePointer?
    private var copied: UnsafeRawBufferPointer
    private let row: Int32
    private var column: Int32 = 0

    init(result: OpaquePointer, row: Int = 0, column: Int = 0) {
        unsafe self.result = unsafe result
        self.row = Int32(row)
        self.column = Int32(column)
        unsafe copied = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    }

    init(copied: UnsafeRawBufferPointer) {
        unsafe result = nil
        row = 0
        unsafe self.copied = unsafe copied
    }

    private mutating func field<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T? {
        guard let result = unsafe result else {
            guard unsafe copied.count >= 4 else { return nil }
            let length = unsafe Int(Int32(bigEndian: copied.loadUnaligned(as: Int32.self)))
            // A truncated row ends where it does.
            let end = unsafe min(copied.count, 4 + max(0, length))
            defer { unsafe copied = UnsafeRawBufferPointer(rebasing: copied[end...]) }
            return unsafe length < 0 ? nil : body(UnsafeRawBufferPointer(rebasing: copied[4..<end]))
        }
        defer { column += 1 }
        guard unsafe PQgetisnull(result, row, column) == 0, let start = unsafe PQgetvalue(result, row, column) else {
            return nil
        }
        return unsafe body(UnsafeRawBufferPointer(start: start, count: Int(PQgetlength(result, row, column))))
    }

    private static func word(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        if bytes.count == 8 { return unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)) }
        var word: UInt64 = 0
        for index in 0..<bytes.count { word = unsafe word << 8 | UInt64(bytes[index]) }
        return word
    }

    /// Reads an integer of any width; also nil for a value that isn't one, as when a column's type was changed by hand.
    public mutating func int64() -> Int64? {
        let value: Int64?? = unsafe field { bytes in
            guard 1...8 ~= bytes.count else { return nil }
            let shift = UInt64(64 - bytes.count * 8)
            return unsafe Int64(bitPattern: RowReader.word(bytes) << shift) >> Int64(shift)
        }
        return value ?? nil
    }

    /// Reads a `double precision`; also nil for a value of another width, as when a column's type was changed by hand.
    public mutating func float64() -> Double? {
        let value: Double?? = unsafe field { unsafe $0.count == 8 ? Double(bitPattern: RowReader.word($0)) : nil }
        return value ?? nil
    }

    /// Reads a `timestamptz` as microseconds since 1970.
    public mutating func timestamp() -> Int64? { int64().map { $0 &+ postgresEpoch } }

    /// Reads a `date` as days since 1970.
    public mutating func date() -> Int64? { int64().map { $0 &+ postgresEpochDay } }

    /// Reads a `numeric` as a whole number of its `scale` digits after the point; also nil for a value with more
    /// digits, and for NaN and the infinities.
    public mutating func numeric(scale: Int) -> Int128? {
        let value: Int128?? = unsafe field { unsafe Numeric.unscaled($0, scale: scale) }
        return value ?? nil
    }

    /// Reads an array of one dimension that begins at 1; also nil for any other.
    ///
    /// - Parameter element: reads the next element; called once for each.
    /// - Returns: how many elements there are.
    public mutating func array(_ element: (inout RowReader) -> Void) -> Int? {
        let count: Int?? = unsafe field { bytes in
            // Dimensions, whether one is NULL, the elements' type; then the length and the first index of each.
            guard bytes.count >= 12 else { return nil }
            func word(_ place: Int) -> Int {
                unsafe Int(Int32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: Int32.self)))
            }
            if word(0) == 0 { return 0 }
            guard word(0) == 1, bytes.count >= 20, word(16) == 1, word(12) >= 0 else { return nil }
            var reader = unsafe RowReader(copied: UnsafeRawBufferPointer(rebasing: bytes[20...]))
            for _ in 0..<word(12) { element(&reader) }
            return word(12)
        }
        return count ?? nil
    }

    /// Reads a `real[]` without NULLs as little-endian float32s; also nil for any other array.
    public mutating func reals() -> [UInt8]? {
        let reals: [UInt8]?? = unsafe field { bytes in
            func word(_ place: Int) -> UInt32 {
                unsafe UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
            }
            guard bytes.count >= 20, word(0) == 1, word(8) == 700, word(16) == 1, bytes.count == 20 + 8 * Int(word(12))
            else { return nil }
            var reals: [UInt8] = []
            reals.reserveCapacity(4 * Int(word(12)))
            for index in 0..<Int(word(12)) {
                guard word(20 + 8 * index) == 4 else { return nil }
                let bits = word(24 + 8 * index)
                for shift in 0..<4 as Range<UInt32> { reals.append(UInt8(truncatingIfNeeded: bits >> (8 * shift))) }
            }
            return reals
        }
        return reals ?? nil
    }

    /// Reads a `boolean`.
    public mutating func bool() -> Bool? { unsafe field { unsafe RowReader.word($0) != 0 } }

    /// Reads a field's bytes as they are: the UTF-8 of a `text`, the content of a `bytea`.
    public mutating func text() -> [UInt8]? { unsafe field { unsafe Array($0) } }
}
