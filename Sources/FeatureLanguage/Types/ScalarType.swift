/// The type of a list's elements: any but a list or a vector.
public enum ScalarType: Sendable, Hashable {
    case bool, int64, float64, string, timestamp, date
    case decimal(precision: UInt8, scale: UInt8)

    /// Nil for a list or a vector.
    public init?(_ type: ValueType) {
        switch type {
        case .bool: self = .bool
        case .int64: self = .int64
        case .float64: self = .float64
        case .string: self = .string
        case .timestamp: self = .timestamp
        case .date: self = .date
        case .decimal(let precision, let scale):
            self = .decimal(precision: UInt8(precision), scale: UInt8(scale))
        case .list, .vector: return nil
        }
    }

    /// The type of a single element.
    public var type: ValueType {
        switch self {
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        case .date: .date
        case .decimal(let precision, let scale): .decimal(precision: Int(precision), scale: Int(scale))
        }
    }
}
