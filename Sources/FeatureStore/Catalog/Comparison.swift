public import FeatureLanguage

/// Two features or labels side by side: how their definitions differ, and how many values of a sample do.
public struct Comparison: Sendable {
    /// A row of the sample whose values differ.
    public struct Difference: Sendable {
        /// The entity's keys with their values, in the plan's order.
        public var keys: [(name: String, value: Literal)]
        /// The instant of the row.
        public var instant: Instant
        /// The left function's value.
        public var left: Literal
        /// The right function's value.
        public var right: Literal
    }

    /// The function that was named first; for a plan, the newest registered version.
    public var left: Function
    /// The function that was named second; for a plan, the version that it would add.
    public var right: Function
    /// Where the sample comes from, in words; nil where none could be drawn, for the reason in `obstacle`.
    public var sample: String?
    /// Why no values were compared, in words; nil where they were.
    public var obstacle: String?
    /// How many rows the sample has.
    public var rows = 0
    /// Rows whose values differ in the sense of SQL's `is distinct from`.
    public var different = 0
    /// Rows where only the left value is NULL; they count as different.
    public var onlyLeftNull = 0
    /// Rows where only the right value is NULL; they count as different.
    public var onlyRightNull = 0
    /// Rows whose values are the same because both are NULL.
    public var bothNull = 0
    /// The median distance of numbers that differ, infinite beside a NaN; nil where no numbers differ.
    public var median: Double?
    /// The greatest distance of numbers that differ, infinite beside a NaN; nil where no numbers differ.
    public var greatest: Double?
    /// The first few of the rows that differ, in the sample's order.
    public var examples: [Difference] = []

    /// The parts of both definitions side by side, without those that both lack.
    public var parts: [(name: String, left: String, right: String)] {
        func parts(_ function: Function) -> [(String, String)] {
            let definition = function.definition
            return [
                ("kind", function.kind.rawValue), ("entity", "\(function.entity.name) \(function.entity.keys.text)"),
                ("source", definition.source ?? ""),
                (
                    "join",
                    definition.join.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
                ),
                ("request", definition.request.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: ", ")),
                ("type", function.type.rawValue),
                ("expression", definition.expression.trimmed), ("fingerprint", function.fingerprint.short),
            ]
        }
        return zip(parts(left), parts(right)).map { ($0.0, $0.1, $1.1) }.filter { !$1.isEmpty || !$2.isEmpty }
    }
}
