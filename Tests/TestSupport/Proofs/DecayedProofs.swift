import FeatureLanguage
import Foundation

// mutant: a half-life is a life | Sources/FeatureEngine/Aggregates/DecayedState.swift | power(2, -age / halfLife) | power(2, -age / halfLife / 2)
extension AggregateProof {
    static func decayed(_ name: String, takes: Call.Argument) -> AggregateProof {
        let isSum = takes == .numbers
        return AggregateProof(
            calls: [1, 3, 10].map { life in
                Call(text: "\(name)(\(isSum ? "$, " : "")\(life)us)", takes: takes, parameters: [.int64(life)])
            },
            twin: { rows, parameters in
                guard case .int64(let life) = parameters[0] else { return .null }
                let values = isSum ? rows.values : rows.values.map { _ in .float64(1) }
                let terms = zip(values, rows.ages).filter { $0.0 != .null }.map { value, age -> Double in
                    let x = Naive.floats([value])[0]
                    return x.isFinite ? x * Naive.power(2, -Double(age) / Double(life)) : x
                }
                if terms.isEmpty { return .null }
                let unbounded = terms.filter { !$0.isFinite }
                return .float64(unbounded.isEmpty ? Naive.nearest(Naive.total(terms)) : unbounded.reduce(0, +))
            },
            judged: { random in
                let life = random.random.pick([1, 5, 60])
                let weight = "power(2::float8, -extract(epoch from s.t - t)::float8 / \(life))"
                if !isSum {
                    return Judged(
                        firn: "\(name)(\(life)s)", sql: "sum(\(weight))", type: .float64, tolerance: 1e-11)
                }
                let x = random.draw(.float64, depth: 1)
                func bounded(_ x: String) -> String { "case when abs(\(x)) between 1e-5 and 1e3 then \(x) end" }
                return Judged(
                    firn: "\(name)(\(bounded(x.firn)), \(life)s)", sql: "sum((\(bounded(x.sql))) * \(weight))",
                    type: .float64, tolerance: 1e-9)
            },
            mutant: "a half-life is a life")
    }
}

extension Naive {
    /// A power, rounded from more digits than a float64 has.
    static func power(_ base: Double, _ exponent: Double) -> Double {
        #if arch(x86_64)
            Double(Foundation.pow(Float80(base), Float80(exponent)))
        #else
            Foundation.pow(base, exponent)
        #endif
    }

    static func logarithm(_ value: Double) -> Double {
        #if arch(x86_64)
            Double(Foundation.log(Float80(value)))
        #else
            Foundation.log(value)
        #endif
    }
}
