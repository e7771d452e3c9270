package import FeatureEngine
package import FeatureLanguage

/// Some rows of one bucket, sorted by key and time, each column a block.
package struct Segment: Sendable {
    package var number: Int64
    package var bucket: Int
    package var rows: Int
    /// The range of event times, in microseconds since 1970; nil in a static source.
    package var times: ClosedRange<Int64>?
    package var firstKnown: Int64
    /// Whether no two rows are versions of one fact, and none is hidden by a tombstone or retraction here.
    package var isOneVersionEach: Bool
    /// Whether some rows only say that a version of a fact has another key; then a block marks them.
    package var hasRetractions = false
    package var blocks: [String: SegmentBlock] = [:]
    /// The number of the run that lists it; 0 if none does yet.
    package var run: Int64

    package init(
        run: Int64 = 0, number: Int64, bucket: Int, rows: Int, times: ClosedRange<Int64>?, firstKnown: Int64,
        isOneVersionEach: Bool
    ) {
        (self.run, self.number, self.bucket, self.rows, self.times) = (run, number, bucket, rows, times)
        (self.firstKnown, self.isOneVersionEach) = (firstKnown, isOneVersionEach)
    }

    /// Enough rows to make a column one mebibyte: fewer compress worse, more don't help.
    package static let usualRows = 1 << 17

    /// Whether it matches what is listed, apart from its number and blocks.
    package func isListed(as listed: Segment) -> Bool {
        bucket == listed.bucket && rows == listed.rows && times == listed.times && firstKnown == listed.firstKnown
            && isOneVersionEach == listed.isOneVersionEach
            && hasRetractions == listed.hasRetractions
    }
}

extension Plan.Group {
    /// The columns that make up the key of its segments, each once, sorted.
    package var segmentKeys: [String] { Set(keys.map(\.column)).sorted() }

    /// The columns whose blocks hold its rows, whatever they are read for.
    package var segmentColumns: Set<String> { columns.union(source.segmentColumns) }
}

extension Source {
    /// The type of the values in a segment's block; nil if there is no such column.
    package func type(ofSegment column: String) -> ValueType? {
        switch column {
        case SegmentColumn.offset: .int64
        case SegmentColumn.knownAt: .timestamp
        case SegmentColumn.retraction: .bool
        default: self.column(column)?.type
        }
    }

    /// The columns for which every segment of it has a block.
    package var segmentColumns: Set<String> {
        var names = Set(id)
        names.insert(SegmentColumn.offset)
        if let tombstone { names.insert(tombstone) }
        if let eventTime {
            names.insert(eventTime)
            names.insert(SegmentColumn.knownAt)
        }
        return names
    }
}
