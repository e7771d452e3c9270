extension [UInt8] {
    /// Appends a number's bytes, least significant first.
    @inlinable package mutating func append(littleEndian number: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: number.littleEndian) { unsafe append(contentsOf: $0) }
    }
}

extension Int128 {
    /// The number whose sixteen bytes these are, least significant first.
    package init(littleEndianBytes bytes: ArraySlice<UInt8>) {
        precondition(bytes.count == 16, "\(bytes.count) bytes for a decimal")
        self = unsafe bytes.withUnsafeBytes { unsafe Int128(littleEndian: $0.loadUnaligned(as: Int128.self)) }
    }
}

extension Sequence<UInt8> {
    /// 64-bit FNV-1a, for shortening names and for places in tables. It doesn't stop anyone from constructing
    /// collisions.
    @inlinable package var fnv1a: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
}
