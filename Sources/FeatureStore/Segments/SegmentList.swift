internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// A stretch of a source's log, sealed by some key columns.
struct Run: Sendable {
    var number: Int64
    /// Its rows' offsets are greater than `after`, up to `upTo`.
    var after: Int64
    var upTo: Int64
    /// A power of two.
    var buckets: Int
    /// A segment has no more rows.
    var segmentRows: Int
    /// How many segments it has, were they all there.
    var segmentCount = 0
    var segments: [Segment] = []
    /// Whether the content of some block that it lists was dropped.
    var lacksContent = false
    /// Whether its list isn't what it was when it was sealed: then nothing of it is believed.
    var isDamaged = false

    /// Whether all of it is there, with these columns.
    func isWhole(_ columns: Set<String>) -> Bool {
        !isDamaged && !lacksContent && segments.allSatisfy { segment in columns.allSatisfy { segment.blocks[$0] != nil } }
    }

    /// Covers all that is believed of a run but its blocks, which have checksums of their own: whether a segment has a block of retractions is said here.
    func checksum(_ source: String, keys: [String]) -> Int64 {
        var fields = Checksum.Fields()
        fields.add(source)
        fields.add(keys)
        for number in [number, after, upTo, Int64(buckets), Int64(segmentRows), Int64(segmentCount), Int64(segments.count)] { fields.add(number) }
        for segment in segments {
            for number in [segment.number, Int64(segment.bucket), Int64(segment.rows), segment.firstKnown] { fields.add(number) }
            fields.add(segment.times?.lowerBound)
            fields.add(segment.times?.upperBound)
            fields.add(segment.isOneVersionEach)
            fields.add(segment.hasRetractions)
        }
        return fields.checksum
    }

    /// Whether its numbers are such that it can be read, whoever wrote them.
    fileprivate var isPlausible: Bool {
        after >= 0 && after < upTo && upTo <= Heads.lastOffset && (1...1 << 20).contains(buckets) && buckets & (buckets - 1) == 0 && segmentRows > 0
            && segments.count == segmentCount && segments.allSatisfy { (0..<buckets).contains($0.bucket) && $0.rows > 0 }
            && zip(segments, segments.dropFirst()).allSatisfy { $0.number < $1.number && $0.bucket <= $1.bucket }
    }
}

/// Some rows of one bucket, sorted by key and time, each column a block.
struct Segment: Sendable {
    var number: Int64
    var bucket: Int
    var rows: Int
    /// Event times, microseconds since 1970; nil in a static source.
    var times: ClosedRange<Int64>?
    var firstKnown: Int64
    /// Whether no two rows are versions of one fact, and none is a tombstone's or retraction's victim here.
    var isOneVersionEach: Bool
    /// Whether some rows only say that a version of a fact has another key: then there is a block of these marks.
    var hasRetractions = false
    var blocks: [String: SegmentBlock] = [:]

    /// As many as make a column a mebibyte: less compresses worse, more isn't better.
    static let usualRows = 1 << 17

    /// Whether it is what is listed, but for its number and blocks.
    func isListed(as listed: Segment) -> Bool {
        bucket == listed.bucket && rows == listed.rows && times == listed.times && firstKnown == listed.firstKnown && isOneVersionEach == listed.isOneVersionEach
            && hasRetractions == listed.hasRetractions
    }
}

/// What is sealed of a source by some key columns, as the store lists it.
struct SegmentList {
    /// One after the other, from offset 0.
    private(set) var runs: [Run] = []

    /// - Parameters:
    ///   - keys: key columns, sorted.
    ///   - columns: the blocks that will be read; what a segment retracts is read with any.
    init(_ source: String, keys: [String], columns: Set<String>, _ connection: Connection) throws {
        let keyNames = Parameter.array(.text, keys.map { .text($0) })
        var checksums: [Int64] = []
        for row in try connection.execute(
            """
            select run, after_offset, up_to, buckets, segment_rows, segments, checksum from firn_cache.runs where source = \(source) and keys = \(keyNames)
            order by after_offset, run
            """
        ).map({ $0 }) {
            runs.append(
                Run(number: row.int64(0), after: row.int64(1), upTo: row.int64(2), buckets: Int(row.int64(3)), segmentRows: Int(row.int64(4)), segmentCount: Int(row.int64(5))))
            checksums.append(row.int64(6))
        }
        guard !runs.isEmpty else { return }
        let numbers = Parameter.array(.int64, runs.map { .int64($0.number) })
        var places: [Int64: Int] = [:]
        for (index, run) in runs.enumerated() { places[run.number] = index }
        for row in try connection.execute(
            """
            select run, segment, bucket, rows, first_time, last_time, first_known, one_version from firn_cache.segments where run = any(\(numbers)) order by run, segment
            """
        ).map({ $0 }) {
            guard let run = places[row.int64(0)] else { continue }
            let first = row.optionalInt64(4), last = row.optionalInt64(5), times = first.flatMap { first in last.flatMap { first <= $0 ? first...$0 : nil } }
            if (times == nil) != (first == nil && last == nil) { runs[run].isDamaged = true }
            runs[run].segments.append(
                Segment(number: row.int64(1), bucket: Int(row.int64(2)), rows: Int(row.int64(3)), times: times, firstKnown: row.int64(6), isOneVersionEach: row.bool(7)))
        }
        let names = Parameter.array(.text, columns.union([SegmentColumn.retraction]).sorted().map { .text($0) })
        let blocks = try connection.execute(
            """
            select b.run, b.segment, b.column_name, b.address, b.bytes, b.checksum, exists (select from firn_cache.bodies o where o.address = b.address)
            from firn_cache.blocks b where b.run = any(\(numbers)) and b.column_name = any(\(names))
            """)
        for row in blocks.map({ $0 }) {
            guard let run = places[row.int64(0)], let segment = runs[run].segments.place(of: row.int64(1)) else { continue }
            let name = row.text(2)
            if name == SegmentColumn.retraction { runs[run].segments[segment].hasRetractions = true }
            guard row.bool(6) else {
                runs[run].lacksContent = true
                continue
            }
            runs[run].segments[segment].blocks[name] = SegmentBlock(
                address: row.bytes(3), bytes: Int(row.int64(4)), checksum: row.int64(5), at: .init(run: runs[run].number, segment: row.int64(1), column: name))
        }
        var end: Int64 = 0
        for (index, checksum) in checksums.enumerated() {
            if !runs[index].isPlausible || runs[index].after < end || runs[index].checksum(source, keys: keys) != checksum { runs[index].isDamaged = true }
            if !runs[index].isDamaged { end = runs[index].upTo }
        }
    }

    /// Deletes bodies that no run lists any more.
    static func deleteUnlisted(_ connection: Connection) throws {
        try connection.execute("delete from firn_cache.bodies o where not exists (select from firn_cache.blocks b where b.address = o.address)")
    }

    /// The runs that reading up to a cut can use: from the first on, as long as they follow each other and hold all of these columns.
    ///
    /// - Parameter damaged: runs that aren't, by their numbers.
    func usable(upTo cut: Int64, columns: Set<String>, without damaged: Set<Int64> = []) -> [Run] {
        var usable: [Run] = []
        var end: Int64 = 0
        for run in runs where run.after < cut {
            guard run.after == end, run.isWhole(columns), !damaged.contains(run.number) else { break }
            usable.append(run)
            end = run.upTo
        }
        return usable
    }
}

extension [Segment] {
    /// The place of a segment: they are numbered from 0, unless some are gone.
    fileprivate func place(of number: Int64) -> Int? {
        if number >= 0, number < count, self[Int(number)].number == number { return Int(number) }
        return firstIndex { $0.number == number }
    }
}

extension Plan.Group {
    /// The columns that make the key of its segments, each once, sorted.
    var segmentKeys: [String] { Set(keys.map(\.column)).sorted() }

    /// The blocks that hold its rows, whatever they are read for.
    var segmentColumns: Set<String> { columns.union(source.segmentColumns) }
}

extension Source {
    /// What a segment's block holds.
    func type(ofSegment column: String) -> ValueType? {
        switch column {
        case SegmentColumn.offset: .int64
        case SegmentColumn.knownAt: .timestamp
        case SegmentColumn.retraction: .bool
        default: self.column(column)?.type
        }
    }

    /// The blocks that every segment of it has.
    var segmentColumns: Set<String> {
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
