internal import ArrowIPC
internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import SegmentFormat
internal import StoreRecord
internal import StoreRows

/// Sealed rows.
enum SegmentHolding: Holding {
    static let tables = ["firn_cache.runs", "firn_cache.segments", "firn_cache.blocks", "firn_cache.bodies"]
    static let vacuumed = ["firn_cache.bodies"]

    private static let sampleOfBlocks = 200

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        done.runs = try delete(gone)
        done.erasure.runs = done.runs.count
    }

    static func verify(_ work: inout HistoryWork) throws {
        guard let catalog = work.catalog else { return }
        let segments = SegmentCheck(
            connection: work.connection, threads: work.threads, temporaryDirectory: work.temporaryDirectory)
        let progress = work.progress
        try work.noting { try segments.run(catalog, all: $0.all, &$0.check) { progress($0, $1) } }
        try work.noting { try segments.checkBodies(atMost: $0.all ? .max : sampleOfBlocks, &$0.check) }
    }

    /// Deletes runs from the first that holds a row that is gone: runs follow each other, so later ones are sealed
    /// again too.
    private static func delete(_ gone: GoneRows) throws -> [ErasureRecord.Run] {
        let connection = gone.connection
        var runs: [ErasureRecord.Run] = []
        for source in gone.sources.sorted() {
            let first = try connection.execute(
                "select min(b.base_offset) from firn_gone g join firn.batches b on b.batch = g.firn_batch where g.source = \(source)"
            ).single().int64(0)
            for row in try connection.execute(
                "delete from firn_cache.runs where source = \(source) and up_to > \(first) returning array_to_json(keys)::text, after_offset, up_to"
            ).map({ $0 }) {
                let keys = try JSONDecoder().decode([String].self, from: Data(row.bytes(0)))
                try runs.append(ErasureRecord.Run(source: source, keys: keys, after: row.int64(1), upTo: row.int64(2)))
            }
        }
        if !runs.isEmpty { try SegmentList.deleteUnlisted(connection) }
        return runs.sorted {
            ($0.source, $0.keys.joined(separator: ","), $0.after) < (
                $1.source, $1.keys.joined(separator: ","), $1.after
            )
        }
    }
}

/// Checks what is sealed against its addresses and against the rows.
private struct SegmentCheck {
    let connection: Connection
    let threads: Int
    let temporaryDirectory: String

    private static let sampleOfBuckets = 20

    /// A bucket of a run, with the columns that the run has.
    private struct Bucket {
        var source: Source
        var keys: [String]
        var run: Run
        var bucket: Int
        var columns: Set<String>
    }

    /// Checks every list of segments, and seals again what it lists: some buckets from what their blocks hold, or with
    /// `all` every run from the rows.
    func run(_ catalog: Catalog, all: Bool, _ check: inout HistoryCheck, _ progress: (String, Int) -> Void) throws {
        var buckets: [Bucket] = []
        for row in try connection.execute(
            "select distinct source, array_to_json(keys)::text from firn_cache.runs order by 1, 2"
        ).map({ $0 }) {
            let keys = (try? JSONDecoder().decode([String].self, from: Data(row.bytes(1)))) ?? []
            guard let source = try catalog.sources[row.text(0)], keys.allSatisfy({ source.column($0) != nil }) else {
                try check.faults.append(
                    "there are segments of \(row.text(0)) by \(keys.joined(separator: ", ")), which aren't registered")
                continue
            }
            let head = try BatchLog(source: source, connection: connection).head().offset
            let columns = Set(source.columns.map(\.name)).union([SegmentColumn.offset, SegmentColumn.knownAt])
            for run in try SegmentList(source.name, keys: keys, columns: columns, connection).runs {
                try Task.checkCancellation()
                if run.isDamaged {
                    check.faults.append("\(SegmentDamage(source.name, keys, run))")
                } else if run.upTo > head {
                    check.faults.append(
                        "\(SegmentDamage(source.name, keys, run).place) goes beyond the log's end, offset \(head)")
                } else {
                    let listed = Set(run.segments.flatMap(\.blocks.keys)).intersection(columns)
                    if all {
                        try sealAgain(source, keys, run, listed.union(try dropped(run)), &check) {
                            progress("segments of \(source.name)", $0)
                        }
                    }
                    // Blocks whose content was dropped are built again when they are read.
                    if !all, run.isWhole(listed) {
                        buckets += Set(run.segments.map(\.bucket)).map {
                            Bucket(source: source, keys: keys, run: run, bucket: $0, columns: listed)
                        }
                    }
                }
            }
        }
        for bucket in buckets.shuffled().prefix(SegmentCheck.sampleOfBuckets) {
            try Task.checkCancellation()
            if let damage = try sealAgain(bucket, &check) {
                check.faults.append(damage.description)
                return
            }
        }
    }

    /// Reads the contents of blocks, chosen at random, and hashes them.
    func checkBodies(atMost limit: Int, _ check: inout HistoryCheck) throws {
        let addresses = try connection.execute(
            "select address from firn_cache.bodies where address in (select address from firn_cache.blocks) order by random() limit \(limit)"
        ).map { try $0.bytes(0) }
        for address in addresses {
            try Task.checkCancellation()
            check.blocks += 1
            let row = try connection.execute(
                "select o.body, (select max(b.bytes) from firn_cache.blocks b where b.address = o.address) from firn_cache.bodies o where o.address = \(address)"
            ).first
            guard let row, let column = try? ArrowBlock.decode(row.bytes(0), maximumBytes: Int(row.int64(1))),
                let plain = try? ArrowBlock.encode(column, isCompressed: false),
                Array(SHA256.hash(data: plain)) == address
            else {
                check.faults.append("a segment's block isn't what its address says: \(address.hexadecimal)")
                return
            }
        }
    }

    /// The columns of a run's blocks, including blocks whose content was dropped.
    private func dropped(_ run: Run) throws -> Set<String> {
        Set(
            try connection.execute("select distinct column_name from firn_cache.blocks where run = \(run.number)").map {
                try $0.text(0)
            })
    }

    /// Seals a run again from the rows, and compares everything that is listed.
    private func sealAgain(
        _ source: Source, _ keys: [String], _ run: Run, _ columns: Set<String>, _ check: inout HistoryCheck,
        _ progress: (Int) -> Void
    ) throws {
        var sealed: [Int64: Segment] = [:]
        let sealer = Sealer(
            source, keys: keys, columns: columns, threads: threads, temporaryDirectory: temporaryDirectory, connection)
        try sealer.seal(run, progress: progress) { sealed[$0.segment.number] = $0.segment }
        func fault(_ segment: Int64, _ column: String?) {
            check.faults.append(
                "\(SegmentDamage(source.name, keys, run, segment, column).place) isn't what its rows make")
        }
        guard sealed.count == run.segments.count else {
            check.faults.append("\(SegmentDamage(source.name, keys, run).place) isn't what its rows make")
            return
        }
        for segment in run.segments {
            guard let again = sealed[segment.number], again.isListed(as: segment) else {
                return fault(segment.number, nil)
            }
        }
        for row in try connection.execute(
            "select segment, column_name, address, bytes, checksum from firn_cache.blocks where run = \(run.number) order by 1, 2"
        ).map({ $0 }) {
            let number = try row.int64(0), name = try row.text(1)
            guard
                let block = sealed[number]?.blocks[name]?.listed(
                    at: .init(run: run.number, segment: number, column: name)), try block.address == row.bytes(2),
                try block.bytes == Int(row.int64(3)), try block.checksum == row.int64(4)
            else { return fault(number, name) }
        }
    }

    /// Seals a bucket again from what its blocks hold.
    ///
    /// - Returns: the first thing that isn't as listed; nil where everything is.
    private func sealAgain(_ bucket: Bucket, _ check: inout HistoryCheck) throws -> SegmentDamage? {
        let (source, run) = (bucket.source, bucket.run),
            layout = SegmentLayout(source, keys: bucket.keys, columns: bucket.columns)
        let listed = run.segments.filter { $0.bucket == bucket.bucket }
        func damage(_ segment: Int64, _ column: String? = nil) -> SegmentDamage {
            SegmentDamage(source.name, bucket.keys, run, segment, column)
        }
        var parts: [SourceRows] = []
        for segment in listed {
            var columns: [String: Column] = [:]
            for (name, block) in segment.blocks.sorted(by: { $0.key < $1.key }) {
                check.blocks += 1
                let body = try connection.execute("select body from firn_cache.bodies where address = \(block.address)")
                    .first?.bytes(0)
                guard let body, let column = try? ArrowBlock.decode(body, maximumBytes: block.bytes),
                    column.count == segment.rows, column.type == source.type(ofSegment: name)
                else { return damage(segment.number, name) }
                columns[name] = column
            }
            guard layout.columns.allSatisfy({ columns[$0.name] != nil }), let offsets = columns[SegmentColumn.offset]
            else { return damage(segment.number) }
            let known =
                source.isStatic
                ? Array(repeating: SourceRows.unknown, count: segment.rows) : columns[SegmentColumn.knownAt]?.knownTimes
            guard let known else { return damage(segment.number) }
            var rows = SourceRows(
                columns: columns.filter { name, _ in layout.columns.contains { $0.name == name } },
                eventTimes: source.eventTime.flatMap { columns[$0]?.instants } ?? [],
                knownAt: known, offsets: offsets.integers)
            if let flags = columns[SegmentColumn.retraction] { rows.isRetraction = flags.bools }
            parts.append(rows)
        }
        guard let first = listed.first else { return nil }
        let rows = SourceRows(concatenating: parts).sorted(by: bucket.keys)
        let buckets = Buckets.assign(
            bucket.keys.compactMap { rows.columns[$0] }, count: rows.count, buckets: run.buckets)
        let sealed = try layout.segments(rows, bucket: bucket.bucket, ofRows: run.segmentRows)
        guard sealed.count == listed.count, buckets.allSatisfy({ $0 == bucket.bucket }) else {
            return damage(first.number)
        }
        for (segment, again) in zip(listed, sealed) {
            guard again.segment.isListed(as: segment) else { return damage(segment.number) }
            for (name, block) in segment.blocks {
                let made = again.segment.blocks[name]?.listed(
                    at: .init(run: run.number, segment: segment.number, column: name))
                guard let made, made.address == block.address, made.bytes == block.bytes,
                    made.checksum == block.checksum
                else { return damage(segment.number, name) }
            }
        }
        return nil
    }
}
