internal import FeatureEngine

/// A stretch of a source's log, sealed by some key columns.
package struct Run: Sendable {
    package var number: Int64
    /// Its rows have offsets greater than `after`, up to and including `upTo`.
    package var after: Int64
    package var upTo: Int64
    /// How many buckets it has, a power of two.
    package var buckets: Int
    /// How many rows a segment has at most.
    package var segmentRows: Int
    /// How many segments it has if they are all there.
    package var segmentCount = 0
    package var segments: [Segment] = []
    /// Whether the content of some block that it lists was dropped.
    package var lacksContent = false
    /// Whether its list isn't what it was when it was sealed; then nothing in it is believed.
    package var isDamaged = false

    package init(number: Int64, after: Int64, upTo: Int64, buckets: Int, segmentRows: Int, segmentCount: Int = 0) {
        (self.number, self.after, self.upTo) = (number, after, upTo)
        (self.buckets, self.segmentRows, self.segmentCount) = (buckets, segmentRows, segmentCount)
    }

    /// Whether all of it is there, with these columns.
    package func isWhole(_ columns: Set<String>) -> Bool {
        !isDamaged && !lacksContent
            && segments.allSatisfy { segment in columns.allSatisfy { segment.blocks[$0] != nil } }
    }

    /// Covers everything that is believed of a run except its blocks, which have checksums of their own: it also says
    /// whether a segment has a block of retractions.
    package func checksum(_ source: String, keys: [String]) -> Int64 {
        var fields = Checksum.Fields()
        fields.add(source)
        fields.add(keys)
        for number in [
            number, after, upTo, Int64(buckets), Int64(segmentRows), Int64(segmentCount), Int64(segments.count),
        ] { fields.add(number) }
        for segment in segments {
            for number in [segment.number, Int64(segment.bucket), Int64(segment.rows), segment.firstKnown] {
                fields.add(number)
            }
            fields.add(segment.times?.lowerBound)
            fields.add(segment.times?.upperBound)
            fields.add(segment.isOneVersionEach)
            fields.add(segment.hasRetractions)
        }
        return fields.checksum
    }

    /// Whether its numbers allow it to be read, whoever wrote them.
    package var isPlausible: Bool {
        after >= 0 && after < upTo && upTo <= Heads.lastOffset && (1...1 << 20).contains(buckets)
            && buckets & (buckets - 1) == 0 && segmentRows > 0
            && segments.count == segmentCount
            && segments.allSatisfy { (0..<buckets).contains($0.bucket) && $0.rows > 0 }
            && zip(segments, segments.dropFirst()).allSatisfy { $0.number < $1.number && $0.bucket <= $1.bucket }
    }
}
