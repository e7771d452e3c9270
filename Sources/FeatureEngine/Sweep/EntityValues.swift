public import FeatureLanguage

/// The values of a group's aggregates for some entities at one instant, and how long they hold.
public struct EntityValues: Sendable {
    /// One column for each aggregate, with a row for each entity.
    public var columns: [Column]
    /// For each entity, the first instant at which a row of it is known; `Int64.max` if none ever is.
    public var foundFrom: [Int64]
    /// For each entity, the first instant after this one at which some value may change even if no row arrives;
    /// `Int64.max` for never.
    public var until: [Int64]
}

extension Plan.Group {
    /// A group of features' aggregates, such as a table of online memory has.
    public init(source: Source, keys: [(spine: String, column: String)], aggregates: [Aggregate]) {
        self.init(source: source, keys: keys, hindsight: false, aggregates: aggregates)
    }

    /// Computes the aggregates of some entities at an instant, as served.
    ///
    /// - Parameters:
    ///   - keys: one column for each of the group's keys, in their order, with a row for each entity.
    ///   - rows: the entities' rows that windows reach at the instant or later. Each entity's are complete: if a
    ///     version of a fact went to another key, a retraction says so.
    public func values(of keys: [Column], count: Int, at instant: Int64, rows: SourceRows) -> EntityValues {
        let spine = Spine(
            columns: Dictionary(zip(self.keys.map(\.spine), keys)) { first, _ in first },
            instants: Array(repeating: instant, count: count))
        let swept = Swept(self, count: count, wantsFound: true, wantsChanges: true)
        var given: SourceRows? = rows.sorted(by: self.keys.map(\.column))
        GroupSweep(self, spine, Reading()).sweep(members: nil, into: swept) {
            defer { given = nil }
            return given
        }
        return EntityValues(
            columns: swept.columns.map { $0.finish() }, foundFrom: swept.foundFrom!.finish().integers,
            until: swept.nextChanges!.finish().integers)
    }
}

extension Plan {
    /// The group and the place there of an output that is just one aggregate; nil for any other output.
    public func aggregate(of output: Output) -> (group: Int, index: Int)? {
        guard case .input(let slot, _) = output.scalar, let group = slots.lastIndex(where: { $0 <= slot }) else {
            return nil
        }
        return (group, slot - slots[group])
    }

    /// Computes the outputs from aggregates that were computed before, group after group, for a plan without labels.
    public func outputs(_ spine: Spine, of aggregates: [Column]) -> [Column] {
        outputs(spine, Reading(), aggregates, [], threads: 1).columns
    }
}
