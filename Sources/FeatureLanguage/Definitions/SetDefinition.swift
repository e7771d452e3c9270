/// One output of a set: which feature or label, under which name, and which spine columns carry its keys.
public struct SetEntry: Sendable, Hashable, Codable {
    /// The name of the feature or label.
    public var function: VersionedName
    /// The name of the output's column, unique within the set.
    public var output: String
    /// Maps an entity key to the spine column that carries it, where the names differ.
    public var keys: [String: String]

    /// Without a name of its own, the output is named after the function, leaving out the version.
    public init(function: VersionedName, output: String? = nil, keys: [String: String] = [:]) {
        self.function = function
        self.output = output ?? function.name
        self.keys = keys
    }
}

/// A named, versioned list of pinned features and labels: what a model takes in.
public struct SetDefinition: Sendable, Hashable, Codable {
    /// The name and version it is registered under.
    public var name: VersionedName
    /// The features, in the order of the outputs.
    public var features: [SetEntry]
    /// The labels, whose outputs come after the features'; a lookup leaves them out.
    public var labels: [SetEntry]

    /// Takes the entries unchecked; a `Catalog` resolves them.
    public init(name: VersionedName, features: [SetEntry], labels: [SetEntry] = []) {
        self.name = name
        self.features = features
        self.labels = labels
    }
}
