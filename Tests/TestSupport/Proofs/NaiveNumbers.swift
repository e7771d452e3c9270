import FeatureLanguage

/// What the twins compute with: literally, exactly, slowly.
enum Naive {
    static func floats(_ values: [Literal]) -> [Double] {
        values.map { value in
            switch value {
            case .float64(let bits): Double(bitPattern: bits)
            case .int64(let value): Double(value)
            case .decimal: NaiveDecimal(value)!.float64
            default: preconditionFailure("a number is wanted")
            }
        }
    }

    /// The exact sum in units of 2^−1074.
    static func total(_ values: [Double]) -> (magnitude: BigNumber, isNegative: Bool) {
        var positive = BigNumber(), negative = BigNumber()
        for value in values {
            if value < 0 {
                negative = negative + BigNumber(units: value)
            } else {
                positive = positive + BigNumber(units: value)
            }
        }
        return positive < negative ? (negative - positive, true) : (positive - negative, false)
    }

    static func nearest(_ total: (magnitude: BigNumber, isNegative: Bool)) -> Double {
        let magnitude = BigNumber.nearest(total.magnitude * BigNumber(1, shift: 1074), over: BigNumber(1))
        return total.isNegative && magnitude != 0 ? -magnitude : magnitude
    }

    /// The float32 nearest to the mean, ties to even.
    static func mean(_ values: [Float]) -> Float {
        let total = total(values.map { Double($0) }), count = BigNumber(UInt64(values.count))
        // In the units of 2^−1074, as the sum is: of the float32s beside an estimate, the one that is nearest.
        let estimate = Float(nearest(total) / Double(values.count)).magnitude
        let candidates = [estimate.nextDown, estimate, estimate.nextUp].filter { $0 >= 0 && $0.isFinite }
        func distance(_ candidate: Float) -> BigNumber {
            let product = BigNumber(units: Double(candidate)) * count
            return product < total.magnitude ? total.magnitude - product : product - total.magnitude
        }
        let mean = candidates.min { a, b in
            let x = distance(a), y = distance(b)
            return x == y ? a.bitPattern % 2 == 0 && b.bitPattern % 2 == 1 : x < y
        }!
        return total.isNegative ? -mean : mean
    }

    static func percentile(_ values: [Literal], _ fraction: Double) -> Double {
        if case .decimal? = values.first {
            let sorted = values.map { NaiveDecimal($0)! }.sorted { NaiveDecimal.order($0, $1) < 0 }
            let place = fraction * Double(sorted.count - 1), below = place.rounded(.down)
            let low = sorted[Int(below)], step = sorted[Int(place.rounded(.up))] + -low
            // The weight is a whole number of 2^−1074, and what is divided by as well.
            let unit = NaiveDecimal(isNegative: false, BigNumber(1, shift: 1074), scale: 0)
            let weight = NaiveDecimal(isNegative: false, BigNumber(units: place - below), scale: 0)
            return NaiveDecimal.quotient(low * unit + step * weight, unit)!
        }
        let sorted = floats(values).sorted { orderOfFloats($0, $1) < 0 }
        let place = fraction * Double(sorted.count - 1)
        let low = sorted[Int(place.rounded(.down))], high = sorted[Int(place.rounded(.up))]
        return place == place.rounded(.down) ? low : low + (place - place.rounded(.down)) * (high - low)
    }

    /// n Σx² − (Σx)² over n (n − 1) or n², exact, then the nearest float64.
    static func variance(_ values: [Literal], ofSample: Bool) -> Double? {
        guard values.count > (ofSample ? 1 : 0) else { return nil }
        if case .decimal? = values.first {
            let numbers = values.map { NaiveDecimal($0)! }, n = NaiveDecimal(.int64(Int64(values.count)))!
            let zero = NaiveDecimal(isNegative: false, BigNumber(), scale: 0), sum = numbers.reduce(zero, +)
            return NaiveDecimal.quotient(
                n * numbers.map { $0 * $0 }.reduce(zero, +) + -(sum * sum),
                n * NaiveDecimal(.int64(Int64(ofSample ? values.count - 1 : values.count)))!)
        }
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
        return BigNumber.nearest(
            n * squares - sum * sum, over: n * BigNumber(UInt64(ofSample ? values.count - 1 : values.count)))
    }

    /// −0.0 and 0.0 are one distinct value, and so are all NaNs.
    static func folded(_ literal: Literal) -> Literal {
        if case .list(let list) = literal { return .list(ListValue(list.element, list.items.map(folded))) }
        guard case .float64(let bits) = literal else { return literal }
        let value = Double(bitPattern: bits)
        return value.isNaN ? .float64(.nan) : .float64(value + 0.0)
    }

    static func order(_ a: Literal, _ b: Literal) -> Int {
        switch (a, b) {
        case (.int64(let x), .int64(let y)): x < y ? -1 : x == y ? 0 : 1
        case (.date(let x), .date(let y)): x < y ? -1 : x == y ? 0 : 1
        case (.decimal, .decimal): NaiveDecimal.order(NaiveDecimal(a)!, NaiveDecimal(b)!)
        case (.timestamp(let x), .timestamp(let y)): x < y ? -1 : x == y ? 0 : 1
        case (.bool(let x), .bool(let y)): x == y ? 0 : x ? 1 : -1
        case (.string(let x), .string(let y)): x == y ? 0 : x.utf8.lexicographicallyPrecedes(y.utf8) ? -1 : 1
        case (.float64(let x), .float64(let y)): orderOfFloats(Double(bitPattern: x), Double(bitPattern: y))
        case (.list(let x), .list(let y)):
            [orderOfLists(x.items.map(folded), y.items.map(folded)), orderOfLists(x.items, y.items)].first { $0 != 0 }
                ?? 0
        default: preconditionFailure("values of two types")
        }
    }

    /// As PostgreSQL's arrays: NULL is above all, and what ends first comes first.
    private static func orderOfLists(_ x: [Literal], _ y: [Literal]) -> Int {
        for (a, b) in zip(x, y) where a != b {
            let order = a == .null ? 1 : b == .null ? -1 : order(a, b)
            if order != 0 { return order }
        }
        return (x.count - y.count).signum()
    }

    static func orderOfFloats(_ x: Double, _ y: Double) -> Int {
        if x.isNaN || y.isNaN { return x.isNaN == y.isNaN ? 0 : x.isNaN ? 1 : -1 }
        if x == y { return x.sign == y.sign ? 0 : x.sign == .minus ? -1 : 1 }
        return x < y ? -1 : 1
    }

    static func sum(_ values: [Literal], average: Bool) -> Literal {
        if case .int64 = values[0] {
            let sum = values.reduce(Int128(0)) { if case .int64(let value) = $1 { $0 + Int128(value) } else { $0 } }
            if average { return .float64(Double(sum) / Double(values.count)) }
            return Int64(exactly: sum).map { .int64($0) } ?? .null
        }
        if case .decimal(let first) = values[0] {
            let zero = NaiveDecimal(isNegative: false, BigNumber(), scale: first.scale)
            let sum = values.reduce(zero) { $0 + NaiveDecimal($1)! }
            if !average { return sum.literal(.decimal(precision: 38, scale: first.scale)) ?? .null }
            return .float64(
                NaiveDecimal.quotient(sum, NaiveDecimal(.int64(Int64(values.count)))!)!)
        }
        let floats = floats(values), unbounded = floats.filter { !$0.isFinite }
        let sum = unbounded.isEmpty ? nearest(total(floats)) : unbounded.reduce(0, +)
        return .float64(average ? sum / Double(values.count) : sum)
    }
}
