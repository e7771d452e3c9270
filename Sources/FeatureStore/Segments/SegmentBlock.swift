internal import ArrowIPC
internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage

/// A segment's column: an Arrow file of one column, named by what is in it.
struct SegmentBlock: Sendable {
    /// Where it is listed.
    struct Place: Sendable {
        var run: Int64
        var segment: Int64
        var column: String
    }

    /// SHA-256 of the uncompressed file.
    var address: [UInt8]
    /// Bytes of the uncompressed file.
    var bytes: Int
    /// Covers the uncompressed file and, once it is listed, the line that lists it: another block's line in its place is found as it is read.
    private(set) var checksum: Int64
    private(set) var place: Place?

    /// A block that is listed.
    init(address: [UInt8], bytes: Int, checksum: Int64, at place: Place) {
        (self.address, self.bytes, self.checksum, self.place) = (address, bytes, checksum, place)
    }

    private init(address: [UInt8], of plain: [UInt8]) {
        (self.address, bytes, checksum) = (address, plain.count, Checksum.of(plain))
    }

    /// - Returns: the block, and its file with bodies compressed.
    static func seal(_ column: Column) throws -> (block: SegmentBlock, body: [UInt8]) {
        let plain = try ArrowBlock.encode(column, isCompressed: false)
        return (SegmentBlock(address: Array(SHA256.hash(data: plain)), of: plain), try ArrowBlock.encode(column, isCompressed: true))
    }

    /// This block as it is to be listed.
    func listed(at place: Place) -> SegmentBlock {
        SegmentBlock(address: address, bytes: bytes, checksum: SegmentBlock.checksum(checksum, bytes, address, place), at: place)
    }

    private static func checksum(_ content: Int64, _ bytes: Int, _ address: [UInt8], _ place: Place) -> Int64 {
        var fields = Checksum.Fields()
        for number in [content, Int64(bytes), place.run, place.segment] { fields.add(number) }
        fields.add(place.column)
        fields.add(address)
        return fields.checksum
    }

    /// Whether its uncompressed file has such a length and checksum. The address proves it, at the price of a training job.
    func isLike(_ count: Int, _ content: Int64) -> Bool {
        count == bytes && (place.map { SegmentBlock.checksum(content, bytes, address, $0) } ?? content) == checksum
    }
}

/// The names of what segments hold beside declared columns.
enum SegmentColumn {
    static let knownAt = Source.knownAtColumn
    static let offset = "firn_offset"
    /// True where a row only says that a version of a fact has another key; absent where there is none.
    static let retraction = "firn_retraction"
}
