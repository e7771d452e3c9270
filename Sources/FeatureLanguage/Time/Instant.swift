/// A point in time, in microseconds since 1970-01-01T00:00:00Z, like PostgreSQL's `timestamptz`.
public struct Instant: Sendable, Hashable, Comparable {
    /// Microseconds since 1970-01-01T00:00:00Z, negative before it.
    public var microseconds: Int64

    /// Takes any number of microseconds, even one outside `range`.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// The instants that both 64 bits of microseconds and PostgreSQL's `timestamptz` can hold: 4714-11-24 BC to the end
    /// of the year 294246.
    public static let range =
        Instant(microseconds: -210_866_803_200_000_000)...Instant(microseconds: 106_751_982 * 86_400_000_000 - 1)

    /// The dates whose midnights are instants, as days since 1970: 4714-11-24 BC to the last day of 294246.
    package static let days: ClosedRange<Int64> = -2_440_588...106_751_981

    public static func < (left: Instant, right: Instant) -> Bool {
        left.microseconds < right.microseconds
    }
}

extension Instant {
    /// Reads RFC 3339, or a bare date, which means midnight UTC. A space may stand for the `T`, and without a zone the
    /// time is UTC.
    ///
    /// Seconds have at most six decimals, and years four digits or more. Years before 1 are written with a minus, as
    /// RFC 3339 would count on (`-0043`), or as PostgreSQL prints them (`0044-… BC`). Nil for anything else, February
    /// 30th included.
    public init?(text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard let read = Instant.parse(bytes.span, isIncoming: false) else { return nil }
        self = read.instant
    }

    /// Reads what `init(text:)` reads, from UTF-8.
    public init?(utf8 bytes: Span<UInt8>) {
        guard let read = Instant.parse(bytes, isIncoming: false) else { return nil }
        self = read.instant
    }

    /// Reads a time in incoming data, including what warehouses write: a space before the zone, which may be `UTC`, and
    /// further decimals of a second if they are zero.
    ///
    /// Casts don't accept these forms, because a registered cast keeps its meaning.
    public init?(incoming bytes: Span<UInt8>) {
        guard let read = Instant.parse(bytes, isIncoming: true), read.nanoseconds == 0 else { return nil }
        self = read.instant
    }

    /// Reads an instant, and the 0 to 999 nanoseconds beyond its microseconds.
    package static func incoming(_ bytes: Span<UInt8>) -> (instant: Instant, nanoseconds: Int)? {
        parse(bytes, isIncoming: true).map { ($0.instant, $0.nanoseconds) }
    }

    /// Reads the date of a time, or a date alone, as it is written: in the time's own zone, as days since 1970.
    package static func date(of bytes: Span<UInt8>) -> Int64? { parse(bytes, isIncoming: false)?.days }

    /// Reads the date in incoming data: a date alone, or a time that is a midnight in UTC. Nil for anything else.
    package static func incomingDate(_ bytes: Span<UInt8>) -> Int64? {
        guard let read = parse(bytes, isIncoming: true), read.nanoseconds == 0,
            read.instant.microseconds == read.days * microsecondsPerDay
        else { return nil }
        return read.days
    }

    private static func parse(_ bytes: Span<UInt8>, isIncoming: Bool)
        -> (instant: Instant, nanoseconds: Int, days: Int64)?
    {
        var reader = DigitReader(), nanoseconds = 0
        let negative = reader.take(UInt8(ascii: "-"), bytes)
        let isBC =
            bytes.count > 3 && !negative && bytes[bytes.count - 3] == UInt8(ascii: " ")
            && bytes[bytes.count - 2] == UInt8(ascii: "B")
            && bytes[bytes.count - 1] == UInt8(ascii: "C")
        let bytes = isBC ? bytes.extracting(first: bytes.count - 3) : bytes
        guard let digits = reader.number(digits: 4...6, bytes), reader.take(UInt8(ascii: "-"), bytes),
            let month = reader.number(digits: 2...2, bytes), reader.take(UInt8(ascii: "-"), bytes),
            let day = reader.number(digits: 2...2, bytes),
            digits <= (negative || isBC ? 4714 : 294_246), !isBC || digits > 0
        else { return nil }
        let year = negative ? -digits : isBC ? 1 - digits : digits
        guard (1...12).contains(month), day >= 1, day <= CivilDate.days(inMonth: month, year: year) else { return nil }
        let date = CivilDate(year: year, month: month, day: day)
        var microseconds = date.daysSinceEpoch * microsecondsPerDay
        if reader.position < bytes.count {
            guard
                reader.take(UInt8(ascii: "T"), bytes) || reader.take(UInt8(ascii: "t"), bytes)
                    || reader.take(UInt8(ascii: " "), bytes),
                let hour = reader.number(digits: 2...2, bytes), reader.take(UInt8(ascii: ":"), bytes),
                let minute = reader.number(digits: 2...2, bytes), hour < 24, minute < 60
            else { return nil }
            microseconds += (hour * 60 + minute) * 60_000_000
            if reader.take(UInt8(ascii: ":"), bytes) {
                guard let second = reader.number(digits: 2...2, bytes), second < 60 else { return nil }
                microseconds += second * 1_000_000
                if reader.take(UInt8(ascii: "."), bytes) {
                    guard let fraction = reader.fraction(digits: 6, bytes) else { return nil }
                    microseconds += fraction
                    if isIncoming {
                        guard let rest = reader.beyondMicroseconds(bytes) else { return nil }
                        nanoseconds = rest
                    }
                }
            }
            guard let offset = reader.zone(bytes, isIncoming: isIncoming) else { return nil }
            microseconds -= offset * 1_000_000
        }
        guard reader.position == bytes.count, range.contains(Instant(microseconds: microseconds)) else { return nil }
        return (Instant(microseconds: microseconds), nanoseconds, date.daysSinceEpoch)
    }

    package static let microsecondsPerDay: Int64 = 86_400_000_000
}

extension Instant: CustomStringConvertible {
    /// RFC 3339 in UTC, with a fraction of a second only if there is one (`2024-05-01T09:30:00.000001Z`).
    public var description: String {
        var bytes: [UInt8] = []
        append(to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Appends the description directly as bytes.
    package func append(to bytes: inout [UInt8]) {
        let date = date
        if date.year < 0 { bytes.append(UInt8(ascii: "-")) }
        append(date, year: abs(date.year), separator: UInt8(ascii: "T"), to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// The text that PostgreSQL casts it to in UTC (`2024-05-01 09:30:00.5+00`), where the year before 1 is 1 BC.
    package var sqlText: String {
        let date = date
        var bytes: [UInt8] = []
        append(date, year: date.year > 0 ? date.year : 1 - date.year, separator: UInt8(ascii: " "), to: &bytes)
        return String(decoding: bytes, as: UTF8.self) + (date.year > 0 ? "+00" : "+00 BC")
    }

    private var date: CivilDate {
        CivilDate(
            daysSinceEpoch: microseconds.flooredQuotientAndRemainder(dividingBy: Instant.microsecondsPerDay).quotient)
    }

    /// Appends date and time without a zone, and without trailing zeros in the fraction of a second.
    private func append(_ date: CivilDate, year: Int64, separator: UInt8, to bytes: inout [UInt8]) {
        let rest = microseconds.flooredQuotientAndRemainder(dividingBy: Instant.microsecondsPerDay).remainder
        let (seconds, fraction) = rest.quotientAndRemainder(dividingBy: 1_000_000)
        func append(_ number: Int64, width: Int) { bytes.append(number, width: width) }
        date.append(year: year, to: &bytes)
        bytes.append(separator)
        append(seconds / 3600, width: 2)
        bytes.append(UInt8(ascii: ":"))
        append(seconds / 60 % 60, width: 2)
        bytes.append(UInt8(ascii: ":"))
        append(seconds % 60, width: 2)
        guard fraction > 0 else { return }
        bytes.append(UInt8(ascii: "."))
        append(fraction, width: 6)
        while bytes.last == UInt8(ascii: "0") { bytes.removeLast() }
    }
}

extension CivilDate: CustomStringConvertible {
    /// RFC 3339's date (`2024-05-01`), with a minus before years before the year 0.
    public var description: String {
        var bytes: [UInt8] = year < 0 ? [UInt8(ascii: "-")] : []
        append(year: abs(year), to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text that PostgreSQL casts it to, where the year before 1 is 1 BC.
    package var sqlText: String {
        var bytes: [UInt8] = []
        append(year: year > 0 ? year : 1 - year, to: &bytes)
        return String(decoding: bytes, as: UTF8.self) + (year > 0 ? "" : " BC")
    }

    fileprivate func append(year: Int64, to bytes: inout [UInt8]) {
        bytes.append(year, width: 4)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(month, width: 2)
        bytes.append(UInt8(ascii: "-"))
        bytes.append(day, width: 2)
    }
}

extension [UInt8] {
    /// Appends a number's digits, at least `width` of them.
    fileprivate mutating func append(_ number: Int64, width: Int) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        // Years may have more digits.
        while number / divisor >= 10 { divisor *= 10 }
        while divisor > 0 {
            append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / divisor % 10))
            divisor /= 10
        }
    }
}

/// Reads the digits and separators of a timestamp from bytes.
private struct DigitReader {
    var position = 0

    mutating func take(_ byte: UInt8, _ bytes: Span<UInt8>) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    mutating func number(digits: ClosedRange<Int>, _ bytes: Span<UInt8>) -> Int64? {
        var value: Int64 = 0
        var count = 0
        while count < digits.upperBound, position < bytes.count, let digit = Self.digit(bytes[position]) {
            value = value * 10 + digit
            position += 1
            count += 1
        }
        return count >= digits.lowerBound ? value : nil
    }

    /// Reads one to `digits` digits after the point, scaled as if all were there.
    mutating func fraction(digits: Int, _ bytes: Span<UInt8>) -> Int64? {
        let start = position
        guard var value = number(digits: 1...digits, bytes) else { return nil }
        for _ in (position - start)..<digits { value *= 10 }
        return value
    }

    /// Reads the digits after six decimals of a second as nanoseconds: three, then any number of zeros. Nil if another
    /// digit follows.
    mutating func beyondMicroseconds(_ bytes: Span<UInt8>) -> Int? {
        var nanoseconds: Int64 = 0, count = 0
        while position < bytes.count, let digit = Self.digit(bytes[position]) {
            if count < 3 { nanoseconds = nanoseconds * 10 + digit } else if digit != 0 { return nil }
            count += 1
            position += 1
        }
        while count < 3 {
            nanoseconds *= 10
            count += 1
        }
        return Int(nanoseconds)
    }

    /// Reads `Z`, `+02:00`, `+0200`, `+02` or nothing, as seconds east of UTC.
    ///
    /// - Parameter isIncoming: accepts a space before the zone, and then also `UTC`.
    mutating func zone(_ bytes: Span<UInt8>, isIncoming: Bool) -> Int64? {
        if isIncoming, take(UInt8(ascii: " "), bytes) {
            guard position < bytes.count else { return nil }
            if bytes.count - position == 3, bytes[position] == UInt8(ascii: "U"),
                bytes[position + 1] == UInt8(ascii: "T"), bytes[position + 2] == UInt8(ascii: "C")
            {
                position += 3
                return 0
            }
        }
        if position == bytes.count || take(UInt8(ascii: "Z"), bytes) || take(UInt8(ascii: "z"), bytes) { return 0 }
        let east = take(UInt8(ascii: "+"), bytes)
        guard east || take(UInt8(ascii: "-"), bytes), let hours = number(digits: 2...2, bytes), hours < 24 else {
            return nil
        }
        let colon = take(UInt8(ascii: ":"), bytes)
        var minutes: Int64 = 0
        if colon || position < bytes.count {
            guard let read = number(digits: 2...2, bytes), read < 60 else { return nil }
            minutes = read
        }
        return (east ? 1 : -1) * (hours * 3600 + minutes * 60)
    }

    private static func digit(_ byte: UInt8) -> Int64? {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") ? Int64(byte &- UInt8(ascii: "0")) : nil
    }
}
