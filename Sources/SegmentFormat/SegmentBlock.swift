internal import ArrowIPC
internal import Crypto
package import FeatureEngine
internal import FeatureLanguage

/// A segment's column: an Arrow file of one column, named by its content.
package struct SegmentBlock: Sendable {
    /// Where it is listed.
    package struct Place: Sendable {
        package var run: Int64
        package var segment: Int64
        package var column: String

        package init(run: Int64, segment: Int64, column: String) {
            (self.run, self.segment, self.column) = (run, segment, column)
        }
    }

    /// SHA-256 of the uncompressed file.
    package var address: [UInt8]
    /// Bytes of the uncompressed file.
    package var bytes: Int
    /// Covers the uncompressed file and, once it is listed, the row that lists it: if another block's row is in its
    /// place, reading finds out.
    package private(set) var checksum: Int64
    package private(set) var place: Place?

    /// A block that has been listed.
    package init(address: [UInt8], bytes: Int, checksum: Int64, at place: Place) {
        (self.address, self.bytes, self.checksum, self.place) = (address, bytes, checksum, place)
    }

    private init(address: [UInt8], of plain: [UInt8]) {
        (self.address, bytes, checksum) = (address, plain.count, Checksum.of(plain))
    }

    /// - Returns: the block, and its file with its buffers compressed.
    package static func seal(_ column: Column) throws -> (block: SegmentBlock, body: [UInt8]) {
        let plain = try ArrowBlock.encode(column, isCompressed: false)
        return (
            SegmentBlock(address: Array(SHA256.hash(data: plain)), of: plain),
            try ArrowBlock.encode(column, isCompressed: true)
        )
    }

    /// This block as a run is to list it.
    package func listed(at place: Place) -> SegmentBlock {
        SegmentBlock(
            address: address, bytes: bytes, checksum: SegmentBlock.checksum(checksum, bytes, address, place), at: place)
    }

    private static func checksum(_ content: Int64, _ bytes: Int, _ address: [UInt8], _ place: Place) -> Int64 {
        var fields = Checksum.Fields()
        for number in [content, Int64(bytes), place.run, place.segment] { fields.add(number) }
        fields.add(place.column)
        fields.add(address)
        return fields.checksum
    }

    /// Whether its uncompressed file has this length and checksum. The address would prove it, but hashing costs as
    /// much as a training job.
    package func isLike(_ count: Int, _ content: Int64) -> Bool {
        count == bytes && (place.map { SegmentBlock.checksum(content, bytes, address, $0) } ?? content) == checksum
    }
}

/// The names of the columns that segments have in addition to declared ones.
package enum SegmentColumn {
    package static let knownAt = Source.knownAtColumn
    package static let offset = "firn_offset"
    /// True where a row only says that a version of a fact has another key; absent if no row does.
    package static let retraction = "firn_retraction"
}
