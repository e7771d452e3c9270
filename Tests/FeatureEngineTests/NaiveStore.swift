import FeatureEngine
import FeatureLanguage

/// The rules of time applied literally: admit, let stand, count, compute. Slow, and obviously right.
struct NaiveStore {
    struct Row {
        var values: [String: Literal]
        var eventTime: Int64
        /// Nil: never known.
        var knownAt: Int64?
        var offset: Int64
        var isTombstone: Bool
    }

    let source: Source
    var rows: [Row] = []

    init(_ trial: Trial) {
        source = trial.source
        for (index, row) in trial.rows.enumerated() {
            let values = Dictionary(uniqueKeysWithValues: zip(Trial.columns.map(\.name), row))
            guard case .timestamp(let time)? = values[source.eventTime!] else { preconditionFailure("an event time is never NULL") }
            var known: Int64? = time.microseconds
            switch source.knownAt {
            case .eventTime: break
            case .after(let delay): known = time.microseconds + delay
            case .column(let name): if case .timestamp(let instant)? = values[name] { known = instant.microseconds } else { known = nil }
            }
            if let pushed = trial.pushedAt[index] { known = pushed }
            let row = Row(
                values: values, eventTime: time.microseconds, knownAt: known, offset: Int64(index + 1),
                isTombstone: source.tombstone.map { values[$0] == .bool(true) } ?? false)
            if !isDuplicate(row) { rows.append(row) }
        }
    }

    private func fact(_ row: Row) -> [Literal] { source.id.map { row.values[$0]! } }

    private static func isBefore(_ a: Row, _ b: Row) -> Bool {
        switch (a.knownAt, b.knownAt) {
        case (nil, nil): a.offset < b.offset
        case (nil, _): true
        case (_, nil): false
        case (let x?, let y?): (x, a.offset) < (y, b.offset)
        }
    }

    private func isDuplicate(_ row: Row) -> Bool {
        guard !source.id.isEmpty else { return false }
        let earlier = rows.filter { fact($0) == fact(row) && NaiveStore.isBefore($0, row) }
        guard let before = earlier.max(by: NaiveStore.isBefore) else { return false }
        return before.values == row.values && (before.knownAt != nil || row.knownAt == nil)
    }

    func admitted(at instant: Int64, _ reading: Reading) -> [Row] {
        rows.filter { row in
            if row.offset > reading.cuts[source.name] ?? .max { return false }
            if reading.mode == .asServed, row.knownAt.map({ $0 > instant }) ?? true { return false }
            if let knownBy = reading.knownBy, row.knownAt.map({ $0 > knownBy }) ?? true { return false }
            return true
        }
    }

    /// The rows that stand at an instant.
    func standing(at instant: Int64, _ reading: Reading) -> [Row] {
        let admitted = admitted(at: instant, reading)
        guard !source.id.isEmpty else { return admitted }
        return admitted.filter { row in
            !row.isTombstone && !admitted.contains { fact($0) == fact(row) && NaiveStore.isBefore(row, $0) }
        }
    }

    /// One aggregate's value: `test` is the filter, `value` the argument.
    func value(
        _ operator: String, fraction: Double = 0, frame: Frame, key: [String: Literal], at instant: Int64, _ reading: Reading, hasFilter: Bool, test: (Row) -> Bool,
        value: (Row) -> Literal
    ) -> Literal {
        let seesTombstones = source.id.isEmpty && `operator` == "latest" && !hasFilter
        let counting = standing(at: instant, reading).filter { row in
            if row.isTombstone, !seesTombstones { return false }
            guard key.allSatisfy({ $0.value != .null && row.values[$0.key] == $0.value }) else { return false }
            if let older = frame.older, row.eventTime <= instant - older.microseconds { return false }
            return row.eventTime <= instant - frame.newer.microseconds && test(row)
        }
        let ordered = counting.sorted { a, b in a.eventTime != b.eventTime ? a.eventTime < b.eventTime : NaiveStore.isBefore(a, b) }
        let values = ordered.map(value).filter { $0 != .null }
        switch `operator` {
        case "count(*)": return .int64(Int64(ordered.count))
        case "count": return .int64(Int64(values.count))
        case "count distinct": return .int64(Int64(Set(values.map(NaiveStore.folded)).count))
        case "latest": return ordered.last.map { $0.isTombstone ? .null : value($0) } ?? .null
        case "earliest": return ordered.first.map(value) ?? .null
        case "min": return values.min { NaiveStore.order($0, $1) < 0 } ?? .null
        case "max": return values.max { NaiveStore.order($0, $1) < 0 } ?? .null
        case "bool_and": return values.isEmpty ? .null : .bool(!values.contains(.bool(false)))
        case "bool_or": return values.isEmpty ? .null : .bool(values.contains(.bool(true)))
        case "sum", "avg": return values.isEmpty ? .null : NaiveStore.sum(values, average: `operator` == "avg")
        case "percentile": return values.isEmpty ? .null : .float64(NaiveStore.percentile(values, fraction))
        case "stddev_samp", "stddev_pop", "var_samp", "var_pop":
            let variance = NaiveStore.variance(values, ofSample: `operator`.hasSuffix("samp"))
            return variance.map { .float64(`operator`.hasPrefix("stddev") ? $0.squareRoot() : $0) } ?? .null
        default: preconditionFailure("no operator \(`operator`)")
        }
    }

    private static func floats(_ values: [Literal]) -> [Double] {
        values.map { value in
            switch value {
            case .float64(let bits): Double(bitPattern: bits)
            case .int64(let value): Double(value)
            default: preconditionFailure("a number is wanted")
            }
        }
    }

    /// The exact sum in units of 2^−1074.
    private static func total(_ values: [Double]) -> (magnitude: BigNumber, isNegative: Bool) {
        var positive = BigNumber(), negative = BigNumber()
        for value in values {
            if value < 0 { negative = negative + BigNumber(units: value) } else { positive = positive + BigNumber(units: value) }
        }
        return positive < negative ? (negative - positive, true) : (positive - negative, false)
    }

    private static func nearest(_ total: (magnitude: BigNumber, isNegative: Bool)) -> Double {
        let magnitude = BigNumber.nearest(total.magnitude * BigNumber(1, shift: 1074), over: BigNumber(1))
        return total.isNegative && magnitude != 0 ? -magnitude : magnitude
    }

    private static func percentile(_ values: [Literal], _ fraction: Double) -> Double {
        let sorted = floats(values).sorted { orderOfFloats($0, $1) < 0 }
        let place = fraction * Double(sorted.count - 1)
        let low = sorted[Int(place.rounded(.down))], high = sorted[Int(place.rounded(.up))]
        return place == place.rounded(.down) ? low : low + (place - place.rounded(.down)) * (high - low)
    }

    /// n Σx² − (Σx)² over n (n − 1) or n², exact, then the nearest float64.
    private static func variance(_ values: [Literal], ofSample: Bool) -> Double? {
        guard values.count > (ofSample ? 1 : 0) else { return nil }
        var positive = BigNumber(), negative = BigNumber(), squares = BigNumber()
        for value in values {
            let magnitude: BigNumber, isNegative: Bool
            switch value {
            case .int64(let value): (magnitude, isNegative) = (BigNumber(value.magnitude, shift: 1074), value < 0)
            case .float64(let bits):
                let value = Double(bitPattern: bits)
                guard value.isFinite else { return .nan }
                (magnitude, isNegative) = (BigNumber(units: value), value < 0)
            default: preconditionFailure("a number is wanted")
            }
            squares = squares + magnitude * magnitude
            if isNegative { negative = negative + magnitude } else { positive = positive + magnitude }
        }
        let sum = positive < negative ? negative - positive : positive - negative
        let n = BigNumber(UInt64(values.count))
        return BigNumber.nearest(n * squares - sum * sum, over: n * BigNumber(UInt64(ofSample ? values.count - 1 : values.count)))
    }

    /// −0.0 and 0.0 are one distinct value, and so are all NaNs.
    private static func folded(_ literal: Literal) -> Literal {
        guard case .float64(let bits) = literal else { return literal }
        let value = Double(bitPattern: bits)
        return value.isNaN ? .float64(.nan) : .float64(value + 0.0)
    }

    private static func order(_ a: Literal, _ b: Literal) -> Int {
        switch (a, b) {
        case (.int64(let x), .int64(let y)): x < y ? -1 : x == y ? 0 : 1
        case (.timestamp(let x), .timestamp(let y)): x < y ? -1 : x == y ? 0 : 1
        case (.bool(let x), .bool(let y)): x == y ? 0 : x ? 1 : -1
        case (.string(let x), .string(let y)): x == y ? 0 : x.utf8.lexicographicallyPrecedes(y.utf8) ? -1 : 1
        case (.float64(let x), .float64(let y)): orderOfFloats(Double(bitPattern: x), Double(bitPattern: y))
        default: preconditionFailure("values of two types")
        }
    }

    private static func orderOfFloats(_ x: Double, _ y: Double) -> Int {
        if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? 0 : x.isNaN ? 1 : -1 }
        if x == y { return x.sign == y.sign ? 0 : x.sign == .minus ? -1 : 1 }
        return x < y ? -1 : 1
    }

    private static func sum(_ values: [Literal], average: Bool) -> Literal {
        if case .int64 = values[0] {
            let sum = values.reduce(Int128(0)) { if case .int64(let value) = $1 { $0 + Int128(value) } else { $0 } }
            if average { return .float64(Double(sum) / Double(values.count)) }
            return Int64(exactly: sum).map { .int64($0) } ?? .null
        }
        let floats = floats(values), unbounded = floats.filter { !$0.isFinite }
        let sum = unbounded.isEmpty ? nearest(total(floats)) : unbounded.reduce(0, +)
        return .float64(average ? sum / Double(values.count) : sum)
    }

    /// Shewchuk's algorithm as Python's `math.fsum` has it: non-overlapping partial sums, then one correct rounding.
    static func exactSum(_ values: [Double]) -> Double {
        if values.contains(where: { !$0.isFinite }) { return values.filter { !$0.isFinite }.reduce(0, +) }
        var partials: [Double] = []
        for var x in values {
            var kept: [Double] = []
            for var y in partials {
                if x.magnitude < y.magnitude { swap(&x, &y) }
                let high = x + y
                let low = y - (high - x)
                if low != 0 { kept.append(low) }
                x = high
            }
            partials = kept + [x]
        }
        guard var high = partials.popLast() else { return 0 }
        var low = 0.0
        while let y = partials.popLast() {
            let x = high
            high = x + y
            low = y - (high - x)
            if low != 0 { break }
        }
        // Half-way cases: the next partial decides to which side.
        if let next = partials.last, low < 0 && next < 0 || low > 0 && next > 0 {
            let twice = low * 2, x = high + twice
            if twice == x - high { high = x }
        }
        return high + 0.0
    }
}
