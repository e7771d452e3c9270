internal import FeatureEngine
public import FeatureLanguage

/// Reads one CSV field as a value of a type, into a builder.
struct FieldParser {
    let type: ValueType
    let null: [UInt8]?
    let epoch: Epoch?
    /// Rounds integers that aren't exact float64s, as was done once.
    var isKept = false

    init(_ type: ValueType, _ options: ReadOptions = ReadOptions()) {
        self.type = type
        null = options.null.map { Array($0.utf8) }
        epoch = options.epoch
        isKept = options.isKept
    }

    /// Appends the field's value; false if it is no value of the type.
    func append(_ bytes: ArraySlice<UInt8>, isQuoted: Bool, to builder: inout ColumnBuilder) -> Bool {
        // If the word for NULL is the empty field, it means NULL in quotes too, except for texts.
        if isQuoted
            ? bytes.isEmpty && type != .string && null?.isEmpty ?? false
            : bytes.isEmpty || null.map({ bytes.elementsEqual($0) }) ?? false
        {
            builder.appendNull()
            return true
        }
        switch type {
        case .string:
            guard FieldParser.isText(bytes) else { return false }
            builder.append(bytes: bytes)
        case .int64:
            guard let value = FieldParser.whole(bytes) else { return false }
            builder.append(value)
        case .float64:
            guard let value = FieldParser.float(bytes, rounds: isKept) else { return false }
            builder.append(value)
        case .bool:
            switch String(decoding: bytes, as: UTF8.self).lowercased() {
            case "true", "t", "1": builder.append(true)
            case "false", "f", "0": builder.append(false)
            default: return false
            }
        case .date:
            guard let days = Instant.incomingDate(bytes.span) else { return false }
            builder.append(days)
        case .decimal(let precision, let scale):
            guard let value = DecimalValue(text: bytes, precision, scale) else { return false }
            builder.append(value.unscaled)
        case .list, .vector:
            guard let value = (try? JSON(parsing: Array(bytes)))?.literal(as: type, epoch: epoch), value != .null else {
                return false
            }
            builder.append(value)
        case .timestamp:
            let instant =
                epoch.map { epoch in FieldParser.whole(bytes).flatMap { epoch.instant($0) } }
                ?? Instant(incoming: bytes.span)
            guard let instant else { return false }
            builder.append(instant.microseconds)
        }
        return true
    }

    /// UTF-8 without NUL, which PostgreSQL can't hold.
    static func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
        var isASCII = true
        for byte in bytes {
            if byte == 0 { return false }
            if byte >= 0x80 { isASCII = false }
        }
        return isASCII || String(validating: bytes, as: UTF8.self) != nil
    }

    static func integer(_ bytes: ArraySlice<UInt8>) -> Int64? {
        var at = bytes.startIndex
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { at += 1 }
        guard at < bytes.endIndex else { return nil }
        var value: Int64 = 0
        while at < bytes.endIndex {
            let digit = bytes[at] &- 0x30
            guard digit < 10 else { return nil }
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, beyond) =
                isNegative
                ? scaled.subtractingReportingOverflow(Int64(digit)) : scaled.addingReportingOverflow(Int64(digit))
            if overflow || beyond { return nil }
            value = sum
            at += 1
        }
        return value
    }

    /// An integer, or a whole float of at most 2^53: pandas writes integers next to a missing one as `42.0`.
    static func whole(_ bytes: ArraySlice<UInt8>) -> Int64? {
        if let value = integer(bytes) { return value }
        guard bytes.contains(UInt8(ascii: ".")), let value = DecimalDigits(text: bytes)?.int64,
            value.magnitude <= 1 << 53
        else { return nil }
        return value
    }

    /// Correctly rounded, but an integer has to be exact. Up to 15 digits and a power of ten up to 22 are exact in a
    /// float64, so one division or multiplication rounds correctly (Clinger, "How to read floating point numbers
    /// accurately", 1990); everything else goes the long way.
    ///
    /// - Parameter rounds: whether integers are rounded too.
    static func float(_ bytes: ArraySlice<UInt8>, rounds: Bool = false) -> Double? {
        var at = bytes.startIndex
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { at += 1 }
        var mantissa: UInt64 = 0, digits = 0, decimals = 0
        var isPastPoint = false
        while at < bytes.endIndex {
            let byte = bytes[at]
            if byte == UInt8(ascii: "."), !isPastPoint {
                isPastPoint = true
            } else if byte &- 0x30 < 10, digits < 16 {
                mantissa = mantissa * 10 + UInt64(byte &- 0x30)
                digits += 1
                decimals += isPastPoint ? 1 : 0
            } else {
                break
            }
            at += 1
        }
        if at == bytes.endIndex, digits > 0, digits <= 15 {
            let value = Double(mantissa) / powersOfTen[decimals]
            return isNegative ? -value : value
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return rounds ? Double(sqlText: text) : Double(incoming: text)
    }

    static let timeAdvice = "as in 2024-05-01T09:30:00Z, to the microsecond"

    /// What to do about a field that is no value of the type.
    ///
    /// - Parameter text: the field, or a JSON value; it isn't shown.
    static func advice(_ text: some Collection<UInt8>, isQuoted: Bool, _ type: ValueType, _ options: ReadOptions)
        -> String?
    {
        let null = options.null == nil ? options.names.advice("null") { "\($0) names a word that means NULL" } : nil
        if isQuoted, text.isEmpty, type != .string {
            return options.names.advice("null") { "\($0) '' reads the empty field in quotes as NULL" }
        }
        switch type {
        case .timestamp where options.epoch != nil: return "an integer, as the epoch says"
        case .timestamp:
            return timeAdvice + (options.names.advice("epoch") { "; \($0) (s, ms or us) reads integers" } ?? "")
        case .date: return "as in 2024-05-01; a time only where it is midnight in UTC"
        case .decimal(_, let scale):
            return
                "digits, at most \(scale) after the point: round it where it is written (.round(\(scale)) in pandas, ::\(type.rules.sqlName) in SQL)"
        case .list(let element):
            return "a JSON array of at most \(ListValue.maximumCount) values, each \(element.type.phrase) or null"
        case .vector(let count):
            return "a JSON array of \(count) numbers, each finite as a float32; null for the whole vector"
        case .string: return "texts are UTF-8 without NUL"
        case .bool: return "true or false"
        case .int64, .float64:
            if text.count(where: { $0 == UInt8(ascii: ",") }) == 1,
                text.allSatisfy({ $0 &- 0x30 < 10 || "+-,".utf8.contains($0) })
            {
                return "write the decimal point as a point"
            }
            if type == .float64 {
                guard let number = DecimalDigits(text: text), number.scale == 0 else { return null }
                return
                    "a float64 would round an integer of so many digits: declare the column int64, or cast it where it is written (.astype(\"float64\") in pandas, ::double precision in SQL)"
            }
            guard DecimalDigits(text: text) != nil else {
                return "a whole number without a decimal point" + (null.map { "; \($0)" } ?? "")
            }
            return
                "a whole number of 64 bits, with a decimal point only up to 2^53: cast it where it is written (.astype(\"Int64\") in pandas, ::bigint in SQL)"
        }
    }

    private static let powersOfTen: [Double] = [
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
    ]
}

/// What JSON may call a value, beside what CSV may.
extension JSON {
    /// The value as one of `type`; nil if it is none. An int64 may have a point if it is whole and at most 2^53; an
    /// integer for a float64 has to be exact.
    ///
    /// - Parameters:
    ///   - epoch: reads integers as times in that unit since 1970.
    ///   - isRow: whether numbers may be texts, as tools write rows for readers without 64-bit integers.
    public func literal(as type: ValueType, epoch: Epoch? = nil, isRow: Bool = false) -> Literal? {
        switch (self, type) {
        case (.null, _): .null
        case (.bool(let value), .bool): .bool(value)
        case (.number(let digits), .int64):
            (Int64(digits) ?? FieldParser.whole(Array(digits.utf8)[...])).map { .int64($0) }
        case (.number(let digits), .float64): Double(incoming: digits).map { .float64($0) }
        case (.string("NaN"), .float64): .float64(.nan)
        case (.string("Infinity"), .float64): .float64(.infinity)
        case (.string("-Infinity"), .float64): .float64(-.infinity)
        case (.string(let text), .float64):
            isRow && DecimalDigits(text: text.utf8) != nil ? Double(incoming: text).map { .float64($0) } : nil
        case (.string(let text), .int64): isRow ? FieldParser.integer(Array(text.utf8)[...]).map { .int64($0) } : nil
        case (.string(let text), .string): text.utf8.contains(0) ? nil : .string(text)
        case (.string(let text), .timestamp): Instant(incoming: Array(text.utf8).span).map { .timestamp($0) }
        case (.number(let digits), .timestamp):
            epoch.flatMap { epoch in FieldParser.whole(Array(digits.utf8)[...]).flatMap { epoch.instant($0) } }.map {
                .timestamp($0)
            }
        case (.string(let text), .date): Instant.incomingDate(Array(text.utf8).span).map { .date(days: $0) }
        case (.number(let digits), .decimal(let precision, let scale)),
            (.string(let digits), .decimal(let precision, let scale)):
            DecimalValue(text: digits.utf8, precision, scale).map { .decimal($0) }
        case (.array(let items), .list(let element)): JSON.list(items, element, epoch, isRow)
        case (.array(let items), .vector(let count)): Literal(components: items, count)
        case (.bool, .list), (.bool, .vector), (.number, .list), (.number, .vector), (.string, .list),
            (.string, .vector), (.bool, .date), (.bool, .decimal), (.number, .date), (.bool, .int64), (.bool, .float64),
            (.bool, .string),
            (.bool, .timestamp), (.number, .bool),
            (.number, .string), (.string, .bool), (.array, _), (.object, _):
            nil
        }
    }

    private static func list(_ items: [JSON], _ element: ScalarType, _ epoch: Epoch?, _ isRow: Bool) -> Literal? {
        guard items.count <= ListValue.maximumCount else { return nil }
        var values: [Literal] = []
        values.reserveCapacity(items.count)
        for item in items {
            guard let value = item.literal(as: element.type, epoch: epoch, isRow: isRow) else { return nil }
            values.append(value)
        }
        return .list(ListValue(element, values))
    }
}
