import FeatureEngine
import FeatureLanguage
import Postgres
import TestSupport
import Testing

/// An aggregate here and as a sub-select of PostgreSQL's over the rows of `judge.facts` for one row `s` of the spine.
struct JudgedAggregate {
    var firn: String
    var sql: String
    var judged: AggregateProof.Judged
}

/// Draws aggregates of every operator over random arguments, with random filters and windows.
struct RandomAggregates {
    var expressions: RandomExpressions

    init(_ random: Randomness) {
        expressions = RandomExpressions(random, prefix: "", hasInstant: false)
    }

    mutating func draw() -> JudgedAggregate {
        let (window, condition) = window()
        let filter = expressions.random.chance(50) ? expressions.draw(.bool, depth: 2) : nil
        let judged = AggregateProof.of(expressions.random.pick(AggregateOperator.allCases)).judged(&expressions)
        return JudgedAggregate(
            firn: judged.firn + (filter.map { " filter (where \($0.firn))" } ?? "") + window,
            sql:
                "(select \(judged.sql)\(filter.map { " filter (where \($0.sql))" } ?? "")\(judged.end) from judge.facts where k = s.k and \(condition))",
            judged: judged)
    }

    /// The window's text, and the condition on a row's time `t` at an instant `s.t`. Seconds, as the rows' times, so
    /// that edges are hit.
    private mutating func window() -> (firn: String, sql: String) {
        let older = Int.random(in: 1...20, using: &expressions.random),
            newer = Int.random(in: 0..<older, using: &expressions.random)
        switch Int.random(in: 0..<4, using: &expressions.random) {
        case 0: return ("", "t <= s.t")
        case 1:
            return (
                " over (range between unbounded preceding and interval '\(newer) s' preceding)",
                "t <= s.t - interval '\(newer) s'"
            )
        case 2: return (" over last_\(older)s", "t > s.t - interval '\(older) s' and t <= s.t")
        default:
            return (
                " over (range between interval '\(older) s' preceding and interval '\(newer) s' preceding)",
                "t > s.t - interval '\(older) s' and t <= s.t - interval '\(newer) s'"
            )
        }
    }
}

/// Rows of three entities within a minute, in PostgreSQL and here, and a spine over them.
struct JudgedFacts {
    private let connection: Connection
    private let source: Source
    private let rows: SourceRows
    private let spine: Spine

    init(_ judge: Judge) throws {
        connection = judge.connection
        try connection.run(
            script: """
                create function judge.fitting(a numeric) returns bigint language sql immutable as
                    $$ select case when a between -9223372036854775808 and 9223372036854775807 then a::bigint end $$;
                create function judge.first(a anyarray, k int) returns anyarray language sql immutable as $$ select a[1:k] $$;
                create function judge.last(a anyarray, k int) returns anyarray language sql immutable as
                    $$ select a[greatest(1, cardinality(a) - k + 1):] $$;
                create function judge.top_k(a anyarray, k int) returns anyarray language sql immutable as
                    $$ select array_agg(v order by c desc, v) from (
                        select v, count(*) c from unnest(a) v where v is not null group by v order by c desc, v limit k) counted $$;
                create function judge.distinct_count(a anyarray) returns bigint language sql immutable as
                    $$ select case when a is not null then (select count(distinct v) from unnest(a) v) end $$;
                create table judge.facts (n serial, k bigint, t timestamptz, \(Judge.sqlColumns));
                create table judge.spine (n serial, k bigint, t timestamptz);
                """)
        var random = Randomness(seed: 7)
        let columns = [ColumnDefinition("k", .int64), ColumnDefinition("t", .timestamp)] + RandomExpressions.inputs
        source = Source(name: "facts", columns: columns, eventTime: "t")
        func second() -> Int64 { 1_700_000_000_000_000 + Int64.random(in: 0...60, using: &random) * 1_000_000 }
        var builders = columns.map { ColumnBuilder($0.type) }
        for _ in 0..<90 {
            let key = Int64.random(in: 0...2, using: &random), time = second()
            let values =
                [.int64(key), .timestamp(Instant(microseconds: time))]
                + RandomExpressions.inputs.map { HardValues.draw($0.type, &random) }
            for (index, value) in values.enumerated() { builders[index].append(value) }
            let parameters = zip(values, columns).map { Judge.sql($0, $1.type) }
            try connection.execute(
                "insert into judge.facts (k, t, \(SQL(raw: Judge.names))) values (\(SQL.joined(parameters, by: ", ")))"
            )
        }
        rows = SourceRows(
            importing: Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) }), into: source)
        var keys: [Int64] = [], instants: [Int64] = []
        for _ in 0..<20 {
            keys.append(Int64.random(in: 0...3, using: &random))
            instants.append(second())
            try connection.execute(
                "insert into judge.spine (k, t) values (\(keys.last!), \(.timestamp(instants.last!)))")
        }
        spine = Spine(columns: ["k": Column(.int64, keys)], instants: instants)
    }

    /// Compares fifty aggregates, and says of the first that differs the smallest that still does.
    func compare(seed: UInt64) -> Bool {
        let fault = Randomness.fault(
            seed: seed, count: 50,
            { random, _ in
                var aggregates = RandomAggregates(random)
                defer { random = aggregates.expressions.random }
                return aggregates.draw()
            }
        ) { aggregates in
            for (index, aggregate) in aggregates.enumerated() {
                do {
                    if let text = try mismatch(aggregate) { return (index, text) }
                } catch {
                    throw Refusal(firn: aggregate.firn, sql: aggregate.sql, error: error)
                }
            }
            return nil
        }
        if let fault { Issue.record("\(fault)") }
        return fault == nil
    }

    /// The first value that isn't PostgreSQL's.
    ///
    /// - Throws: what either side refuses to compute.
    private func mismatch(_ aggregate: JudgedAggregate) throws -> String? {
        let function = FunctionDefinition(
            name: VersionedName(name: "f", version: 1), kind: .feature, entity: "e", source: "facts",
            expression: aggregate.firn)
        let catalog = try Catalog([
            .entity(Entity(name: "e", keys: [ColumnDefinition("k", .int64)])), .source(source), .function(function),
        ])
        let plan = Plan(try catalog.resolve(features: ["f.v1"]), in: catalog)
        let ours = plan.evaluate(spine, Reading()) { _ in rows }.columns[0]
        let theirs = try connection.execute("select \(SQL(raw: aggregate.sql)) from judge.spine s order by n")
        for row in 0..<theirs.count {
            let got = ours[row], expected = try theirs[row].literal(0, aggregate.judged.type)
            guard !JudgedFacts.isSame(got, expected, aggregate.judged) else { continue }
            return """
                \(aggregate.firn)
                  gives \(got), PostgreSQL \(expected)
                  \(aggregate.sql)
                  row \(row), as of \(Instant(microseconds: spine.instants[row]))
                """
        }
        return nil
    }

    /// Zeros of both signs are equal to PostgreSQL, which takes either as a minimum.
    private static func isSame(_ a: Literal, _ b: Literal, _ aggregate: AggregateProof.Judged) -> Bool {
        if case .list(let list) = a, case .list(let others) = b {
            return list.items.elementsEqual(others.items) { isSame($0, $1, aggregate) }
        }
        if case .int64(let x) = a, case .int64(let y) = b {
            return Double((Int128(x) - Int128(y)).magnitude) <= aggregate.tolerance
        }
        guard case .float64(let x) = a, case .float64(let y) = b else { return a == b }
        var left = Double(bitPattern: x), right = Double(bitPattern: y)
        if left.isNaN || right.isNaN { return left.isNaN && right.isNaN }
        if left == right { return true }
        guard aggregate.tolerance + aggregate.relative > 0 else { return false }
        if aggregate.isRoot { (left, right) = (left * left, right * right) }
        return (left - right).magnitude <= aggregate.tolerance + max(1e-12, aggregate.relative)
            * max(left.magnitude, right.magnitude)
    }
}
