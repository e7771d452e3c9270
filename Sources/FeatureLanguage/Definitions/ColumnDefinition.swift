/// A named column or key with its type.
public struct ColumnDefinition: Sendable, Hashable, Codable {
    /// Any name of up to 63 bytes; an expression puts one that isn't plain in double quotes.
    public var name: String
    /// The type of its values.
    public var type: ValueType

    /// A column, key or request input of this name and type.
    public init(_ name: String, _ type: ValueType) {
        self.name = name
        self.type = type
    }
}
