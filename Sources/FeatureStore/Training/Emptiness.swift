internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRows

/// Finds outputs of a training set that say nothing in any row, though somebody will have meant them to.
struct Emptiness {
    private let plan: Plan
    private let spine: Spine
    private let reading: Reading
    private let connection: Connection

    /// The most rows of the spine that are looked at again.
    private static let sample = 200

    /// For use inside the transaction in which the training set was computed.
    init(_ plan: Plan, _ spine: Spine, _ reading: Reading, _ connection: Connection) {
        self.plan = plan
        self.spine = spine
        self.reading = reading
        self.connection = connection
    }

    /// Warnings about features that are NULL, or 0 if they count, in all rows: their source is empty, has no rows of
    /// these entities, or its rows were known too late.
    func warnings(_ outputs: Outputs) throws -> [String] {
        let empty = plan.outputs.indices.filter {
            plan.outputs[$0].kind == .feature && !plan.outputs[$0].groups.isEmpty && outputs.columns[$0].saysNothing
        }
        guard !spine.instants.isEmpty, !empty.isEmpty else { return [] }
        let loader = loader, seen = try hindsight(loader)
        let whose =
            spine.instants.count > Emptiness.sample
            ? "the entities of \(loader.spine.instants.count) of them" : "their entities"
        // Each group and source is asked once, however many outputs read it.
        var warnings: [String] = [], delays: [String: SourceDelay?] = [:], known: [Int: Bool] = [:]
        func hasRows(_ group: Int) throws -> Bool {
            if let known = known[group] { return known }
            let has = try loader.isKnown(plan.groups[group], at: Instant.range.upperBound.microseconds).contains(true)
            known[group] = has
            return has
        }
        for output in empty {
            let name =
                "\(plan.outputs[output].name) is \(outputs.columns[output].validity == nil ? "0" : "NULL") in all \(spine.instants.count) rows"
            let groups = plan.outputs[output].groups.map { plan.groups[$0] }
            let bare = groups.map(\.source.name).filter { reading.cuts[$0] ?? 0 == 0 }
            if !bare.isEmpty {
                warnings.append("\(name): source \(Set(bare).sorted().joined(separator: " and ")) has no rows")
            } else if plan.outputs[output].groups.allSatisfy({ !seen.isFound[$0].contains(true) }),
                try !plan.outputs[output].groups.contains(where: hasRows)
            {
                warnings.append(
                    "\(name): \(Set(groups.map(\.source.name)).sorted().joined(separator: " and ")) has no row of any of \(whose); compare how both write the keys"
                )
            } else if reading.mode == .asServed, !seen.columns[output].saysNothing {
                var late: [String] = []
                for source in Set(groups.map(\.source)).sorted(by: { $0.name < $1.name }) where !source.isStatic {
                    let delay = try delays[source.name] ?? SourceDelay(source, connection)
                    delays[source.name] = delay
                    if let delay {
                        late.append(
                            "rows of \(source.name) were known a median of \(delay.median.rough) after they happened")
                    }
                }
                if late.isEmpty { late.append("their rows were never known") }
                warnings.append(
                    "\(name), though in hindsight it has values: \(late.joined(separator: ", ")); firn why \(plan.outputs[output].name) … --as-of … says of each row when it was known"
                )
            }
        }
        return warnings
    }

    /// Loads rows for some of the spine, evenly spaced.
    private var loader: RowLoader {
        let step = max(1, (spine.instants.count + Emptiness.sample - 1) / Emptiness.sample)
        let rows = stride(from: 0, to: spine.instants.count, by: step).map { Int32($0) }
        let some = Spine(
            columns: spine.columns.mapValues { $0.gathered(rows) }, instants: rows.map { spine.instants[Int($0)] })
        return RowLoader(spine: some, cuts: reading.cuts, connection: connection)
    }

    /// The outputs of those rows in hindsight.
    private func hindsight(_ loader: RowLoader) throws -> Outputs {
        var reading = reading
        (reading.mode, reading.knownBy) = (.hindsight, nil)
        return try plan.evaluate(loader.spine, reading, rows: loader.load)
    }
}

extension Column {
    /// Whether it is NULL in every row, or an int64 that is 0 in every row.
    fileprivate var saysNothing: Bool {
        if let validity { return !validity.contains(true) }
        return type == .int64 && integers.allSatisfy { $0 == 0 }
    }
}
