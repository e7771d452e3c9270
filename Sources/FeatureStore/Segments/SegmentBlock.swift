internal import ArrowIPC
internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage

/// A segment's column: an Arrow file of one column, named by what is in it.
struct SegmentBlock: Sendable {
    /// SHA-256 of the uncompressed file.
    var address: [UInt8]
    /// Bytes of the uncompressed file, and a checksum of them that costs next to nothing.
    var bytes: Int
    var checksum: Int64

    /// - Returns: the block, and its file with bodies compressed.
    static func seal(_ column: Column) throws -> (block: SegmentBlock, body: [UInt8]) {
        let plain = try ArrowBlock.encode(column, isCompressed: false)
        let block = SegmentBlock(address: Array(SHA256.hash(data: plain)), bytes: plain.count, checksum: unsafe plain.withUnsafeBytes { unsafe checksum($0) })
        return (block, try ArrowBlock.encode(column, isCompressed: true))
    }

    /// Whether these are the bytes of its uncompressed file, by length and checksum. The address proves it, at the price of a training job.
    func isLike(_ plain: [UInt8]) -> Bool { unsafe plain.withUnsafeBytes { unsafe $0.count == bytes && SegmentBlock.checksum($0) == checksum } }

    /// Finds what disks and crashes do to a file, not what people do: four lanes of words, each multiplied and rotated in.
    static func checksum(_ memory: UnsafeRawBufferPointer) -> Int64 {
        var lanes: (UInt64, UInt64, UInt64, UInt64) = (1, 2, 3, UInt64(memory.count))
        func mixed(_ lane: UInt64, _ offset: Int) -> UInt64 {
            let word = unsafe (lane ^ UInt64(littleEndian: memory.loadUnaligned(fromByteOffset: offset, as: UInt64.self))) &* 0x9E37_79B9_7F4A_7C15
            return word << 29 | word >> 35
        }
        var offset = 0
        while offset + 32 <= memory.count {
            lanes = (mixed(lanes.0, offset), mixed(lanes.1, offset + 8), mixed(lanes.2, offset + 16), mixed(lanes.3, offset + 24))
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
}

/// The names of what segments hold beside declared columns.
enum SegmentColumn {
    static let knownAt = Source.knownAtColumn
    static let offset = "firn_offset"
    /// True where a row only says that a version of a fact has another key; absent where there is none.
    static let retraction = "firn_retraction"
}
