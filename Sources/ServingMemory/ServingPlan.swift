package import FeatureEngine
package import FeatureLanguage

/// A compiled target of lookups, and where its aggregates are in memory.
package struct ServingPlan: Sendable {
    struct Part: Sendable {
        var table: Int
        /// The spine's columns that carry the table's keys, in the table's order.
        var keys: [String]
        /// The place in the table of each of the group's aggregates.
        var aggregates: [Int]
        /// Which of the table's aggregates counts the rows younger than the bound on freshness; nil without a bound.
        var fresh: Int?
        /// Outputs that are just an aggregate of this part, and its place in the table.
        var fields: [(field: Int, aggregate: Int)] = []
    }

    package let plan: Plan
    package let asked: LookupRequest.Resolved
    /// The function of each output.
    package let functions: [Function]
    /// What each answer has to say.
    package let warnings: [String]
    let parts: [Part]
    /// Where the statuses of its values are counted; nil if it isn't a set.
    let tally: Int?
    /// The type and layout of each output, and the rules of those whose words JSON has as texts; nil for the others.
    let types: [ValueType]
    let layouts: [PhysicalLayout]
    let textRules: [TypeRules?]
    /// Whether every output is just an aggregate.
    let isPlain: Bool
    /// An answer up to its instant; from there to its rows; and what follows a row's values if all are present.
    let opening: [UInt8]
    let middle: [UInt8]
    let allPresent: [UInt8]

    init(
        _ plan: Plan, _ asked: LookupRequest.Resolved, functions: [Function], warnings: [String], parts: [Part],
        tally: Int?
    ) {
        self.plan = plan
        self.asked = asked
        self.functions = functions
        self.warnings = warnings
        self.tally = tally
        types = plan.outputs.map(\.type)
        layouts = types.map(\.layout)
        textRules = types.map { $0.rules.isTextInJSON ? $0.rules : nil }
        let aggregates = plan.outputs.map { plan.aggregate(of: $0) }
        isPlain = !aggregates.contains { $0 == nil }
        self.parts = parts.enumerated().map { group, part in
            var part = part
            part.fresh = plan.freshness[group].map { part.aggregates[$0] }
            for (field, aggregate) in aggregates.enumerated() {
                if let aggregate, aggregate.group == group {
                    part.fields.append((field, part.aggregates[aggregate.index]))
                }
            }
            return part
        }
        (opening, middle) = LookupAnswer.frame(
            set: asked.target.set, features: plan.outputs.map(\.name), warnings: warnings)
        allPresent = Array(
            ("],\"statuses\":[" + plan.outputs.map { _ in "\"present\"" }.joined(separator: ",") + "]}").utf8)
    }
}
