extension [UInt8] {
    /// Appends a number's bytes, least significant first.
    @inlinable package mutating func append(littleEndian number: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: number.littleEndian) { unsafe append(contentsOf: $0) }
    }
}

extension Sequence<UInt8> {
    /// 64-bit FNV-1a, for shortening names and for places in tables. It doesn't stop anyone from constructing
    /// collisions.
    @inlinable package var fnv1a: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
}
