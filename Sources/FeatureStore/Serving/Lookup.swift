internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
public import ServingMemory
internal import StoreRecord
internal import StoreRows

extension StoreServing {
    /// Computes features for some entities at now, or as they were served at a past instant.
    ///
    /// The whole answer has one *now* and one set of cuts, and names them: the training row at that instant and those
    /// cuts has the same bits.
    ///
    /// - Throws: unknown names, missing or ill-typed values, `asOfInFuture`, `behind` where `minOffsets` aren't reached
    ///   within a second.
    public func lookup(_ request: LookupRequest) async throws -> LookupAnswer {
        if request.asOf == nil, let online, let answer = try await lookup(request, in: online) { return answer }
        let lastNow = context.lastNow, clock = online?.memory.clock, actor = actor, receipts = receipts
        for attempt in 0... {
            let answer: LookupAnswer? = try await reading { connection, known in
                let catalog = known.catalog, asked = try known.governance.resolve(request.target),
                    set = try asked.target.resolve(catalog).served
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
                    // Whether an entity is known has nothing to do with windows: a row that none of them reaches counts
                    // too.
                    for (index, group) in plan.groups.enumerated() where outputs.isFound[index].contains(false) {
                        outputs.isFound[index] = try loader.isKnown(group, at: instant.microseconds)
                    }
                    let age = heads.lag > .zero ? (heads.lag, isStale: heads.lag > MemoryState.mostLag) : nil
                    var answer = LookupAnswer(
                        plan, outputs.columns, outputs.aggregates, isFound: outputs.isFound, set: asked.target.set,
                        at: instant, cuts: heads.cuts,
                        rowCount: spine.instants.count, age: age, warnings: known.governance.warnings(set, catalog))
                    if request.isLogged {
                        answer.receipt = receipts.keep(asked, set.features.map(\.function), spine, answer, actor: actor)
                    }
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
    /// Online state, which the database keeps.
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
            online.memory.follow(Array(request.minOffsets.keys))
            var attempts = 0
            while !online.memory.hasReached(request.minOffsets) {
                guard attempts < 100 else {
                    throw StoreError(
                        .behind, "the offsets asked for in min_offsets aren't here yet", advice: "ask again")
                }
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
                if request.isLogged {
                    answer.receipt = receipts.keep(prepared.asked, prepared.functions, spine, answer, actor: actor)
                }
                return answer
            case .direct: return nil
            case .missing(let missing):
                let memory = online.memory, kept = online.kept, large = online.large
                if missing.contains(where: large.contains) { return nil }
                let isWhole = try await online.pool.run { connection in
                    let missing = try kept.read(missing, memory, connection)
                    guard !missing.isEmpty else { return true }
                    var isWhole = true
                    for (missing, loaded) in zip(missing, try RowLoader.load(missing.map(\.wanted), connection)) {
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

    /// Waits until memory has what was pushed here before, for at most a second, since a standby may lag. If the
    /// database goes away meanwhile, memory's answer is stale anyway.
    private func seeOwnRows(_ sources: [String], in online: Online) async throws {
        // What is pushed during the wait doesn't count.
        let owed = online.memory.owed(to: sources), started = ContinuousClock.now
        while !online.memory.hasReached(owed), !online.memory.isAway {
            guard ContinuousClock.now - started < .seconds(1) else {
                throw StoreError(
                    .behind, "the standby doesn't have the rows that were pushed here yet", advice: "ask again")
            }
            do { try await online.follower.catchUp() } catch let error as PostgresError where error.isConnectionLost {
                return
            }
            if !online.memory.hasReached(owed) { try await Task.sleep(for: .milliseconds(2)) }
        }
    }

    func prepare(_ target: LookupRequest.Target, in online: Online) async throws -> ServingPlan {
        if let known = online.memory.plan(target) { return known }
        let memory = online.memory
        await online.follower.start()
        let prepared = try await reading { connection, known in
            let catalog = known.catalog, asked = try known.governance.resolve(target),
                set = try asked.target.resolve(catalog).served
            let plan = try Plan(set, in: catalog, fresh: Registry(connection).fresh(asked.target.boundingSet))
            return memory.prepare(
                plan, for: target, asked, functions: set.features.map(\.function),
                warnings: known.governance.warnings(set, catalog), governed: known.entry)
        }
        try await online.follower.catchUp()
        await keep(prepared, in: online)
        return prepared
    }
}
