internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import SegmentFormat
internal import StoreRecord

/// What was sealed for a source by one key.
public struct Materialized: Sendable {
    /// The source's name.
    public var source: String
    /// The source's columns that make up the key; empty for one global series.
    public var keys: [String]
    /// How many rows were sealed now.
    public var rows: Int
    /// The offset up to which all rows are sealed.
    public var upTo: Int64
    /// How many segments were sealed now, including those sealed again.
    public var segments: Int
    /// The compressed size of their blocks.
    public var bytes: Int
}

extension StoreLog {
    /// What to seal, and when it is worth it.
    public struct MaterializeOptions: Sendable {
        /// Only these sources; nil for all.
        public var sources: [String]?
        /// Seals only if at least this many rows wait, or a tenth of what is sealed.
        public var minimumRows: Int
        /// Whether to build all segments again and check that they get the same addresses.
        public var rebuilds: Bool
        /// The approximate maximum of rows in a segment, and in a bucket.
        public var segmentRows: Int

        /// By default, everything that isn't sealed yet is.
        public init(sources: [String]? = nil, minimumRows: Int = 1, rebuilds: Bool = false, segmentRows: Int = 1 << 17)
        {
            self.sources = sources
            self.minimumRows = minimumRows
            self.rebuilds = rebuilds
            self.segmentRows = segmentRows
        }
    }

    /// Seals the rows that features read, for each source and key that a registered feature or label uses.
    ///
    /// Each run is committed separately, so an interruption loses only the current one.
    ///
    /// - Parameter progress: called with the source, the rows read so far, and how many there are to read.
    /// - Returns: one element for each source and key for which something was sealed, ordered by source and key.
    public func materialize(
        _ options: MaterializeOptions = MaterializeOptions(),
        progress: @escaping @Sendable (String, Int, Int) -> Void = { _, _, _ in }
    ) async throws
        -> [Materialized]
    {
        let threads = threads, directory = temporaryDirectory, reportDamage = reportDamage
        return try await withCatalog { connection, catalog in
            for name in options.sources ?? [] { _ = try catalog.source(named: name) }
            var done: [Materialized] = []
            for need in SegmentNeed.all(catalog) where options.sources?.contains(need.source.name) ?? true {
                let work = SegmentWork(
                    need: need, connection: connection, threads: threads, temporaryDirectory: directory,
                    segmentRows: options.segmentRows, reportDamage: reportDamage)
                let result = try work.run(minimumRows: options.minimumRows, rebuilds: options.rebuilds) {
                    progress(need.source.name, $0, $1)
                }
                if let result { done.append(result) }
            }
            return done
        }
    }

    /// Deletes the content of all segments. Their addresses stay on record, so that they can be built again and
    /// compared.
    public func dropSegments() async throws {
        try await withCatalog { connection, _ in _ = try connection.execute("delete from firn_cache.bodies") }
    }

    /// Deletes the kept rows of snapshots, which can be computed again.
    public func dropResults() async throws {
        try await withCatalog { connection, _ in _ = try connection.execute("delete from firn_cache.results") }
    }

    /// How much the store keeps for speed alone: segments, their compressed bytes, snapshots whose rows are kept.
    public func keptForSpeed() async throws -> (segments: Int, segmentBytes: Int, results: Int) {
        try await withCatalog { connection, _ in
            let row = try connection.execute(
                """
                select (select count(*) from firn_cache.segments), (select coalesce(sum(length(body)), 0)::bigint from firn_cache.bodies), (select count(distinct snapshot) from firn_cache.results)
                """
            ).single()
            return try (Int(row.int64(0)), Int(row.int64(1)), Int(row.int64(2)))
        }
    }
}

/// Segments that features need: those of a source by some key columns, with some columns.
struct SegmentNeed: Sendable {
    var source: Source
    /// Sorted.
    var keys: [String]
    var columns: Set<String>

    /// What the registered features and labels need, with each source and key once.
    static func all(_ catalog: Catalog) -> [SegmentNeed] {
        var needs: [SegmentNeed] = []
        for function in catalog.functions.values.sorted(by: { $0.name < $1.name }) {
            guard let plan = try? Plan(catalog.resolve(features: [function.name.description]), in: catalog) else {
                continue
            }
            for group in plan.groups {
                if let index = needs.firstIndex(where: {
                    $0.source.name == group.source.name && $0.keys == group.segmentKeys
                }) {
                    needs[index].columns.formUnion(group.columns)
                } else {
                    needs.append(SegmentNeed(source: group.source, keys: group.segmentKeys, columns: group.columns))
                }
            }
        }
        return needs.sorted {
            ($0.source.name, $0.keys.joined(separator: "\u{0}")) < ($1.source.name, $1.keys.joined(separator: "\u{0}"))
        }
    }
}

/// Brings the segments of one source and key up to date.
private struct SegmentWork {
    let need: SegmentNeed
    let connection: Connection
    let threads: Int
    let temporaryDirectory: String
    let segmentRows: Int
    let reportDamage: @Sendable (String) -> Void

    /// A run holds no more rows than this, so that sealing it again takes a bearable time.
    private static let maximumRows: Int64 = 1 << 24

    private var source: String { need.source.name }
    private var columns: Set<String> { need.columns.union(need.source.segmentColumns) }

    /// One at a time for each source; a second caller finds the work done.
    func run(minimumRows: Int, rebuilds: Bool, progress: @escaping (Int, Int) -> Void) throws -> Materialized? {
        try Lock.holding(Lock.segments(of: source), connection) {
            try bringUpToDate(minimumRows: minimumRows, rebuilds: rebuilds, progress: progress)
        }
    }

    private func bringUpToDate(minimumRows: Int, rebuilds: Bool, progress: @escaping (Int, Int) -> Void) throws
        -> Materialized?
    {
        var result: Materialized?
        func add(_ rows: Int, _ upTo: Int64, _ segments: Int, _ bytes: Int) {
            var sum = result ?? Materialized(source: source, keys: need.keys, rows: 0, upTo: 0, segments: 0, bytes: 0)
            sum.rows += rows
            sum.upTo = max(sum.upTo, upTo)
            sum.segments += segments
            sum.bytes += bytes
            result = sum
        }
        let list = try SegmentList(source, keys: need.keys, columns: columns, connection)
        for run in list.runs where run.isDamaged {
            reportDamage("\(SegmentDamage(source, need.keys, run)); it is sealed again")
            try connection.execute("delete from firn_cache.runs where run = \(run.number)")
        }
        let kept = list.runs.filter { !$0.isDamaged }
        // Runs that lack a column that a feature reads now, or some of whose content was dropped.
        for run in kept where rebuilds || !run.isWhole(columns) {
            let (segments, bytes) = try complete(run, progress)
            add(Int(run.upTo - run.after), run.upTo, segments, bytes)
        }
        // Runs that are missing before others.
        var before: Int64 = 0
        for run in kept {
            if run.after > before {
                let segmentRows = try fitting(after: before, upTo: run.after)
                let (segments, bytes) = try seal(
                    after: before, upTo: run.after,
                    buckets: buckets(run.after - before, ofRows: segmentRows, beside: kept), ofRows: segmentRows,
                    replacing: [], progress)
                add(Int(run.after - before), run.after, segments, bytes)
            }
            before = run.upTo
        }
        if kept.count < list.runs.count { try SegmentList.deleteUnlisted(connection) }
        while true {
            let head = try BatchLog(source: need.source, connection: connection).head().offset
            let runs = try SegmentList(source, keys: need.keys, columns: [], connection).runs
            let sealed = runs.last?.upTo ?? 0
            guard head > sealed, head - sealed >= min(Int64(minimumRows), max(1, sealed / 10)) else { break }
            // A run ends with a batch.
            let upTo = try end(after: sealed, atMost: SegmentWork.maximumRows, head: head)
            // Runs grow by a factor of four, so that there are few of them: smaller runs before the new rows are sealed
            // with these.
            var absorbed = 0
            while absorbed < runs.count {
                let before = runs[runs.count - 1 - absorbed]
                let after = absorbed == 0 ? sealed : runs[runs.count - absorbed].after
                guard before.upTo - before.after < 4 * (upTo - after), upTo - before.after <= SegmentWork.maximumRows
                else { break }
                absorbed += 1
            }
            let after = absorbed == 0 ? sealed : runs[runs.count - absorbed].after
            let segmentRows = try fitting(after: after, upTo: upTo)
            let (segments, bytes) = try seal(
                after: after, upTo: upTo,
                buckets: buckets(upTo - after, ofRows: segmentRows, beside: runs.dropLast(absorbed)),
                ofRows: segmentRows,
                replacing: Array(runs.suffix(absorbed)), progress)
            add(Int(upTo - sealed), upTo, segments, bytes)
        }
        return result
    }

    /// The end of the last batch after an offset that keeps a run within its limit, or of the first batch if that alone
    /// is larger.
    private func end(after: Int64, atMost rows: Int64, head: Int64) throws -> Int64 {
        if head - after <= rows { return head }
        let row = try connection.execute(
            """
            select coalesce(max(base_offset + count) filter (where base_offset + count <= \(after + rows)), min(base_offset + count))
            from firn.batches where source = \(source) and base_offset >= \(after)
            """
        ).single()
        return try row.int64(0)
    }

    /// Limits a segment's rows so that each column stays well below what one value in PostgreSQL can hold, judging by
    /// the first rows of a stretch. Only texts, lists and vectors can make a row long.
    private func fitting(after: Int64, upTo: Int64) throws -> Int {
        guard need.source.columns.contains(where: { !$0.type.layout.isFixed }) else { return segmentRows }
        let table = SourceTable(need.source)
        let row = try connection.execute(
            """
            select coalesce(max(length), 0) from (select avg(octet_length(r::text))::bigint from (select r.* from \(table.rows)
                where \(table.offsets(after: after, upTo: upTo)) limit 1000) r) widths(length)
            """
        ).single()
        return try min(segmentRows, max(64, (128 << 20) / max(1, Int(row.int64(0)))))
    }

    /// A bucket for each full segment; as many as the largest run has, unless this one is much smaller.
    private func buckets(_ rows: Int64, ofRows segmentRows: Int, beside runs: some Sequence<Run>) -> Int {
        if need.keys.isEmpty { return 1 }
        var count = 1
        while count < 1024, Int64(count * segmentRows) < rows { count *= 2 }
        let largest = runs.max { $0.upTo - $0.after < $1.upTo - $1.after }
        if let largest, rows >= (largest.upTo - largest.after) / 64 { count = max(count, largest.buckets) }
        return count
    }

    private func seal(
        after: Int64, upTo: Int64, buckets: Int, ofRows segmentRows: Int, replacing old: [Run],
        _ progress: @escaping (Int, Int) -> Void
    ) throws -> (segments: Int, bytes: Int) {
        try connection.transaction {
            for run in old { try connection.execute("delete from firn_cache.runs where run = \(run.number)") }
            let number = try connection.execute(
                """
                insert into firn_cache.runs (source, keys, after_offset, up_to, buckets, segment_rows, segments, checksum)
                values (\(source), \(Parameter.array(.text, need.keys.map { .text($0) })), \(after), \(upTo), \(buckets)::int, \(segmentRows)::int, 0, 0) returning run
                """
            ).single().int64(0)
            var run = Run(number: number, after: after, upTo: upTo, buckets: buckets, segmentRows: segmentRows)
            let counts = try write(&run, known: [], progress)
            run.segmentCount = run.segments.count
            try connection.execute(
                "update firn_cache.runs set segments = \(run.segmentCount)::int, checksum = \(run.checksum(source, keys: need.keys)) where run = \(number)"
            )
            if !old.isEmpty { try SegmentList.deleteUnlisted(connection) }
            return counts
        }
    }

    /// Builds a run again for the blocks that it lacks.
    private func complete(_ run: Run, _ progress: @escaping (Int, Int) -> Void) throws -> (segments: Int, bytes: Int) {
        try connection.transaction {
            let written = try connection.execute(
                "select segment, column_name, address from firn_cache.blocks where run = \(run.number)")
            var run = run
            let counts = try write(&run, known: written.map { try ($0.int64(0), $0.text(1), $0.bytes(2)) }, progress)
            guard counts.segments == run.segmentCount else {
                throw StoreError(
                    .damaged,
                    "\(source) up to offset \(run.upTo) makes \(counts.segments) segments now, and made \(run.segmentCount) when it was sealed",
                    advice: "rows of the past have changed")
            }
            return counts
        }
    }

    /// - Parameter known: blocks that are already listed; sealed again, they have to be the same.
    private func write(
        _ run: inout Run, known: [(segment: Int64, column: String, address: [UInt8])],
        _ progress: @escaping (Int, Int) -> Void
    ) throws -> (
        segments: Int, bytes: Int
    ) {
        let listed = Dictionary(known.map { ("\($0.segment) \($0.column)", $0.address) }) { first, _ in first }
        let there = run, numbers = Set(run.segments.map(\.number)), number = run.number,
            stretch = Int(run.upTo - run.after)
        let sealer = Sealer(
            need.source, keys: need.keys, columns: columns, threads: threads, temporaryDirectory: temporaryDirectory,
            connection)
        var segments = 0, bytes = 0, added: [Segment] = []
        try sealer.seal(run, progress: { progress($0, stretch) }) { sealed in
            let segment = sealed.segment
            if !numbers.contains(segment.number) {
                added.append(segment)
                let first: Parameter = segment.times.map { .int64($0.lowerBound) } ?? .null(.int64),
                    last: Parameter = segment.times.map { .int64($0.upperBound) } ?? .null(.int64)
                try connection.execute(
                    """
                    insert into firn_cache.segments values (\(number), \(segment.number)::int, \(segment.bucket)::int, \(segment.rows)::int, \(first), \(last),
                        \(segment.firstKnown), \(segment.isOneVersionEach))
                    """)
            }
            var names: [Parameter] = [], addresses: [Parameter] = [], sizes: [Parameter] = [],
                checksums: [Parameter] = []
            for (name, block, body) in sealed.bodies {
                if let address = listed["\(segment.number) \(name)"], address != block.address {
                    throw StoreError(
                        .damaged,
                        "\(SegmentDamage(source, need.keys, there, segment.number, name).place) built again has another content",
                        advice: "rows of the past have changed, or its list: firn verify --all says which")
                }
                names.append(.text(name))
                addresses.append(.bytes(block.address))
                sizes.append(.int64(Int64(block.bytes)))
                checksums.append(
                    .int64(block.listed(at: .init(run: number, segment: segment.number, column: name)).checksum))
                guard body.count < 1_000_000_000 else {
                    throw StoreError(
                        .invalidRequest,
                        "column '\(name)' of \(source) has texts too long to be sealed: \(segment.rows) rows of it come to a gigabyte",
                        advice: "features of shorter columns, or of a source of their own, can be sealed")
                }
                // One by one, since together they may be larger than a statement can be. What is already there may not
                // be what its address says.
                try connection.execute(
                    """
                    insert into firn_cache.bodies as o values (\(block.address), \(body)) on conflict (address) do update set body = excluded.body where o.body <> excluded.body
                    """)
                bytes += body.count
            }
            try connection.execute(
                """
                insert into firn_cache.blocks as b (run, segment, column_name, address, bytes, checksum)
                select \(number), \(segment.number)::int, n, a, s, c from unnest(\(Parameter.array(.text, names)), \(Parameter.array(.bytes, addresses)),
                    \(Parameter.array(.int64, sizes)), \(Parameter.array(.int64, checksums))) u(n, a, s, c)
                on conflict (run, segment, column_name) do update set bytes = excluded.bytes, checksum = excluded.checksum
                    where (b.bytes, b.checksum) <> (excluded.bytes, excluded.checksum)
                """)
            segments += 1
        }
        run.segments += added
        return (segments, bytes)
    }
}
