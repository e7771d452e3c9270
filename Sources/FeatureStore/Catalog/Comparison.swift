public import FeatureLanguage

/// Two features or labels side by side: what is written differently, and how many values of a sample differ.
public struct Comparison: Sendable {
    /// A row of the sample whose values differ.
    public struct Difference: Sendable {
        public var keys: [(name: String, value: Literal)]
        public var instant: Instant
        public var left: Literal
        public var right: Literal
    }

    public var left: Function
    public var right: Function
    /// Where the sample comes from, in words; nil where none could be drawn, for the reason in `obstacle`.
    public var sample: String?
    public var obstacle: String?
    public var rows = 0
    /// Rows whose values differ, as SQL's `is distinct from` has it.
    public var different = 0
    public var onlyLeftNull = 0
    public var onlyRightNull = 0
    /// Rows whose values are the same because both are NULL.
    public var bothNull = 0
    /// How far numbers that differ are apart: the median, and the most; infinite beside a NaN.
    public var median: Double?
    public var greatest: Double?
    /// The first of the rows that differ.
    public var examples: [Difference] = []

    /// The parts of both definitions, of which some differ.
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
