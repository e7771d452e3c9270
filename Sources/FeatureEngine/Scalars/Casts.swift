internal import FeatureLanguage

/// A cast as PostgreSQL does it; what doesn't fit or parse is NULL.
func cast(_ operand: Column, to type: ValueType) -> Column {
    switch (operand.values, type) {
    case (.int64(let values), .float64): return Column(.float64(values.map { Double($0) }), validity: operand.validity)
    case (.int64(let values), .bool): return Column(.bool(values.map { $0 != 0 }), validity: operand.validity)
    case (.bool(let values), .int64): return Column(.int64(values.map { $0 ? 1 : 0 }), validity: operand.validity)
    case (.float64(let values), .int64):
        let (result, validity) = map(values, operand.validity, 0) { Int64(exactly: $0.rounded(.toNearestOrEven)) }
        return Column(.int64(result), validity: validity)
    default: break
    }
    var builder = ColumnBuilder(type)
    builder.reserve(operand.count)
    for row in 0..<operand.count {
        switch operand[row] {
        case .null: builder.appendNull()
        case .string(let text): builder.append(Literal(text: text, as: type) ?? .null)
        case let value where type == .string: builder.append(.string(sqlText(value)))
        case let value: builder.append(value)
        }
    }
    return builder.finish()
}

/// A value as PostgreSQL casts it to text, with timestamps in UTC.
func sqlText(_ literal: Literal) -> String {
    switch literal {
    case .null: ""
    case .bool(let value): value ? "true" : "false"
    case .int64(let value): String(value)
    case .float64(let bits): sqlText(Double(bitPattern: bits))
    case .string(let text): text
    case .timestamp(let instant): instant.sqlText
    }
}

/// The shortest digits that read back to the same bits, laid out as PostgreSQL does: an exponent below −4 or from 15 digits on.
func sqlText(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    if value == 0 { return value.sign == .minus ? "-0" : "0" }
    // Swift prints the shortest digits too; only their layout differs.
    let parts = value.magnitude.description.split(separator: "e")
    let point = parts[0].split(separator: ".")
    let fraction = point.count > 1 && point[1] != "0" ? String(point[1]) : ""
    var digits = String(point[0]) + fraction
    var exponent = (parts.count > 1 ? Int(parts[1])! : 0) + point[0].count - 1
    let leading = digits.prefix { $0 == "0" }.count
    digits.removeFirst(leading)
    exponent -= leading
    while digits.last == "0" { digits.removeLast() }
    if let (others, size) = digitsInside(value.magnitude, unlike: digits, exponent) { (digits, exponent) = (others, size) }
    let sign = value < 0 ? "-" : ""
    if exponent < -4 || exponent >= 15 {
        let mantissa = digits.prefix(1) + (digits.count > 1 ? "." + digits.dropFirst() : "")
        let size = abs(exponent)
        return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (size < 10 ? "0" : "") + String(size)
    }
    if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
    if digits.count <= exponent + 1 { return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) }
    return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
}

/// Where the shortest digits lie exactly in the middle between two doubles: the shortest that don't, as PostgreSQL prints. Nil elsewhere.
///
/// Only integers from 2^53 on have such digits: 129007199254741000 reads back as 129007199254740992, but so it does only by a tie's rule.
private func digitsInside(_ value: Double, unlike digits: String, _ exponent: Int) -> (digits: String, exponent: Int)? {
    let zeros = exponent + 1 - digits.count
    guard value >= 0x1p53, value < 0x1p127, zeros > 0 else { return nil }
    let exact = UInt128(value), half = UInt128(value.ulp / 2)
    func rounded(_ unit: UInt128) -> UInt128 { (exact + unit / 2) / unit * unit }
    func distance(_ other: UInt128) -> UInt128 { other > exact ? other - exact : exact - other }
    var unit = (0..<zeros).reduce(UInt128(1)) { power, _ in power * 10 }
    guard distance(rounded(unit)) == half else { return nil }
    while distance(rounded(unit)) >= half { unit /= 10 }
    // 1e23 becomes 9.999999999999999e+22.
    let whole = String(rounded(unit))
    return (String(whole.prefix(String(rounded(unit) / unit).count)), whole.count - 1)
}
