public import FeatureLanguage

/// The types of Arrow that are read: ours, and those that other tools write in their place.
public enum ArrowType: Sendable, Hashable {
    case null
    case bool
    case integer(bits: Int, isSigned: Bool)
    case float(bits: Int)
    case utf8
    case largeUtf8
    case binary
    case largeBinary
    /// Days since 1970.
    case date32
    /// Milliseconds since 1970.
    case date64
    case timestamp(TimeUnit, zone: String?)

    public enum TimeUnit: Int16, Sendable {
        case second, millisecond, microsecond, nanosecond
    }

    /// How a type of ours is written.
    public init(_ type: ValueType) {
        self =
            switch type {
            case .bool: .bool
            case .int64: .integer(bits: 64, isSigned: true)
            case .float64: .float(bits: 64)
            case .string: .utf8
            case .timestamp: .timestamp(.microsecond, zone: "UTC")
            }
    }

    /// As pyarrow writes it.
    public var description: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .integer(let bits, let isSigned): (isSigned ? "int" : "uint") + String(bits)
        case .float(let bits): bits == 64 ? "double" : bits == 32 ? "float" : "halffloat"
        case .utf8: "string"
        case .largeUtf8: "large_string"
        case .binary: "binary"
        case .largeBinary: "large_binary"
        case .date32: "date32"
        case .date64: "date64"
        case .timestamp(let unit, let zone): "timestamp[\(["s", "ms", "us", "ns"][Int(unit.rawValue)])\(zone.map { ", tz=\($0)" } ?? "")]"
        }
    }

    /// Bytes of a value; nil where they vary or are bits.
    var width: Int? {
        switch self {
        case .integer(let bits, _), .float(let bits): bits / 8
        case .date32: 4
        case .date64, .timestamp: 8
        default: nil
        }
    }
}

/// A column's name and type.
public struct ArrowField: Sendable, Hashable {
    public var name: String
    public var type: ArrowType

    public init(_ name: String, _ type: ArrowType) {
        self.name = name
        self.type = type
    }
}

/// Bytes that aren't Arrow as we read it: what is wrong, in which column, and what to do. Never the data itself.
public struct ArrowError: Error, Sendable, Hashable {
    public var message: String
    public var column: String?
    /// Counted from 1, where one row is to blame.
    public var row: Int?
    public var advice: String?

    init(_ message: String, column: String? = nil, row: Int? = nil, advice: String? = nil) {
        self.message = message
        self.column = column
        self.row = row
        self.advice = advice
    }

    static let damaged = ArrowError("the Arrow data is damaged")
    static let tooLarge = ArrowError("holds more data than may travel at once", advice: "send less at a time")
    static let otherFormat = ArrowError("is not Arrow data of this format", advice: "Arrow 0.15 and newer write it")
    static let notText = ArrowError("holds strings that aren't UTF-8")
    static let cut = ArrowError("the Arrow data ends too early")
}
