package import FeatureEngine
internal import FeatureLanguage

/// A lookup's body as most programs write it, read straight into columns.
///
///     {"set":"fraud.v1","entities":{"customer_id":[42,43]},"request":{"amount":9.5}}
///
/// Whatever else a body may contain, right or wrong (escapes, other members, more digits than a float has), is left to
/// code that reads all of JSON.
package struct PlainLookup {
    package let prepared: ServingPlan
    /// Rows asked for.
    package let count: Int
    /// The plan's keys and then its request inputs; a column of a single value stands for all rows.
    private let columns: [Column]

    /// - Parameter plan: gives what was prepared for a set.
    package init?(_ body: [UInt8], plan: (String) -> ServingPlan?) {
        var reader = PlainReader(body)
        guard reader.take("{"), reader.member("set"), let set = reader.text(), let prepared = plan(set) else {
            return nil
        }
        let keys = prepared.plan.keys, requests = prepared.plan.requests
        var columns: [Column?] = Array(repeating: nil, count: keys.count + requests.count)
        while reader.take(",") {
            let isEntities = reader.member("entities")
            guard isEntities || reader.member("request"), reader.take("{") else { return nil }
            let known = isEntities ? keys : requests, first = isEntities ? 0 : keys.count
            if reader.take("}") { continue }
            repeat {
                guard let place = known.firstIndex(where: { reader.member($0.name) }), columns[first + place] == nil,
                    let values = reader.values(known[place].type)
                else {
                    return nil
                }
                columns[first + place] = values
            } while reader.take(",")
            guard reader.take("}") else { return nil }
        }
        let given = columns.compactMap(\.self)
        guard reader.take("}"), reader.isAtEnd, given.count == columns.count else { return nil }
        let count = given.first { $0.count != 1 }?.count ?? 1
        guard count <= LookupRequest.maximumEntities, given.allSatisfy({ $0.count == count || $0.count == 1 }) else {
            return nil
        }
        self.prepared = prepared
        self.count = count
        self.columns = given
    }

    /// A key's or request input's values, as many as there are rows.
    func column(_ name: String) -> Column {
        let names = prepared.plan.keys + prepared.plan.requests
        let column = columns[names.firstIndex { $0.name == name }!]
        return column.count == count ? column : column.gathered(Array(repeating: 0, count: count))
    }

    package var spine: Spine {
        let names = (prepared.plan.keys + prepared.plan.requests).map(\.name)
        return Spine(
            columns: Dictionary(uniqueKeysWithValues: names.map { ($0, column($0)) }),
            instants: Array(repeating: 0, count: count))
    }
}

/// Reads the plain part of JSON from the front; nil and false for anything else.
private struct PlainReader {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    private mutating func skipSpace() {
        while let byte, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
    }

    var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return position == bytes.count
        }
    }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard byte == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// ASCII between quotes, without escapes.
    private mutating func quoted() -> ArraySlice<UInt8>? {
        guard take("\"") else { return nil }
        let start = position
        while let byte, byte != UInt8(ascii: "\"") {
            guard byte >= 0x20, byte < 0x80, byte != UInt8(ascii: "\\") else { return nil }
            position += 1
        }
        guard position < bytes.count else { return nil }
        defer { position += 1 }
        return bytes[start..<position]
    }

    mutating func text() -> String? { quoted().map { String(decoding: $0, as: UTF8.self) } }

    /// Takes this name and its colon; if something else comes next, it takes nothing.
    mutating func member(_ name: String) -> Bool {
        let start = position
        if let found = quoted(), found.elementsEqual(name.utf8), take(":") { return true }
        position = start
        return false
    }

    /// A list of values, or a single one.
    mutating func values(_ type: ValueType) -> Column? {
        var builder = ColumnBuilder(type)
        guard take("[") else { return value(type, into: &builder) ? builder.finish() : nil }
        if take("]") { return builder.finish() }
        repeat {
            guard value(type, into: &builder) else { return nil }
        } while take(",")
        return take("]") ? builder.finish() : nil
    }

    private mutating func value(_ type: ValueType, into builder: inout ColumnBuilder) -> Bool {
        skipSpace()
        if byte == UInt8(ascii: "n") {
            builder.appendNull()
            return take(word: "null")
        }
        switch type.layout {
        case .bits:
            let value = byte == UInt8(ascii: "t")
            builder.append(value)
            return take(word: value ? "true" : "false")
        case .words:
            if type == .date {
                guard let text = quoted(), let days = Instant.incomingDate(text.span) else { return false }
                builder.append(days)
                return true
            }
            guard type == .int64, let (digits, places, isNegative) = number(), places == 0 else { return false }
            builder.append(isNegative ? -digits : digits)
            return true
        case .floats:
            // With so few digits and so small a power of ten, the quotient is the nearest float64.
            guard let (digits, places, isNegative) = number() else { return false }
            let value = Double(digits) / PlainReader.powers[places]
            builder.append(isNegative ? -value : value)
            return true
        case .wides:
            guard case .decimal(let precision, let scale) = type else { return false }
            if byte == UInt8(ascii: "\"") {
                guard let text = quoted(), let value = DecimalValue(text: text, precision, scale) else { return false }
                builder.append(value.unscaled)
                return true
            }
            guard let (digits, places, isNegative) = number(),
                let value = DecimalValue(
                    exactly: DecimalDigits(Int128(isNegative ? -digits : digits), scale: places), precision, scale)
            else { return false }
            builder.append(value.unscaled)
            return true
        case .packed: return false
        case .bytes:
            guard type == .string, let text = quoted() else { return false }
            builder.append(bytes: text)
            return true
        }
    }

    private static let powers: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]

    private mutating func take(word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count,
            unsafe bytes[position..<position + count].elementsEqual(
                UnsafeBufferPointer(start: word.utf8Start, count: count))
        else {
            return false
        }
        position += count
        return true
    }

    /// At most 15 digits, some of them possibly after a point, and no exponent.
    private mutating func number() -> (digits: Int64, places: Int, isNegative: Bool)? {
        let isNegative = byte == UInt8(ascii: "-")
        if isNegative { position += 1 }
        let start = position
        var digits: Int64 = 0, point: Int?
        while let byte {
            if byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
                digits = digits * 10 + Int64(byte - UInt8(ascii: "0"))
            } else if byte == UInt8(ascii: "."), point == nil, position > start {
                point = position
            } else {
                break
            }
            position += 1
            guard position - start <= 16 else { return nil }
        }
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") || byte == UInt8(ascii: ".") { return nil }
        let whole = (point ?? position) - start, places = point.map { position - $0 - 1 } ?? 0
        guard whole > 0, whole == 1 || bytes[start] != UInt8(ascii: "0"), point == nil || places > 0,
            whole + places <= 15
        else { return nil }
        return (digits, places, isNegative)
    }
}
