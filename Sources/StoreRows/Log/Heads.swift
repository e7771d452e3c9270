internal import FeatureEngine
package import FeatureLanguage
package import Postgres
internal import StoreRecord

extension Heads {
    /// Reads all of it in one statement.
    ///
    /// - Throws: `damaged` if a log ends at an offset that no log reaches.
    package init(_ sources: [String], _ connection: Connection) throws {
        self.init()
        let names = Parameter.array(.text, sources.map { .text($0) })
        let rows = try connection.execute(
            prepared: """
                select s.name, h.end_offset, h.committed_at, p.known_at, c.now, c.is_standby, c.replayed, c.governed, c.erased
                from (select clock_timestamp() as now, pg_is_in_recovery() as is_standby, pg_last_xact_replay_timestamp() as replayed,
                    \(Ledger.governed) as governed, coalesce((select max(entry) from firn.ledger where kind = 'erase'), 0) as erased) c
                left join unnest(\(names)) s(name) on true
                left join lateral (select base_offset + count as end_offset, committed_at from firn.batches
                    where source = s.name order by base_offset desc limit 1) h on true
                left join lateral (select known_at from firn.batches
                    where source = s.name and known_at is not null order by base_offset desc limit 1) p on true
                """)
        for row in 0..<rows.count {
            let row = rows[row]
            clock = try row.timestamp(4)
            now = try max(now, row.optionalTimestamp(3) ?? .min, clock)
            if try row.bool(5) {
                lag =
                    try row.optionalTimestamp(6).map {
                        .microseconds(max(0, clock.subtractingReportingOverflow($0).partialValue))
                    } ?? Heads.unknownLag
            }
            (governed, erased) = try (row.int64(7), row.int64(8))
            if row.isNull(0) { continue }
            // No batch, or one with all its values.
            let cut = row.isNull(1) && row.isNull(2) ? 0 : try row.int64(1)
            guard (0...Heads.lastOffset).contains(cut) else {
                throw try StoreError(
                    .damaged, "the log of \(row.text(0)) ends at an offset that no log reaches",
                    advice: "firn verify says more")
            }
            try cuts[row.text(0)] = cut
            try newestCommits[row.text(0)] = row.optionalTimestamp(2)
        }
    }

    /// The lag of a standby that hasn't replayed anything yet.
    private static let unknownLag = Duration.seconds(86_400)

    /// The instant asked for, which may not be later than `now`; without one, `now`.
    package static func instant(asOf: Instant?, now: Int64) throws -> Instant {
        guard let asOf else { return Instant(microseconds: now) }
        guard asOf.microseconds <= now else {
            throw StoreError(
                .asOfInFuture, "as_of \(asOf) lies in the future", advice: "now is \(Instant(microseconds: now))")
        }
        return asOf
    }
}
