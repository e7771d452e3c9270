extension [Bool] {
    /// The flags in `rows` as bits, least significant first, eight at a time; the last byte is padded with zeros.
    package func packed(_ rows: Range<Int>) -> [UInt8] {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= count, "\(rows) of \(count)")
        return unsafe withUnsafeBytes { flags in
            var bits: [UInt8] = []
            bits.reserveCapacity((rows.count + 7) / 8)
            var row = rows.lowerBound
            while row + 8 <= rows.upperBound {
                // A Bool is a byte, 0 or 1. The product gathers the eight of a word in its highest byte, each in a bit
                // of its own.
                let word = unsafe UInt64(littleEndian: flags.loadUnaligned(fromByteOffset: row, as: UInt64.self))
                bits.append(UInt8(truncatingIfNeeded: (word &* 0x0102_0408_1020_4080) >> 56))
                row += 8
            }
            if row < rows.upperBound {
                bits.append((row..<rows.upperBound).reduce(0) { unsafe $0 | flags[$1] << UInt8($1 - row) })
            }
            return bits
        }
    }

    /// The first `count` of `bits`, least significant first.
    package init(bits: [UInt8], count: Int) {
        precondition(count <= bits.count * 8, "\(count) of \(bits.count * 8)")
        unsafe self.init(unsafeUninitializedCapacity: count + 7) { flags, initialized in
            let space = UnsafeMutableRawBufferPointer(flags)
            for byte in 0..<(count + 7) / 8 {
                // Eight copies of the byte, with one bit left in each: moved to the top of its copy, then down to the
                // bottom.
                let chosen = UInt64(bits[byte]) &* 0x0101_0101_0101_0101 & 0x8040_2010_0804_0201
                unsafe space.storeBytes(
                    of: ((chosen &+ 0x7F7F_7F7F_7F7F_7F7F) >> 7 & 0x0101_0101_0101_0101).littleEndian,
                    toByteOffset: byte * 8, as: UInt64.self)
            }
            initialized = count
        }
    }
}
