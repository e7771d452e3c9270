/// A feature or label that has been checked: typed, with everything it refers to resolved.
public struct Function: Sendable {
    /// The function as its author wrote it.
    public var definition: FunctionDefinition
    /// The definition's expression, with a type for every part.
    public var expression: Expression
    /// The entity it describes.
    public var entity: Entity
    /// The source whose rows it aggregates; nil if it reads no rows itself.
    public var source: Source?
    /// The request inputs it needs, including those of the features it refers to.
    public var requests: [String: ValueType]
    /// The features it refers to directly, with their fingerprints.
    public var references: [VersionedName: Fingerprint]
    /// The hash of `canonical`, which tells a changed function from the registered one.
    public internal(set) var fingerprint: Fingerprint
    /// How many levels of features it comes to, itself included, and how many parts its expression has with every
    /// reference expanded.
    var depth = 1
    var size = 1

    /// The name and version it is registered under.
    public var name: VersionedName { definition.name }
    /// Whether it is a feature or a label.
    public var kind: FunctionKind { definition.kind }
    /// The type of its values.
    public var type: ValueType { expression.type }

    /// The source's column that holds an entity key: the one that `join` names, or else one with the key's name.
    public func sourceColumn(of key: String) -> String { definition.join[key] ?? key }
}
