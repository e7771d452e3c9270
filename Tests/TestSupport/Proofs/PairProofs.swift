import FeatureLanguage

// mutant: a pair's product loses its sign | Sources/FeatureEngine/Aggregates/PairSums.swift | isNegative: ((pair.x < 0) != (pair.y < 0)) == isAdded) | isNegative: !isAdded)
extension AggregateProof {
    static func pairs(_ operator: AggregateOperator) -> AggregateProof {
        AggregateProof(
            calls: [Call(text: "\(`operator`.rawValue)($, %)", takes: .pairs)],
            twin: { rows, _ in
                let pairs = zip(rows.values, rows.seconds).filter { $0 != .null && $1 != .null }
                let y = Naive.floats(pairs.map(\.0)), x = Naive.floats(pairs.map(\.1))
                if `operator` == .regrCount { return .int64(Int64(pairs.count)) }
                guard pairs.count > (`operator` == .covarSamp ? 1 : 0) else { return .null }
                if !(x + y).allSatisfy(\.isFinite) { return .float64(.nan) }
                return statistic(`operator`, y, x).map { .float64($0) } ?? .null
            },
            judged: { random in
                let y = random.bounded(), x = random.bounded()
                return Judged(
                    firn: "\(`operator`.rawValue)(\(y.firn), \(x.firn))",
                    sql: "\(`operator`.rawValue)(\(y.sql), \(x.sql))",
                    type: `operator` == .regrCount ? .int64 : .float64,
                    tolerance: 1e-4)
            },
            mutant: "a pair's product loses its sign")
    }

    /// A whole number with its sign.
    private struct Ratio {
        var isNegative: Bool, magnitude: BigNumber

        init(_ magnitude: BigNumber, _ isNegative: Bool = false) {
            (self.magnitude, self.isNegative) = (magnitude, isNegative)
        }
        /// A number in units of 2^`unit`.
        init(_ value: Double, unit: Int) {
            let significand = value.isZero ? 0 : UInt64(value.magnitude.significand * 0x1p52)
            self.init(BigNumber(significand, shift: value.isZero ? 0 : Int(value.exponent) - 52 - unit), value < 0)
        }

        static func * (a: Ratio, b: Ratio) -> Ratio { Ratio(a.magnitude * b.magnitude, a.isNegative != b.isNegative) }
        static func + (a: Ratio, b: Ratio) -> Ratio {
            if a.isNegative == b.isNegative { return Ratio(a.magnitude + b.magnitude, a.isNegative) }
            return a.magnitude < b.magnitude
                ? Ratio(b.magnitude - a.magnitude, b.isNegative) : Ratio(a.magnitude - b.magnitude, a.isNegative)
        }
        static prefix func - (a: Ratio) -> Ratio { Ratio(a.magnitude, !a.isNegative) }
        var isZero: Bool { magnitude == BigNumber() }

        /// - Parameter exponent: the power of two that the quotient is in units of.
        func over(_ divisor: Ratio, exponent: Int = 0) -> Double {
            // `nearest` counts in units of 2^−2148.
            let shift = 2148 + exponent
            let quotient = BigNumber.nearest(
                magnitude * BigNumber(1, shift: max(0, shift)),
                over: divisor.magnitude * BigNumber(1, shift: max(0, -shift)))
            return isNegative && !isZero ? -quotient : quotient
        }
    }

    private static func statistic(_ operator: AggregateOperator, _ ys: [Double], _ xs: [Double]) -> Double? {
        func sum(_ values: [Ratio]) -> Ratio { values.reduce(Ratio(BigNumber())) { $0 + $1 } }
        // The unit of the smallest last bit.
        let unit = (xs + ys).filter { $0 != 0 }.map { Int($0.exponent) - 52 }.min() ?? 0
        let y = ys.map { Ratio($0, unit: unit) }, x = xs.map { Ratio($0, unit: unit) }
        let n = Ratio(BigNumber(UInt64(ys.count)))
        func spread(_ a: [Ratio], _ b: [Ratio]) -> Ratio { n * sum(zip(a, b).map { $0 * $1 }) + -(sum(a) * sum(b)) }
        let sxx = spread(x, x), syy = spread(y, y), sxy = spread(x, y)
        switch `operator` {
        case .regrAvgx: return sum(x).over(n, exponent: unit)
        case .regrAvgy: return sum(y).over(n, exponent: unit)
        case .regrSxx: return sxx.over(n, exponent: 2 * unit)
        case .regrSyy: return syy.over(n, exponent: 2 * unit)
        case .regrSxy: return sxy.over(n, exponent: 2 * unit)
        case .covarPop: return sxy.over(n * n, exponent: 2 * unit)
        case .covarSamp: return sxy.over(n * Ratio(BigNumber(UInt64(ys.count - 1))), exponent: 2 * unit)
        case .regrSlope: return sxx.isZero ? nil : sxy.over(sxx)
        case .regrIntercept:
            return sxx.isZero ? nil : (sum(y) * sxx + -(sum(x) * sxy)).over(n * sxx, exponent: unit)
        case .regrR2: return sxx.isZero ? nil : syy.isZero ? 1 : (sxy * sxy).over(sxx * syy)
        case _:
            if sxx.isZero || syy.isZero { return nil }
            if sxy.isZero { return 0 }
            // Of the floats beside an estimate, the one whose half-way points the root lies between.
            let square = sxy * sxy, product = sxx * syy
            var root = min(1, square.over(product).squareRoot())
            // The square may lie far below all floats.
            if root < 0x1p-400 {
                root = (square * Ratio(BigNumber(1, shift: 1600))).over(product).squareRoot() * 0x1p-800
            }
            /// Whether the root is less than the middle of two neighbours: 4 r² against the square of their sum.
            func isBelow(_ value: Double, _ next: Double) -> Bool {
                let middle = Ratio(value, unit: -1126) + Ratio(next, unit: -1126)
                return square.magnitude * BigNumber(1, shift: 2252 + 2)
                    < middle.magnitude * middle.magnitude * product.magnitude
            }
            while root < 1, !isBelow(root, root.nextUp) { root = root.nextUp }
            while root > 0, isBelow(root.nextDown, root) { root = root.nextDown }
            return sxy.isNegative ? -root : root
        }
    }
}

extension RandomExpressions {
    /// Floats whose rounding errors PostgreSQL doesn't let grow too large: small whole numbers.
    fileprivate mutating func bounded() -> JudgedExpression {
        let x = draw(.float64, depth: 1)
        func bounded(_ x: String) -> String { "case when abs(\(x)) < 1e3 then floor(\(x)) end" }
        return JudgedExpression(bounded(x.firn), bounded(x.sql), .float64)
    }
}
