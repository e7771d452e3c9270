internal import ArrowIPC
internal import FeatureEngine
package import FeatureLanguage
internal import Foundation
package import Postgres
package import SegmentFormat

/// Makes segments from a stretch of a source's log.
///
/// The result depends on the log alone: the rows of the stretch and, for each of their facts, the versions before it.
/// Rows are read once, in whatever order they come, put aside by bucket, and sealed bucket after bucket, so that only a
/// few buckets are in memory at once.
package struct Sealer {
    private let layout: SegmentLayout
    private let connection: Connection
    private let threads: Int
    private let temporaryDirectory: String

    private static let batchRows = 4096

    private var source: Source { layout.source }
    private var keys: [String] { layout.keys }
    private var columns: [ColumnDefinition] { layout.columns }

    /// - Parameter names: the columns' names; those that every segment has are included anyway.
    package init(
        _ source: Source, keys: [String], columns names: Set<String>, threads: Int, temporaryDirectory: String,
        _ connection: Connection
    ) {
        layout = SegmentLayout(source, keys: keys, columns: names)
        self.connection = connection
        self.threads = threads
        self.temporaryDirectory = temporaryDirectory
    }

    /// - Parameters:
    ///   - run: what to seal; its segments are ignored.
    ///   - take: called with each segment, in order.
    ///   - progress: called with the rows read so far.
    package func seal(_ run: Run, progress: (Int) -> Void, take: (SealedSegment) throws -> Void) throws {
        let after = run.after, upTo = run.upTo, buckets = run.buckets, segmentRows = run.segmentRows
        let retractions = try source.id.isEmpty || source.isStatic ? nil : corrections(after: after, upTo: upTo)
        let spill = try spill(after: after, upTo: upTo, buckets: buckets, progress)
        let moved = retractions.map { Buckets.members(assigned($0, buckets), buckets: buckets) }
        var number: Int64 = 0
        for first in stride(from: 0, to: buckets, by: threads) {
            let range = first..<min(first + threads, buckets)
            let batches = try range.map { try spill.batches($0) }
            let layout = layout, keys = keys
            let sealed = try parallel(range.count, threads: threads) { index in
                var parts = batches[index].map(layout.rows)
                if let retractions, let moved, !moved[first + index].isEmpty {
                    parts.append(retractions.gathered(moved[first + index]))
                }
                return parts.isEmpty
                    ? []
                    : try layout.segments(
                        SourceRows(concatenating: parts).sorted(by: keys), bucket: first + index, ofRows: segmentRows)
            }
            for var segment in sealed.flatMap(\.self) {
                segment.segment.number = number
                number += 1
                try take(segment)
            }
        }
    }

    private func assigned(_ rows: SourceRows, _ buckets: Int) -> [Int32] {
        Buckets.assign(keys.map { rows.columns[$0]! }, count: rows.count, buckets: buckets)
    }

    // MARK: Rows in

    private var fields: [ArrowField] {
        columns.map { ArrowField($0.name, ArrowType($0.type)) } + [
            ArrowField(SegmentColumn.offset, ArrowType(.int64)),
            ArrowField(SegmentColumn.knownAt, ArrowType(.timestamp)),
        ]
    }

    /// Reads the stretch and puts its rows aside by bucket.
    private func spill(after: Int64, upTo: Int64, buckets: Int, _ progress: (Int) -> Void) throws -> Spill {
        let spill = try Spill(buckets: buckets, fields: fields, directory: temporaryDirectory)
        let list = SQL.joined(
            columns.map { "r.\(identifier: $0.name)" } + [
                "b.base_offset + r.firn_position", "coalesce(b.known_at, r.firn_known_at)",
            ], by: ", ")
        let query: SQL = """
            select \(list) from \(SourceTable(source).rows) where \(SourceTable(source).offsets(after: after, upTo: upTo))
            """
        func empty() -> [ColumnBuilder] { (columns.map(\.type) + [.int64, .timestamp]).map { ColumnBuilder($0) } }
        var arriving = empty()
        var waiting = Array(repeating: [[Column]](), count: buckets)
        var waitingRows = Array(repeating: 0, count: buckets)
        var count = 0
        func put(_ bucket: Int) throws {
            if waitingRows[bucket] == 0 { return }
            let merged = fields.indices.map { index in Column(concatenating: waiting[bucket].map { $0[index] }) }
            try spill.append(merged, rowCount: waitingRows[bucket], bucket: bucket)
            waiting[bucket] = []
            waitingRows[bucket] = 0
        }
        func distribute() throws {
            var columns = arriving.indices.map { arriving[$0].finish() }
            var rows = columns[0].count
            count += rows
            // Rows with a NULL in their key belong to no entity.
            let nulls = self.columns.indices.filter { keys.contains(self.columns[$0].name) }.compactMap {
                columns[$0].validity
            }
            if !nulls.isEmpty {
                let whole = (0..<Int32(rows)).filter { row in nulls.allSatisfy { $0[Int(row)] } }
                columns = columns.map { $0.gathered(whole) }
                rows = whole.count
            }
            let assigned = Buckets.assign(
                keys.map { key in columns[self.columns.firstIndex { $0.name == key }!] }, count: rows, buckets: buckets)
            for (bucket, members) in Buckets.members(assigned, buckets: buckets).enumerated() where !members.isEmpty {
                waiting[bucket].append(columns.map { $0.gathered(members) })
                waitingRows[bucket] += members.count
                if waitingRows[bucket] >= Sealer.batchRows { try put(bucket) }
            }
            arriving = empty()
            progress(count)
        }
        try connection.copyOut("copy (\(query)) to stdout (format binary)") { reader in
            for index in arriving.indices { arriving[index].append(&reader) }
            if arriving[0].count == 1 << 16 {
                try Task.checkCancellation()
                try distribute()
            }
        }
        if arriving[0].count > 0 { try distribute() }
        for bucket in 0..<buckets { try put(bucket) }
        return spill
    }

    /// What the stretch's rows, and those before it, say about facts with several versions, under the keys that lost
    /// them.
    private func corrections(after: Int64, upTo: Int64) throws -> SourceRows {
        let table = SourceTable(source), names = columns.map(\.name)
        let rows: SourceRows
        if SourceTable.isShort(after: after, upTo: upTo) {
            rows = try table.read(names, after: after, upTo: upTo, allVersions: true, connection)
        } else {
            // Most facts have one version: the others are few.
            let several: SQL =
                "select \(table.ids) from \(table.touched(after: after, upTo: upTo)) group by \(table.ids) having count(*) > 1"
            rows = try table.read(
                names, where: "b.base_offset + b.count <= \(upTo) and (\(table.ids)) in (\(several))", connection)
        }
        return rows.retractions(of: source, keys: keys, after: after)
    }
}
