public import FeatureLanguage

/// Values at the edges of each type, NULL among them.
public enum HardValues {
    public static func draw(_ type: ValueType, _ random: inout Randomness) -> Literal {
        if random.chance(14) { return .null }
        switch type {
        case .int64: return .int64(random.pick([0, 1, -1, 2, 3, -7, 100, 9_007_199_254_740_993, .max, .min]))
        case .float64:
            return .float64(
                random.pick([
                    0.0, -0.0, 0.5, 1.5, 2.5, -2.5, 0.1, 123_456.789, 1e15, 1e16, -1e-5, 0.00001234,
                    .leastNonzeroMagnitude, .leastNormalMagnitude, 1e308, -1e308, .nan, .infinity,
                    -.infinity, 9.3e18,
                ]))
        case .string:
            return .string(
                random.pick([
                    "", "a", "A", "abc", "a_b", "%", "éa", "日本", "12", "-7", " 5 ", "1.5", "NaN", "true", "no", "1e400",
                    "1e-400", "+3", "9223372036854775808", "\\a",
                ]))
        case .date:
            return .date(
                days: random.pick([
                    0, -1, 1, 19_782, 20_089, -719_162, -719_163, 2_932_896, 11_016, -2_440_588,
                    // Not the latest of all: PostgreSQL 15 subtracts timestamps without a look at overflow.
                    46_000_000,
                ]))
        case .decimal(let precision, let scale):
            let most = DecimalValue.powers[precision] - 1
            let value = random.pick([
                0, 1, -1, 5, -5, 15, 25, -25, 149, 150, -250, 1990, 10_000, 123_456, most, -most, most / 2,
                DecimalValue.powers[precision / 2], -DecimalValue.powers[precision / 2] * 3 / 2,
            ])
            return .decimal(
                DecimalValue(value.magnitude > most.magnitude ? 7 : value, precision: precision, scale: scale))
        case .list(let element):
            return .list(
                ListValue(element, (0..<Int.random(in: 0...3, using: &random)).map { _ in draw(element.type, &random) })
            )
        case .vector(let count):
            return .vector(
                (0..<count).map { _ in
                    random.pick([
                        0, -0.0, 1, -1, 0.5, 0.1, 3.25, 1e-3, 1e10, .leastNonzeroMagnitude, .greatestFiniteMagnitude,
                    ])
                })
        case .bool: return .bool(random.chance(50))
        case .timestamp:
            return .timestamp(
                Instant(
                    microseconds: random.pick([
                        0, -1, 1_709_164_800_000_000, 1_704_067_199_999_999, -62_135_596_800_000_000,
                        253_402_300_799_999_999, 1_735_603_200_000_000, -3_000_000_123_456,
                        // Not the latest of all: PostgreSQL 15 subtracts timestamps without a look at overflow.
                        -80_000_000_000_000_000, 4_000_000_000_000_000_000, Instant.range.lowerBound.microseconds,
                    ])))
        }
    }
}
