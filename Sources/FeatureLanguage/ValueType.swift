/// The types of columns, keys, request inputs and features.
public enum ValueType: String, Sendable, Hashable, CaseIterable, Codable {
    case bool, int64, float64, string, timestamp

    /// Reads our name of a type or one of PostgreSQL's, in any case (`BIGINT`, `double precision`).
    ///
    /// PostgreSQL's narrower types (`real`, `smallint`) are left out on purpose: a cast to one would round or overflow otherwise than ours.
    public init?(spelling: String) {
        switch spelling.lowercased() {
        case "bool", "boolean": self = .bool
        case "int64", "bigint", "int8", "int", "integer": self = .int64
        case "float64", "double precision", "float8", "float", "double": self = .float64
        case "string", "text", "varchar", "character varying": self = .string
        case "timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone": self = .timestamp
        default: return nil
        }
    }

    /// Reads the type of a column, key or request input, which may come as `real`, `float4` or `float32`: each of these is a float64.
    public init?(columnSpelling text: String) {
        if ValueType.narrowFloats.contains(text.lowercased()) { self = .float64 } else { self.init(spelling: text) }
    }

    static let narrowFloats: Set<String> = ["real", "float4", "float32"]
}

extension ValueType {
    /// "an int64", "a string": for the errors that say what a value is not.
    package var phrase: String { (self == .int64 ? "an " : "a ") + rawValue }
}
