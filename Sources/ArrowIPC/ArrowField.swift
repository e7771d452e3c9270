/// A column as a schema describes it: name, type and metadata.
public struct ArrowField: Sendable, Hashable {
    /// The column's name, which Arrow allows to be empty.
    public var name: String
    /// The type of its values, with any fields beneath it.
    public var type: ArrowType
    /// Whether the schema allows NULL.
    public var isNullable = true
    /// Anything else the schema says about it, such as the name of an extension.
    var metadata: [Metadata] = []

    struct Metadata: Sendable, Hashable {
        var key: String
        var value: [UInt8]
    }

    /// A field that allows NULL and has no metadata.
    public init(_ name: String, _ type: ArrowType) {
        self.name = name
        self.type = type
    }

    /// The name of the extension type, such as `arrow.uuid`; nil if it isn't one.
    var `extension`: String? {
        metadata.first { $0.key == "ARROW:extension:name" }.map { String(decoding: $0.value, as: UTF8.self) }
    }

    var description: String { "\(name): \(type.description)" + (isNullable ? "" : " not null") }

    /// Its type for people: extension types by their name.
    public var typeName: String { `extension`.map { "extension<\($0)>" } ?? type.description }
}
