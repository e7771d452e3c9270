package import FeatureEngine
internal import FeatureLanguage
package import Postgres
package import SegmentFormat

/// Reads groups' rows from segments and, for what came since the last one, from the source's table.
///
/// Everything happens in one transaction, so that sealed and unsealed rows fit together, whatever is sealed, merged or
/// dropped meanwhile.
package struct SegmentReader {
    package let spine: Spine
    package let reading: Reading
    /// Whether future rows are wanted too, since they decide when a value changes.
    package let wantsChanges: Bool
    let cache: SegmentCache?
    /// Runs that aren't read; those found damaged here are added.
    let damage: FoundDamage
    package let connection: Connection

    package init(
        spine: Spine, reading: Reading, wantsChanges: Bool, cache: SegmentCache?, damage: FoundDamage,
        connection: Connection
    ) {
        self.spine = spine
        self.reading = reading
        self.wantsChanges = wantsChanges
        self.cache = cache
        self.damage = damage
        self.connection = connection
    }

    /// - Parameter progress: called now and then with how many rows of the table were read.
    /// - Returns: nil if nothing usable is sealed.
    package func buckets(for group: Plan.Group, progress: @escaping (Int) -> Void) throws -> SegmentBuckets? {
        let cut = reading.cuts[group.source.name] ?? 0
        let list = try SegmentList(
            group.source.name, keys: group.segmentKeys, columns: group.segmentColumns, connection)
        for run in list.runs where run.isDamaged {
            _ = damage.add(SegmentDamage(group.source.name, group.segmentKeys, run))
        }
        let runs = list.usable(upTo: cut, columns: group.segmentColumns, without: damage.runs)
        guard let sealed = runs.last?.upTo, let last = spine.instants.max() else { return nil }
        let blocks = try KeptBlocks(connection, cache: cache)
        let reach = SegmentBuckets.Reach(
            times: RowLoader.reach(group, spine, wantsChanges: wantsChanges), lastInstant: wantsChanges ? .max : last,
            mode: reading.mode, cut: cut)
        var recent: SourceRows?
        if sealed < cut {
            let rows = try SourceTable(group.source, progress: progress).news(
                group.columns.sorted(), keys: group.segmentKeys, after: sealed, upTo: cut, connection)
            if rows.count > 0 { recent = rows }
        }
        return try SegmentBuckets(group, runs, recent: recent, reach, blocks: blocks)
    }
}
