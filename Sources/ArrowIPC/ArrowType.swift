/// Arrow's types: our own, those that others write in their place, and those whose values only pass through.
public indirect enum ArrowType: Sendable, Hashable {
    case null
    case bool
    case integer(bits: Int, isSigned: Bool)
    case float(bits: Int)
    case utf8
    case largeUtf8
    case utf8View
    case binary
    case largeBinary
    case binaryView
    /// Days since 1970.
    case date32
    /// Milliseconds since 1970.
    case date64
    case timestamp(TimeUnit, zone: String?)

    // Types whose values aren't ours as they stand.
    case decimal(precision: Int, scale: Int, bits: Int)
    case time(TimeUnit, bits: Int)
    case duration(TimeUnit)
    /// 0: months, 1: days and milliseconds, 2: months, days and nanoseconds.
    case interval(Int)
    case fixedBinary(Int)
    case list(ArrowField)
    case largeList(ArrowField)
    case listView(ArrowField)
    case largeListView(ArrowField)
    case fixedList(ArrowField, count: Int)
    case map(ArrowField, isSorted: Bool)
    case structure([ArrowField])
    case union([ArrowField], ids: [Int], isDense: Bool)
    case runEndEncoded(ends: ArrowField, values: ArrowField)
    /// Indices of an integer type into values that come earlier.
    case dictionary(bits: Int, isSigned: Bool, ArrowType, isOrdered: Bool)

    /// The unit of a time or duration, numbered as in Arrow's metadata.
    public enum TimeUnit: Int16, Sendable {
        case second, millisecond, microsecond, nanosecond

        var text: String { ["s", "ms", "us", "ns"][Int(rawValue)] }

        /// How many of them make a second.
        var perSecond: Int { [1, 1000, 1_000_000, 1_000_000_000][Int(rawValue)] }
    }

    /// The type as pyarrow prints it.
    public var description: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .integer(let bits, let isSigned): (isSigned ? "int" : "uint") + String(bits)
        case .float(let bits): bits == 64 ? "double" : bits == 32 ? "float" : "halffloat"
        case .utf8: "string"
        case .largeUtf8: "large_string"
        case .utf8View: "string_view"
        case .binary: "binary"
        case .largeBinary: "large_binary"
        case .binaryView: "binary_view"
        case .date32: "date32"
        case .date64: "date64"
        case .timestamp(let unit, let zone): "timestamp[\(unit.text)\(zone.map { ", tz=\($0)" } ?? "")]"
        case .decimal(let precision, let scale, let bits): "decimal\(bits)(\(precision), \(scale))"
        case .time(let unit, let bits): "time\(bits)[\(unit.text)]"
        case .duration(let unit): "duration[\(unit.text)]"
        case .interval(let unit): ["month_interval", "day_time_interval", "month_day_nano_interval"][unit]
        case .fixedBinary(let width): "fixed_size_binary[\(width)]"
        case .list(let item): "list<\(item.description)>"
        case .largeList(let item): "large_list<\(item.description)>"
        case .listView(let item): "list_view<\(item.description)>"
        case .largeListView(let item): "large_list_view<\(item.description)>"
        case .fixedList(let item, let count): "fixed_size_list<\(item.description)>[\(count)]"
        case .map(let entries, _):
            if case .structure(let fields) = entries.type, fields.count == 2 {
                "map<\(fields[0].type.description), \(fields[1].type.description)>"
            } else {
                "map"
            }
        case .structure(let fields): "struct<\(ArrowType.text(of: fields))>"
        case .union(let fields, _, let isDense):
            (isDense ? "dense" : "sparse") + "_union<\(ArrowType.text(of: fields))>"
        case .runEndEncoded(let ends, let values):
            "run_end_encoded<run_ends: \(ends.type.description), values: \(values.type.description)>"
        case .dictionary(let bits, let isSigned, let values, let isOrdered):
            "dictionary<values=\(values.description), indices=\(ArrowType.integer(bits: bits, isSigned: isSigned).description), ordered=\(isOrdered ? 1 : 0)>"
        }
    }

    private static func text(of fields: [ArrowField]) -> String { fields.map(\.description).joined(separator: ", ") }

    /// Whether its values are read straight into a column; those of other types stay as they lie.
    public var isFlat: Bool {
        switch self {
        case .null, .bool, .float, .utf8, .largeUtf8, .utf8View, .binary, .largeBinary, .binaryView, .date32, .date64,
            .timestamp:
            true
        case .integer(let bits, _): bits <= 64
        default: false
        }
    }

    /// Bytes of a value, or of an index into a dictionary; nil if they vary or values are bits.
    var width: Int? {
        switch self {
        case .integer(let bits, _), .float(let bits), .decimal(_, _, let bits), .time(_, let bits),
            .dictionary(let bits, _, _, _):
            bits / 8
        case .date32: 4
        case .date64, .timestamp, .duration: 8
        case .interval(let unit): [4, 8, 16][unit]
        case .fixedBinary(let width): width
        default: nil
        }
    }

    /// Whether its lists have 64-bit offsets.
    var hasLongPlaces: Bool {
        switch self {
        case .largeList, .largeListView: true
        default: false
        }
    }

    /// Whether the values beneath it are part of a batch: a dictionary's aren't.
    var hasOwnValues: Bool { if case .dictionary = self { false } else { true } }

    /// The fields beneath it.
    var children: [ArrowField] {
        switch self {
        case .list(let item), .largeList(let item), .listView(let item), .largeListView(let item),
            .fixedList(let item, _), .map(let item, _):
            [item]
        case .structure(let fields), .union(let fields, _, _): fields
        case .runEndEncoded(let ends, let values): [ends, values]
        default: []
        }
    }
}
