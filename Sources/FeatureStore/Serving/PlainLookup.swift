internal import FeatureEngine
internal import FeatureLanguage
internal import Tables

/// A lookup's body as most programs write it, read straight into columns.
///
///     {"set":"fraud.v1","entities":{"customer_id":[42,43]},"request":{"amount":9.5}}
///
/// Whatever else a body may hold, wrong or right (escapes, other members, more digits than a float has), is left to those who read all of JSON.
struct PlainLookup {
    let prepared: ServingPlan
    /// Rows asked for.
    let count: Int
    /// The plan's keys and then its request inputs; one of a single value stands for all rows.
    private let columns: [Column]

    /// - Parameter plan: what was prepared for a set.
    init?(_ body: [UInt8], plan: (String) -> ServingPlan?) {
        var reader = PlainReader(body)
        guard reader.take("{"), reader.member("set"), let set = reader.text(), let prepared = plan(set) else { return nil }
        let keys = prepared.plan.keys, requests = prepared.plan.requests
        var columns: [Column?] = Array(repeating: nil, count: keys.count + requests.count)
        while reader.take(",") {
            let isEntities = reader.member("entities")
            guard isEntities || reader.member("request"), reader.take("{") else { return nil }
            let known = isEntities ? keys : requests, first = isEntities ? 0 : keys.count
            if reader.take("}") { continue }
            repeat {
                guard let place = known.firstIndex(where: { reader.member($0.name) }), columns[first + place] == nil, let values = reader.values(known[place].type) else {
                    return nil
                }
                columns[first + place] = values
            } while reader.take(",")
            guard reader.take("}") else { return nil }
        }
        let given = columns.compactMap(\.self)
        guard reader.take("}"), reader.isAtEnd, given.count == columns.count else { return nil }
        let count = given.first { $0.count != 1 }?.count ?? 1
        guard count <= LookupRequest.maximumEntities, given.allSatisfy({ $0.count == count || $0.count == 1 }) else { return nil }
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

    var spine: Spine {
        let names = (prepared.plan.keys + prepared.plan.requests).map(\.name)
        return Spine(columns: Dictionary(uniqueKeysWithValues: names.map { ($0, column($0)) }), instants: Array(repeating: 0, count: count))
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

    /// This name and its colon; where something else stands, nothing is taken.
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
        switch type {
        case .bool:
            let value = byte == UInt8(ascii: "t")
            builder.append(value)
            return take(word: value ? "true" : "false")
        case .int64:
            guard let (digits, places, isNegative) = number(), places == 0 else { return false }
            builder.append(isNegative ? -digits : digits)
            return true
        case .float64:
            // So few digits, and so small a power of ten, make the quotient the nearest there is.
            guard let (digits, places, isNegative) = number() else { return false }
            let value = Double(digits) / PlainReader.powers[places]
            builder.append(isNegative ? -value : value)
            return true
        case .string:
            guard let text = quoted() else { return false }
            builder.append(bytes: text)
            return true
        case .timestamp: return false
        }
    }

    private static let powers: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]

    private mutating func take(word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard position + count <= bytes.count, unsafe bytes[position..<position + count].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: count)) else {
            return false
        }
        position += count
        return true
    }

    /// At most 15 digits, some of them behind a point, and no exponent.
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
        guard whole > 0, whole == 1 || bytes[start] != UInt8(ascii: "0"), point == nil || places > 0, whole + places <= 15 else { return nil }
        return (digits, places, isNegative)
    }
}

extension StoreServing {
    /// Answers a lookup's body at once, where it is plain and memory has everything: the same bytes that the long way gives. Nil sends it that way.
    ///
    /// - Parameters:
    ///   - actor: who asks, for the lookup log; nil for the store's own.
    ///   - bounds: what is asked for beyond them goes the long way, where it is refused.
    ///   - tell: hears which set was asked for.
    public func answerFromMemory(_ body: [UInt8], actor: String? = nil, bounds: TokenBounds = .none, tell: (String?) -> Void = { _ in }) -> [UInt8]? {
        guard let memory = online?.memory, let asked = PlainLookup(body, plan: { memory.plan(.set($0)) }), memory.isFresh else { return nil }
        if bounds.isBounded, !(asked.prepared.asked.target.set.map(bounds.includes(set:)) ?? false) { return nil }
        tell(asked.prepared.asked.target.set)
        let isLogged = receipts.isSampled()
        if !isLogged, let bytes = memory.write(asked.prepared, asked) { return bytes }
        guard memory.owed(to: asked.prepared.plan.sources).isEmpty else { return nil }
        let spine = asked.spine
        guard case .answer(var answer) = memory.answer(asked.prepared, spine, .ahead) else { return nil }
        if isLogged { answer.receipt = receipts.keep(asked.prepared.asked, asked.prepared.functions, spine, answer, actor: actor ?? self.actor) }
        var bytes: [UInt8] = []
        answer.write(to: &bytes)
        return bytes
    }
}

extension LookupAnswer {
    /// What is the same in all answers: up to the instant, and from there to the rows.
    static func frame(set: String?, features: [String], warnings: [String]) -> (opening: [UInt8], middle: [UInt8]) {
        var opening = Array("{".utf8), middle = Array("\",\"features\":".utf8)
        if let set { opening += "\"set\":\(JSON.string(set)),".utf8 }
        opening += "\"as_of\":\"".utf8
        JSON.array(features.map { .string($0) }).write(to: &middle)
        if !warnings.isEmpty { middle += (",\"warnings\":" + JSON.array(warnings.map { .string($0) }).description).utf8 }
        middle += ",\"rows\":[".utf8
        return (opening, middle)
    }

    /// Writes the answer from values as memory has them.
    static func write(_ cells: Cells, _ prepared: ServingPlan, rows: Int, at instant: Instant) -> [UInt8] {
        let types = prepared.plan.outputs.map(\.type), width = cells.width
        var bytes: [UInt8] = []
        bytes.reserveCapacity(prepared.opening.count + prepared.middle.count + 64 + rows * (width * 24 + 32) + cells.texts.count)
        bytes += prepared.opening
        instant.append(to: &bytes)
        bytes += prepared.middle
        for row in 0..<rows {
            bytes += row > 0 ? LookupAnswer.nextRow : LookupAnswer.firstRow
            var areAllPresent = true
            for index in 0..<width {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                let word = cells.words[row * width + index], kind = cells.kinds[row * width + index]
                areAllPresent = areAllPresent && kind == .present
                if kind.isNull {
                    bytes += "null".utf8
                    continue
                }
                switch types[index] {
                case .float64: JSON.write(Double(bitPattern: word), to: &bytes)
                case .int64: JSON.write(Int64(bitPattern: word), to: &bytes)
                case .bool: bytes += (word == 1 ? "true" : "false").utf8
                case .string: JSON.write(cells.text(word), to: &bytes)
                case .timestamp: JSON.string(Instant(microseconds: Int64(bitPattern: word)).description).write(to: &bytes)
                }
            }
            if areAllPresent {
                bytes += prepared.allPresent
                continue
            }
            bytes += "],\"statuses\":[".utf8
            for index in 0..<width {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                bytes += "\"\(cells.kinds[row * width + index].status.rawValue)\"".utf8
            }
            bytes += "]}".utf8
        }
        bytes.append(UInt8(ascii: "]"))
        if let age = cells.age { bytes += ",\"age_ms\":\(age.wholeMilliseconds)".utf8 }
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private static let firstRow = Array("{\"values\":[".utf8)
    private static let nextRow = Array(",{\"values\":[".utf8)

    /// As JSON, straight into bytes.
    public func write(to bytes: inout [UInt8], cuts withCuts: Bool = false, types withTypes: Bool = false) {
        let (opening, middle) = LookupAnswer.frame(set: set, features: features, warnings: warnings)
        bytes.reserveCapacity(opening.count + middle.count + 64 + rowCount * columns.count * 28)
        bytes += opening
        asOf.append(to: &bytes)
        bytes += middle
        for row in 0..<rowCount {
            bytes += (row > 0 ? ",{\"values\":[" : "{\"values\":[").utf8
            for (index, column) in columns.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                JSON.write(column, row, to: &bytes)
            }
            bytes += "],\"statuses\":[".utf8
            for (index, statuses) in statuses.enumerated() {
                bytes += (index > 0 ? ",\"" : "\"").utf8
                bytes += statuses[row].rawValue.utf8
                bytes.append(UInt8(ascii: "\""))
            }
            bytes += "]}".utf8
        }
        bytes.append(UInt8(ascii: "]"))
        if let age { bytes += ",\"age_ms\":\(age.wholeMilliseconds)".utf8 }
        if let receipt { bytes += ",\"receipt\":\"\(receipt)\"".utf8 }
        if withTypes { bytes += (",\"types\":" + JSON.array(columns.map { .string($0.type.rawValue) }).description).utf8 }
        if withCuts { bytes += (",\"cuts\":" + JSON.object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }).description).utf8 }
        bytes.append(UInt8(ascii: "}"))
    }
}

extension Duration {
    /// Whole milliseconds; where there is no bound, such as since something that never was, as many as a number holds.
    public var wholeMilliseconds: Int {
        let milliseconds = self / .milliseconds(1)
        return milliseconds < 9e18 ? Int(milliseconds) : .max
    }
}
