/// A value to bind, with its type in PostgreSQL. It is sent in binary, so that nothing is lost on the way.
public enum Parameter: Sendable, Hashable {
    case null(Kind)
    case bool(Bool)
    case int64(Int64)
    case float64(Double)
    case text(String)
    case bytes([UInt8])
    /// Microseconds since 1970-01-01T00:00:00Z.
    case timestamp(Int64)
    /// Days since 1970-01-01.
    case date(Int64)
    /// The number `unscaled`·10^−`scale`.
    case numeric(unscaled: Int128, scale: Int)
    case array(Kind, [Parameter])

    /// The types of values that can be bound; raw values are their numbers in `pg_type`.
    public enum Kind: UInt32, Sendable, Hashable {
        case bool = 16, bytes = 17, int64 = 20, text = 25, float64 = 701, date = 1082, timestamp = 1184, numeric = 1700

        var arrayType: UInt32 {
            switch self {
            case .bool: 1000
            case .bytes: 1001
            case .int64: 1016
            case .text: 1009
            case .float64: 1022
            case .timestamp: 1185
            case .date: 1182
            case .numeric: 1231
            }
        }
    }

    var type: UInt32 {
        switch self {
        case .null(let kind): kind.rawValue
        case .bool: Kind.bool.rawValue
        case .int64: Kind.int64.rawValue
        case .float64: Kind.float64.rawValue
        case .text: Kind.text.rawValue
        case .bytes: Kind.bytes.rawValue
        case .timestamp: Kind.timestamp.rawValue
        case .date: Kind.date.rawValue
        case .numeric: Kind.numeric.rawValue
        case .array(let kind, _): kind.arrayType
        }
    }

    /// PostgreSQL's binary form; nil for NULL.
    var bytes: [UInt8]? {
        switch self {
        case .null: return nil
        case .bool(let value): return [value ? 1 : 0]
        case .int64(let value): return bigEndian(UInt64(bitPattern: value))
        case .float64(let value): return bigEndian(value.bitPattern)
        case .text(let text): return Array(text.utf8)
        case .bytes(let bytes): return bytes
        case .timestamp(let microseconds): return bigEndian(UInt64(bitPattern: microseconds &- postgresEpoch))
        case .date(let days): return bigEndian(UInt32(truncatingIfNeeded: days - postgresEpochDay))
        case .numeric(let unscaled, let scale): return Numeric.bytes(unscaled, scale: scale)
        case .array(let kind, let elements):
            var bytes: [UInt8] = []
            if elements.isEmpty { return bigEndian(UInt32(0)) + bigEndian(UInt32(0)) + bigEndian(kind.rawValue) }
            bytes +=
                bigEndian(UInt32(1)) + bigEndian(UInt32(1)) + bigEndian(kind.rawValue)
                + bigEndian(UInt32(elements.count)) + bigEndian(UInt32(1))
            for element in elements {
                if let value = element.bytes {
                    bytes += bigEndian(UInt32(value.count)) + value
                } else {
                    bytes += bigEndian(UInt32.max)
                }
            }
            return bytes
        }
    }
}
