extension TypeRules {
    static let float64 = TypeRules(
        .floats, spellings: ["float64", "double precision", "float8", "float", "double"],
        narrowSpellings: ["real", "float4", "float32"], phrase: "a float64", isContinuous: true, casts: { $0.isNumber },
        sqlName: "double precision",
        // Large integers if they are exact, decimals if their digits come back.
        sqlNumbers: [20, 21, 23, 700, 701, 1700], literalAdvice: "write a number, as in '4.2', or 'NaN' or 'inf'",
        numberAdvice: nil,
        castAdvice: ".astype(\"float64\") in pandas, .cast(pl.Float64) in Polars, ::double precision in SQL",
        read: { Double(sqlText: $0).map { .float64($0) } },
        text: { $0.float.isNaN ? "NaN" : $0.float.isInfinite ? ($0.float < 0 ? "-inf" : "inf") : $0.float.description },
        sqlText: { $0.float.sqlText },
        expression: { $0.float.isFinite && $0.float.sign == .plus ? $0.float.description : "'\($0.float)'::float64" },
        number: { $0.float })
}

extension Literal {
    fileprivate var float: Double { if case .float64(let bits) = self { Double(bitPattern: bits) } else { .nan } }
}

extension Double {
    /// Reads decimal digits with an optional point and exponent, or NaN, inf or infinity in any case. Nil for anything
    /// else, including hexadecimal digits and numbers beyond the range at either end.
    public init?(sqlText text: some StringProtocol) {
        let lower = text.lowercased()
        switch lower {
        case "nan": self = .nan
        case "inf", "infinity", "+inf", "+infinity": self = .infinity
        case "-inf", "-infinity": self = -.infinity
        default:
            guard lower.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || "+-.e".utf8.contains($0) }),
                let value = Double(lower), value.isFinite
            else { return nil }
            if value == 0, lower.prefix(while: { $0 != "e" }).contains(where: { ("1"..."9").contains($0) }) {
                return nil
            }
            self = value
        }
    }

    /// The shortest digits that read back to the same bits, laid out like PostgreSQL's: scientific if the exponent is
    /// below −4 or at least 15.
    package var sqlText: String {
        let value = self
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
        if let (others, size) = digitsInside(value.magnitude, unlike: digits, exponent) {
            (digits, exponent) = (others, size)
        }
        let sign = value < 0 ? "-" : ""
        if exponent < -4 || exponent >= 15 {
            let mantissa = digits.prefix(1) + (digits.count > 1 ? "." + digits.dropFirst() : "")
            let size = abs(exponent)
            return sign + mantissa + "e" + (exponent < 0 ? "-" : "+") + (size < 10 ? "0" : "") + String(size)
        }
        if exponent < 0 { return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits }
        if digits.count <= exponent + 1 {
            return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count)
        }
        return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
    }
}

/// If the shortest digits lie exactly halfway between two doubles, the shortest that don't, which is what PostgreSQL
/// prints. Nil otherwise.
///
/// Only integers from 2^53 on have such digits: 129007199254741000 reads back as 129007199254740992, but only because
/// of the rule for ties.
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
