/// A constant. Floats are compared by their bits, so that NaN equals itself and −0.0 is not 0.0.
public enum Literal: Sendable, Hashable {
    case null
    case bool(Bool)
    case int64(Int64)
    case float64(bits: UInt64)
    case string(String)
    case timestamp(Instant)

    public static func float64(_ value: Double) -> Literal { .float64(bits: value.bitPattern) }

    /// The type of which it is a value; nil for NULL, which is one of any.
    public var type: ValueType? {
        switch self {
        case .null: nil
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        }
    }

    // Swift's String equality folds canonical equivalents; ours goes by scalars, so strings are told apart by their
    // bytes.
    public static func == (left: Literal, right: Literal) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int64(let a), .int64(let b)): a == b
        case (.float64(let a), .float64(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.null, _), (.bool, _), (.int64, _), (.float64, _), (.string, _), (.timestamp, _): false
        }
    }

    /// As files and messages have it; nothing for NULL.
    package var fileText: String { type?.rules.text(self) ?? "" }

    /// As PostgreSQL casts it to text, with times in UTC; nothing for NULL.
    package var sqlText: String { type.map { $0.rules.sqlText?(self) ?? $0.rules.text(self) } ?? "" }

    /// As a quantity; nil where it is none.
    package var number: Double? { type?.rules.number?(self) }
}
