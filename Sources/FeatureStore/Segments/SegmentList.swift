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

    /// Whether all of it is there, with these columns.
    func isWhole(_ columns: Set<String>) -> Bool {
        !lacksContent && segments.count == segmentCount && segments.allSatisfy { segment in columns.allSatisfy { segment.blocks[$0] != nil } }
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
    var blocks: [String: SegmentBlock] = [:]

    /// As many as make a column a mebibyte: less compresses worse, more isn't better.
    static let usualRows = 1 << 17
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
        for row in try connection.execute(
            "select run, after_offset, up_to, buckets, segment_rows, segments from firn_cache.runs where source = \(source) and keys = \(keyNames) order by after_offset"
        ).map({ $0 }) {
            runs.append(
                Run(number: row.int64(0), after: row.int64(1), upTo: row.int64(2), buckets: Int(row.int64(3)), segmentRows: Int(row.int64(4)), segmentCount: Int(row.int64(5))))
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
            let times = row.optionalInt64(4).map { $0...row.int64(5) }
            runs[places[row.int64(0)]!].segments.append(
                Segment(number: row.int64(1), bucket: Int(row.int64(2)), rows: Int(row.int64(3)), times: times, firstKnown: row.int64(6), isOneVersionEach: row.bool(7)))
        }
        let names = Parameter.array(.text, columns.union([SegmentColumn.retraction]).sorted().map { .text($0) })
        let blocks = try connection.execute(
            """
            select b.run, b.segment, b.column_name, b.address, b.bytes, b.checksum, exists (select from firn_cache.bodies o where o.address = b.address)
            from firn_cache.blocks b where b.run = any(\(numbers)) and b.column_name = any(\(names))
            """)
        for row in blocks.map({ $0 }) {
            let run = places[row.int64(0)]!
            guard row.bool(6), let segment = runs[run].segments.place(of: row.int64(1)) else {
                runs[run].lacksContent = true
                continue
            }
            runs[run].segments[segment].blocks[row.text(2)] = SegmentBlock(address: row.bytes(3), bytes: Int(row.int64(4)), checksum: row.int64(5))
        }
    }

    /// Deletes bodies that no run lists any more.
    static func deleteUnlisted(_ connection: Connection) throws {
        try connection.execute("delete from firn_cache.bodies o where not exists (select from firn_cache.blocks b where b.address = o.address)")
    }

    /// The runs that reading up to a cut can use: from the first on, as long as they follow each other and hold all of these columns.
    func usable(upTo cut: Int64, columns: Set<String>) -> [Run] {
        var usable: [Run] = []
        var end: Int64 = 0
        for run in runs where run.after < cut {
            guard run.after == end, run.isWhole(columns) else { break }
            usable.append(run)
            end = run.upTo
        }
        return usable
    }
}

extension [Segment] {
    /// The place of a segment: they are numbered from 0, unless some are gone.
    fileprivate func place(of number: Int64) -> Int? {
        if number < count, self[Int(number)].number == number { return Int(number) }
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
