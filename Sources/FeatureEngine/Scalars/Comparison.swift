internal import FeatureLanguage

/// The order of floats in PostgreSQL: NaN above all numbers and equal to itself, −0.0 equal to 0.0.
func compare(_ left: Double, _ right: Double) -> Int {
    if left < right { return -1 }
    if left > right { return 1 }
    if left == right { return 0 }
    return left.isNaN ? (right.isNaN ? 0 : 1) : -1
}

/// −1, 0 or 1 for each row; meaningless where a value is NULL.
private func order(_ left: Column, _ right: Column) -> [Int] {
    switch left.values {
    case .bits(let a): return zip(a, right.bools).map { $0 == $1 ? 0 : $0 ? 1 : -1 }
    case .words(let a): return zip(a, right.integers).map { $0 < $1 ? -1 : $0 == $1 ? 0 : 1 }
    case .floats(let a): return zip(a, right.floats).map { compare($0, $1) }
    case .wides(let a):
        let (one, other) = (left.type.scale, right.type.scale)
        return zip(a, right.wides).map { DecimalValue.order($0, scale: one, $1, scale: other) }
    case .bytes(let a): return (0..<a.count).map { a.compare($0, right.texts, $0) }
    case .packed(let a): return (0..<a.count).map { a.compareLists($0, right.packs, $0, left.type) }
    }
}

/// A number next to a float64 becomes one, an int64 next to a decimal a decimal.
private func widened(_ left: Column, _ right: Column) -> [Column] {
    let pair = [left, right]
    if left.type == right.type { return pair }
    if pair.contains(where: { $0.type == .float64 }) {
        return pair.map { $0.type == .float64 ? $0 : cast($0, to: .float64) }
    }
    return pair.map { $0.type == .int64 ? cast($0, to: .decimal(precision: 19, scale: 0)) : $0 }
}

/// `= <> < <= > >=`: `holds` says for which orders of a pair it is true.
func compare(_ pair: [Column], _ holds: (Int) -> Bool) -> Column {
    Column(.bool, order(pair[0], pair[1]).map(holds), validity: bothValid(pair[0], pair[1]))
}

func isDistinct(_ pair: [Column]) -> Column {
    let order = order(pair[0], pair[1])
    return Column(
        .bool,
        order.indices.map { row in
            let a = pair[0].isNull(row), b = pair[1].isNull(row)
            return a || b ? a != b : order[row] != 0
        })
}

func isBetween(_ arguments: [Column]) -> Column {
    let above = compare(widened(arguments[0], arguments[1])) { $0 >= 0 }
    let below = compare(widened(arguments[0], arguments[2])) { $0 <= 0 }
    return join([above, below], decisive: false)
}

func isIn(_ arguments: [Column]) -> Column {
    func equals(_ other: Column) -> Column { compare([arguments[0], other]) { $0 == 0 } }
    return arguments.dropFirst(2).reduce(equals(arguments[1])) { join([$0, equals($1)], decisive: true) }
}

/// `and` and `or` in three-valued logic.
///
/// - Parameter decisive: the value that decides alone: false for `and`, true for `or`.
func join(_ pair: [Column], decisive: Bool) -> Column {
    let left = pair[0], right = pair[1]
    let a = left.bools, b = right.bools
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

// Which argument's value a row takes. Nothing fails, so all may be computed first.

/// `case`: when, then, when, then, …, else.
func firstCase(_ arguments: [Column], _ count: Int) -> Column {
    var picks = Array(repeating: arguments.count / 2, count: count)
    for pair in (0..<arguments.count / 2).reversed() {
        let condition = arguments[pair * 2]
        let holds = condition.bools
        for row in 0..<count where holds[row] && !condition.isNull(row) { picks[row] = pair }
    }
    return merge((0..<arguments.count / 2).map { arguments[$0 * 2 + 1] } + [arguments[arguments.count - 1]], picks)
}

func nullWhereEqual(_ pair: [Column], _ count: Int) -> Column {
    let equal = compare(pair) { $0 == 0 }
    return merge(pair, (0..<count).map { equal.bools[$0] && !equal.isNull($0) ? -1 : 0 })
}

func firstPresent(_ arguments: [Column], _ count: Int) -> Column {
    var picks = Array(repeating: -1, count: count)
    for (index, argument) in arguments.enumerated() {
        for row in 0..<count where picks[row] < 0 && !argument.isNull(row) { picks[row] = index }
    }
    return merge(arguments, picks)
}

/// `greatest` and `least`, which skip NULLs.
///
/// - Parameter wins: whether an argument wins, by how it compares with the best of those before it.
func extreme(_ arguments: [Column], _ count: Int, _ wins: (Int) -> Bool) -> Column {
    var picks = Array(repeating: -1, count: count)
    for (index, argument) in arguments.enumerated() {
        let order = index == 0 ? [] : order(argument, merge(arguments, picks))
        for row in 0..<count where !argument.isNull(row) {
            if picks[row] < 0 || wins(order[row]) { picks[row] = index }
        }
    }
    return merge(arguments, picks)
}

/// For each row the value of the candidate picked; NULL if none is.
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
        case .wides(let values): builder.append(values[row])
        case .bytes(let values), .packed(let values): builder.append(bytes: values.bytes[values.range(row)])
        }
    }
    return builder.finish()
}
