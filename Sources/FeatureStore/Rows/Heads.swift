internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres

/// How far the logs go and what time it is, read in one statement: the cuts of an answer or snapshot.
struct Heads: Sendable {
    /// By source; 0 where nothing was loaded yet.
    var cuts: [String: Int64] = [:]
    /// When the newest batch at the cut was committed.
    var newestCommits: [String: Int64] = [:]
    /// The database's clock, never behind a push that the cuts hold.
    var now: Int64 = .min
    /// The database's clock as it is.
    var clock: Int64 = .min
    /// On a standby, how long ago the newest thing it has was committed; 0 on a primary.
    var lag = Duration.zero
    /// The newest ledger entry that changed what is registered or served, and the newest that erased something.
    var governed: Int64 = 0
    var erased: Int64 = 0

    init(_ sources: [String], _ connection: Connection) throws {
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
            clock = row.timestamp(4)
            now = max(now, row.optionalTimestamp(3) ?? .min, clock)
            if row.bool(5) { lag = row.optionalTimestamp(6).map { .microseconds(max(0, clock.subtractingReportingOverflow($0).partialValue)) } ?? Heads.unknownLag }
            (governed, erased) = (row.int64(7), row.int64(8))
            if row.isNull(0) { continue }
            let cut = row.optionalInt64(1) ?? 0
            guard (0...Heads.lastOffset).contains(cut) else {
                throw StoreError(.damaged, "the log of \(row.text(0)) ends at an offset that no log reaches", advice: "firn verify says more")
            }
            cuts[row.text(0)] = cut
            newestCommits[row.text(0)] = row.optionalTimestamp(2)
        }
    }

    /// No log reaches so far.
    static let lastOffset: Int64 = 1 << 62

    /// The lag of a standby that has replayed nothing yet.
    private static let unknownLag = Duration.seconds(86_400)

    /// The instant asked for: `now` unless it is a past one.
    static func instant(asOf: Instant?, now: Int64) throws -> Instant {
        guard let asOf else { return Instant(microseconds: now) }
        guard asOf.microseconds <= now else { throw StoreError(.asOfInFuture, "as_of \(asOf) lies in the future", advice: "now is \(Instant(microseconds: now))") }
        return asOf
    }
}
