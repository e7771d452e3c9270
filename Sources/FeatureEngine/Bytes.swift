extension [UInt8] {
    /// A number's bytes, the lowest first.
    @inlinable package mutating func append(littleEndian number: some FixedWidthInteger) {
        unsafe Swift.withUnsafeBytes(of: number.littleEndian) { unsafe append(contentsOf: $0) }
    }
}

extension Sequence<UInt8> {
    /// FNV-1a in 64 bits: short names for long ones, places in tables. It keeps nobody from making two that are alike.
    @inlinable package var fnv1a: UInt64 { reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
}
