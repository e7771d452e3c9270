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

    init(_ sources: [String], _ connection: Connection) throws {
        let names = Parameter.array(.text, sources.map { .text($0) })
        let rows = try connection.execute(
            """
            select s.name, h.end_offset, h.committed_at, p.known_at, clock_timestamp()
            from unnest(\(names)) s(name)
            left join lateral (select base_offset + count as end_offset, committed_at from firn.batches
                where source = s.name order by base_offset desc limit 1) h on true
            left join lateral (select known_at from firn.batches
                where source = s.name and known_at is not null order by base_offset desc limit 1) p on true
            """)
        for row in 0..<rows.count {
            cuts[rows[row].text(0)] = rows[row].optionalInt64(1) ?? 0
            newestCommits[rows[row].text(0)] = rows[row].optionalTimestamp(2)
            now = max(now, rows[row].optionalTimestamp(3) ?? .min, rows[row].timestamp(4))
        }
        // A plan that reads no source still asks for the time.
        if rows.count == 0 { now = try connection.execute("select clock_timestamp()").first!.timestamp(0) }
    }

    /// The instant asked for: `now` unless it is a past one.
    static func instant(asOf: Instant?, now: Int64) throws -> Instant {
        guard let asOf else { return Instant(microseconds: now) }
        guard asOf.microseconds <= now else { throw StoreError(.asOfInFuture, "as_of \(asOf) lies in the future", advice: "now is \(Instant(microseconds: now))") }
        return asOf
    }
}
