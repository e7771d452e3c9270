internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import Synchronization
public import Tables

/// A lookup as it was answered: what is needed to compute it again.
struct Receipt: Sendable {
    var id: String
    var asked: LookupRequest.Resolved
    /// The fingerprint of each output's function.
    var fingerprints: [String]
    var actor: String
    /// The keys and request inputs, a row for each entity asked for.
    var inputs: [String: Column]
    var answer: LookupAnswer
}

/// Lookups on their way into their log, `firn_log.lookups`: written in the background, so that no answer waits for it.
///
/// Bounded: where more are kept than can be written, or the database is away for long, lookups go without a receipt,
/// and are counted.
public final class Receipts: Sendable {
    private struct State {
        var queue: [Receipt] = []
        var cells = 0
        var isWriting = false
        var nextTidying: ContinuousClock.Instant?
        var retention = 30
        var rate = 0.0
        var counts = Counts()
    }

    public struct Counts: Sendable {
        /// Receipts that were written, and those for which there was no room.
        public var written = 0, dropped = 0
    }

    private let pool: Pool
    private let state = Mutex(State())

    private static let mostWaiting = 10_000
    /// Values of all that wait.
    private static let mostCells = 2_000_000
    /// What is written in one statement.
    private static let together = 500

    init(pool: Pool) {
        self.pool = pool
    }

    /// - Parameters:
    ///   - rate: the share of lookups that are kept though nobody asked for it, 0 to 1.
    ///   - retention: how many days they stay.
    public func configure(rate: Double, retention: Int) {
        state.withLock { state in
            state.rate = rate
            state.retention = retention
        }
    }

    public var counts: Counts { state.withLock { $0.counts } }

    /// Whether a lookup is one of those that are kept by chance.
    func isSampled() -> Bool {
        let rate = state.withLock { $0.rate }
        return rate > 0 && Double.random(in: 0..<1) < rate
    }

    /// Keeps a lookup, and gives the receipt's name; nil where there is no room.
    func keep(
        _ asked: LookupRequest.Resolved, _ functions: [Function], _ spine: Spine, _ answer: LookupAnswer, actor: String
    ) -> String? {
        let receipt = Receipt(
            id: UUID().uuidString.lowercased(), asked: asked, fingerprints: functions.map(\.fingerprint.description),
            actor: actor, inputs: spine.columns, answer: answer)
        let cells = answer.rowCount * max(1, answer.columns.count)
        return state.withLock { state -> String? in
            guard state.queue.count < Receipts.mostWaiting, state.cells + cells <= Receipts.mostCells else {
                state.counts.dropped += 1
                return nil
            }
            state.queue.append(receipt)
            state.cells += cells
            if !state.isWriting {
                state.isWriting = true
                Task.detached { [self] in await write() }
            }
            return receipt.id
        }
    }

    /// Returns once nothing waits any more, or after a while.
    public func flush(atMost bound: Duration = .seconds(30)) async {
        let began = ContinuousClock.now
        while state.withLock({ $0.isWriting }), ContinuousClock.now - began < bound {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    func close() { pool.close() }

    private func write() async {
        while true {
            // What comes together is written together.
            try? await Task.sleep(for: .milliseconds(20))
            let (batch, tidying) = state.withLock { state in
                (
                    Array(state.queue.prefix(Receipts.together)),
                    state.nextTidying.map { $0 <= .now } ?? true ? state.retention : nil
                )
            }
            do {
                try await pool.run { connection in
                    if let days = tidying { try connection.execute("select firn.keep_lookups(\(days)::int)") }
                    try Receipts.insert(batch, connection)
                }
            } catch let error as PostgresError where error.isClosed {
                return
            } catch {
                // They wait for the database to come back.
                try? await Task.sleep(for: .seconds(1))
                continue
            }
            let isDone = state.withLock { state in
                if tidying != nil { state.nextTidying = .now + .seconds(3600) }
                state.queue.removeFirst(batch.count)
                state.cells -= batch.reduce(0) { $0 + $1.answer.rowCount * max(1, $1.answer.columns.count) }
                state.counts.written += batch.count
                state.isWriting = !state.queue.isEmpty
                return state.queue.isEmpty
            }
            if isDone { return }
        }
    }

    private static func insert(_ batch: [Receipt], _ connection: Connection) throws {
        let statements = batch.map { receipt -> SQL in
            let features: Parameter =
                if case .features(let names) = receipt.asked.target { .array(.text, names.map { .text($0) }) } else {
                    .array(.text, [])
                }
            let inputs = JSON.object(
                receipt.inputs.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) })
            let cuts = JSON.object(
                receipt.answer.cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) })
            return """
                insert into firn_log.lookups (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model)
                values (\(receipt.id)::text::uuid, \(.timestamp(receipt.answer.asOf.microseconds)), \(receipt.asked.target.set), \(features),
                    \(.array(.text, receipt.answer.features.map { .text($0) })), \(.array(.text, receipt.fingerprints.map { .text($0) })), \(firnBuild), \(receipt.actor),
                    \(receipt.answer.isStale), \(cuts.description), \(inputs.description), \(JSON.array(receipt.answer.columns.map { JSON($0) }).description),
                    \(receipt.asked.pointer), \(receipt.asked.model?.description))
                """
        }
        // All of them in one transaction, and in one round trip.
        try connection.transaction { statements.forEach { connection.later($0) } }
    }
}

extension JSON {
    /// A column's values.
    fileprivate init(_ column: Column) { self = .array((0..<column.count).map { JSON(column[$0]) }) }
}

/// What came of computing receipts again.
public struct ReplayedLookups: Sendable {
    /// Receipts, and the values in them.
    public var lookups = 0, values = 0
    public var differences = 0
    /// The first that differs: the receipt, and what of it.
    public var first: (receipt: String, what: String)?

    fileprivate mutating func differ(_ receipt: String, _ what: String) {
        differences += 1
        if first == nil { first = (receipt, what) }
    }
}

extension StoreServing {
    /// Computes lookups of the log again, as training rows at their cuts, and compares every bit.
    ///
    /// - Parameters:
    ///   - since: those answered for this instant or later; nil for all that are kept.
    ///   - receipt: only this one.
    ///   - progress: called with how many are done.
    public func replayLookups(
        since: Instant? = nil, receipt: String? = nil, progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> ReplayedLookups {
        if let receipt, UUID(uuidString: receipt) == nil {
            throw StoreError(.invalidRequest, "'\(receipt.prefix(40))' is not a receipt")
        }
        let store = self
        return try await withCatalog { connection, catalog in
            var replayed = ReplayedLookups(), after = LoggedLookup.first
            while true {
                let rows = try LoggedLookup.page(since: since, receipt: receipt, after: after, connection)
                for row in rows.map({ $0 }) {
                    try Task.checkCancellation()
                    let logged = try LoggedLookup(row)
                    after = logged.receipt
                    try store.replay(logged, connection, catalog, &replayed)
                }
                progress(replayed.lookups)
                if rows.count < LoggedLookup.pageRows { break }
            }
            if let receipt, replayed.lookups == 0 {
                throw StoreError(
                    .notFound, "unknown receipt '\(receipt)'", advice: "its day may be older than the log's retention")
            }
            return replayed
        }
    }

    private func replay(
        _ logged: LoggedLookup, _ connection: Connection, _ catalog: Catalog, _ replayed: inout ReplayedLookups
    ) throws {
        replayed.lookups += 1
        let set = try logged.target.resolve(catalog).served
        guard set.features.map(\.function.fingerprint.description) == logged.fingerprints else {
            return replayed.differ(logged.receipt, "a definition")
        }
        let plan = Plan(set, in: catalog)
        guard let (spine, columns) = logged.read(plan) else {
            return replayed.differ(logged.receipt, "its inputs or values, which can't be read")
        }
        let outputs = try connection.transaction(.repeatableReadOnly) {
            try plan.train(spine, Reading(cuts: logged.cuts), training, connection)
        }
        for (output, (then, again)) in zip(plan.outputs, zip(columns, outputs.columns)) {
            for row in 0..<spine.instants.count {
                replayed.values += 1
                if then[row] != again[row] { replayed.differ(logged.receipt, "\(output.name) of row \(row + 1)") }
            }
        }
    }
}

/// Who asked for what: a line of the lookup log without what was answered.
public struct AskedLookup: Sendable {
    public var receipt: String
    /// The instant that it was answered for.
    public var asOf: Instant
    public var actor: String
    public var target: LookupRequest.Target
    public var pointer: String?
    public var model: String?

    fileprivate static let columns: SQL =
        "receipt::text, as_of, actor, set_name, to_json(features)::text, pointer, model"

    fileprivate init(_ row: Rows.Row) throws {
        (receipt, asOf, actor) = try (row.text(0), Instant(microseconds: row.timestamp(1)), row.text(2))
        target = try row.isNull(3) ? .features(try LoggedLookup.texts(row.bytes(4))) : .set(row.text(3))
        (pointer, model) = (row.optionalText(5), row.optionalText(6))
    }

    public var json: JSON {
        let features: JSON = if case .features(let names) = target { .array(names.map { .string($0) }) } else { .null }
        return .object([
            "receipt": .string(receipt), "as_of": .string(asOf.description), "actor": .string(actor),
            "set": JSON(target.set), "features": features, "pointer": JSON(pointer),
            "model": JSON(model),
        ])
    }
}

extension StoreServing {
    /// Lookups of the log, the newest first.
    ///
    /// - Parameters:
    ///   - actor: who asked; nil for anybody.
    ///   - set: which set was asked for; nil for all, and for features.
    ///   - since: those answered for this instant or later.
    ///   - count: at most so many.
    public func lookups(actor: String? = nil, set: String? = nil, since: Instant? = nil, count: Int = 100) async throws
        -> [AskedLookup]
    {
        try await withCatalog { connection, _ in
            // No name has such a character, and PostgreSQL takes none.
            guard !(actor ?? "").utf8.contains(0), !(set ?? "").utf8.contains(0) else { return [] }
            return try connection.execute(
                """
                select \(AskedLookup.columns) from firn_log.lookups
                where as_of >= \(.timestamp((since ?? Instant.range.lowerBound).microseconds)) and (\(actor) is null or actor = \(actor)) and (\(set) is null or set_name = \(set))
                order by as_of desc, receipt limit \(count)
                """
            ).map { row in try AskedLookup(row) }
        }
    }

    /// A line of the lookup log.
    ///
    /// - Throws: an unknown receipt.
    public func loggedLookup(_ receipt: String) async throws -> AskedLookup {
        guard UUID(uuidString: receipt) != nil else {
            throw StoreError(.invalidRequest, "'\(receipt.prefix(40))' is not a receipt")
        }
        return try await withCatalog { connection, _ in
            guard
                let row = try connection.execute(
                    "select \(AskedLookup.columns) from firn_log.lookups where receipt = \(receipt)::text::uuid"
                ).first
            else {
                throw StoreError(
                    .notFound, "unknown receipt '\(receipt)'", advice: "its day may be older than the log's retention")
            }
            return try AskedLookup(row)
        }
    }
}

/// A line of the lookup log.
struct LoggedLookup {
    static let pageRows = 1000

    /// Lines in the order of their receipts.
    ///
    /// - Parameters:
    ///   - receipt: only this one.
    ///   - set: only those of this set.
    ///   - after: the receipt before the first.
    static func page(
        since: Instant? = nil, receipt: String? = nil, set: String? = nil, after: String = first,
        _ connection: Connection
    ) throws -> Rows {
        var conditions: [SQL] = [
            "receipt > \(after)::text::uuid",
            "as_of >= \(.timestamp((since ?? Instant.range.lowerBound).microseconds))",
        ]
        if let receipt { conditions.append("receipt = \(receipt)::text::uuid") }
        if let set { conditions.append("set_name = \(set)") }
        return try connection.execute(
            """
            select receipt::text, as_of, set_name, to_json(features)::text, to_json(fingerprints)::text, cuts, inputs, answers from firn_log.lookups
            where \(SQL.joined(conditions, by: " and ")) order by receipt limit \(pageRows)
            """)
    }

    /// Before every receipt.
    static let first = "00000000-0000-0000-0000-000000000000"

    let receipt: String
    let target: LookupRequest.Target
    let fingerprints: [String]
    let cuts: [String: Int64]
    private let asOf: Int64
    private let inputs: JSON
    private let answers: JSON

    init(_ row: Rows.Row) throws {
        receipt = try row.text(0)
        asOf = try row.timestamp(1)
        target = try row.isNull(2) ? .features(try LoggedLookup.texts(row.bytes(3))) : .set(row.text(2))
        fingerprints = try LoggedLookup.texts(row.bytes(4))
        guard case .object(let members) = try JSON(parsing: row.bytes(5)) else {
            throw StoreError(.damaged, "the cuts of receipt \(receipt) can't be read")
        }
        var cuts: [String: Int64] = [:]
        for member in members { if case .int64(let cut)? = member.value.literal(as: .int64) { cuts[member.key] = cut } }
        self.cuts = cuts
        inputs = try JSON(parsing: row.bytes(6))
        answers = try JSON(parsing: row.bytes(7))
    }

    fileprivate static func texts(_ list: [UInt8]) throws -> [String] {
        guard case .array(let values) = try JSON(parsing: list) else { return [] }
        return values.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }

    /// The spine that it was asked with, and a column for each output; nil where one isn't there or isn't of its type.
    func read(_ plan: Plan) -> (Spine, [Column])? {
        var columns: [String: Column] = [:], count: Int?
        func column(_ value: JSON?, _ type: ValueType) -> Column? {
            guard case .array(let values)? = value, count ?? values.count == values.count else { return nil }
            count = values.count
            var builder = ColumnBuilder(type)
            for value in values {
                guard let literal = value.literal(as: type) else { return nil }
                builder.append(literal)
            }
            return builder.finish()
        }
        for definition in plan.keys + plan.requests {
            guard let column = column(inputs[definition.name], definition.type) else { return nil }
            columns[definition.name] = column
        }
        guard case .array(let values) = answers, values.count == plan.outputs.count else { return nil }
        var answered: [Column] = []
        for (output, value) in zip(plan.outputs, values) {
            guard let column = column(value, output.type) else { return nil }
            answered.append(column)
        }
        return (Spine(columns: columns, instants: Array(repeating: asOf, count: count ?? 0)), answered)
    }
}
