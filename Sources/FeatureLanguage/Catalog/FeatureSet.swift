/// A set that has been checked: its outputs, and what a spine or lookup must provide.
public struct FeatureSet: Sendable {
    /// One output of a set, with its function resolved.
    public struct Entry: Sendable {
        /// The feature or label that computes the output.
        public var function: Function
        /// The name of the output's column, unique within the set.
        public var output: String
        /// The entity's keys, each with the spine column that carries it.
        public var keys: [(key: ColumnDefinition, column: String)]

        /// An output whose keys come in the order of the entity's.
        public init(function: Function, output: String, keys: [(key: ColumnDefinition, column: String)]) {
            self.function = function
            self.output = output
            self.keys = keys
        }
    }

    /// The set as its author wrote it.
    public var definition: SetDefinition
    /// The features, in the order of the definition.
    public var features: [Entry]
    /// The labels, in the order of the definition; a lookup leaves them out.
    public var labels: [Entry]
    /// The hash of `canonical`, which tells a changed set from the registered one.
    public internal(set) var fingerprint: Fingerprint

    /// A set whose entries have been resolved; its fingerprint is computed from them.
    public init(definition: SetDefinition, features: [Entry], labels: [Entry]) {
        self.definition = definition
        self.features = features
        self.labels = labels
        fingerprint = Fingerprint(of: "")
        fingerprint = Fingerprint(of: canonical)
    }

    /// The spine columns that carry keys, in the order they are first used.
    public var keys: [ColumnDefinition] {
        var keys: [ColumnDefinition] = []
        for entry in features + labels {
            for (key, column) in entry.keys where !keys.contains(where: { $0.name == column }) {
                keys.append(ColumnDefinition(column, key.type))
            }
        }
        return keys
    }

    /// The request inputs of its features and labels, sorted by name.
    public var requests: [ColumnDefinition] {
        var types: [String: ValueType] = [:]
        for entry in features + labels { types.merge(entry.function.requests) { first, _ in first } }
        return types.sorted { $0.key < $1.key }.map { ColumnDefinition($0.key, $0.value) }
    }

    /// This set without its labels, as a lookup serves it.
    public var served: FeatureSet { FeatureSet(definition: definition, features: features, labels: []) }

    /// The name of the spine's column of instants, unless a caller gives another.
    public static let instantColumn = "event_timestamp"
}
