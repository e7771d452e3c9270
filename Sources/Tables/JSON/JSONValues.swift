internal import FeatureEngine
public import FeatureLanguage

/// Values of our types as JSON, both ways: int64 exact, NaN and the infinities as strings, times in RFC 3339.
extension JSON {
    /// A value as JSON; NaN, the infinities and timestamps become strings.
    public init(_ literal: Literal) {
        switch literal {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .float64(let bits):
            let value = Double(bitPattern: bits)
            if value.isNaN {
                self = "NaN"
            } else if value.isInfinite {
                self = value < 0 ? "-Infinity" : "Infinity"
            } else {
                self = .number(value.description)
            }
        case .int64, .string, .timestamp:
            self = literal.type?.rules.isTextInJSON ?? true ? .string(literal.fileText) : .number(literal.fileText)
        }
    }

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
        case (.bool, .int64), (.bool, .float64), (.bool, .string), (.bool, .timestamp), (.number, .bool),
            (.number, .string), (.string, .bool), (.array, _), (.object, _):
            nil
        }
    }
}

/// The unit of times given as integers since 1970-01-01T00:00:00Z.
public enum Epoch: String, Sendable, CaseIterable {
    case seconds = "s", milliseconds = "ms", microseconds = "us"

    func instant(_ number: Int64) -> Instant? {
        let scale: Int64 = self == .seconds ? 1_000_000 : self == .milliseconds ? 1000 : 1
        let (microseconds, overflow) = number.multipliedReportingOverflow(by: scale)
        let instant = Instant(microseconds: microseconds)
        return !overflow && Instant.range.contains(instant) ? instant : nil
    }
}
