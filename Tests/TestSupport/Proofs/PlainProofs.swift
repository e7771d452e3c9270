import FeatureLanguage

extension AggregateProof {
    static let count = AggregateProof(
        calls: [Call(text: "count(*)", takes: .rows), Call(text: "count($)", takes: .anything)],
        twin: { rows, _ in .int64(Int64(rows.present.count)) },
        judged: { random in
            if random.random.chance(50) { return Judged(firn: "count(*)", sql: "count(*)", type: .int64) }
            let x = random.draw(random.anyType(), depth: 2)
            return Judged(firn: "count(\(x.firn))", sql: "count(\(x.sql))", type: .int64)
        },
        mutant: "a row exactly at t doesn't count")

    static let countDistinct = AggregateProof(
        calls: [Call(text: "count(distinct $)", takes: .ordered)],
        twin: { rows, _ in .int64(Int64(Set(rows.present.map(Naive.folded)).count)) },
        judged: { random in
            let type = random.anyType(), x = random.draw(type, depth: 2)
            return Judged(
                firn: "count(distinct \(x.firn))",
                sql: "count(distinct \(x.sql)\(type == .string ? " collate \"C\"" : ""))", type: .int64)
        },
        mutant: "count distinct forgets occurrences")

    static let sum = AggregateProof(
        calls: [Call(text: "sum($)", takes: .numbers)],
        twin: { rows, _ in rows.present.isEmpty ? .null : Naive.sum(rows.present, average: false) },
        judged: { random in
            if random.random.chance(30) {
                let x = random.draw(.decimal(precision: 38, scale: 0), depth: 2), scale = x.type.scale
                return Judged(
                    firn: "sum(\(x.firn))", sql: "judge.fitting(sum((\(x.sql))::numeric)",
                    type: .decimal(precision: 38, scale: scale), end: ", 38, \(scale))")
            }
            if random.random.chance(50) {
                let x = random.draw(.int64, depth: 2)
                return Judged(firn: "sum(\(x.firn))", sql: "judge.fitting(sum(\(x.sql))", type: .int64, end: ")")
            }
            let x = random.moderate()
            return Judged(
                firn: "sum(\(x.firn))", sql: "(sum((\(x.sql))::text::numeric)", type: .float64, tolerance: 1e-11,
                end: ")::float8")
        },
        mutant: "a sum ignores what lies far below")

    static let avg = AggregateProof(
        calls: [Call(text: "avg($)", takes: .numbers), Call(text: "avg($)", takes: .vectors)],
        twin: { rows, _ in
            guard case .vector(let first)? = rows.present.first else {
                return rows.present.isEmpty ? .null : Naive.sum(rows.present, average: true)
            }
            let vectors = rows.present.map { if case .vector(let vector) = $0 { vector } else { [Float]() } }
            return .vector(first.indices.map { index in Naive.mean(vectors.map { $0[index] }) })
        },
        judged: { random in
            let x = random.exactNumber()
            return Judged(
                firn: "avg(\(x.firn))", sql: "(avg((\(x.sql))::text::numeric)", type: .float64, tolerance: 1e-11,
                end: ")::float8")
        },
        mutant: "a run's sum forgets its first row")

    static func extreme(_ name: String, isMinimum: Bool) -> AggregateProof {
        AggregateProof(
            calls: [Call(text: "\(name)($)", takes: .ordered)],
            twin: { rows, _ in
                let least = { (a: Literal, b: Literal) in Naive.order(a, b) < 0 }
                return (isMinimum ? rows.present.min(by: least) : rows.present.max(by: least)) ?? .null
            },
            judged: { random in
                let type = random.anyType(), x = random.draw(type, depth: 2)
                if type == .bool {
                    return Judged(
                        firn: "\(name)(\(x.firn))", sql: "\(isMinimum ? "bool_and" : "bool_or")(\(x.sql))", type: .bool)
                }
                return Judged(
                    firn: "\(name)(\(x.firn))", sql: "\(name)(\(x.sql)\(type == .string ? " collate \"C\"" : ""))",
                    type: x.type)
            },
            mutant: "an extreme that left a run stays")
    }

    static func spread(_ name: String, _ spelling: String, ofSample: Bool, isRoot: Bool) -> AggregateProof {
        AggregateProof(
            calls: [Call(text: "\(spelling)($)", takes: .numbers)],
            twin: { rows, _ in
                Naive.variance(rows.present, ofSample: ofSample).map { .float64(isRoot ? $0.squareRoot() : $0) }
                    ?? .null
            },
            judged: { random in
                let x = random.exactNumber(), called = random.random.pick([name, spelling])
                // PostgreSQL's numeric deviation has few digits where it is large; the root of its variance has all.
                return Judged(
                    firn: "\(called)(\(x.firn))",
                    sql: "\(isRoot ? "sqrt" : "")((\(ofSample ? "var_samp" : "var_pop")((\(x.sql))::text::numeric)",
                    type: .float64,
                    tolerance: 1e-9, isRoot: isRoot, end: ")::float8)")
            },
            mutant: ofSample ? "a variance divides by n" : "a variance is truncated")
    }

    static let percentile = AggregateProof(
        calls: [
            Call(text: "median($)", takes: .numbers, parameters: [.float64(0.5)]),
            Call(text: "percentile($, 0.3)", takes: .numbers, parameters: [.float64(0.3)]),
            Call(text: "percentile($, 1)", takes: .numbers, parameters: [.float64(1)]),
        ],
        twin: { rows, parameters in
            guard case .float64(let bits) = parameters[0], !rows.present.isEmpty else { return .null }
            return .float64(Naive.percentile(rows.present, Double(bitPattern: bits)))
        },
        judged: { random in
            let x = random.draw(random.random.pick([.int64, .float64, .decimal(precision: 38, scale: 0)]), depth: 2),
                fraction = random.random.pick(["0", "0.1", "0.5", "0.9", "0.99", "1"])
            let call = fraction == "0.5" ? "median(\(x.firn))" : "percentile(\(x.firn), \(fraction))"
            return Judged(
                firn: call, sql: "percentile_cont(\(fraction)) within group (order by (\(x.sql))::float8)",
                // Between decimals it is exact until it is rounded.
                type: .float64, tolerance: x.type.layout == .wides ? 1e-12 : 0)
        },
        mutant: "a percentile takes the lower value")

    static func truth(_ name: String, _ spellings: [String], isAnd: Bool) -> AggregateProof {
        AggregateProof(
            calls: [Call(text: "\(name)($)", takes: .truths)],
            twin: { rows, _ in
                rows.present.isEmpty
                    ? .null : .bool(isAnd ? !rows.present.contains(.bool(false)) : rows.present.contains(.bool(true)))
            },
            judged: { random in
                let x = random.draw(.bool, depth: 2), called = random.random.pick(spellings)
                return Judged(firn: "\(called)(\(x.firn))", sql: "\(called)(\(x.sql))", type: .bool)
            },
            mutant: "bool_and is bool_or")
    }

    static let latest = AggregateProof(
        calls: [Call(text: "latest($)", takes: .anything)],
        twin: { rows, _ in rows.values.last ?? .null },
        judged: { random in
            let type = random.anySingle(), x = random.draw(type, depth: 2)
            return Judged(
                firn: "latest(\(x.firn))", sql: "(array_agg(\(x.sql) order by t desc, n desc)", type: x.type,
                end: ")[1]")
        },
        mutant: "latest skips NULL")

    static let earliest = AggregateProof(
        calls: [Call(text: "earliest($)", takes: .anything)],
        twin: { rows, _ in rows.values.first ?? .null },
        judged: { random in
            let type = random.anySingle(), x = random.draw(type, depth: 2)
            return Judged(
                firn: "earliest(\(x.firn))", sql: "(array_agg(\(x.sql) order by t, n)", type: x.type, end: ")[1]")
        },
        mutant: "the newest row of an earlier part is forgotten")
}

extension RandomExpressions {
    /// A number whose decimal digits are exact, or close to it.
    fileprivate mutating func exactNumber() -> JudgedExpression {
        switch random.pick([0, 1, 2]) {
        case 0: draw(.int64, depth: 2)
        case 1: draw(.decimal(precision: 38, scale: 0), depth: 2)
        default: moderate()
        }
    }

    /// Floats so near to zero that their decimal digits are close to them.
    fileprivate mutating func moderate() -> JudgedExpression {
        let x = draw(.float64, depth: 2)
        func bounded(_ x: String) -> String { "case when abs(\(x)) between 1e-5 and 1e3 then \(x) end" }
        return JudgedExpression(bounded(x.firn), bounded(x.sql), .float64)
    }
}
