internal import FeatureLanguage

/// Order of floats as in PostgreSQL: NaN above all numbers and equal to itself, −0.0 equal to 0.0.
func compare(_ left: Double, _ right: Double) -> Int {
    if left < right { return -1 }
    if left > right { return 1 }
    if left == right { return 0 }
    return left.isNaN ? (right.isNaN ? 0 : 1) : -1
}

/// −1, 0 or 1 for each row; of rows with a NULL it means nothing.
private func order(_ left: Column, _ right: Column) -> [Int] {
    switch left.values {
    case .bits(let a): return zip(a, right.bools).map { $0 == $1 ? 0 : $0 ? 1 : -1 }
    case .words(let a): return zip(a, right.integers).map { $0 < $1 ? -1 : $0 == $1 ? 0 : 1 }
    case .floats(let a): return zip(a, right.floats).map { compare($0, $1) }
    case .bytes(let a): return (0..<a.count).map { a.compare($0, right.texts, $0) }
    }
}

/// An int64 beside a float64 becomes one.
private func widened(_ left: Column, _ right: Column) -> [Column] {
    left.type == right.type ? [left, right] : [left, right].map { $0.type == .int64 ? cast($0, to: .float64) : $0 }
}

/// `= <> < <= > >=`, `is distinct from`, `between`, `in`.
func compare(_ operation: Operation, _ arguments: [Column]) -> Column {
    let left = arguments[0]
    switch operation {
    case .between:
        return logic(
            .and,
            [compare(.greaterOrEqual, widened(left, arguments[1])), compare(.lessOrEqual, widened(left, arguments[2]))])
    case .in:
        return arguments.dropFirst(2).reduce(compare(.equal, [left, arguments[1]])) {
            logic(.or, [$0, compare(.equal, [left, $1])])
        }
    case .isDistinct:
        let order = order(left, arguments[1])
        return Column(
            .bool,
            order.indices.map { row in
                let a = left.isNull(row), b = arguments[1].isNull(row)
                return a || b ? a != b : order[row] != 0
            })
    default:
        let test: (Int) -> Bool =
            switch operation {
            case .equal: { $0 == 0 }
            case .notEqual: { $0 != 0 }
            case .less: { $0 < 0 }
            case .lessOrEqual: { $0 <= 0 }
            case .greater: { $0 > 0 }
            default: { $0 >= 0 }
            }
        return Column(.bool, order(left, arguments[1]).map(test), validity: bothValid(left, arguments[1]))
    }
}

/// `and`, `or` and `not` of three values, and `is null`.
func logic(_ operation: Operation, _ arguments: [Column]) -> Column {
    let left = arguments[0]
    switch operation {
    case .isNull: return Column(.bool, (0..<left.count).map(left.isNull))
    case .not: return Column(.bool, left.bools.map { !$0 }, validity: left.validity)
    default:
        let right = arguments[1]
        let a = left.bools, b = right.bools
        // What decides alone: false for and, true for or.
        let decisive = operation == .or
        var values: [Bool] = []
        var validity: [Bool] = []
        values.reserveCapacity(a.count)
        validity.reserveCapacity(a.count)
        for row in a.indices {
            let leftDecides = !left.isNull(row) && a[row] == decisive
            let rightDecides = !right.isNull(row) && b[row] == decisive
            values.append(leftDecides || rightDecides ? decisive : !decisive)
            validity.append(leftDecides || rightDecides || !left.isNull(row) && !right.isNull(row))
        }
        return Column(.bool, values, validity: left.validity == nil && right.validity == nil ? nil : validity)
    }
}

/// `case`, `coalesce`, `nullif`, `greatest`, `least`: which argument's value a row takes. Nothing fails, so all may be
/// computed first.
func choose(_ operation: Operation, _ arguments: [Column], _ count: Int) -> Column {
    var picks = Array(repeating: -1, count: count)
    var candidates = arguments
    switch operation {
    case .cases:
        candidates = []
        for pair in 0..<(arguments.count / 2) {
            let condition = arguments[pair * 2]
            let holds = condition.bools
            for row in 0..<count where picks[row] < 0 && holds[row] && !condition.isNull(row) { picks[row] = pair }
            candidates.append(arguments[pair * 2 + 1])
        }
        candidates.append(arguments[arguments.count - 1])
        for row in 0..<count where picks[row] < 0 { picks[row] = candidates.count - 1 }
    case .nullif:
        let equal = compare(.equal, arguments)
        for row in 0..<count { picks[row] = equal.bools[row] && !equal.isNull(row) ? -1 : 0 }
    default:
        for (index, argument) in arguments.enumerated() {
            var wins = Array(repeating: operation == .coalesce, count: count)
            if operation != .coalesce, index > 0 {
                let sofar = merge(candidates, picks)
                wins = order(argument, sofar).map { operation == .greatest ? $0 > 0 : $0 < 0 }
            }
            for row in 0..<count where !argument.isNull(row) {
                if picks[row] < 0 || operation != .coalesce && wins[row] { picks[row] = index }
            }
        }
    }
    return merge(candidates, picks)
}

/// For each row the value of the candidate picked, NULL where none is.
private func merge(_ candidates: [Column], _ picks: [Int]) -> Column {
    if let first = picks.first, first >= 0, picks.allSatisfy({ $0 == first }) { return candidates[first] }
    var builder = ColumnBuilder(candidates[0].type)
    builder.reserve(picks.count)
    for (row, pick) in picks.enumerated() {
        if pick < 0 || candidates[pick].isNull(row) {
            builder.appendNull()
            continue
        }
        switch candidates[pick].values {
        case .bits(let values): builder.append(values[row])
        case .words(let values): builder.append(values[row])
        case .floats(let values): builder.append(values[row])
        case .bytes(let values): builder.append(bytes: values.bytes[values.range(row)])
        }
    }
    return builder.finish()
}
