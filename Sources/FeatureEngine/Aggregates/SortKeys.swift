/// Sort keys for `min` and `max`: values of any type are ordered by comparing single int64s.
extension Column {
    /// A key for each value, ordered as the values are: false below true, NaN above all numbers, −0.0 below 0.0, texts
    /// by their bytes, lists as PostgreSQL's arrays.
    func sortKeys() -> [Int64] {
        switch values {
        case .bits(let values): values.map { $0 ? 1 : 0 }
        case .words(let values): values
        case .floats(let values): values.map { $0.totalOrderKey }
        case .wides(let values):
            // Nearly always short enough to be compared as they are.
            values.allSatisfy { Int64(exactly: $0) != nil }
                ? values.map { Int64(truncatingIfNeeded: $0) }
                : ranks(values.count) { values[$0] < values[$1] ? -1 : values[$0] == values[$1] ? 0 : 1 }
        case .bytes(let values): ranks(values.count) { values.compare($0, values, $1) }
        case .packed(let values):
            ranks(values.count) { left, right in
                let order = values.compareLists(left, values, right, type)
                return order != 0 ? order : values.compareLists(left, values, right, type, isTotal: true)
            }
        }
    }
}

/// Each value's rank among the distinct ones.
private func ranks(_ count: Int, _ compare: (Int, Int) -> Int) -> [Int64] {
    let order = (0..<count).sorted { compare($0, $1) < 0 }
    var ranks: [Int64] = Array(repeating: 0, count: count)
    var rank: Int64 = 0
    for (index, row) in order.enumerated() {
        if index > 0, compare(order[index - 1], row) != 0 { rank += 1 }
        ranks[row] = rank
    }
    return ranks
}

extension Double {
    /// IEEE 754's total order with a single NaN, above infinity.
    var totalOrderKey: Int64 {
        let bits = Int64(bitPattern: isNaN ? Double.nan.bitPattern : bitPattern)
        return bits < 0 ? bits ^ .max : bits
    }
}
