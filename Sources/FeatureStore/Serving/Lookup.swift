public import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import Tables

/// What a lookup asks for.
public struct LookupRequest: Sendable {
    /// A value as it came: JSON, or a text of the command line.
    public enum Value: Sendable {
        case json(JSON)
        case text(String)

        public init(_ number: some BinaryInteger) { self = .json(JSON(number)) }
        public init(_ number: Double) { self = .text(number.description) }
        public init(_ text: String) { self = .json(.string(text)) }
        public init(_ flag: Bool) { self = .json(.bool(flag)) }
        public init(_ instant: Instant) { self = .json(.string(instant.description)) }

        func literal(as type: ValueType) -> Literal? {
            switch self {
            case .json(let value): value.literal(as: type)
            case .text(let text): text.utf8.contains(0) ? nil : Literal(text: text, as: type)
            }
        }
    }

    public enum Target: Sendable, Hashable {
        case set(String)
        case features([String])

        /// The set's name.
        var set: String? { if case .set(let name) = self { name } else { nil } }

        /// The set whose bound on freshness holds: also where all features are asked for as outputs of one, as Feast's clients do.
        public var boundingSet: String? {
            switch self {
            case .set(let name): return name
            case .features(let names):
                let views = Set(names.map { $0.split(separator: ":", maxSplits: 1) }.map { $0.count == 2 ? String($0[0]) : nil })
                return views.count == 1 ? views.first!.map { Catalog.setName(ofView: $0) } : nil
            }
        }
    }

    /// What a target stands for, once pointers are followed.
    struct Resolved: Sendable {
        var target: Target
        /// What it went by.
        var pointer: String?
        /// Whose set it is, where the pointer points to a model.
        var model: VersionedName?
    }

    /// A set's name may be a pointer's: `fraud@production`.
    public var target: Target
    /// By the set's spine names; lists of one length, or single values for all.
    public var entities: [String: [Value]]
    public var request: [String: [Value]]
    /// A past instant; nil asks for now.
    public var asOf: Instant?
    /// Offsets that the answer must have seen, by source.
    public var minOffsets: [String: Int64]
    /// Keeps a receipt of it in the lookup log.
    public var isLogged = false

    public init(_ target: Target, entities: [String: [Value]], request: [String: [Value]] = [:], asOf: Instant? = nil, minOffsets: [String: Int64] = [:]) {
        self.target = target
        self.entities = entities
        self.request = request
        self.asOf = asOf
        self.minOffsets = minOffsets
    }

    /// More entities than this in one request are refused.
    public static let maximumEntities = 10_000
}

/// The values of the entities asked for, in their order.
public struct LookupAnswer: Sendable {
    public enum Status: String, Sendable, CaseIterable {
        case present, null
        /// The entity has no row known at the instant in any source the feature reads; the value still stands.
        case notFound = "not_found"
        /// The entity's rows are older than the set's bound on freshness, or the database hasn't been heard of for a while, and memory answered.
        case stale

        /// Its place among all.
        var place: Int { Status.allCases.firstIndex(of: self)! }
    }

    public var set: String?
    public var asOf: Instant
    /// Output names of the set, or full references for features.
    public var features: [String]
    public var columns: [Column]
    public var statuses: [[Status]]
    public var cuts: [String: Int64]
    public var rowCount: Int
    /// How old what the database said may be, where that isn't what the primary said a moment ago.
    public var age: Duration?
    /// Whether it is so old that all values are stale.
    public var isStale = false
    /// Under what the lookup log keeps it.
    public var receipt: String?
    /// What of the set is deprecated or retired.
    public var warnings: [String] = []

    /// A row's values as a model takes them in, in the order of `features`: numbers as they are, true and false as 1 and 0, timestamps as seconds since 1970; NaN
    /// for NULL and for texts.
    public func vector(_ row: Int) -> [Double] {
        columns.map { column in
            switch column[row] {
            case .bool(let flag): flag ? 1 : 0
            case .int64(let number): Double(number)
            case .float64(let bits): Double(bitPattern: bits)
            case .timestamp(let instant): Double(instant.microseconds) / 1_000_000
            case .null, .string: .nan
            }
        }
    }
}

extension StoreServing {
    /// Computes features for some entities at now, or as they were served at a past instant.
    ///
    /// One *now* and one set of cuts for the whole answer, both given with it: the training row at that instant and those cuts has the same bits.
    /// - Throws: unknown names, missing or ill-typed values, `asOfInFuture`, `behind` where `minOffsets` aren't reached within a second.
    public func lookup(_ request: LookupRequest) async throws -> LookupAnswer {
        if request.asOf == nil, let online, let answer = try await lookup(request, in: online) { return answer }
        let lastNow = context.lastNow, clock = online?.memory.clock, actor = actor, receipts = receipts
        for attempt in 0... {
            let answer: LookupAnswer? = try await reading { connection, known in
                let catalog = known.catalog, asked = try known.governance.resolve(request.target), set = try asked.target.resolve(catalog).served
                let plan = try Plan(set, in: catalog, fresh: Registry(connection).fresh(asked.target.boundingSet))
                for name in request.minOffsets.keys.sorted() { _ = try catalog.source(named: name) }
                return try connection.transaction(.repeatableReadOnly) {
                    let heads = try Heads(Set(plan.sources).union(request.minOffsets.keys).sorted(), connection)
                    if request.minOffsets.contains(where: { $0.value > heads.cuts[$0.key] ?? 0 }) { return nil }
                    let now = lastNow.advance(to: heads.now)
                    clock?.pass(now)
                    let instant = try Heads.instant(asOf: request.asOf, now: now)
                    let spine = try request.spine(plan, at: instant)
                    let loader = RowLoader(spine: spine, cuts: heads.cuts, connection: connection)
                    var outputs = try plan.evaluate(spine, Reading(cuts: heads.cuts), rows: loader.load)
                    // Whether an entity is known has nothing to do with windows: a row that none of them reaches counts too.
                    for (index, group) in plan.groups.enumerated() where outputs.isFound[index].contains(false) {
                        outputs.isFound[index] = try loader.isKnown(group, at: instant.microseconds)
                    }
                    let age = heads.lag > .zero ? (heads.lag, isStale: heads.lag > OnlineMemory.mostLag) : nil
                    var answer = LookupAnswer(
                        plan, outputs.columns, outputs.aggregates, isFound: outputs.isFound, set: asked.target.set, at: instant, cuts: heads.cuts,
                        rowCount: spine.instants.count, age: age, warnings: known.governance.warnings(set, catalog))
                    if request.isLogged { answer.receipt = receipts.keep(asked, set.features.map(\.function), spine, answer, actor: actor) }
                    return answer
                }
            }
            if let answer { return answer }
            guard attempt < 100 else { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw StoreError(.behind, "the offsets asked for in min_offsets aren't here yet", advice: "ask again")
    }
}

/// What a store serves from memory, and what keeps it up to date.
struct Online: Sendable {
    let memory: OnlineMemory
    let follower: Follower
    /// Connections for entities that memory lacks.
    let pool: Pool
    /// What is kept of entities in the database.
    let kept: KeptEntities
    let large = LargeEntities()
}

extension StoreServing {
    /// Answers from memory, once what it lacks has been read; nil where it can't.
    private func lookup(_ request: LookupRequest, in online: Online) async throws -> LookupAnswer? {
        let prepared = try await prepare(request.target, in: online)
        if !request.minOffsets.isEmpty {
            let catalog = try await context.catalog()
            for name in request.minOffsets.keys.sorted() { _ = try catalog.source(named: name) }
            online.memory.follow(request.minOffsets.keys)
            var attempts = 0
            while !online.memory.hasReached(request.minOffsets) {
                guard attempts < 100 else { throw StoreError(.behind, "the offsets asked for in min_offsets aren't here yet", advice: "ask again") }
                if attempts > 0 { try await Task.sleep(for: .milliseconds(10)) }
                attempts += 1
                try await online.follower.catchUp()
            }
        }
        try await seeOwnRows(prepared.plan.sources, in: online)
        try await online.follower.hear()
        let spine = try request.spine(prepared.plan, at: Instant(microseconds: 0))
        for attempt in 0..<4 {
            switch online.memory.answer(prepared, spine, attempt > 0 ? .again : .first) {
            case .answer(var answer):
                if request.isLogged { answer.receipt = receipts.keep(prepared.asked, prepared.functions, spine, answer, actor: actor) }
                return answer
            case .direct: return nil
            case .missing(let missing):
                let memory = online.memory, kept = online.kept, large = online.large
                if missing.contains(where: large.contains) { return nil }
                let isWhole = try await online.pool.run { connection in
                    let missing = try kept.read(missing, memory, connection)
                    guard !missing.isEmpty else { return true }
                    var isWhole = true
                    for (missing, loaded) in zip(missing, try RowLoader.load(missing, connection)) {
                        if let loaded {
                            memory.insert(missing, foundFrom: loaded.foundFrom, rows: loaded.rows)
                        } else {
                            large.insert(missing)
                            isWhole = false
                        }
                    }
                    return isWhole
                }
                if !isWhole { return nil }
            }
        }
        return nil
    }

    /// Waits until memory has what was pushed here before; on a standby for a second at most. Where the database went away meanwhile, what memory says is stale anyhow.
    private func seeOwnRows(_ sources: [String], in online: Online) async throws {
        // Not what is pushed while it waits.
        let owed = online.memory.owed(to: sources), started = ContinuousClock.now
        while !online.memory.hasReached(owed), !online.memory.isAway {
            guard ContinuousClock.now - started < .seconds(1) else {
                throw StoreError(.behind, "the standby doesn't have the rows that were pushed here yet", advice: "ask again")
            }
            do { try await online.follower.catchUp() } catch let error as PostgresError where error.isConnectionLost { return }
            if !online.memory.hasReached(owed) { try await Task.sleep(for: .milliseconds(2)) }
        }
    }

    func prepare(_ target: LookupRequest.Target, in online: Online) async throws -> ServingPlan {
        if let known = online.memory.plan(target) { return known }
        let memory = online.memory
        await online.follower.start()
        let prepared = try await reading { connection, known in
            let catalog = known.catalog, asked = try known.governance.resolve(target), set = try asked.target.resolve(catalog).served
            let plan = try Plan(set, in: catalog, fresh: Registry(connection).fresh(asked.target.boundingSet))
            return memory.prepare(
                plan, for: target, asked, functions: set.features.map(\.function), warnings: known.governance.warnings(set, catalog), governed: known.entry)
        }
        try await online.follower.catchUp()
        await keep(prepared, in: online)
        return prepared
    }
}

extension Governance {
    /// What a target stands for, once pointers are followed.
    public func target(_ target: LookupRequest.Target) throws -> LookupRequest.Target { try resolve(target).target }

    /// Follows pointers: `fraud@production`, and as Feast writes an output, `fraud@production:spend_7d`.
    func resolve(_ target: LookupRequest.Target) throws -> LookupRequest.Resolved {
        switch target {
        case .set(let name):
            let found = try set(named: name)
            return LookupRequest.Resolved(target: .set(found.set), pointer: found.pointer, model: found.model)
        case .features(let names):
            guard names.contains(where: { $0.contains("@") }) else { return LookupRequest.Resolved(target: target) }
            return LookupRequest.Resolved(
                target: .features(
                    try names.map { name in
                        let parts = name.split(separator: ":", maxSplits: 1)
                        return parts.count == 2 && parts[0].contains("@") ? try "\(set(named: String(parts[0])).set):\(parts[1])" : name
                    }))
        }
    }
}

extension LookupRequest.Target {
    /// The set that it stands for. A lookup serves no labels.
    func resolve(_ catalog: Catalog) throws -> FeatureSet {
        switch self {
        case .set(let name): return try catalog.set(named: name)
        case .features(let names):
            guard !names.isEmpty else { throw StoreError(.invalidRequest, "no features are asked for") }
            let set: FeatureSet
            do {
                set = try catalog.resolve(features: names)
            } catch let error as DefinitionError {
                // Nobody wrote this set down: what is wrong with it is wrong with the request.
                throw StoreError(.invalidRequest, error.description)
            }
            if let label = set.labels.first { throw StoreError(.invalidRequest, "\(label.output) is a label, and labels are never served", advice: "they belong in training sets") }
            return set
        }
    }
}

extension LookupRequest {
    /// The spine that the request stands for, checked against what the plan needs.
    func spine(_ plan: Plan, at instant: Instant) throws -> Spine {
        for (names, known, what) in [(entities, plan.keys, "entity key"), (request, plan.requests, "request input")] {
            for name in names.keys.sorted() where !known.contains(where: { $0.name == name }) {
                throw StoreError(.invalidRequest, "unknown \(what) '\(name.prefix(63))'", advice: "it takes \(known.isEmpty ? "none" : known.map(\.name).joined(separator: ", "))")
            }
        }
        let lists = entities.values.map(\.count) + request.values.map(\.count)
        let count = lists.first { $0 != 1 } ?? 1
        guard lists.allSatisfy({ $0 == count || $0 == 1 }) else {
            throw StoreError(.invalidRequest, "lists of different lengths", advice: "entities and request inputs have one value each, or one value for all")
        }
        guard count <= LookupRequest.maximumEntities else {
            throw StoreError(.invalidRequest, "\(count) entities in one request", advice: "ask for at most \(LookupRequest.maximumEntities)")
        }
        var columns: [String: Column] = [:]
        for (values, known, what) in [(entities, plan.keys, "entity key"), (request, plan.requests, "request input")] {
            for definition in known {
                guard let given = values[definition.name] else {
                    throw StoreError(.invalidRequest, "\(what) '\(definition.name)' is missing", advice: "give it as \(definition.type.rawValue); null says that it isn't known")
                }
                var builder = ColumnBuilder(definition.type)
                for (row, value) in given.enumerated() {
                    guard let literal = value.literal(as: definition.type) else {
                        throw StoreError(
                            .invalidRequest, "value \(row + 1) of \(what) '\(definition.name)' is not \(definition.type.phrase)")
                    }
                    for _ in 0..<(given.count == 1 ? count : 1) { builder.append(literal) }
                }
                columns[definition.name] = builder.finish()
            }
        }
        return Spine(columns: columns, instants: Array(repeating: instant.microseconds, count: count))
    }
}

extension LookupAnswer {
    /// - Parameter aggregates: every group's, for what they say of freshness.
    init(
        _ plan: Plan, _ columns: [Column], _ aggregates: [Column], isFound: [[Bool]], set: String?, at instant: Instant, cuts: [String: Int64], rowCount: Int,
        age: (age: Duration, isStale: Bool)?, warnings: [String]
    ) {
        self.set = set
        self.warnings = warnings
        asOf = instant
        features = plan.outputs.map(\.name)
        self.columns = columns
        self.age = age?.age
        isStale = age?.isStale ?? false
        let isOld = plan.isStale(aggregates, isFound: isFound), isAllStale = isStale
        statuses = zip(plan.outputs, columns).map { output, column in
            (0..<rowCount).map { row in
                let isKnown = output.groups.isEmpty || output.groups.contains { isFound[$0][row] }
                if isAllStale { return .stale }
                if !isKnown { return .notFound }
                if !isOld.isEmpty, output.groups.contains(where: { isOld[$0][row] }) { return .stale }
                return column.isNull(row) ? .null : .present
            }
        }
        self.cuts = cuts
        self.rowCount = rowCount
    }
}
