/// The rows to compute features for: keys, instants, request inputs.
public struct Spine: Sendable {
    /// Key columns and request inputs, under the names that the plan gives them.
    public var columns: [String: Column]
    /// Microseconds since 1970, one per row.
    public var instants: [Int64]

    /// Every column must have as many rows as there are instants.
    public init(columns: [String: Column], instants: [Int64]) {
        self.columns = columns
        self.instants = instants
    }
}
