/// What features describe: typed key columns, or none for one global series.
public struct Entity: Sendable, Hashable, Codable {
    /// A plain name, such as `customer`.
    public var name: String
    /// Up to 16 keys, in the order they are written; empty for one global series.
    public var keys: [ColumnDefinition]

    /// Takes the parts unchecked; reading a `DefinitionDocument` checks them.
    public init(name: String, keys: [ColumnDefinition]) {
        self.name = name
        self.keys = keys
    }
}
