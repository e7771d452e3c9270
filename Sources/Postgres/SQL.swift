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

    /// For literals in the source. Text that is put together goes in through `raw`.
    public init(stringLiteral value: String) {
        parts = [.text(value)]
    }

    /// A part of a statement that was put together as text. Nothing in it is bound or quoted, so it must hold nothing
    /// from a user, except what that user runs as their own.
    public init(raw text: String) {
        parts = [.text(text)]
    }

    /// Called by the compiler for a literal with interpolations.
    public init(stringInterpolation interpolation: Interpolation) {
        parts = interpolation.parts
    }

    /// The statement with `$1`, `$2`, … for its values. They are numbered only here, so that a name may hold a dollar
    /// sign.
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

    /// The values for `$1`, `$2`, …, in that order.
    public var parameters: [Parameter] {
        parts.compactMap { if case .parameter(let parameter) = $0 { parameter } else { nil } }
    }

    /// Collects a literal's text and the values to bind in it.
    public struct Interpolation: StringInterpolationProtocol {
        fileprivate var parts: [Part] = []

        /// Starts empty; the counts are of no use here.
        public init(literalCapacity: Int, interpolationCount: Int) {}

        /// Text from the source, taken as it is.
        public mutating func appendLiteral(_ literal: String) { parts.append(.text(literal)) }
        /// A value to bind, with its type.
        public mutating func appendInterpolation(_ parameter: Parameter) { parts.append(.parameter(parameter)) }

        /// A `text` to bind; nil binds NULL.
        public mutating func appendInterpolation(_ value: String?) {
            appendInterpolation(value.map { .text($0) } ?? .null(.text))
        }
        /// A `bigint` to bind; nil binds NULL.
        public mutating func appendInterpolation(_ value: Int64?) {
            appendInterpolation(value.map { .int64($0) } ?? .null(.int64))
        }
        /// A `bigint` to bind.
        public mutating func appendInterpolation(_ value: Int) { appendInterpolation(.int64(Int64(value))) }
        /// A `boolean` to bind.
        public mutating func appendInterpolation(_ value: Bool) { appendInterpolation(.bool(value)) }
        /// A `bytea` to bind; nil binds NULL.
        public mutating func appendInterpolation(_ value: [UInt8]?) {
            appendInterpolation(value.map { .bytes($0) } ?? .null(.bytes))
        }

        /// A name in the database, quoted.
        public mutating func appendInterpolation(identifier: String) { parts.append(.text(SQL.quoted(identifier))) }

        /// A text written out as a literal, for statements that take no values.
        public mutating func appendInterpolation(literal: String) {
            parts.append(.text("'" + literal.replacing("'", with: "''") + "'"))
        }
        /// A number written out, for statements that take no values.
        public mutating func appendInterpolation(literal: Int64) { parts.append(.text(String(literal))) }

        /// Part of a statement, with its own values.
        public mutating func appendInterpolation(_ part: SQL) { parts += part.parts }
    }

    /// A name in double quotes, with those inside it doubled, so that it can't end early.
    public static func quoted(_ name: String) -> String {
        "\"" + name.replacing("\"", with: "\"\"") + "\""
    }

    /// The parts with `separator` between them; empty if there are none.
    public static func joined(_ parts: [SQL], by separator: String) -> SQL {
        guard let first = parts.first else { return "" }
        let between = SQL(raw: separator)
        return parts.dropFirst().reduce(first) { "\($0)\(between)\($1)" }
    }
}

/// 2000-01-01T00:00:00Z in microseconds since 1970: where PostgreSQL's binary timestamps start counting.
let postgresEpoch: Int64 = 946_684_800_000_000

/// Days from 1970 to 2000, from which PostgreSQL counts dates.
let postgresEpochDay: Int64 = 10_957

func bigEndian(_ word: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
    stride(from: word.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
}
