internal import FeatureEngine
internal import FeatureLanguage

/// Where segments' blocks are kept.
package protocol BlockSupply: Sendable {
    /// The uncompressed files of blocks, by address; those that are gone or damaged are left out. Called from several
    /// threads at once.
    func plain(_ blocks: [SegmentBlock]) throws -> [[UInt8]: PlainBlock]
}

/// Segments as rows for one group.
struct SegmentRows: Sendable {
    let group: Plan.Group
    /// The runs whose segments are read.
    let runs: [Run]
    let blocks: any BlockSupply

    /// Segments' rows, one segment after another.
    ///
    /// - Parameters:
    ///   - versions: whether what tells versions of a fact apart is needed: id, retractions.
    ///   - offsets: whether the rows' places in the log are needed.
    ///   - defers: whether columns from which single values are enough may stay in their files.
    func rows(_ segments: [Segment], versions: Bool, offsets: Bool, defers: Bool) throws -> SourceRows {
        var parts: [SourceRows] = []
        var inPlace: [String: [PlainBlock]] = [:]
        for segment in segments {
            let (rows, blocks) = try rows(
                segment, versions: versions, offsets: offsets, deferring: defers ? group.pickedColumns : [])
            parts.append(rows)
            inPlace.merge(blocks.mapValues { [$0] }) { $0 + $1 }
        }
        var whole = SourceRows(concatenating: parts)
        for (name, blocks) in inPlace { whole.deferred[name] = PlainColumn(blocks) }
        return whole
    }

    private func rows(_ segment: Segment, versions: Bool, offsets: Bool, deferring: Set<String>) throws -> (
        SourceRows, [String: PlainBlock]
    ) {
        let source = group.source
        var names = versions ? group.columns : group.valueColumns
        if let eventTime = source.eventTime { names.formUnion([eventTime, SegmentColumn.knownAt]) }
        if offsets { names.insert(SegmentColumn.offset) }
        if versions, segment.hasRetractions { names.insert(SegmentColumn.retraction) }
        let (read, inPlace) = try columns(segment, names, deferring: deferring)
        let known =
            source.isStatic
            ? Array(repeating: SourceRows.unknown, count: segment.rows) : read[SegmentColumn.knownAt]?.knownTimes ?? []
        var rows = SourceRows(
            columns: read.filter { group.columns.contains($0.key) },
            eventTimes: source.eventTime.flatMap { read[$0]?.instants } ?? [], knownAt: known,
            offsets: read[SegmentColumn.offset]?.integers ?? [])
        if let flags = read[SegmentColumn.retraction] { rows.isRetraction = flags.bools }
        return (rows, inPlace)
    }

    /// A segment's columns, each checked to have the segment's length and its own type: whoever may write could have
    /// put something else there.
    ///
    /// - Parameter deferring: names of columns that may stay as they are if their values can be read in place.
    private func columns(_ segment: Segment, _ names: Set<String>, deferring: Set<String>) throws -> (
        columns: [String: Column], inPlace: [String: PlainBlock]
    ) {
        // Two names may stand for one content, such as event time and known-at.
        var wanted: [[UInt8]: SegmentBlock] = [:]
        for name in names {
            guard let block = segment.blocks[name] else { throw damage(segment, name) }
            wanted[block.address] = block
        }
        let found = try blocks.plain(Array(wanted.values))
        var columns: [String: Column] = [:], inPlace: [String: PlainBlock] = [:], decoded: [[UInt8]: Column] = [:]
        for name in names {
            guard let block = segment.blocks[name], let plain = found[block.address], plain.isLike(block) else {
                throw damage(segment, name)
            }
            let type = group.source.type(ofSegment: name)
            if deferring.contains(name), plain.isReadInPlace {
                guard plain.rowCount == segment.rows, plain.type == type else { throw damage(segment, name) }
                inPlace[name] = plain
            } else {
                let column = try decoded[block.address] ?? plain.column()
                guard column.count == segment.rows, column.type == type else { throw damage(segment, name) }
                (columns[name], decoded[block.address]) = (column, column)
            }
        }
        return (columns, inPlace)
    }

    private func damage(_ segment: Segment, _ column: String) -> SegmentDamage {
        guard let run = runs.first(where: { $0.number == segment.run }) else {
            preconditionFailure("a segment of no run")
        }
        return SegmentDamage(group.source.name, group.segmentKeys, run, segment.number, column)
    }

    /// No rows.
    func none() -> SourceRows {
        SourceRows(
            columns: Dictionary(
                uniqueKeysWithValues: group.source.columns.filter { group.columns.contains($0.name) }.map {
                    ($0.name, Column(repeating: .null, type: $0.type, count: 0))
                }),
            eventTimes: [], knownAt: [], offsets: [])
    }
}
