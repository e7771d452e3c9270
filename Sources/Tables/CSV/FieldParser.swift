internal import FeatureEngine
internal import FeatureLanguage

/// Reads one CSV field as a value of a type, into a builder.
struct FieldParser {
    let type: ValueType
    let null: [UInt8]?
    let epoch: Epoch?

    /// False where the field is no such value.
    func append(_ bytes: ArraySlice<UInt8>, isQuoted: Bool, to builder: inout ColumnBuilder) -> Bool {
        if !isQuoted, bytes.isEmpty || null.map({ bytes.elementsEqual($0) }) ?? false {
            builder.appendNull()
            return true
        }
        switch type {
        case .string:
            guard FieldParser.isText(bytes) else { return false }
            builder.append(bytes: bytes)
        case .int64:
            guard let value = FieldParser.integer(bytes) else { return false }
            builder.append(value)
        case .float64:
            guard let value = FieldParser.float(bytes) else { return false }
            builder.append(value)
        case .bool:
            switch String(decoding: bytes, as: UTF8.self).lowercased() {
            case "true", "t", "1": builder.append(true)
            case "false", "f", "0": builder.append(false)
            default: return false
            }
        case .timestamp:
            let instant = epoch.map { epoch in FieldParser.integer(bytes).flatMap { epoch.instant($0) } } ?? Instant(utf8: bytes.span)
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
            let (sum, beyond) = isNegative ? scaled.subtractingReportingOverflow(Int64(digit)) : scaled.addingReportingOverflow(Int64(digit))
            if overflow || beyond { return nil }
            value = sum
            at += 1
        }
        return value
    }

    /// Correctly rounded. Up to 15 digits and a power of ten up to 22 are exact in a float64, so one division or multiplication
    /// rounds rightly (Clinger, "How to read floating point numbers accurately", 1990); the rest goes the long way.
    static func float(_ bytes: ArraySlice<UInt8>) -> Double? {
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
        return Double(sqlText: String(decoding: bytes, as: UTF8.self))
    }

    private static let powersOfTen: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15]
}
