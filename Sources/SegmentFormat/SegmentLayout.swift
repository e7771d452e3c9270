package import FeatureEngine
package import FeatureLanguage

/// What is sealed, and how rows become segments.
package struct SegmentLayout: Sendable {
    package let source: Source
    /// Sorted.
    package let keys: [String]
    /// The declared columns that are sealed.
    package let columns: [ColumnDefinition]

    package init(_ source: Source, keys: [String], columns names: Set<String>) {
        self.source = source
        self.keys = keys
        let all = names.union(keys).union(source.segmentColumns)
        columns = source.columns.filter { all.contains($0.name) }
    }

    package func rows(_ batch: [Column]) -> SourceRows {
        var named: [String: Column] = [:]
        for (column, values) in zip(columns, batch) { named[column.name] = values }
        return SourceRows(
            columns: named, eventTimes: source.eventTime.map { named[$0]!.instants } ?? [],
            knownAt: batch[columns.count + 1].knownTimes, offsets: batch[columns.count].integers)
    }

    /// Makes segments of a bucket's rows, which must be sorted.
    package func segments(_ rows: SourceRows, bucket: Int, ofRows segmentRows: Int) throws -> [SealedSegment] {
        let isOneVersionEach = !rows.hasVersions(of: source, keys: keys)
        return try stride(from: 0, to: rows.count, by: segmentRows).map { start in
            let range = start..<min(start + segmentRows, rows.count)
            let part = range.count == rows.count ? rows : rows.gathered(range.map { Int32($0) })
            var segment = Segment(
                number: 0, bucket: bucket, rows: part.count,
                times: part.eventTimes.min().map { $0...part.eventTimes.max()! },
                firstKnown: part.knownAt.min()!, isOneVersionEach: isOneVersionEach)
            var sealed: [(column: String, block: SegmentBlock, body: [UInt8])] = []
            segment.hasRetractions = part.isRetraction?.contains(true) ?? false
            func add(_ name: String, _ column: Column) throws {
                let (block, body) = try SegmentBlock.seal(column)
                segment.blocks[name] = block
                sealed.append((name, block, body))
            }
            for column in columns { try add(column.name, part.columns[column.name]!) }
            try add(SegmentColumn.offset, Column(.int64, part.offsets))
            if !source.isStatic { try add(SegmentColumn.knownAt, Column(knownTimes: part.knownAt)) }
            if segment.hasRetractions, let isRetraction = part.isRetraction {
                try add(SegmentColumn.retraction, Column(.bool, isRetraction))
            }
            return SealedSegment(segment: segment, bodies: sealed)
        }
    }
}

extension Column {
    init(knownTimes: [Int64]) {
        let validity = knownTimes.map { $0 != SourceRows.unknown }
        let values = knownTimes.map { $0 == SourceRows.unknown ? 0 : $0 }
        self.init(.timestamp, values, validity: validity.contains(false) ? validity : nil)
    }
}

/// One segment with all its columns, and their compressed files.
package struct SealedSegment: Sendable {
    package var segment: Segment
    package var bodies: [(column: String, block: SegmentBlock, body: [UInt8])]
}
