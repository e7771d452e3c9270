public import FeatureEngine
public import FeatureLanguage

/// The values of the entities that were asked for, in their order.
public struct LookupAnswer: Sendable {
    /// What there is to know about a value besides the value itself.
    public enum Status: String, Sendable, CaseIterable {
        case present, null
        /// The entity has no row known at the instant in any source that the feature reads; the value still holds.
        case notFound = "not_found"
        /// The entity's rows are older than the set's bound on freshness, or the database hasn't been heard from for a
        /// while and memory answered.
        case stale

        /// Its index in `allCases`.
        package var place: Int { Status.allCases.firstIndex(of: self)! }
    }

    /// The name of the set, after following a pointer; nil if features were asked for.
    public var set: String?
    /// The instant at which the values hold.
    public var asOf: Instant
    /// Output names of the set, or full references for features.
    public var features: [String]
    /// One column for each of `features`, with a row for each entity.
    public var columns: [Column]
    /// The status of each value, by feature and then by row.
    public var statuses: [[Status]]
    /// The last offset that was read, by source.
    public var cuts: [String: Int64]
    /// The number of entities.
    public var rowCount: Int
    /// How old the data may be; nil if it is what the primary said a moment ago.
    public var age: Duration?
    /// Whether it is so old that all values are stale.
    public var isStale = false
    /// The receipt under which the lookup log keeps it; nil if it isn't kept.
    public var receipt: String?
    /// What the set is made of that is deprecated or retired, in words.
    public var warnings: [String] = []

    /// A row's values as a model takes them, in the order of `features`: numbers as they are, true and false as 1 and
    /// 0, timestamps as seconds since 1970; NaN for NULL and for texts.
    public func vector(_ row: Int) -> [Double] {
        columns.map { column in
            column[row].number ?? .nan
        }
    }
}

extension LookupAnswer {
    /// - Parameter aggregates: every group's, which say what is fresh.
    package init(
        _ plan: Plan, _ columns: [Column], _ aggregates: [Column], isFound: [[Bool]], set: String?, at instant: Instant,
        cuts: [String: Int64], rowCount: Int,
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
