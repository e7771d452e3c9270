public import FeatureLanguage

/// What a group's aggregates come to for some entities at one instant, and how long that holds.
public struct EntityValues: Sendable {
    /// A column for each aggregate, a row for each entity.
    public var columns: [Column]
    /// The first instant at which a row of the entity is known; `Int64.max` where none will be.
    public var foundFrom: [Int64]
    /// The first instant after this one at which some value may be another though no row arrives; `Int64.max` for
    /// never.
    public var until: [Int64]
}

extension Plan.Group {
    public init(source: Source, keys: [(spine: String, column: String)], aggregates: [Aggregate]) {
        self.init(source: source, keys: keys, hindsight: false, aggregates: aggregates)
    }

    /// Computes the aggregates of some entities at an instant, as served.
    ///
    /// - Parameters:
    ///   - keys: a column for each of the group's keys, in their order; a row for each entity.
    ///   - rows: the entities' rows that windows reach at the instant or later, each entity's complete in themselves:
    ///     where a version of a
    ///     fact has gone to another key, a retraction says so.
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
    /// The aggregate that an output is, where it is nothing but one: its group, and its place there.
    public func aggregate(of output: Output) -> (group: Int, index: Int)? {
        guard case .input(let slot, _) = output.scalar, let group = slots.lastIndex(where: { $0 <= slot }) else {
            return nil
        }
        return (group, slot - slots[group])
    }

    /// The outputs of aggregates that were computed group by group, for a plan without labels.
    public func outputs(_ spine: Spine, of aggregates: [Column]) -> [Column] {
        outputs(spine, Reading(), aggregates, [], threads: 1).columns
    }
}
