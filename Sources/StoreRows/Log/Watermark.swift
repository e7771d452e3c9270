internal import Crypto
internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

/// What an import with a watermark did with it.
public struct ImportedWatermark: Sendable {
    /// The name of the source's column that served as the watermark.
    public var column: String
    /// The value from which rows were asked for (beyond which, for a source without an id); nil if all were.
    public var from: Literal?
    /// Rows that wait for the next import.
    public var heldBack: Int
    /// Where the next import begins: a row that is committed later with a smaller value won't be found. Nil while the
    /// source has no value of the column.
    public var next: Literal?
}

/// Decides which rows a query with a watermark asks for.
///
/// Rows don't appear in the order of their values: a transaction that began early may commit late. With an id, rows are
/// asked for again from some way before the greatest value in the source, and, if that is earlier, from when the oldest
/// transaction began that was open during the last import; rows that are already there are dropped as duplicates.
/// Without an id, repeats can't be recognized. So the rows of the newest instant, which may get more, are held back
/// until there is a newer one, and with them everything as new as the oldest open transaction.
struct Watermark {
    private let source: Source
    private let column: ColumnDefinition
    private let overlap: Int64
    /// The greatest value in the source: microseconds, or the number itself.
    private let greatest: Int64?
    /// When the oldest transaction began that was open during the last import.
    private let openBefore: Int64?
    /// When the oldest transaction began that is open in the query's database, or now if there is none.
    private let openSince: Int64
    private let hasOpen: Bool
    private let isStandby: Bool
    /// Without an id: only rows before this value are taken.
    private let ceiling: Int64?
    /// How far the source's log reached.
    let head: Int64
    /// A digest of the query and of where it runs, by which it is recognized.
    private let asked: String

    /// - Parameter other: the connection on which the query runs; its transaction has not begun.
    init?(_ query: ImportQuery, _ source: Source, _ context: StoreContext, _ other: Connection) async throws {
        guard let name = query.watermark else {
            if query.overlap != nil { throw StoreError(.invalidRequest, "an overlap goes with a watermark") }
            return nil
        }
        guard let column = source.columns.first(where: { $0.name == name }),
            column.type == .timestamp || column.type == .int64
        else {
            throw StoreError(
                .invalidRequest, "the watermark '\(name)' is no timestamp or int64 column of \(source.name)",
                advice: "it names a column that rises with time")
        }
        self.source = source
        self.column = column
        guard !source.id.isEmpty || column.type == .timestamp else {
            throw StoreError(
                .invalidRequest,
                "\(source.name) has no id, and rows by an int64 watermark come in any order: some would be lost or come twice",
                advice: "take a timestamp for a watermark, or declare an id in a source of another name")
        }
        overlap = try Watermark.overlap(query, column, source)
        // Identifies the same query to the same database.
        let place = try other.execute(
            "select current_database() || ' ' || coalesce(inet_server_addr()::text, '') || ' ' || coalesce(inet_server_port()::text, '')"
        ).single().text(
            0)
        let asked = SHA256.hash(data: Array("\(place)\u{0}\(query.text.text)".utf8)).hexadecimal
        self.asked = asked
        (greatest, openBefore, head) = try await context.withRegistry { connection, _ in
            try connection.transaction(.repeatableReadOnly) {
                let body = try connection.execute(
                    "select body from firn.ledger where subject = \("source \(source.name)") and kind = 'import' and body::json ->> 'watermark' = \(name) order by body::json ->> 'query' = \(asked) desc, entry desc limit 1"
                ).first.map { try JSON(parsing: $0.bytes(0)) }
                let open: Int64? =
                    if case .string(let text)? = body?["open_since"] { Instant(text: text)?.microseconds } else { nil }
                return (
                    try Watermark.greatest(column, source, connection), open,
                    try BatchLog(source: source, connection: connection).head().offset
                )
            }
        }
        // Asked before the query sees anything, so that whatever isn't committed by then began no earlier. Other users'
        // transactions show only if the user may see them.
        let activity = try other.execute(
            """
            select clock_timestamp(), least((select min(xact_start) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
                    and backend_type not in ('walsender', 'autovacuum worker')),
                (select min(prepared) from pg_prepared_xacts where database = current_database())), pg_is_in_recovery()
            """
        ).single()
        isStandby = try activity.bool(2)
        guard !isStandby || !source.id.isEmpty else {
            throw StoreError(
                .invalidRequest,
                "the query's database is a standby, which doesn't say what is open on its primary, and \(source.name) has no id: rows that are committed late would be lost",
                advice: "ask the primary")
        }
        hasOpen = !activity.isNull(1)
        openSince = try min(activity.timestamp(0), activity.optionalTimestamp(1) ?? .max)
        try other.execute("begin isolation level repeatable read, read only")
        guard
            let given = try ofQuery({ try other.columns("select * from (\(query.text)\n) q limit 0") }).first(where: {
                $0.name == name
            })
        else {
            throw TableError(
                file: "query", column: name, message: "is missing", advice: "the query gives its watermark, too")
        }
        try QueryRows.check(given, column)
        guard source.id.isEmpty else {
            ceiling = nil
            return
        }
        let newest = try ofQuery {
            try other.execute("select max(q.\(identifier: name))::timestamptz from (\(query.text)\n) q")
        }.single().optionalTimestamp(0)
        // Somebody may have begun since then, and commit after somebody who began later.
        ceiling = min(newest ?? .min, openSince)
    }

    private static func greatest(_ column: ColumnDefinition, _ source: Source, _ connection: Connection) throws
        -> Int64?
    {
        let row = try connection.execute("select max(\(identifier: column.name)) from \(SourceTable(source).name)")
            .single()
        return try row.isNull(0) ? nil : column.type == .int64 ? row.int64(0) : row.timestamp(0)
    }

    private static func overlap(_ query: ImportQuery, _ column: ColumnDefinition, _ source: Source) throws -> Int64 {
        guard let text = query.overlap else { return column.type == .int64 ? 10_000 : 3_600_000_000 }
        if source.id.isEmpty {
            throw StoreError(
                .invalidRequest,
                "\(source.name) has no id by which repeated rows are told, so none are asked for again",
                advice: "leave the overlap out")
        }
        if column.type == .int64, let number = Int64(text), number >= 0 { return number }
        if column.type == .timestamp, let span = TimeSpan(text: text) { return span.microseconds }
        throw StoreError(
            .invalidRequest, "the overlap is no \(column.type == .int64 ? "number" : "duration")",
            advice: column.type == .int64
                ? "as in 10000, since '\(column.name)' is an int64" : "as in 1h, since '\(column.name)' is a timestamp")
    }

    private var hasID: Bool { !source.id.isEmpty }

    /// The value from which rows are asked for.
    private var from: Int64? {
        guard let greatest else { return nil }
        return hasID ? start(greatest, openBefore) : greatest
    }

    private func start(_ greatest: Int64, _ open: Int64?) -> Int64 {
        let (back, overflow) = greatest.subtractingReportingOverflow(overlap)
        let start = overflow ? .min : back
        return column.type == .int64 ? start : max(min(start, open ?? .max), Instant.range.lowerBound.microseconds)
    }

    /// A condition over `q`: the rows that are asked for. A NULL passes, and is refused when it arrives.
    var condition: SQL {
        let value: SQL = "q.\(identifier: column.name)"
        let compared: SQL = hasID ? ">=" : ">"
        let bounds = [
            from.map { "\(value) \(compared) \(written($0))" as SQL }, ceiling.map { "\(value) < \(written($0))" },
        ].compactMap(\.self)
        return bounds.isEmpty ? "true" : "(\(value) is null or \(SQL.joined(bounds, by: " and ")))"
    }

    /// Digits, signs and colons that we wrote ourselves: a copy takes no values.
    private func written(_ value: Int64) -> SQL {
        if column.type == .int64 { return "\(literal: value)" }
        let instant = Instant(
            microseconds: min(max(value, Instant.range.lowerBound.microseconds), Instant.range.upperBound.microseconds))
        return "'\(SQL(raw: instant.sqlText))'::timestamptz"
    }

    var name: String { column.name }

    /// How many rows are held back, in the query's transaction.
    func heldBack(_ query: SQL, _ connection: Connection) throws -> Int {
        guard let ceiling else { return 0 }
        let value: SQL = "q.\(identifier: column.name)"
        let bounds = [from.map { "\(value) > \(written($0))" as SQL }, "\(value) >= \(written(ceiling))"].compactMap(
            \.self)
        return Int(
            try ofQuery {
                try connection.execute("select count(*) from (\(query)\n) q where \(SQL.joined(bounds, by: " and "))")
            }.single().int64(0))
    }

    /// What the ledger says about it.
    var notes: [JSON.Member] {
        let open =
            column.type == .timestamp
            ? [JSON.Member("open_since", .string(Instant(microseconds: openSince).description))] : []
        return open + [JSON.Member("query", .string(asked)), JSON.Member("watermark", .string(column.name))]
    }

    func warning(heldBack: Int) -> String? {
        if isStandby {
            return
                "the query's database is a standby, which doesn't say what is open on its primary: rows that are committed later than the overlap are missed"
        }
        guard heldBack > 0, let ceiling else { return nil }
        let since = Instant(microseconds: ceiling)
        if ceiling == openSince {
            return
                "\(heldBack) rows from \(since) on are held back: \(hasOpen ? "a transaction has been open since" : "transactions that began since"), and may commit rows as old"
        }
        return
            "\(heldBack) rows of \(since) are held back until there is a newer one: more of that instant may come, and without an id nothing tells repeats"
    }

    /// - Parameter context: asked for the greatest value in the source by now.
    func outcome(heldBack: Int, _ context: StoreContext) async throws -> ImportedWatermark {
        let column = column, source = source
        let greatest = try await context.withRegistry { connection, _ in
            try Watermark.greatest(column, source, connection)
        }
        func literal(_ value: Int64) -> Literal {
            column.type == .int64 ? .int64(value) : .timestamp(Instant(microseconds: value))
        }
        return ImportedWatermark(
            column: column.name, from: from.map(literal), heldBack: heldBack,
            next: greatest.map { literal(hasID ? start($0, openSince) : $0) })
    }
}
