internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres

/// Reads a group's rows from segments and, since the last of them, from the source's table.
///
/// Inside one transaction: what is sealed and what isn't fit together, whatever is sealed, merged or dropped meanwhile.
struct SegmentReader {
    private let group: Plan.Group
    private let reading: Reading
    private let cut: Int64
    private let runs: [Run]
    private let reader: SegmentRows
    /// The event times that windows reach from the spine: after one (nil: from the beginning), up to the other.
    private let reach: (after: Int64?, upTo: Int64)?
    private let lastInstant: Int64
    private let table: SourceTable
    private let connection: Connection

    /// - Parameter damage: runs that aren't read; those that turn out to be damaged here are added.
    /// - Returns: nil where nothing is sealed that could be used.
    init?(
        _ group: Plan.Group, _ spine: Spine, _ reading: Reading, wantsChanges: Bool, cache: SegmentCache?, damage: FoundDamage, progress: @escaping (Int) -> Void,
        _ connection: Connection
    ) throws {
        let cut = reading.cuts[group.source.name] ?? 0
        let list = try SegmentList(group.source.name, keys: group.segmentKeys, columns: group.segmentColumns, connection)
        for run in list.runs where run.isDamaged { _ = damage.add(SegmentDamage(group.source.name, group.segmentKeys, run)) }
        runs = list.usable(upTo: cut, columns: group.segmentColumns, without: damage.runs)
        guard !runs.isEmpty, let last = spine.instants.max() else { return nil }
        self.group = group
        self.reading = reading
        self.cut = cut
        table = SourceTable(group.source, progress: progress)
        self.connection = connection
        // When a value changes depends on rows to come, too.
        lastInstant = wantsChanges ? .max : last
        reach = RowLoader.reach(group, spine, wantsChanges: wantsChanges)
        reader = SegmentRows(group: group, runs: Dictionary(runs.map { ($0.number, $0) }) { first, _ in first }, blocks: try BlockSource(connection, cache: cache))
    }

    /// The rows, in as many buckets as the largest run has.
    func buckets() throws -> RowBuckets {
        let count = runs.map(\.buckets).max() ?? 1
        let keys = group.segmentKeys, source = group.source
        let isStraddling = runs.contains { $0.upTo > cut }
        // Runs of few buckets are small: they are read once, with the rows since, and divided here.
        var loose: [SourceRows] = []
        for run in runs where run.buckets < count {
            let reached = run.segments.filter(isReached)
            if !reached.isEmpty { loose.append(try reader.rows(reached, versions: true, offsets: true, defers: false)) }
        }
        if let recent = try recent(after: runs.last?.upTo ?? 0) { loose.append(recent) }
        let loosely = loose.isEmpty ? nil : SourceRows(concatenating: loose)
        let members = loosely.map { rows in
            RowBuckets.members(RowBuckets.assign(keys.map { rows.columns[$0]! }, count: rows.count, buckets: count), buckets: count)
        }
        let sealed = runs.filter { $0.buckets == count }
        // By bucket, and by run: its segments in order.
        var segments: [[[Segment]]] = Array(repeating: sealed.map { _ in [] }, count: count)
        for (index, run) in sealed.enumerated() { for segment in run.segments where isReached(segment) { segments[segment.bucket][index].append(segment) } }
        return RowBuckets(count: count, keys: keys) { [segments, reader] bucket in
            let runs = segments[bucket].filter { !$0.isEmpty }
            var rest = loosely.flatMap { rows in members.map { rows.gathered($0[bucket]) } }
            if rest?.count == 0 { rest = nil }
            let isOneRun = runs.count <= 1 && rest == nil
            // Versions of a fact may lie anywhere, but in one run that has none.
            let hasVersions = !source.id.isEmpty && !source.isStatic && !(isOneRun && runs.allSatisfy { $0.allSatisfy(\.isOneVersionEach) })
            if hasVersions {
                var parts = try runs.isEmpty ? [] : [reader.rows(runs.flatMap(\.self), versions: true, offsets: true, defers: isOneRun && !isStraddling)]
                if let rest { parts.append(rest) }
                var rows = SourceRows(concatenating: parts)
                rows.isSorted = isOneRun
                var whole: SourceRows? = rows.sorted(by: keys)
                return {
                    defer { whole = nil }
                    return whole
                }
            }
            if isOneRun {
                var left = runs.first.map { $0[...] } ?? []
                var none: SourceRows? = left.isEmpty ? try reader.none() : nil
                return {
                    guard let segment = left.popFirst() else {
                        defer { none = nil }
                        return none
                    }
                    var rows = try reader.rows([segment], versions: false, offsets: isStraddling, defers: !isStraddling)
                    rows.isSorted = true
                    rows.isOneVersionEach = true
                    return rows
                }
            }
            var merged = MergedRuns(runs, rest, keys: keys, reader)
            return { try merged.next() }
        }
    }

    /// Whether some row of a segment may matter: its event time is reached, or, where facts have versions, it is known in time.
    private func isReached(_ segment: Segment) -> Bool {
        if reading.mode == .asServed, !group.hindsight, !group.source.isStatic, segment.firstKnown > lastInstant { return false }
        guard group.source.id.isEmpty, let times = segment.times, let reach else { return true }
        return times.lowerBound <= reach.upTo && reach.after.map { times.upperBound > $0 } ?? true
    }

    /// The rows after an offset, up to the cut, with what they say of facts under other keys; nil where there are none.
    private func recent(after: Int64) throws -> SourceRows? {
        guard after < cut else { return nil }
        let rows = try table.news(group.columns.sorted(), keys: group.segmentKeys, after: after, upTo: cut, connection)
        return rows.count > 0 ? rows : nil
    }
}

/// Several runs' rows of one bucket in one order, a part at a time: what is held is a segment of each run.
private struct MergedRuns {
    private let keys: [String]
    private let reader: SegmentRows
    /// For each run the segments that are still to be read, and the offset of the last row that was. Nil where all of those are handed out.
    private var runs: [(left: ArraySlice<Segment>, last: Int64?)]
    /// Rows that were read and not handed out, in order.
    private var pending: SourceRows?

    /// - Parameter rest: rows of no run, in whatever order.
    init(_ runs: [[Segment]], _ rest: SourceRows?, keys: [String], _ reader: SegmentRows) {
        self.keys = keys
        self.reader = reader
        self.runs = runs.map { ($0[...], nil) }
        pending = rest
    }

    mutating func next() throws -> SourceRows? {
        var parts = pending.map { [$0] } ?? []
        for index in runs.indices where runs[index].last == nil {
            guard let segment = runs[index].left.popFirst() else { continue }
            let rows = try reader.rows([segment], versions: false, offsets: true, defers: false)
            runs[index].last = rows.offsets.last
            parts.append(rows)
        }
        pending = nil
        if parts.isEmpty { return nil }
        var whole = SourceRows(concatenating: parts)
        whole.isSorted = false
        whole = whole.sorted(by: keys)
        whole.isOneVersionEach = true
        // What lies before the end of each run's rows is complete. A row is told by its offset.
        let ends = Set(runs.filter { !$0.left.isEmpty }.compactMap(\.last))
        guard let end = whole.offsets.firstIndex(where: ends.contains) else { return whole }
        for index in runs.indices where runs[index].last == whole.offsets[end] { runs[index].last = nil }
        pending = end + 1 < whole.count ? whole.gathered((Int32(end) + 1..<Int32(whole.count)).map(\.self)) : nil
        var part = whole.gathered((0...Int32(end)).map(\.self))
        part.isSorted = true
        return part
    }
}

/// Segments as rows for one group.
private struct SegmentRows: Sendable {
    let group: Plan.Group
    /// By number.
    let runs: [Int64: Run]
    let blocks: BlockSource

    /// Segments' rows, one segment after the other.
    ///
    /// - Parameters:
    ///   - versions: whether what facts' versions are told by is needed: id, retractions.
    ///   - offsets: whether the rows' places in the log are.
    ///   - defers: whether columns of which single values are enough may stay in their files.
    func rows(_ segments: [Segment], versions: Bool, offsets: Bool, defers: Bool) throws -> SourceRows {
        var parts: [SourceRows] = []
        var inPlace: [String: [PlainBlock]] = [:]
        for segment in segments {
            let (rows, blocks) = try rows(segment, versions: versions, offsets: offsets, deferring: defers ? group.pickedColumns : [])
            parts.append(rows)
            inPlace.merge(blocks.mapValues { [$0] }) { $0 + $1 }
        }
        var whole = SourceRows(concatenating: parts)
        for (name, blocks) in inPlace { whole.deferred[name] = PlainColumn(blocks) }
        return whole
    }

    private func rows(_ segment: Segment, versions: Bool, offsets: Bool, deferring: Set<String>) throws -> (SourceRows, [String: PlainBlock]) {
        let source = group.source
        var names = versions ? group.columns : group.valueColumns
        if let eventTime = source.eventTime { names.formUnion([eventTime, SegmentColumn.knownAt]) }
        if offsets { names.insert(SegmentColumn.offset) }
        if versions, segment.hasRetractions { names.insert(SegmentColumn.retraction) }
        var wanted: [(String, SegmentBlock)] = []
        for name in names {
            guard let block = segment.blocks[name] else { throw damage(segment, name) }
            wanted.append((name, block))
        }
        let (read, inPlace) = try blocks.columns(wanted, deferring: deferring) { damage(segment, $0.place?.column) }
        // What is written is as long as its segment, and of its type: who may write anything could have put something else here.
        for (name, column) in read where column.count != segment.rows || column.type != source.type(ofSegment: name) { throw damage(segment, name) }
        for (name, block) in inPlace where block.rowCount != segment.rows || block.type != source.type(ofSegment: name) { throw damage(segment, name) }
        let known = source.isStatic ? Array(repeating: SourceRows.unknown, count: segment.rows) : read[SegmentColumn.knownAt]?.knownTimes ?? []
        var rows = SourceRows(
            columns: read.filter { group.columns.contains($0.key) }, eventTimes: source.eventTime.flatMap { read[$0]?.integers } ?? [], knownAt: known,
            offsets: read[SegmentColumn.offset]?.integers ?? [])
        if case .bool(let flags)? = read[SegmentColumn.retraction]?.values { rows.isRetraction = flags }
        return (rows, inPlace)
    }

    private func damage(_ segment: Segment, _ column: String?) -> any Error {
        guard let run = segment.blocks.values.first?.place?.run, let run = runs[run] else { return StoreError(.damaged, "a segment of \(group.source.name) has no blocks") }
        return SegmentDamage(group.source.name, group.segmentKeys, run, segment.number, column)
    }

    /// No rows.
    func none() throws -> SourceRows {
        SourceRows(
            columns: Dictionary(
                uniqueKeysWithValues: group.source.columns.filter { group.columns.contains($0.name) }.map { ($0.name, Column(repeating: .null, type: $0.type, count: 0)) }),
            eventTimes: [], knownAt: [], offsets: [])
    }
}

extension SegmentCache {
    /// Deletes the copies of blocks that the store doesn't list any more.
    func evictUnlisted(of store: String, _ connection: Connection) throws {
        try evict(of: store, state: try connection.execute("select md5(coalesce(string_agg(run::text, ',' order by run), '')) from firn_cache.runs").single().text(0)) {
            let listed = try connection.execute(
                "select distinct address from firn_cache.blocks where address = any(\(Parameter.array(.bytes, $0.map { .bytes($0) })))")
            return Set(listed.map { $0.bytes(0) })
        }
    }
}

/// Blocks by their address: from this machine's copies, else from the store.
///
/// Sendable: the connection is used by one thread at a time, under the lock.
private final class BlockSource: @unchecked Sendable {
    private let connection: Connection
    private let lock = NSLock()
    private let cache: SegmentCache?
    private let store: String

    init(_ connection: Connection, cache: SegmentCache?) throws {
        self.connection = connection
        self.cache = cache
        store = try StoreContext.identity(connection)
        try cache?.evictUnlisted(of: store, connection)
    }

    /// - Parameters:
    ///   - deferring: names of columns that may stay as they are, where their values can be read in place.
    ///   - damage: what to throw where a block isn't what it was when it was sealed.
    func columns(_ wanted: [(name: String, block: SegmentBlock)], deferring: Set<String>, damage: (SegmentBlock) -> any Error) throws -> (
        columns: [String: Column], inPlace: [String: PlainBlock]
    ) {
        // Two names may stand for the same content, such as event time and known-at.
        var found: [[UInt8]: PlainBlock] = [:]
        var missing: [[UInt8]: SegmentBlock] = [:]
        for (_, block) in wanted where found[block.address] == nil && missing[block.address] == nil {
            if let copy = cache?.read(block, of: store) { found[block.address] = copy } else { missing[block.address] = block }
        }
        let bodies = try fetch(Array(missing.keys))
        for (address, block) in missing {
            guard let body = bodies[address], let column = try? ArrowBlock.decode(body, maximumBytes: block.bytes),
                let bytes = try? ArrowBlock.encode(column, isCompressed: false), let plain = PlainBlock(bytes, block)
            else { throw damage(block) }
            cache?.write(bytes, for: block, of: store)
            found[address] = plain
        }
        var columns: [String: Column] = [:], inPlace: [String: PlainBlock] = [:]
        var decoded: [[UInt8]: Column] = [:]
        for (name, block) in wanted {
            guard let plain = found[block.address], plain.isLike(block) else { throw damage(block) }
            if deferring.contains(name), plain.isReadInPlace {
                inPlace[name] = plain
            } else {
                let column = try decoded[block.address] ?? plain.column()
                (columns[name], decoded[block.address]) = (column, column)
            }
        }
        return (columns, inPlace)
    }

    /// Files as the store has them, by their addresses.
    private func fetch(_ addresses: [[UInt8]]) throws -> [[UInt8]: [UInt8]] {
        if addresses.isEmpty { return [:] }
        let rows = try lock.withLock {
            try connection.execute("select address, body from firn_cache.bodies where address = any(\(Parameter.array(.bytes, addresses.map { .bytes($0) })))")
        }
        return Dictionary(rows.map { ($0.bytes(0), $0.bytes(1)) }) { first, _ in first }
    }
}
