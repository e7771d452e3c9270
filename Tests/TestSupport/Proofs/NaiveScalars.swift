public import FeatureLanguage
import Foundation

/// What an expression over one row's values is, by the definitions alone: a value at a time, without columns.
public enum NaiveScalars {
    /// - Parameters:
    ///   - row: the request inputs by name.
    ///   - asOf: the instant, in microseconds.
    public static func value(
        _ expression: FeatureLanguage.Expression, _ row: [String: Literal], asOf: Int64
    ) -> Literal {
        switch expression {
        case .literal(let literal, _): return literal
        case .request(let name, _): return row[name]!
        case .asOf: return .timestamp(Instant(microseconds: asOf))
        case .column, .aggregate, .feature: preconditionFailure("no rows are read")
        case .call(let operation, let arguments, let type):
            return call(operation, arguments.map { value($0, row, asOf: asOf) }, arguments.map(\.type), type)
        }
    }

    private static func call(
        _ operation: FeatureLanguage.Operation, _ x: [Literal], _ types: [ValueType], _ type: ValueType
    )
        -> Literal
    {
        switch operation {
        case .isNull: return .bool(x[0] == .null)
        case .isDistinct:
            return .bool(x[0] == .null || x[1] == .null ? x[0] != x[1] : order(x[0], x[1]) != 0)
        case .and: return x.contains(.bool(false)) ? .bool(false) : x.contains(.null) ? .null : .bool(true)
        case .or: return x.contains(.bool(true)) ? .bool(true) : x.contains(.null) ? .null : .bool(false)
        case .coalesce: return x.first { $0 != .null } ?? .null
        case .greatest: return x.filter { $0 != .null }.reduce(.null) { $0 == .null || order($1, $0) > 0 ? $1 : $0 }
        case .least: return x.filter { $0 != .null }.reduce(.null) { $0 == .null || order($1, $0) < 0 ? $1 : $0 }
        case .nullif: return x.contains(.null) || order(x[0], x[1]) != 0 ? x[0] : .null
        case .in:
            let tests = x.dropFirst().map { x[0] == .null || $0 == .null ? .null : Literal.bool(order(x[0], $0) == 0) }
            return call(.or, tests.count == 1 ? tests + tests : tests, [.bool, .bool], .bool)
        case .between:
            let above = call(.greaterOrEqual, alike([x[0], x[1]]), [], .bool),
                below = call(.lessOrEqual, alike([x[0], x[2]]), [], .bool)
            return call(.and, [above, below], [.bool, .bool], .bool)
        case .cases:
            for pair in 0..<(x.count / 2) where x[pair * 2] == .bool(true) { return x[pair * 2 + 1] }
            return x[x.count - 1]
        case .concat: return .string(x.filter { $0 != .null }.map(text).joined())
        case .isAny, .arrayPosition: return search(operation, x)
        case .concatenate where type.layout == .packed: return joined(x, types, type)
        default: return x.contains(.null) ? .null : strict(operation, x, types, type) ?? .null
        }
    }

    /// An int64 beside a float64 becomes one.
    private static func alike(_ pair: [Literal]) -> [Literal] {
        let isMixed = pair.contains { if case .float64 = $0 { true } else { false } }
        if pair.contains(.null) { return pair }
        return pair.map { value in
            switch value {
            case .int64, .decimal: isMixed ? .float64(Naive.floats([value])[0]) : value
            default: value
            }
        }
    }

    /// Of values none of which is NULL; nil where PostgreSQL would refuse.
    private static func strict(
        _ operation: FeatureLanguage.Operation, _ x: [Literal], _ types: [ValueType], _ type: ValueType
    )
        -> Literal?
    {
        if let result = lists(operation, x, type) ?? decimal(operation, x, type) ?? date(operation, x, type) {
            return result
        }
        return switch operation {
        case .add: integer(x) { $0 + $1 } ?? float(x) { $0 + $1 }
        case .subtract:
            if case (.timestamp(let a), .timestamp(let b)) = (x[0], x[1]) {
                .float64(seconds(Int128(a.microseconds) - Int128(b.microseconds)))
            } else {
                integer(x) { $0 - $1 } ?? float(x) { $0 - $1 }
            }
        case .multiply: integer(x) { $0 * $1 } ?? float(x) { $0 * $1 }
        case .divide: integer(x) { $1 == 0 ? nil : $0 / $1 } ?? float(x) { $1 == 0 && !$0.isNaN ? nil : $0 / $1 }
        case .modulo: integer(x) { $1 == 0 ? nil : $0 % $1 } ?? nil
        case .negate: integer([.int64(0)] + x) { $0 - $1 } ?? float(x) { a in -a }
        case .addSpan:
            if case (.timestamp(let time), .int64(let span)) = (x[0], x[1]),
                let sum = Int64(exactly: Int128(time.microseconds) + Int128(span)),
                Instant.range.contains(Instant(microseconds: sum))
            {
                .timestamp(Instant(microseconds: sum))
            } else {
                nil
            }
        case .equal: .bool(order(x[0], x[1]) == 0)
        case .notEqual: .bool(order(x[0], x[1]) != 0)
        case .less: .bool(order(x[0], x[1]) < 0)
        case .lessOrEqual: .bool(order(x[0], x[1]) <= 0)
        case .greater: .bool(order(x[0], x[1]) > 0)
        case .greaterOrEqual: .bool(order(x[0], x[1]) >= 0)
        case .not: .bool(x[0] == .bool(false))
        case .like: like(Array(text(x[0]).unicodeScalars)[...], Array(text(x[1]).unicodeScalars)[...]).map { .bool($0) }
        case .cast: cast(x[0], to: type)
        case .abs: integer(x + x) { a, _ in a < 0 ? -a : a } ?? float(x) { $0.magnitude }
        case .round: float(x) { $0.rounded(.toNearestOrEven) }
        case .floor: float(x) { $0.rounded(.down) }
        case .ceil: float(x) { $0.rounded(.up) }
        case .trunc: float(x) { $0.rounded(.towardZero) }
        case .sign: float(x) { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 }
        case .sqrt: float(x) { $0 < 0 ? nil : $0.squareRoot() }
        // A C library's last bit may be another.
        case .ln: float(x) { $0 <= 0 ? nil : Foundation.log($0) }
        case .log: float(x) { $0 <= 0 ? nil : Foundation.log10($0) }
        case .exp: float(x) { Foundation.exp($0) }
        case .power:
            float(x) { base, exponent in
                let isRootOfNegative = base < 0 && !exponent.isNaN && exponent != exponent.rounded()
                return base == 0 && exponent < 0 || isRootOfNegative ? nil : Foundation.pow(base, exponent)
            }
        case .concatenate: .string(x.map(text).joined())
        case .lower:
            .string(text(x[0]).unicodeScalars.map { $0.isASCII ? String($0).lowercased() : String($0) }.joined())
        case .upper:
            .string(text(x[0]).unicodeScalars.map { $0.isASCII ? String($0).uppercased() : String($0) }.joined())
        case .length: .int64(Int64(text(x[0]).unicodeScalars.count))
        case .substring: substring(x)
        case .extract: TimeField(rawValue: text(x[0])).map { .float64(extract($0, x[1])) }
        case .dateTruncate: TimeUnit(rawValue: text(x[0])).flatMap { truncate($0, x[1]) }
        case .element, .cardinality, .dotProduct, .cosineSimilarity, .distance:
            preconditionFailure("\(operation) of single values")
        case .isAny, .arrayPosition, .isNull, .isDistinct, .and, .or, .coalesce, .greatest, .least, .nullif, .in,
            .between, .cases, .concat:
            preconditionFailure("they see NULL")
        }
    }

    // MARK: Lists and vectors

    private static func items(_ list: Literal) -> [Literal] {
        if case .list(let list) = list { list.items } else { [] }
    }

    private static func search(_ operation: FeatureLanguage.Operation, _ x: [Literal]) -> Literal {
        let value = x[operation == .isAny ? 0 : 1], list = x[operation == .isAny ? 1 : 0]
        if list == .null { return .null }
        if operation == .arrayPosition {
            let place = items(list).firstIndex {
                $0 == .null || value == .null ? $0 == value : order($0, value) == 0
            }
            return place.map { .int64(Int64($0 + 1)) } ?? .null
        }
        let tests = items(list).map { $0 == .null || value == .null ? .null : Literal.bool(order($0, value) == 0) }
        return tests.contains(.bool(true)) ? .bool(true) : tests.contains(.null) ? .null : .bool(false)
    }

    private static func joined(_ x: [Literal], _ types: [ValueType], _ type: ValueType) -> Literal {
        guard case .list(let element) = type else { preconditionFailure("a list is wanted") }
        if types == [type, type], x == [.null, .null] { return .null }
        return .list(ListValue(element, zip(x, types).flatMap { $1 == type ? items($0) : [$0] }))
    }

    /// Operations of lists and vectors, and casts to and from them; nil for anything else.
    private static func lists(_ operation: FeatureLanguage.Operation, _ x: [Literal], _ type: ValueType) -> Literal?? {
        switch (operation, x[0], x.count > 1 ? x[1] : .null) {
        case (.element, .list(let list), .int64(let place)):
            return .some(list.items.enumerated().first { $0.offset + 1 == place }?.element)
        case (.element, .vector(let vector), .int64(let place)):
            return .some(vector.enumerated().first { $0.offset + 1 == place }.map { .float64(Double($0.element)) })
        case (.cardinality, .list(let list), _): return .int64(Int64(list.items.count))
        case (.dotProduct, .vector(let a), .vector(let b)): return .float64(dot(a, b))
        case (.cosineSimilarity, .vector(let a), .vector(let b)):
            let lengths = [dot(a, a), dot(b, b)].map { $0.squareRoot() }
            return .some(lengths.contains(0) ? nil : .float64(dot(a, b) / (lengths[0] * lengths[1])))
        case (.distance, .vector(let a), .vector(let b)):
            let steps = zip(a, b).map { Double($0) - Double($1) }
            return .float64(steps.map { $0 * $0 }.reduce(0, +).squareRoot())
        case (.cast, .list(let list), _):
            let numbers = list.items.map { $0 == .null ? .null : cast($0, to: .float64) ?? .null }
            if case .list(let to) = type {
                return .list(
                    ListValue(
                        to,
                        list.items.map { $0 == .null ? .null : call(.cast, [$0], [list.element.type], to.type) }))
            }
            guard case .vector(let count) = type else { return nil }
            let components = numbers.compactMap { $0 == .null ? nil : Float(Naive.floats([$0])[0]) }
            return .some(
                numbers.count == count && components.count == count && components.allSatisfy(\.isFinite)
                    ? .vector(components) : nil)
        case (.cast, .vector(let vector), _) where type == .list(.float64):
            return .list(ListValue(.float64, vector.map { .float64(Double($0)) }))
        default: return nil
        }
    }

    private static func dot(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).map { Double($0) * Double($1) }.reduce(0, +)
    }

    // MARK: Numbers

    /// Nil where it isn't two int64s; inside it nil where there is no value.
    private static func integer(_ x: [Literal], _ body: (Int128, Int128) -> Int128?) -> Literal?? {
        guard x.count == 2, case .int64(let a) = x[0], case .int64(let b) = x[1] else { return nil }
        return .some(body(Int128(a), Int128(b)).flatMap { Int64(exactly: $0) }.map { .int64($0) })
    }

    private static func float(_ x: [Literal], _ body: (Double) -> Double?) -> Literal? {
        body(Naive.floats(x)[0]).map { .float64($0) }
    }

    private static func float(_ x: [Literal], _ body: (Double, Double) -> Double?) -> Literal? {
        let values = Naive.floats(x)
        return body(values[0], values[1]).map { .float64($0) }
    }

    /// As PostgreSQL has it: 0.0 equals −0.0, and NaN is above all and equal to itself.
    private static func order(_ a: Literal, _ b: Literal) -> Int {
        if a != .null, b != .null, let x = NaiveDecimal(a), let y = NaiveDecimal(b) { return NaiveDecimal.order(x, y) }
        return Naive.order(Naive.folded(a), Naive.folded(b))
    }

    /// Arithmetic of decimals, and casts to and from them; nil for anything else.
    private static func decimal(_ operation: FeatureLanguage.Operation, _ x: [Literal], _ type: ValueType) -> Literal??
    {
        let isOfDecimals = x.contains { if case .decimal = $0 { true } else { false } }
        if operation == .cast, case .decimal = type {
            if case .float64(let bits) = x[0] {
                let value = Double(bitPattern: bits)
                return .some(value.isFinite ? Literal(text: x[0].sqlText, as: type) : nil)
            }
            if let number = NaiveDecimal(x[0]) { return .some(number.literal(type)) }
            return nil
        }
        guard isOfDecimals, let a = NaiveDecimal(x[0]) else { return nil }
        let b = x.count > 1 ? NaiveDecimal(x[1]) : nil
        var places = 0
        if x.count > 1, case .int64(let digits) = x[1] { places = Int(digits) }
        switch operation {
        case .add: return (a + b!).literal(type)
        case .subtract: return (a + -b!).literal(type)
        case .multiply: return (a * b!).literal(type)
        case .divide: return .some(NaiveDecimal.quotient(a, b!).map { .float64($0) })
        case .modulo: return .some(NaiveDecimal.remainder(a, b!)?.literal(type))
        case .negate: return (-a).literal(type)
        case .abs: return NaiveDecimal(isNegative: false, a.magnitude, scale: a.scale).literal(type)
        case .round: return a.rounded(to: places) { isHalf, isZero, _ in isHalf && !isZero }.literal(type)
        case .floor: return a.rounded(to: 0) { _, isZero, isNegative in !isZero && isNegative }.literal(type)
        case .ceil: return a.rounded(to: 0) { _, isZero, isNegative in !isZero && !isNegative }.literal(type)
        case .trunc: return a.rounded(to: places) { _, _, _ in false }.literal(type)
        case .sign:
            let sign: Int64 = a.magnitude == BigNumber() ? 0 : a.isNegative ? -1 : 1
            return NaiveDecimal(.int64(sign))!.literal(type)
        case .cast where type == .float64: return .float64(a.float64)
        case .cast where type == .int64:
            let whole = a.rounded(to: 0) { isHalf, isZero, _ in isHalf && !isZero }
            guard case .decimal(let value)? = whole.literal(.decimal(precision: 38, scale: 0)) else {
                return .some(nil)
            }
            return .some(Int64(exactly: value.unscaled).map { .int64($0) })
        default: return nil
        }
    }

    /// Arithmetic of dates, and casts to and from them; nil for anything else.
    private static func date(_ operation: FeatureLanguage.Operation, _ x: [Literal], _ type: ValueType) -> Literal?? {
        switch (operation, x[0], x.count > 1 ? x[1] : .null) {
        case (.subtract, .date(let a), .date(let b)): return .int64(a - b)
        case (.add, .date(let day), .int64(let days)), (.subtract, .date(let day), .int64(let days)):
            let moved = Int128(day) + (operation == .add ? 1 : -1) * Int128(days)
            return .some(moved >= -2_440_588 && moved <= 106_751_981 ? .date(days: Int64(moved)) : nil)
        case (.cast, .date(let days), _) where type == .timestamp:
            return .timestamp(Instant(microseconds: days * 86_400_000_000))
        case (.cast, .timestamp(let time), _) where type == .date:
            let day = Double(time.microseconds) / 86_400_000_000
            // A float of so few digits is exact but for the last of them.
            var days = Int64(day.rounded(.down))
            while days * 86_400_000_000 > time.microseconds { days -= 1 }
            while (days + 1) * 86_400_000_000 <= time.microseconds { days += 1 }
            return .date(days: days)
        default: return nil
        }
    }

    /// The float64 nearest to a number of millionths.
    private static func seconds(_ microseconds: Int128) -> Double {
        let magnitude = microseconds.magnitude
        // In the units of `nearest`, 2^−2148.
        let units =
            BigNumber(UInt64(truncatingIfNeeded: magnitude), shift: 2148)
            + BigNumber(UInt64(truncatingIfNeeded: magnitude >> 64), shift: 2148 + 64)
        let seconds = BigNumber.nearest(units, over: BigNumber(1_000_000))
        return microseconds < 0 ? -seconds : seconds
    }

    private static func cast(_ value: Literal, to type: ValueType) -> Literal? {
        switch (value, type) {
        case (.int64(let value), .float64): .float64(Double(value))
        case (.int64(let value), .bool): .bool(value != 0)
        case (.bool(let value), .int64): .int64(value ? 1 : 0)
        case (.float64(let bits), .int64):
            Int64(exactly: Double(bitPattern: bits).rounded(.toNearestOrEven)).map { .int64($0) }
        case (.string(let text), _): Literal(text: text, as: type)
        case (_, .string): .string(value.sqlText)
        default: value
        }
    }

    // MARK: Texts

    private static func text(_ literal: Literal) -> String {
        if case .string(let text) = literal { text } else { preconditionFailure("a text is wanted") }
    }

    /// Nil where matching comes to a backslash that ends the pattern. Every way is tried.
    private static func like(_ text: ArraySlice<Unicode.Scalar>, _ pattern: ArraySlice<Unicode.Scalar>) -> Bool? {
        guard let first = pattern.first else { return text.isEmpty }
        let rest = pattern.dropFirst()
        if first == "%" {
            var isRefused = false
            for skipped in 0...text.count {
                // PostgreSQL looks behind the wildcards for what the text has to go on with.
                guard let matches = like(text.dropFirst(skipped), rest) else {
                    isRefused = true
                    continue
                }
                if matches { return isRefused ? nil : true }
            }
            return isRefused ? nil : false
        }
        guard let scalar = text.first else { return false }
        if first == "_" { return like(text.dropFirst(), rest) }
        guard first == "\\" else { return scalar == first ? like(text.dropFirst(), rest) : false }
        guard let escaped = rest.first else { return nil }
        return scalar == escaped ? like(text.dropFirst(), rest.dropFirst()) : false
    }

    private static func substring(_ x: [Literal]) -> Literal? {
        let scalars = Array(text(x[0]).unicodeScalars)
        guard case .int64(let start) = x[1] else { return nil }
        var end = Int128(scalars.count) + 1
        if x.count == 3 {
            guard case .int64(let length) = x[2], length >= 0 else { return nil }
            end = min(end, Int128(start) + Int128(length))
        }
        let part = scalars.indices.filter { Int128($0) + 1 >= Int128(start) && Int128($0) + 1 < end }.map {
            scalars[$0]
        }
        return .string(String(String.UnicodeScalarView(part)))
    }

    // MARK: The calendar, counted from one 1st of January to the next

    private struct Date {
        var year: Int64 = 1970, month: Int64 = 1, day: Int64 = 1
        var dayOfYear: Int64 = 1

        static func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && year % 100 != 0 || year % 400 == 0 }
        static func days(_ year: Int64) -> Int64 { isLeap(year) ? 366 : 365 }
        static func lengths(_ year: Int64) -> [Int64] {
            [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        }

        /// 400 years have 146,097 days, wherever they begin.
        init(daysSinceEpoch: Int64) {
            let eras = Int64((Double(daysSinceEpoch) / 146_097).rounded(.down))
            var rest = daysSinceEpoch - eras * 146_097
            year = 1970 + eras * 400
            while rest >= Date.days(year) {
                rest -= Date.days(year)
                year += 1
            }
            dayOfYear = rest + 1
            for length in Date.lengths(year) {
                if rest < length { break }
                rest -= length
                month += 1
            }
            day = rest + 1
        }
    }

    private static let day: Int128 = 86_400_000_000

    private static func split(_ literal: Literal) -> (date: Date, days: Int64, rest: Int64) {
        guard case .timestamp(let time) = literal else { preconditionFailure("a time is wanted") }
        var days = Int128(time.microseconds) / day
        if days * day > Int128(time.microseconds) { days -= 1 }
        return (Date(daysSinceEpoch: Int64(days)), Int64(days), Int64(Int128(time.microseconds) - days * day))
    }

    /// 1 for Monday to 7; the day 0 was a Thursday.
    private static func weekday(_ days: Int64) -> Int64 { (((days + 3) % 7) + 7) % 7 + 1 }

    private static func extract(_ field: TimeField, _ time: Literal) -> Double {
        let (date, days, rest) = split(time)
        switch field {
        case .year: return Double(date.year > 0 ? date.year : date.year - 1)
        case .quarter: return Double((date.month + 2) / 3)
        case .month: return Double(date.month)
        case .week: return Double((Date(daysSinceEpoch: days - weekday(days) + 4).dayOfYear + 6) / 7)
        case .day: return Double(date.day)
        case .dow: return Double(weekday(days) == 7 ? 0 : weekday(days))
        case .isodow: return Double(weekday(days))
        case .doy: return Double(date.dayOfYear)
        case .hour: return Double(rest / 3_600_000_000)
        case .minute: return Double(rest % 3_600_000_000 / 60_000_000)
        case .second: return seconds(Int128(rest % 60_000_000))
        case .epoch: return seconds(Int128(days) * day + Int128(rest))
        }
    }

    private static func truncate(_ unit: TimeUnit, _ time: Literal) -> Literal? {
        let (date, days, rest) = split(time)
        let ofYear = days - date.dayOfYear + 1, months = Date.lengths(date.year)
        func month(_ month: Int64) -> Int64 { ofYear + months.prefix(Int(month - 1)).reduce(0, +) }
        let start: Int128 =
            switch unit {
            case .year: Int128(ofYear) * day
            case .quarter: Int128(month((date.month - 1) / 3 * 3 + 1)) * day
            case .month: Int128(month(date.month)) * day
            case .week: Int128(days - weekday(days) + 1) * day
            case .day: Int128(days) * day
            case .hour: Int128(days) * day + Int128(rest / 3_600_000_000 * 3_600_000_000)
            case .minute: Int128(days) * day + Int128(rest / 60_000_000 * 60_000_000)
            case .second: Int128(days) * day + Int128(rest / 1_000_000 * 1_000_000)
            case .milliseconds: Int128(days) * day + Int128(rest / 1000 * 1000)
            case .microseconds: Int128(days) * day + Int128(rest)
            }
        return Int64(exactly: start).map { Instant(microseconds: $0) }.flatMap {
            Instant.range.contains($0) ? .timestamp($0) : nil
        }
    }
}
