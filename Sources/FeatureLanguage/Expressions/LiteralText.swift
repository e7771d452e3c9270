extension Literal {
    /// Reads a text as PostgreSQL reads an input of the type: surrounding white space is ignored but for strings. Nil where it doesn't parse.
    public init?(text: String, as type: ValueType) {
        let trimmed = type == .string ? text[...] : text.trimmingPrefix(while: Literal.isSpace)[...].trimmingSuffix(while: Literal.isSpace)
        switch type {
        case .string: self = .string(text)
        case .bool:
            switch trimmed.lowercased() {
            case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1": self = .bool(true)
            case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0": self = .bool(false)
            default: return nil
            }
        case .int64:
            guard let value = Int64(trimmed) else { return nil }
            self = .int64(value)
        case .float64:
            guard let value = Double(sqlText: trimmed) else { return nil }
            self = .float64(value)
        case .timestamp:
            guard let value = Instant(text: trimmed) else { return nil }
            self = .timestamp(value)
        }
    }

    private static func isSpace(_ character: Character) -> Bool {
        character == " " || character == "\t" || character == "\n" || character == "\r" || character == "\r\n"
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[startIndex..<end]
    }
}

extension Double {
    /// Decimal digits with an optional point and exponent, or NaN, inf, infinity in any case. No hexadecimal, nothing beyond the range at either end.
    public init?(sqlText text: some StringProtocol) {
        let lower = text.lowercased()
        switch lower {
        case "nan": self = .nan
        case "inf", "infinity", "+inf", "+infinity": self = .infinity
        case "-inf", "-infinity": self = -.infinity
        default:
            guard lower.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || "+-.e".utf8.contains($0) }), let value = Double(lower), value.isFinite else { return nil }
            if value == 0, lower.prefix(while: { $0 != "e" }).contains(where: { ("1"..."9").contains($0) }) { return nil }
            self = value
        }
    }
}
