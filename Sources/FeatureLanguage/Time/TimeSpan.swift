/// A length of time in microseconds. A day is 24 hours and a week 7 days; there are no months.
public struct TimeSpan: Sendable, Hashable, Comparable {
    /// The length in microseconds, which may be negative.
    public var microseconds: Int64

    /// Takes any number of microseconds, negative ones included.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// No time at all.
    public static let zero = TimeSpan(microseconds: 0)

    public static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The units of windows, largest first.
    static let units: [(name: String, microseconds: Int64)] = [
        ("w", 604_800_000_000), ("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000),
        ("ms", 1000),
        ("us", 1),
    ]

    /// Reads `<n><unit>`, as in `7d`, `90m` or `250ms`. Nil for anything else, and for spans beyond 64 bits.
    public init?(text: some StringProtocol) {
        let digits = text.prefix { $0 >= "0" && $0 <= "9" }
        guard let count = Int64(digits),
            let unit = TimeSpan.units.first(where: { $0.name == text.dropFirst(digits.count) })?.microseconds
        else { return nil }
        let (product, overflow) = count.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        microseconds = product
    }

    /// Reads the text of an SQL interval in weeks and smaller units, such as `14 days`, `1 week 2 hours`, `1d 12h`,
    /// `-90 seconds` or `02:30:00`. Nil for anything else.
    public init?(interval text: some StringProtocol) {
        var total: Int64 = 0
        var words = text.lowercased().split(separator: " ")[...]
        guard !words.isEmpty else { return nil }
        while let word = words.popFirst() {
            guard let part = TimeSpan.part(word, &words) else { return nil }
            let (sum, overflow) = total.addingReportingOverflow(part)
            guard !overflow else { return nil }
            total = sum
        }
        // The negated span must fit too.
        guard total != .min else { return nil }
        microseconds = total
    }

    private static func part(_ word: Substring, _ rest: inout ArraySlice<Substring>) -> Int64? {
        let negative = word.hasPrefix("-")
        let body = negative || word.hasPrefix("+") ? word.dropFirst() : word
        if body.contains(":") {
            return clock(body).map { negative ? -$0 : $0 }
        }
        let digits = body.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        var unit = body.dropFirst(digits.count)
        if unit.isEmpty { unit = rest.popFirst() ?? "seconds" }
        guard let scale = scale(of: unit) else { return nil }
        let point = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = Int64(point[0].isEmpty && point.count == 2 ? "0" : point[0]) else { return nil }
        var (value, overflow) = whole.multipliedReportingOverflow(by: scale)
        if point.count == 2 {
            guard !point[1].isEmpty, point[1].utf8.count <= 6, let fraction = Int64(point[1]) else { return nil }
            let denominator = (0..<point[1].utf8.count).reduce(Int64(1)) { result, _ in result * 10 }
            let (share, tooFar) = fraction.multipliedReportingOverflow(by: scale)
            guard !tooFar, share % denominator == 0 else { return nil }
            let (sum, beyond) = value.addingReportingOverflow(share / denominator)
            guard !beyond else { return nil }
            value = sum
        }
        overflow = overflow || value < 0
        return overflow ? nil : negative ? -value : value
    }

    /// Reads `02:30`, `02:30:00` or `02:30:00.5` as microseconds.
    private static func clock(_ text: Substring) -> Int64? {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false)
        var fraction: Int64 = 0
        if parts.count == 3, let point = parts[2].firstIndex(of: ".") {
            let digits = parts[2][parts[2].index(after: point)...]
            guard (1...6).contains(digits.utf8.count), let number = Int64(digits), number >= 0 else { return nil }
            fraction = (digits.utf8.count..<6).reduce(number) { value, _ in value * 10 }
            parts[2] = parts[2][..<point]
        }
        let numbers = parts.compactMap { $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } ? Int64($0) : nil }
        guard numbers.count == parts.count, numbers.count == 2 || numbers.count == 3, numbers[0] < 1_000_000,
            numbers.dropFirst().allSatisfy({ $0 < 60 })
        else { return nil }
        return ((numbers[0] * 60 + numbers[1]) * 60 + (numbers.count == 3 ? numbers[2] : 0)) * 1_000_000 + fraction
    }

    private static func scale(of unit: Substring) -> Int64? {
        switch unit {
        case "w", "week", "weeks": 604_800_000_000
        case "d", "day", "days": 86_400_000_000
        case "h", "hr", "hrs", "hour", "hours": 3_600_000_000
        case "m", "min", "mins", "minute", "minutes": 60_000_000
        case "s", "sec", "secs", "second", "seconds": 1_000_000
        case "ms", "msec", "msecs", "millisecond", "milliseconds": 1000
        case "us", "usec", "usecs", "microsecond", "microseconds": 1
        default: nil
        }
    }
}

/// Coded as text, such as `7d`.
extension TimeSpan: Codable {
    public init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let span = TimeSpan(text: text) else {
            throw DecodingError.dataCorrupted(
                .init(codingPath: decoder.codingPath, debugDescription: "not a span of time"))
        }
        self = span
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension TimeSpan: CustomStringConvertible {
    /// The largest unit that divides the span, weeks aside: `1w` and `7d` are both `7d`, and 90 minutes are `90m`.
    public var description: String {
        if microseconds == 0 { return "0s" }
        let unit = TimeSpan.units.dropFirst().first { microseconds % $0.microseconds == 0 } ?? ("us", 1)
        return "\(microseconds / unit.microseconds)\(unit.name)"
    }
}

extension TimeSpan {
    /// For people: cut to its two largest units, weeks aside, as in `30d 5h`.
    public var rough: String {
        var rest = microseconds.magnitude, parts: [String] = []
        for unit in TimeSpan.units.dropFirst() where parts.count < 2 {
            let (count, left) = rest.quotientAndRemainder(dividingBy: UInt64(unit.microseconds))
            if count == 0, parts.isEmpty { continue }
            if count > 0 { parts.append("\(count)\(unit.name)") }
            if count == 0 { break }
            rest = left
        }
        return (microseconds < 0 ? "-" : "") + (parts.isEmpty ? "0s" : parts.joined(separator: " "))
    }
}
