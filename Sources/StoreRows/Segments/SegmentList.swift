internal import FeatureEngine
internal import FeatureLanguage
package import Postgres
package import SegmentFormat

/// What is sealed of a source by some key columns, as the store lists it.
package struct SegmentList {
    /// One after the other, from offset 0.
    package private(set) var runs: [Run] = []

    /// - Parameters:
    ///   - keys: key columns, sorted.
    ///   - columns: the blocks that will be read; what a segment retracts is read with any.
    package init(_ source: String, keys: [String], columns: Set<String>, _ connection: Connection) throws {
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
                Segment(
                    run: row.int64(0), number: row.int64(1), bucket: Int(row.int64(2)), rows: Int(row.int64(3)), times: times, firstKnown: row.int64(6),
                    isOneVersionEach: row.bool(7)))
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
    package static func deleteUnlisted(_ connection: Connection) throws {
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
