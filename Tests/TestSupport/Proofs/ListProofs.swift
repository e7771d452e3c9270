import FeatureLanguage

// mutant: a list of the newest begins too early | Sources/FeatureEngine/Aggregates/ListStates.swift | max(0, tree.count - most)..<tree.count | max(0, tree.count - most - 1)..<tree.count
// mutant: of equally frequent values the largest comes first | Sources/FeatureEngine/Aggregates/ListStates.swift | (counts[$1], $0) < (counts[$0], $1) | (counts[$1], $1) < (counts[$0], $0)
// mutant: values that left are still distinct | Sources/FeatureEngine/Aggregates/ListStates.swift | counts.indices.filter { counts[$0] > 0 } | counts.indices.filter { counts[$0] >= 0 }
extension AggregateProof {
    static func ends(_ name: String, isNewest: Bool) -> AggregateProof {
        AggregateProof(
            calls: [1, 2, 1000].map { count in
                Call(text: "\(name)($, \(count))", takes: .singles, parameters: [.int64(Int64(count))])
            },
            twin: { rows, parameters in
                guard case .int64(let count) = parameters[0] else { return .null }
                return list(isNewest ? rows.values.suffix(Int(count)) : rows.values.prefix(Int(count)), rows)
            },
            judged: { random in
                let type = random.anySingle(), x = random.draw(type, depth: 2),
                    count = random.random.pick([1, 2, 3, 1000])
                return Judged(
                    firn: "\(name)(\(x.firn), \(count))",
                    sql: "judge.\(isNewest ? "last" : "first")(array_agg(\(x.sql) order by t, n)",
                    type: .list(ScalarType(x.type)!), end: ", \(count))")
            },
            mutant: "a list of the newest begins too early")
    }

    static let topK = AggregateProof(
        calls: [1, 2, 1000].map { Call(text: "top_k($, \($0))", takes: .singles, parameters: [.int64(Int64($0))]) },
        twin: { rows, parameters in
            guard case .int64(let count) = parameters[0] else { return .null }
            let counts = Dictionary(rows.present.map { (Naive.folded($0), 1) }, uniquingKeysWith: +)
            let sorted = counts.sorted { a, b in
                a.value != b.value ? a.value > b.value : Naive.order(a.key, b.key) < 0
            }
            return list(sorted.prefix(Int(count)).map(\.key), rows)
        },
        judged: { random in
            let type = random.anySingle(), x = random.draw(type, depth: 2), count = random.random.pick([1, 2, 3, 1000])
            return Judged(
                firn: "top_k(\(x.firn), \(count))", sql: "judge.top_k(array_agg(\(x.sql))",
                type: .list(ScalarType(x.type)!),
                end: ", \(count))")
        },
        mutant: "of equally frequent values the largest comes first")

    static let distinctValues = AggregateProof(
        calls: [Call(text: "distinct_values($)", takes: .singles)],
        twin: { rows, _ in list(Set(rows.present.map(Naive.folded)).sorted { Naive.order($0, $1) < 0 }, rows) },
        judged: { random in
            let type = random.anySingle(), x = random.draw(type, depth: 2)
            return Judged(
                firn: "distinct_values(\(x.firn))",
                sql: "nullif(array_remove(array_agg(distinct \(x.sql)\(type == .string ? " collate \"C\"" : ""))",
                type: .list(ScalarType(x.type)!), end: ", null), '{}')")
        },
        mutant: "values that left are still distinct")

    /// A list of some of the rows' values; NULL if it has none.
    private static func list(_ items: some Sequence<Literal>, _ rows: CountingRows) -> Literal {
        let items = Array(items)
        guard !items.isEmpty else { return .null }
        // All NULLs say nothing of their type, which the test that compares them knows.
        return .list(ListValue(items.lazy.compactMap(\.type).first.flatMap { ScalarType($0) } ?? .bool, items))
    }
}
