/// A constant. Floats are compared by their bits, so that NaN equals itself and −0.0 is not 0.0.
public enum Literal: Sendable, Hashable {
    case null
    case bool(Bool)
    case int64(Int64)
    case float64(bits: UInt64)
    case string(String)
    case timestamp(Instant)
    /// Days since 1970-01-01.
    case date(days: Int64)
    case decimal(DecimalValue)
    case list(ListValue)
    /// The components of a vector, each finite.
    case vector([Float])

    /// A float64 constant with the bits of `value`.
    public static func float64(_ value: Double) -> Literal { .float64(bits: value.bitPattern) }

    /// The type it is a value of; nil for NULL, which is a value of any.
    public var type: ValueType? {
        switch self {
        case .null: nil
        case .bool: .bool
        case .int64: .int64
        case .float64: .float64
        case .string: .string
        case .timestamp: .timestamp
        case .date: .date
        case .decimal(let value): value.type
        case .list(let value): .list(value.element)
        case .vector(let components): .vector(components.count)
        }
    }

    // Swift's String equality ignores the difference between canonical equivalents; here strings are told apart by
    // their bytes.
    public static func == (left: Literal, right: Literal) -> Bool {
        switch (left, right) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.int64(let a), .int64(let b)): a == b
        case (.float64(let a), .float64(let b)): a == b
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        case (.timestamp(let a), .timestamp(let b)): a == b
        case (.date(let a), .date(let b)): a == b
        case (.decimal(let a), .decimal(let b)): a == b
        case (.list(let a), .list(let b)): a == b
        case (.vector(let a), .vector(let b)): a.map(\.bitPattern) == b.map(\.bitPattern)
        case (.null, _), (.bool, _), (.int64, _), (.float64, _), (.string, _), (.timestamp, _), (.date, _),
            (.decimal, _), (.list, _), (.vector, _):
            false
        }
    }

    /// Its text in files and messages; empty for NULL.
    package var fileText: String { type?.rules.text(self) ?? "" }

    /// Its text as PostgreSQL casts it, with times in UTC; empty for NULL.
    package var sqlText: String { type.map { $0.rules.sqlText?(self) ?? $0.rules.text(self) } ?? "" }

    /// Its value as a quantity; nil if it isn't one.
    package var number: Double? { type?.rules.number?(self) }
}
