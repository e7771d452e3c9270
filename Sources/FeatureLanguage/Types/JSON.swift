/// A JSON value. Numbers keep their digits, so that an int64 is exact; keys keep their order.
public enum JSON: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSON])
    case object([Member])

    /// A key of an object and its value.
    public struct Member: Sendable, Hashable {
        /// The key, with its escapes undone.
        public var key: String
        /// What the key stands for.
        public var value: JSON

        /// A member of an object.
        public init(_ key: String, _ value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// Values nested deeper than this are refused.
    public static let maximumDepth = 64

    /// Why a text isn't JSON: what was expected, and at which byte.
    public struct Fault: Error, Sendable, CustomStringConvertible {
        /// The byte at which reading stopped, counted from 0.
        public var offset: Int
        /// What was expected or found there, as part of a sentence.
        public var message: String

        public var description: String { "not JSON: \(message) at byte \(offset)" }
    }

    /// Reads one value and nothing after it (RFC 8259).
    public init(parsing bytes: [UInt8]) throws(Fault) {
        var parser = JSONParser(bytes: bytes)
        self = try parser.document()
    }

    /// The value of a key; nil if there is none, or if this isn't an object.
    public subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// A string's text or a number's digits; nil for anything else.
    package var text: String? {
        switch self {
        case .string(let text), .number(let text): text
        default: nil
        }
    }

    /// An object with these members, in this order.
    public static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
        .object(members.map { Member($0.key, $0.value) })
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// A number.
    public init(integerLiteral value: Int) { self = .number(String(value)) }
    /// True or false.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }

    /// An integer, with all of its digits.
    public init(_ number: some BinaryInteger) { self = .number(String(number)) }

    /// A string; null for nil.
    public init(_ text: String?) { self = text.map { .string($0) } ?? .null }
}

extension JSON: CustomStringConvertible {
    /// On one line, without spaces.
    public var description: String {
        var bytes: [UInt8] = []
        write(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the value on one line, without spaces.
    public func write(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let value): bytes += (value ? "true" : "false").utf8
        case .number(let digits): bytes += digits.utf8
        case .string(let text): JSON.write(text.utf8, to: &bytes)
        case .array(let values):
            bytes.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .object(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSON.write(member.key.utf8, to: &bytes)
                bytes.append(UInt8(ascii: ":"))
                member.value.write(to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    /// Appends a word: a number, or by these rules a text.
    package static func write(word value: Int64, _ textRules: TypeRules?, to bytes: inout [UInt8]) {
        guard let textRules else { return write(value, to: &bytes) }
        write(textRules.text(textRules.literal(word: value)).utf8, to: &bytes)
    }

    /// Appends a decimal: a text of its digits.
    package static func write(_ value: DecimalValue, to bytes: inout [UInt8]) {
        write(value.description.utf8, to: &bytes)
    }

    package static func write(_ value: Int64, to bytes: inout [UInt8]) {
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        write(digits: value.magnitude, to: &bytes)
    }

    private static func write(digits value: UInt64, to bytes: inout [UInt8]) {
        // Makes room first, then fills it from the end: reversing a slice would copy it.
        var rest = value, place = bytes.count
        repeat {
            bytes.append(0)
            rest /= 10
            place += 1
        } while rest > 0
        rest = value
        repeat {
            place -= 1
            bytes[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }

    /// Appends a number's shortest digits, as Swift prints them; NaN and the infinities as texts.
    package static func write(_ value: Double, to bytes: inout [UInt8]) {
        // Most are amounts of money: a whole number of hundredths with few digits is printed faster this way, and looks
        // the same.
        let hundredths = (value * 100).rounded()
        guard abs(hundredths) < 1e12, hundredths / 100 == value, value != 0 || value.sign == .plus,
            abs(hundredths) >= 1 || value == 0
        else {
            if value.isFinite { bytes += value.description.utf8 } else { JSON(.float64(value)).write(to: &bytes) }
            return
        }
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        let whole = UInt64(abs(hundredths)), cents = UInt8(whole % 100)
        write(digits: whole / 100, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        bytes.append(UInt8(ascii: "0") + cents / 10)
        if cents % 10 > 0 { bytes.append(UInt8(ascii: "0") + cents % 10) }
    }

    /// Appends a text between quotes.
    package static func write(_ text: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\r"): bytes += "\\r".utf8
            case UInt8(ascii: "\t"): bytes += "\\t".utf8
            case 0..<0x20: bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// The value over several lines, indented by two spaces a level, for people.
    public func pretty(_ indent: String = "") -> String {
        let inner = indent + "  "
        switch self {
        case .array(let values) where !values.isEmpty:
            return "[\n" + values.map { inner + $0.pretty(inner) }.joined(separator: ",\n") + "\n\(indent)]"
        case .object(let members) where !members.isEmpty:
            return "{\n"
                + members.map { "\(inner)\(JSON.string($0.key)): \($0.value.pretty(inner))" }.joined(separator: ",\n")
                + "\n\(indent)}"
        default: return description
        }
    }
}

/// A recursive-descent parser of RFC 8259 over bytes.
private struct JSONParser {
    let bytes: [UInt8]
    var position = 0
    var depth = 0

    mutating func document() throws(JSON.Fault) -> JSON {
        let value = try self.value()
        skipSpace()
        guard position == bytes.count else { throw fault("something after the value") }
        return value
    }

    private func fault(_ message: String) -> JSON.Fault { JSON.Fault(offset: position, message: message) }

    private var byte: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func value() throws(JSON.Fault) -> JSON {
        skipSpace()
        depth += 1
        defer { depth -= 1 }
        guard depth <= JSON.maximumDepth else { throw fault("nested deeper than \(JSON.maximumDepth) levels") }
        switch byte {
        case UInt8(ascii: "{"): return try object()
        case UInt8(ascii: "["): return try array()
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        case UInt8(ascii: "-"), 0x30...0x39: return try number()
        default: throw fault(position < bytes.count ? "a value expected" : "the end where a value is expected")
        }
    }

    private mutating func word(_ word: String, _ value: JSON) throws(JSON.Fault) -> JSON {
        guard bytes[position...].starts(with: word.utf8) else { throw fault("a value expected") }
        position += word.utf8.count
        return value
    }

    private mutating func digits() throws(JSON.Fault) {
        guard (0x30...0x39).contains(byte) else { throw fault("a digit expected") }
        while (0x30...0x39).contains(byte) { position += 1 }
    }

    private mutating func number() throws(JSON.Fault) -> JSON {
        let start = position
        if byte == UInt8(ascii: "-") { position += 1 }
        if byte == 0x30 { position += 1 } else { try digits() }
        if byte == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if byte | 0x20 == UInt8(ascii: "e") {
            position += 1
            if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func string() throws(JSON.Fault) -> String {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count, byte != UInt8(ascii: "\"") {
            if byte < 0x20 { throw fault("a control character in a string") }
            if byte != UInt8(ascii: "\\") {
                text.append(byte)
                position += 1
                continue
            }
            position += 1
            switch byte {
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "t"): text.append(0x09)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
            case UInt8(ascii: "u"):
                text += String(String.UnicodeScalarView([try unicode()])).utf8
                continue
            default: throw fault("an unknown escape")
            }
            position += 1
        }
        guard position < bytes.count else { throw fault("a string that doesn't end") }
        position += 1
        guard let string = String(validating: text, as: UTF8.self) else { throw fault("a string that isn't UTF-8") }
        return string
    }

    /// After `\`: `uXXXX`, or two of them for one scalar.
    private mutating func unicode() throws(JSON.Fault) -> Unicode.Scalar {
        let high = try unit()
        if let scalar = Unicode.Scalar(high) { return scalar }
        guard (0xD800..<0xDC00).contains(high), byte == UInt8(ascii: "\\") else {
            throw fault("half of a surrogate pair")
        }
        position += 1
        guard byte == UInt8(ascii: "u") else { throw fault("half of a surrogate pair") }
        let low = try unit()
        guard (0xDC00..<0xE000).contains(low),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(high) - 0xD800) << 10 + UInt32(low) - 0xDC00)
        else {
            throw fault("half of a surrogate pair")
        }
        return scalar
    }

    private mutating func unit() throws(JSON.Fault) -> UInt16 {
        position += 1
        guard position + 4 <= bytes.count,
            bytes[position..<(position + 4)].allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let unit = UInt16(String(decoding: bytes[position..<(position + 4)], as: UTF8.self), radix: 16)
        else { throw fault("four hexadecimal digits expected") }
        position += 4
        return unit
    }

    private mutating func array() throws(JSON.Fault) -> JSON {
        position += 1
        var values: [JSON] = []
        skipSpace()
        if byte == UInt8(ascii: "]") {
            position += 1
            return .array([])
        }
        while true {
            values.append(try value())
            skipSpace()
            if byte == UInt8(ascii: "]") { break }
            guard byte == UInt8(ascii: ",") else { throw fault("',' or ']' expected") }
            position += 1
        }
        position += 1
        return .array(values)
    }

    private mutating func object() throws(JSON.Fault) -> JSON {
        position += 1
        var members: [JSON.Member] = []
        var keys: Set<String> = []
        skipSpace()
        if byte == UInt8(ascii: "}") {
            position += 1
            return .object([JSON.Member]())
        }
        while true {
            skipSpace()
            guard byte == UInt8(ascii: "\"") else { throw fault("a key expected") }
            let key = try string()
            guard keys.insert(key).inserted else { throw fault("a key that stands twice") }
            skipSpace()
            guard byte == UInt8(ascii: ":") else { throw fault("':' expected") }
            position += 1
            members.append(JSON.Member(key, try value()))
            skipSpace()
            if byte == UInt8(ascii: "}") { break }
            guard byte == UInt8(ascii: ",") else { throw fault("',' or '}' expected") }
            position += 1
        }
        position += 1
        return .object(members)
    }
}

/// Values of our types as JSON: int64 exact, NaN and the infinities as strings, times in RFC 3339.
extension JSON {
    /// A value as JSON; NaN, the infinities, times and decimals become strings, lists and vectors arrays.
    public init(_ literal: Literal) {
        guard let rules = literal.type?.rules else {
            self = .null
            return
        }
        if case .bool(let value) = literal {
            self = .bool(value)
        } else if case .list(let list) = literal {
            self = .array(list.items.map { JSON($0) })
        } else if case .vector(let components) = literal {
            self = .array(components.map { .number($0.description) })
        } else if case .float64(let bits) = literal {
            let value = Double(bitPattern: bits)
            self =
                value.isFinite ? .number(value.description) : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
        } else {
            self = rules.isTextInJSON ? .string(literal.fileText) : .number(literal.fileText)
        }
    }
}
