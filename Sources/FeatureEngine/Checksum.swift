/// Detects what disks, crashes and slips of the hand do to stored data, at next to no cost. It doesn't stop anyone who
/// can write both the data and its checksum: only `verify` detects that.
package enum Checksum {
    /// Four lanes of words, each multiplied and rotated in.
    package static func of(_ memory: UnsafeRawBufferPointer) -> Int64 {
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, UInt64(memory.count))
        func mixed(_ lane: UInt64, _ offset: Int) -> UInt64 {
            let word =
                unsafe (lane ^ UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                &* 0x9E37_79B9_7F4A_7C15
            return word << 29 | word >> 35
        }
        var offset = 0
        while offset + 32 <= memory.count {
            lanes = (
                mixed(lanes.0, offset), mixed(lanes.1, offset + 8), mixed(lanes.2, offset + 16),
                mixed(lanes.3, offset + 24)
            )
            offset += 32
        }
        while offset < memory.count {
            lanes.0 = unsafe (lanes.0 ^ UInt64(memory[offset])) &* 0x9E37_79B9_7F4A_7C15
            lanes.0 ^= lanes.0 >> 32
            offset += 1
        }
        var hash = lanes.0
        for lane in [lanes.1, lanes.2, lanes.3] {
            hash = (hash ^ lane) &* 0xBF58_476D_1CE4_E5B9
            hash ^= hash >> 31
        }
        return Int64(bitPattern: hash)
    }

    package static func of(_ bytes: [UInt8]) -> Int64 { unsafe bytes.withUnsafeBytes { unsafe of($0) } }

    package static func of(_ bytes: ArraySlice<UInt8>) -> Int64 { unsafe bytes.withUnsafeBytes { unsafe of($0) } }

    /// The columns of rows, one after another, each delimited so that neighbors can't run into each other.
    package struct Fields {
        private var bytes: [UInt8] = []

        package init() {}

        package mutating func add(_ number: Int64) { bytes.append(littleEndian: number) }

        package mutating func add(_ number: Int64?) {
            bytes.append(number == nil ? 0 : 1)
            add(number ?? 0)
        }

        package mutating func add(_ flag: Bool) { bytes.append(flag ? 1 : 0) }

        package mutating func add(_ content: some Collection<UInt8>) {
            add(Int64(content.count))
            bytes += content
        }

        package mutating func add(_ text: String) { add(text.utf8) }

        package mutating func add(_ texts: [String]) {
            add(Int64(texts.count))
            for text in texts { add(text) }
        }

        package var checksum: Int64 { Checksum.of(bytes) }
    }
}
