public import FeatureLanguage

/// Values of our types as JSON: int64 exact, NaN and the infinities as strings, times in RFC 3339.
extension JSON {
    /// A value as JSON; NaN, the infinities and timestamps become strings.
    public init(_ literal: Literal) {
        guard let rules = literal.type?.rules else {
            self = .null
            return
        }
        if case .bool(let value) = literal {
            self = .bool(value)
        } else if case .float64(let bits) = literal {
            let value = Double(bitPattern: bits)
            self =
                value.isFinite ? .number(value.description) : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity"
        } else {
            self = rules.isTextInJSON ? .string(literal.fileText) : .number(literal.fileText)
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
