import FeatureLanguage

// mutant: of several modes the largest | Sources/FeatureEngine/Aggregates/ModeState.swift | counts[Int(right)] > counts[Int(left)] | counts[Int(right)] >= counts[Int(left)] && counts[Int(right)] > 0
extension AggregateProof {
    static let mode = AggregateProof(
        calls: [Call(text: "mode($)", takes: .ordered)],
        twin: { rows, _ in
            let values = rows.present.map(Naive.folded)
            let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +), most = counts.values.max() ?? 0
            return counts.filter { $0.value == most }.keys.min { Naive.order($0, $1) < 0 } ?? .null
        },
        judged: { random in
            let type = random.anyType(), x = random.draw(type, depth: 2)
            return Judged(
                firn: "mode(\(x.firn))",
                sql: "mode() within group (order by \(x.sql)\(type == .string ? " collate \"C\"" : ""))", type: x.type)
        },
        mutant: "of several modes the largest")
}
