internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import Tables

/// The result of computing receipts again.
public struct ReplayedLookups: Sendable {
    /// How many receipts were computed again, and how many values in them.
    public var lookups = 0, values = 0
    /// How many values differ in any bit; a receipt that can't be computed again counts as one.
    public var differences = 0
    /// The first difference: the receipt, and what of it differs; nil where nothing does.
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
    ///   - since: only those answered for this instant or later; nil for all that are kept.
    ///   - receipt: only this one; nil for all.
    ///   - progress: called with how many are done.
    /// - Throws: `notFound` for an unknown receipt, `invalidRequest` for a text that isn't one.
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
    /// The receipt, a UUID.
    public var receipt: String
    /// The instant that it was answered for.
    public var asOf: Instant
    /// Who asked.
    public var actor: String
    /// The set or features that were asked for, once pointers were followed.
    public var target: LookupRequest.Target
    /// The pointer through which the set was asked for; nil without one.
    public var pointer: String?
    /// The model that the pointer led to, such as `churn.v3`; nil where it led to a set.
    public var model: String?

    fileprivate static let columns: SQL =
        "receipt::text, as_of, actor, set_name, to_json(features)::text, pointer, model"

    fileprivate init(_ row: Rows.Row) throws {
        (receipt, asOf, actor) = try (row.text(0), Instant(microseconds: row.timestamp(1)), row.text(2))
        target = try row.isNull(3) ? .features(try LoggedLookup.texts(row.bytes(4))) : .set(row.text(3))
        (pointer, model) = (row.optionalText(5), row.optionalText(6))
    }

    /// The line as JSON; one of `set` and `features` is null.
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
    /// Lines of the lookup log, the newest first.
    ///
    /// - Parameters:
    ///   - actor: who asked; nil for anybody.
    ///   - set: which set was asked for; nil for all, and for features.
    ///   - since: only those answered for this instant or later; nil for all.
    ///   - count: at most this many.
    public func lookups(actor: String? = nil, set: String? = nil, since: Instant? = nil, count: Int = 100) async throws
        -> [AskedLookup]
    {
        try await withCatalog { connection, _ in
            // No name contains a zero byte, and PostgreSQL takes none.
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
    /// - Throws: `notFound` for an unknown receipt, `invalidRequest` for a text that isn't one.
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

    /// Up to `pageRows` lines, in the order of their receipts.
    ///
    /// - Parameters:
    ///   - receipt: only this one.
    ///   - set: only those of this set.
    ///   - after: the receipt before the first one wanted.
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

    /// Comes before every receipt.
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

    /// The spine of the request, and a column of answers for each output; nil where one is missing or isn't of its
    /// type.
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
