/// Whether a function looks back and is served, or may look forward and is read in hindsight.
public enum FunctionKind: String, Sendable, Hashable, Codable {
    case feature, label
}

/// A feature or label as its author wrote it.
public struct FunctionDefinition: Sendable, Hashable, Codable {
    /// The name and version it is registered under.
    public var name: VersionedName
    /// Whether it is a feature or a label.
    public var kind: FunctionKind
    /// The name of the entity it describes.
    public var entity: String
    /// The name of the source whose rows it aggregates; nil if it reads none.
    public var source: String?
    /// Maps an entity key to the source's column that holds it, where the names differ.
    public var join: [String: String]
    /// The request inputs it declares, which the expression reads as `request.name`.
    public var request: [ColumnDefinition]
    /// The text of the expression, as written.
    public var expression: String

    /// Takes the parts unchecked; making a `Catalog` checks them.
    public init(
        name: VersionedName, kind: FunctionKind = .feature, entity: String, source: String? = nil,
        join: [String: String] = [:],
        request: [ColumnDefinition] = [], expression: String
    ) {
        self.name = name
        self.kind = kind
        self.entity = entity
        self.source = source
        self.join = join
        self.request = request
        self.expression = expression
    }
}
