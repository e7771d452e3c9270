internal import FeatureEngine
public import FeatureLanguage

/// A value as a canonical text, the same wherever the value stands, whatever type its column has and however it is
/// spelled there:
///
///     n7 n-1.5e3     numbers: digits without zeros at either end, then e and the power of ten unless it is 0 (`007`, 7 and 7.0 are n7)
///     nNaN ninf n-inf
///     btrue bfalse   `True`, `TRUE` and `t` too
///     t0 t-1 t0.5    times and dates: microseconds since 1970 UTC, and nanoseconds as their fraction
///     s…             any other text, byte for byte
enum Identity {
    static func bytes(ofText text: ArraySlice<UInt8>) -> [UInt8] {
        if let number = number(text) { return number }
        if let (instant, nanoseconds) = Instant.incoming(text.span) { return bytes(instant.microseconds, nanoseconds) }
        switch text.count <= 9 ? String(decoding: text, as: UTF8.self).lowercased() : "" {
        case "true", "t": return Array("btrue".utf8)
        case "false", "f": return Array("bfalse".utf8)
        case "nan": return Array("nNaN".utf8)
        case "inf", "infinity", "+inf", "+infinity": return Array("ninf".utf8)
        case "-inf", "-infinity": return Array("n-inf".utf8)
        default: return Array("s".utf8) + text
        }
    }

    private static func number(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard let number = DecimalDigits(text: text) else { return nil }
        var digits = number.digits[...], exponent = -number.scale
        while digits.last == 0 {
            digits.removeLast()
            exponent += 1
        }
        guard !digits.isEmpty else { return Array("n0".utf8) }
        return Array((number.isNegative ? "n-" : "n").utf8) + digits.map { $0 + 0x30 }
            + Array((exponent == 0 ? "" : "e\(exponent)").utf8)
    }

    private static func bytes(_ microseconds: Int64, _ nanoseconds: Int) -> [UInt8] {
        Array("t\(microseconds)\(nanoseconds == 0 ? "" : ".\(nanoseconds)")".utf8)
    }

    static func column(of values: Column) -> Column {
        var builder = ColumnBuilder(.string)
        for row in 0..<values.count {
            if values.isNull(row) {
                builder.appendNull()
                continue
            }
            switch (values.type, values.values) {
            case (_, .bytes(let texts)): builder.append(bytes: bytes(ofText: texts.bytes[texts.range(row)]))
            case (.timestamp, .words(let times)): builder.append(bytes: bytes(times[row], 0))
            case (.date, .words(let days)): builder.append(bytes: bytes(days[row] &* Instant.microsecondsPerDay, 0))
            case (_, .bits), (_, .words), (_, .floats), (_, .wides), (_, .packed):
                var text: [UInt8] = []
                CSVField.write(values, row, to: &text)
                builder.append(bytes: bytes(ofText: text[...]))
            }
        }
        return builder.finish()
    }

    static func column(nanoseconds values: [Int64], _ validity: [Bool]?) -> Column {
        var builder = ColumnBuilder(.string)
        for (row, value) in values.enumerated() {
            if validity?[row] ?? true {
                let (quotient, remainder) = value.quotientAndRemainder(dividingBy: 1000)
                builder.append(
                    bytes: bytes(
                        remainder < 0 ? quotient - 1 : quotient, Int(remainder < 0 ? remainder + 1000 : remainder)))
            } else {
                builder.appendNull()
            }
        }
        return builder.finish()
    }
}

extension Literal {
    /// Reads a text as a value of a type, as PostgreSQL does or by the rules for what comes in; nil if it is none.
    public init?(incoming text: String, as type: ValueType) {
        var builder = ColumnBuilder(type)
        if let literal = Literal(text: text, as: type) {
            self = literal
        } else if FieldParser(type).append(Array(text.utf8)[...], isQuoted: true, to: &builder) {
            self = builder.finish()[0]
        } else {
            return nil
        }
    }
}
