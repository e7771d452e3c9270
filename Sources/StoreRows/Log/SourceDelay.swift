internal import FeatureEngine
public import FeatureLanguage
package import Postgres

/// The time between when rows happened and when they were known, estimated from some 20,000 of a source's rows.
public struct SourceDelay: Sendable {
    /// Half of the rows were known no later than this after they happened.
    public var median: TimeSpan
    /// The 95th percentile.
    public var high: TimeSpan

    private static let sample = 20_000.0

    /// Nil if no row has both times. As served, rows count only from when they were known.
    package init?(_ source: Source, _ connection: Connection) throws {
        guard let eventTime = source.eventTime else { return nil }
        let rows = try connection.execute(
            "select coalesce(sum(count - duplicates), 0)::bigint from firn.batches where source = \(source.name)"
        ).single().int64(0)
        let percent = min(100, 100 * SourceDelay.sample / Double(max(rows, 1)))
        let row = try connection.execute(
            """
            select percentile_disc(0.5) within group (order by delay), percentile_disc(0.95) within group (order by delay) from (
                select (extract(epoch from coalesce(b.known_at, r.firn_known_at) - r.\(identifier: eventTime)) * 1000000)::bigint as delay
                from \(SourceTable(source).name) r tablesample system (\(.float64(percent))) join firn.batches b on b.batch = r.firn_batch) d
            """
        ).single()
        guard let median = try row.optionalInt64(0), let high = try row.optionalInt64(1) else { return nil }
        (self.median, self.high) = (TimeSpan(microseconds: median), TimeSpan(microseconds: high))
    }

    /// Rows known this long after they happened were probably loaded later.
    static let long = TimeSpan(microseconds: 86_400_000_000)
}

/// How large a source is, and how late its rows were known.
public struct SourceFigures: Sendable {
    /// Rows as they were loaded, not counting the duplicates that were dropped.
    public var rows: Int64
    /// The size of its table, including indexes.
    public var bytes: Int64
    /// How many imports and pushes its log holds.
    public var batches: Int64
    /// How late its rows were known; nil if no row has both times.
    public var delay: SourceDelay?

    package init(rows: Int64, bytes: Int64, batches: Int64, delay: SourceDelay? = nil) {
        self.rows = rows
        self.bytes = bytes
        self.batches = batches
        self.delay = delay
    }
}

/// A sample of the delays of rows as they pass by, evenly spaced.
struct DelaySample {
    private var events: [Int64] = []
    /// `SourceRows.unknown` if it is the commit.
    private var known: [Int64] = []
    private var step = 1, next = 0, seen = 0

    /// - Parameter knownAt: nil if rows are known from their commit on.
    mutating func add(_ eventTimes: [Int64], knownAt: [Int64]?) {
        while next < seen + eventTimes.count {
            let row = next - seen
            next += step
            if let knownAt, knownAt[row] == SourceRows.unknown { continue }
            events.append(eventTimes[row])
            known.append(knownAt?[row] ?? SourceRows.unknown)
            guard events.count == 16_384 else { continue }
            let kept = stride(from: 0, to: events.count, by: 2)
            (events, known, step) = (kept.map { events[$0] }, kept.map { known[$0] }, 2 * step)
        }
        seen += eventTimes.count
    }

    /// - Parameter commit: when rows that don't say so themselves are known.
    func median(commit: Int64) -> TimeSpan? {
        guard !events.isEmpty else { return nil }
        let delays = zip(known, events).map {
            ($0 == SourceRows.unknown ? commit : $0).subtractingReportingOverflow($1).partialValue
        }.sorted()
        return TimeSpan(microseconds: delays[delays.count / 2])
    }
}
