import FeatureLanguage
import Foundation

// mutant: a register forgets a rank that left | Sources/FeatureEngine/Aggregates/Sketches.swift | while greatest > 0 && counts[Int32(register << 6 | greatest)] == nil | while greatest > 0
// mutant: a sketch's percentile is a place too low | Sources/FeatureEngine/Aggregates/Sketches.swift | if left <= 0 { return | if left <= 1 { return
extension AggregateProof {
    static let approxCountDistinct = AggregateProof(
        calls: [Call(text: "approx_count_distinct($)", takes: .ordered)],
        twin: { rows, _ in
            if rows.values.isEmpty { return .null }
            // Far below the number of registers, the estimate is the number of registers in use, nearly.
            let hashes = Set(rows.present.map { Naive.hash(Naive.folded($0)) })
            var registers = Array(repeating: 0, count: 4096)
            for hash in hashes {
                let register = Int(hash / (1 << 52)), rest = hash % (1 << 52)
                var rank = 1
                while rank <= 52, rest < 1 << UInt64(52 - rank) { rank += 1 }
                registers[register] = max(registers[register], rank)
            }
            return .int64(Naive.estimate(registers))
        },
        judged: { random in
            let type = random.anySingle(), x = random.draw(type, depth: 2)
            // So few values are nearly counted exactly.
            return Judged(
                firn: "approx_count_distinct(\(x.firn))", sql: "judge.distinct_count(array_agg(\(x.sql))", type: .int64,
                tolerance: 1, end: ")")
        },
        mutant: "a register forgets a rank that left")

    static let approxPercentile = AggregateProof(
        calls: [0, 0.3, 0.5, 1].map { fraction in
            Call(text: "approx_percentile($, \(fraction))", takes: .numbers, parameters: [.float64(fraction)])
        },
        twin: { rows, parameters in
            guard case .float64(let bits) = parameters[0], !rows.present.isEmpty else { return .null }
            let sorted = Naive.floats(rows.present).sorted { Naive.orderOfFloats($0, $1) < 0 }
            let place = Int((Double(bitPattern: bits) * Double(sorted.count)).rounded(.up))
            return .float64(Naive.middle(sorted[max(1, place) - 1]))
        },
        judged: { random in
            let x = random.draw(.float64, depth: 2), fraction = random.random.pick(["0", "0.1", "0.5", "0.9", "1"])
            return Judged(
                firn: "approx_percentile(\(x.firn), \(fraction))",
                sql: "percentile_disc(\(fraction)) within group (order by \(x.sql))", type: .float64,
                relative: 0.0101)
        },
        mutant: "a sketch's percentile is a place too low")
}

extension Naive {
    /// Section 6's hash of a value's canonical bytes.
    static func hash(_ value: Literal) -> UInt64 {
        func mix(_ word: UInt64) -> UInt64 {
            var word = word
            for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9 as UInt64), (27, 0x94D0_49BB_1331_11EB)] {
                word = (word ^ (word >> UInt64(shift))) &* factor
            }
            return word ^ (word >> 31)
        }
        func fnv(_ bytes: [UInt8]) -> UInt64 {
            bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        }
        func little(_ word: UInt64) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
        let seed: UInt64 = 0x9E37_79B9_7F4A_7C15
        switch value {
        case .bool(let value): return mix(seed ^ (value ? 1 : 0))
        case .int64(let value): return mix(seed ^ UInt64(bitPattern: value))
        case .float64(let bits): return mix(seed ^ bits)
        case .timestamp(let instant): return mix(seed ^ UInt64(bitPattern: instant.microseconds))
        case .date(let days): return mix(seed ^ UInt64(bitPattern: days))
        case .string(let text): return mix(seed ^ fnv(Array(text.utf8)))
        case .decimal(let value):
            let wide = UInt128(bitPattern: value.unscaled)
            return mix(mix(seed ^ UInt64(truncatingIfNeeded: wide)) ^ UInt64(truncatingIfNeeded: wide >> 64))
        case .list(let list):
            var bytes = little(UInt64(list.items.count))
            for start in stride(from: 0, to: list.items.count, by: 8) {
                let flags = list.items[start...].prefix(8).map { $0 != .null }
                bytes.append(flags.reversed().reduce(0) { $0 << 1 | ($1 ? 1 : 0) })
            }
            for item in list.items {
                guard case .float64(let bits) = item else {
                    bytes += little(0)
                    continue
                }
                bytes += little(bits)
            }
            return mix(seed ^ fnv(bytes))
        case .null, .vector: preconditionFailure("it isn't counted")
        }
    }

    /// Ertl's estimate from the registers, with the sums of his definition rather than of his algorithm.
    static func estimate(_ registers: [Int]) -> Int64 {
        let m = Double(registers.count)
        func share(_ rank: Int) -> Double { Double(registers.count { $0 == rank }) }
        if share(0) == m { return 0 }
        var sigma = share(0) / m, power = share(0) / m
        for exponent in 0..<60 {
            power *= power
            sigma += power * Foundation.pow(2, Double(exponent))
        }
        let sum = (1...52).map { share($0) * Foundation.pow(2, -Double($0)) }.reduce(m * sigma, +)
        return Int64((m * m / (2 * Foundation.log(2) * sum)).rounded())
    }

    /// The middle of the bucket that a value falls into.
    static func middle(_ value: Double) -> Double {
        if !value.isFinite || value == 0 { return value + 0.0 }
        #if arch(x86_64)
            // ln(101/99) in two parts, the first so short that its multiples are exact.
            let high = Float80(1407421798864) * 0x1p-46, low: Float80 = 4.963552652245631830664571069618e-15
            let power = (Foundation.log(Float80(value.magnitude)) / (high + low)).rounded(.up)
            let middle = Double(Foundation.exp(power * high) * Foundation.exp(power * low) * 99 / 100)
        #else
            let base = 101.0 / 99
            let power = (Foundation.log(value.magnitude) / Foundation.log(base)).rounded(.up)
            let middle = Foundation.pow(base, power) * 0.99
        #endif
        return value < 0 ? -min(middle, .greatestFiniteMagnitude) : min(middle, .greatestFiniteMagnitude)
    }
}
