public import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import StoreRows

/// A value taken apart: the rows that counted, and the nearest that didn't, with the reason.
public struct WhyAnswer: Sendable {
    /// The feature or label that was explained.
    public var function: Function
    /// The entity's keys and the request inputs that were given.
    public var inputs: [(name: String, value: Literal)]
    /// The instant that the value is for.
    public var asOf: Instant
    /// The value at that instant.
    public var value: Literal
    /// Reasons why the value is NULL whatever its aggregates are: a NULL key, a label's future that isn't known yet.
    public var overrides: [String]
    /// By source: the last offset that was read.
    public var cuts: [String: Int64]
    /// What the value is computed from: an expression over `a1`, `a2`, …, the aggregates explained.
    public var plan: PlanOutline
    /// One for each aggregate, in the order `a1`, `a2`, ….
    public var explanations: [Explanation]
}

/// What is to be explained: one feature or label of one entity.
public struct WhyRequest: Sendable {
    /// The lookup whose value is doubted; it doesn't wait for `minOffsets`.
    public var lookup: LookupRequest
    /// Whether rows count that became known only after the instant.
    public var isHindsight = false
    /// Leaves out rows that became known later than this; nil leaves out none.
    public var knownBy: Instant?
    /// By source, the offset up to which its log is read; nil, or a source that isn't there, reads all.
    package var cuts: [String: Int64]?
    /// How many of the rows that counted, and of those that didn't, are shown for each aggregate: 1 to `maximumRows`.
    public var rows = WhyRequest.usualRows

    /// Asks about a feature or label; keys and inputs are still to be added to `lookup`.
    public init(_ function: String) {
        lookup = LookupRequest(.features([function]), entities: [:])
    }

    /// How many rows of each sort are shown by default.
    public static let usualRows = 20
    /// The most rows of each sort that can be asked for.
    public static let maximumRows = 1000
    /// The most rows of all aggregates together; a feature with many aggregates gets fewer of each.
    fileprivate static let maximumOfAll = 10_000
}

extension StoreServing {
    /// Explains the value of one feature or label for one entity, now or at a past instant.
    ///
    /// - Throws: as a lookup does.
    public func why(_ request: WhyRequest) async throws -> WhyAnswer {
        guard (1...WhyRequest.maximumRows).contains(request.rows) else {
            throw StoreError(.invalidRequest, "rows are 1 to \(WhyRequest.maximumRows)")
        }
        guard case .features(let names) = request.lookup.target, names.count == 1 else {
            throw StoreError(.invalidRequest, "one feature or label is explained at a time")
        }
        let lookup = request.lookup, lastNow = context.lastNow
        return try await withCatalog { connection, catalog in
            let set = try catalog.resolve(features: names)
            let plan = Plan(set, in: catalog)
            return try connection.transaction(.repeatableReadOnly) {
                let heads = try Heads(plan.sources, connection)
                let instant = try Heads.instant(asOf: lookup.asOf, now: lastNow.advance(to: heads.now))
                let spine = try lookup.spine(plan, at: instant)
                guard spine.instants.count == 1 else {
                    throw StoreError(.invalidRequest, "one entity is explained at a time")
                }
                let cuts = heads.cuts.merging(request.cuts ?? [:]) { min($0, $1) }
                let loader = RowLoader(spine: spine, cuts: cuts, connection: connection)
                let reading = Reading(
                    mode: request.isHindsight ? .hindsight : .asServed, knownBy: request.knownBy?.microseconds,
                    cuts: cuts, newestCommits: heads.newestCommits)
                let aggregates = plan.groups.reduce(0) { $0 + $1.aggregates.count }
                let limit = max(1, min(request.rows, WhyRequest.maximumOfAll / max(aggregates, 1)))
                let (outputs, explanations) = try plan.explain(spine, reading, limit: limit) {
                    try loader.load($0, beyond: limit)
                }
                let inputs = (plan.keys + plan.requests).map { ($0.name, spine.columns[$0.name]![0]) }
                return WhyAnswer(
                    function: (set.features + set.labels)[0].function, inputs: inputs, asOf: instant,
                    value: outputs.columns[0][0], overrides: plan.overrides(0, spine, reading),
                    cuts: cuts, plan: plan.outline, explanations: explanations)
            }
        }
    }
}

extension Explanation.Verdict {
    /// A stable name for programs.
    public var code: String {
        switch self {
        case .counted: "counted"
        case .skipped: "null"
        case .takesBack: "takes_back"
        case .neverKnown: "never_known"
        case .notYetKnown: "not_yet_known"
        case .knownAfter: "known_after"
        case .replaced(_, let isTombstone): isTombstone ? "taken_back" : "replaced"
        case .isTombstone: "tombstone"
        case .otherEntity: "other_entity"
        case .tooOld: "too_old"
        case .tooNew: "too_new"
        case .filtered: "filtered"
        }
    }
}

extension Explanation {
    /// What became of a row, in words.
    public func reason(_ row: Row) -> String {
        switch row.verdict {
        case .counted: "counted"
        case .skipped: "its value is NULL"
        case .takesBack: "a tombstone: NULL until a newer row"
        case .neverKnown: "known_at is NULL: never known"
        case .notYetKnown: "not yet known: known at \(row.knownAt.map(\.description) ?? "")"
        case .knownAfter(let limit): "known only after \(limit)"
        case .replaced(let offset, let isTombstone):
            isTombstone
                ? "taken back by the tombstone at offset \(offset)" : "replaced by the version at offset \(offset)"
        case .isTombstone: "a tombstone"
        case .otherEntity: "the version that stands has other keys"
        case .tooOld: "too old: not after \(after.map(\.description) ?? "")"
        case .tooNew: "too new: after \(upTo)"
        case .filtered: "the filter isn't true"
        }
    }
}
