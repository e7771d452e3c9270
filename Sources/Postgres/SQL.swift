/// A statement whose interpolated values are bound, never pasted: `"select * from firn.batches where source =
/// \(name)"`.
///
/// Names of tables and columns go in as `\(identifier: name)`, quoted; another `SQL` goes in as it is.
public struct SQL: Sendable, ExpressibleByStringInterpolation {
    fileprivate enum Part: Sendable {
        case text(String)
        case parameter(Parameter)
    }

    fileprivate var parts: [Part]

    /// For literals in the source. Text that is made goes in by `raw`.
    public init(stringLiteral value: String) {
        parts = [.text(value)]
    }

    /// A part of a statement that was put together as text: nothing in it is bound or quoted, so nothing of a user's
    /// may be in it but what he runs as his own.
    public init(raw text: String) {
        parts = [.text(text)]
    }

    public init(stringInterpolation interpolation: Interpolation) {
        parts = interpolation.parts
    }

    /// The statement with `$1`, `$2`, … for its values: numbered only here, so that a name may hold a dollar sign.
    public var text: String {
        var text = ""
        var count = 0
        for part in parts {
            switch part {
            case .text(let literal): text += literal
            case .parameter:
                count += 1
                text += "$\(count)"
            }
        }
        return text
    }

    public var parameters: [Parameter] {
        parts.compactMap { if case .parameter(let parameter) = $0 { parameter } else { nil } }
    }

    public struct Interpolation: StringInterpolationProtocol {
        fileprivate var parts: [Part] = []

        public init(literalCapacity: Int, interpolationCount: Int) {}

        public mutating func appendLiteral(_ literal: String) { parts.append(.text(literal)) }
        public mutating func appendInterpolation(_ parameter: Parameter) { parts.append(.parameter(parameter)) }

        public mutating func appendInterpolation(_ value: String?) {
            appendInterpolation(value.map { .text($0) } ?? .null(.text))
        }
        public mutating func appendInterpolation(_ value: Int64?) {
            appendInterpolation(value.map { .int64($0) } ?? .null(.int64))
        }
        public mutating func appendInterpolation(_ value: Int) { appendInterpolation(.int64(Int64(value))) }
        public mutating func appendInterpolation(_ value: Bool) { appendInterpolation(.bool(value)) }
        public mutating func appendInterpolation(_ value: [UInt8]?) {
            appendInterpolation(value.map { .bytes($0) } ?? .null(.bytes))
        }

        /// A name of the database's, quoted.
        public mutating func appendInterpolation(identifier: String) { parts.append(.text(SQL.quoted(identifier))) }

        /// A text written out, for what takes no values.
        public mutating func appendInterpolation(literal: String) {
            parts.append(.text("'" + literal.replacing("'", with: "''") + "'"))
        }
        /// A number of ours written out, for statements that take no values.
        public mutating func appendInterpolation(literal: Int64) { parts.append(.text(String(literal))) }

        /// A part of a statement, with its own values.
        public mutating func appendInterpolation(_ part: SQL) { parts += part.parts }
    }

    public static func quoted(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// Parts with `separator` between them.
    public static func joined(_ parts: [SQL], by separator: String) -> SQL {
        guard let first = parts.first else { return "" }
        let between = SQL(raw: separator)
        return parts.dropFirst().reduce(first) { "\($0)\(between)\($1)" }
    }
}

/// A value to bind, with the type it has in PostgreSQL. Sent in binary, so that nothing is lost on the way.
public enum Parameter: Sendable, Hashable {
    case null(Kind)
    case bool(Bool)
    case int64(Int64)
    case float64(Double)
    case text(String)
    case bytes([UInt8])
    /// Microseconds since 1970-01-01T00:00:00Z.
    case timestamp(Int64)
    case array(Kind, [Parameter])

    public enum Kind: UInt32, Sendable, Hashable {
        case bool = 16, bytes = 17, int64 = 20, text = 25, float64 = 701, timestamp = 1184

        var arrayType: UInt32 {
            switch self {
            case .bool: 1000
            case .bytes: 1001
            case .int64: 1016
            case .text: 1009
            case .float64: 1022
            case .timestamp: 1185
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

/// 2000-01-01T00:00:00Z in microseconds since 1970: what PostgreSQL's binary timestamps count from.
let postgresEpoch: Int64 = 946_684_800_000_000

func bigEndian(_ word: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
    stride(from: word.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
}
