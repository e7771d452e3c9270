internal import FeatureEngine
internal import FeatureLanguage
package import Postgres
package import SegmentFormat

/// What is sealed for a source by some key columns, as the store lists it.
package struct SegmentList {
    /// One after another, from offset 0.
    package private(set) var runs: [Run] = []

    /// - Parameters:
    ///   - keys: key columns, sorted.
    ///   - columns: the columns whose blocks will be read; what a segment retracts is always read too.
    package init(_ source: String, keys: [String], columns: Set<String>, _ connection: Connection) throws {
        let checksums = try readRuns(source, keys, connection)
        guard !runs.isEmpty else { return }
        var places: [Int64: Int] = [:]
        for (index, run) in runs.enumerated() { places[run.number] = index }
        try readSegments(places, connection)
        try readBlocks(places, columns, connection)
        var end: Int64 = 0
        for (index, checksum) in checksums.enumerated() {
            if !runs[index].isPlausible || runs[index].after < end
                || runs[index].checksum(source, keys: keys) != checksum
            {
                runs[index].isDamaged = true
            }
            if !runs[index].isDamaged { end = runs[index].upTo }
        }
    }

    /// - Returns: each run's checksum; nil if it has none.
    private mutating func readRuns(_ source: String, _ keys: [String], _ connection: Connection) throws -> [Int64?] {
        var checksums: [Int64?] = []
        for row in try connection.execute(
            """
            select run, after_offset, up_to, buckets, segment_rows, segments, checksum from firn_cache.runs
            where source = \(source) and keys = \(Parameter.array(.text, keys.map { .text($0) })) order by after_offset, run
            """
        ).map({ $0 }) {
            let number = try row.int64(0)
            var run = Run(number: number, after: 0, upTo: 0, buckets: 0, segmentRows: 0)
            let isWhole = try SegmentList.holds {
                run = Run(
                    number: number, after: try row.int64(1), upTo: try row.int64(2), buckets: Int(try row.int64(3)),
                    segmentRows: Int(try row.int64(4)),
                    segmentCount: Int(try row.int64(5)))
            }
            run.isDamaged = !isWhole
            runs.append(run)
            checksums.append(try row.optionalInt64(6))
        }
        return checksums
    }

    private mutating func readSegments(_ places: [Int64: Int], _ connection: Connection) throws {
        for row in try connection.execute(
            """
            select run, segment, bucket, rows, first_time, last_time, first_known, one_version from firn_cache.segments where run = any(\(numbers)) order by run, segment
            """
        ).map({ $0 }) {
            let number = try row.int64(0)
            guard let run = places[number] else { continue }
            let isWhole = try SegmentList.holds {
                let first = try row.optionalInt64(4), last = try row.optionalInt64(5),
                    times = first.flatMap { first in last.flatMap { first <= $0 ? first...$0 : nil } }
                if (times == nil) != (first == nil && last == nil) { runs[run].isDamaged = true }
                runs[run].segments.append(
                    Segment(
                        run: number, number: try row.int64(1), bucket: Int(try row.int64(2)),
                        rows: Int(try row.int64(3)), times: times, firstKnown: try row.int64(6),
                        isOneVersionEach: try row.bool(7)))
            }
            if !isWhole { runs[run].isDamaged = true }
        }
    }

    private mutating func readBlocks(_ places: [Int64: Int], _ columns: Set<String>, _ connection: Connection) throws {
        let names = Parameter.array(.text, columns.union([SegmentColumn.retraction]).sorted().map { .text($0) })
        let blocks = try connection.execute(
            """
            select b.run, b.segment, b.column_name, b.address, b.bytes, b.checksum, exists (select from firn_cache.bodies o where o.address = b.address)
            from firn_cache.blocks b where b.run = any(\(numbers)) and b.column_name = any(\(names))
            """)
        for row in blocks.map({ $0 }) {
            guard let run = places[try row.int64(0)], let segment = runs[run].segments.place(of: try row.int64(1))
            else { continue }
            let name = try row.text(2)
            if name == SegmentColumn.retraction { runs[run].segments[segment].hasRetractions = true }
            guard try row.bool(6) else {
                runs[run].lacksContent = true
                continue
            }
            let isWhole = try SegmentList.holds {
                runs[run].segments[segment].blocks[name] = SegmentBlock(
                    address: try row.bytes(3), bytes: Int(try row.int64(4)), checksum: try row.int64(5),
                    at: .init(run: runs[run].number, segment: try row.int64(1), column: name))
            }
            if !isWhole { runs[run].isDamaged = true }
        }
    }

    private var numbers: Parameter { .array(.int64, runs.map { .int64($0.number) }) }

    /// Whether a listed item has all its values: a NULL in the list means that the run is damaged, but is no reason to
    /// compute nothing.
    private static func holds(_ body: () throws -> Void) throws -> Bool {
        do {
            try body()
            return true
        } catch let error as PostgresError where error.isDamagedValue {
            return false
        }
    }

    /// Deletes bodies that no run lists any more.
    package static func deleteUnlisted(_ connection: Connection) throws {
        try connection.execute(
            "delete from firn_cache.bodies o where not exists (select from firn_cache.blocks b where b.address = o.address)"
        )
    }

    /// The runs that a read up to a cut can use: from the first on, as long as each follows the one before and holds
    /// all of these columns.
    ///
    /// - Parameter damaged: runs to leave out, by number.
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
    /// The place of a segment: they are numbered from 0, unless some are missing.
    fileprivate func place(of number: Int64) -> Int? {
        if number >= 0, number < count, self[Int(number)].number == number { return Int(number) }
        return firstIndex { $0.number == number }
    }
}
