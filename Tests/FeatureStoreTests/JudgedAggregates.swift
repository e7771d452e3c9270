import FeatureEngine
import FeatureLanguage
import Postgres
import TestSupport
import Testing

/// An aggregate here and as a sub-select of PostgreSQL's over the rows of `judge.facts` for one row `s` of the spine.
struct JudgedAggregate {
    var firn: String
    var sql: String
    var type: ValueType
    /// How far PostgreSQL may be off, which computes with decimal digits that are nearly the floats: 1e-11 in a sum, 1e-9 in a variance.
    var tolerance = 0.0
    /// Of a deviation the tolerance is that of its square.
    var isRoot = false
}

/// Draws aggregates of every operator over random arguments, with random filters and windows.
struct RandomAggregates {
    private var expressions: RandomExpressions

    init(seed: UInt64) {
        expressions = RandomExpressions(seed: seed, prefix: "", hasInstant: false)
    }

    mutating func draw() -> JudgedAggregate {
        let (window, condition) = window()
        let filter = expressions.random.chance(50) ? expressions.draw(.bool, depth: 2) : nil
        let filtered = (filter.map { " filter (where \($0.firn))" } ?? "", filter.map { " filter (where \($0.sql))" } ?? "")
        func judged(_ firn: String, _ sql: String, _ type: ValueType, _ tolerance: Double = 0, after: String = "") -> JudgedAggregate {
            JudgedAggregate(
                firn: firn + filtered.0 + window, sql: "(select \(sql)\(filtered.1)\(after) from judge.facts where k = s.k and \(condition))", type: type, tolerance: tolerance)
        }
        let type = expressions.anyType()
        let argument = expressions.draw(type, depth: 2)
        switch expressions.random.pick(["count(*)", "count", "distinct", "sum", "sum", "avg", "spread", "spread", "percentile", "min", "max", "latest", "earliest", "truth"]) {
        case "count(*)": return judged("count(*)", "count(*)", .int64)
        case "count": return judged("count(\(argument.firn))", "count(\(argument.sql))", .int64)
        case "distinct":
            return judged("count(distinct \(argument.firn))", "count(distinct \(argument.sql)\(type == .string ? " collate \"C\"" : ""))", .int64)
        case "sum":
            if expressions.random.chance(50) {
                let x = expressions.draw(.int64, depth: 2)
                return judged("sum(\(x.firn))", "judge.fitting(sum(\(x.sql))", .int64, after: ")")
            }
            let x = moderate()
            return judged("sum(\(x.firn))", "(sum((\(x.sql))::text::numeric)", .float64, 1e-11, after: ")::float8")
        case "avg":
            let x = expressions.random.chance(50) ? expressions.draw(.int64, depth: 2) : moderate()
            return judged("avg(\(x.firn))", "(avg((\(x.sql))::text::numeric)", .float64, 1e-11, after: ")::float8")
        case "spread":
            let name = expressions.random.pick(["stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop"])
            let x = expressions.random.chance(50) ? expressions.draw(.int64, depth: 2) : moderate()
            // PostgreSQL's numeric deviation has few digits where it is large; the root of its variance has all.
            let isRoot = name.hasPrefix("stddev"), variance = name.hasSuffix("_pop") ? "var_pop" : "var_samp"
            let root = isRoot ? "sqrt" : ""
            var judged = judged("\(name)(\(x.firn))", "\(root)((\(variance)((\(x.sql))::text::numeric)", .float64, 1e-9, after: ")::float8)")
            judged.isRoot = isRoot
            return judged
        case "percentile":
            let x = expressions.draw(expressions.random.pick([.int64, .float64]), depth: 2)
            let fraction = expressions.random.pick(["0", "0.1", "0.5", "0.9", "0.99", "1"])
            let call = fraction == "0.5" ? "median(\(x.firn))" : "percentile(\(x.firn), \(fraction))"
            return judged(call, "percentile_cont(\(fraction)) within group (order by (\(x.sql))::float8)", .float64)
        case "min", "max":
            let name = expressions.random.pick(["min", "max"])
            if type == .bool { return judged("\(name)(\(argument.firn))", "\(name == "min" ? "bool_and" : "bool_or")(\(argument.sql))", .bool) }
            return judged("\(name)(\(argument.firn))", "\(name)(\(argument.sql)\(type == .string ? " collate \"C\"" : ""))", type)
        case "latest": return judged("latest(\(argument.firn))", "(array_agg(\(argument.sql) order by t desc, n desc)", type, after: ")[1]")
        case "earliest": return judged("earliest(\(argument.firn))", "(array_agg(\(argument.sql) order by t, n)", type, after: ")[1]")
        default:
            let name = expressions.random.pick(["bool_and", "bool_or", "every"]), x = expressions.draw(.bool, depth: 2)
            return judged("\(name)(\(x.firn))", "\(name)(\(x.sql))", .bool)
        }
    }

    /// Floats so near to zero that their decimal digits are close to them.
    private mutating func moderate() -> JudgedExpression {
        let x = expressions.draw(.float64, depth: 2)
        func bounded(_ x: String) -> String { "case when abs(\(x)) between 1e-5 and 1e3 then \(x) end" }
        return JudgedExpression(bounded(x.firn), bounded(x.sql), .float64)
    }

    /// The window's text, and the condition on a row's time `t` at an instant `s.t`. Seconds, as the rows' times, so that edges are hit.
    private mutating func window() -> (firn: String, sql: String) {
        let older = Int.random(in: 1...20, using: &expressions.random), newer = Int.random(in: 0..<older, using: &expressions.random)
        switch Int.random(in: 0..<4, using: &expressions.random) {
        case 0: return ("", "t <= s.t")
        case 1: return (" over (range between unbounded preceding and interval '\(newer) s' preceding)", "t <= s.t - interval '\(newer) s'")
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
                create table judge.facts (n serial, k bigint, t timestamptz, i1 bigint, i2 bigint, f1 float8, f2 float8, s1 text collate "C", s2 text collate "C",
                    b1 bool, b2 bool, t1 timestamptz, t2 timestamptz);
                create table judge.spine (n serial, k bigint, t timestamptz);
                """)
        var random = Randomness(seed: 7)
        let columns = [ColumnDefinition("k", .int64), ColumnDefinition("t", .timestamp)] + Judge.definitions
        source = Source(name: "facts", columns: columns, eventTime: "t")
        func second() -> Int64 { 1_700_000_000_000_000 + Int64.random(in: 0...60, using: &random) * 1_000_000 }
        var builders = columns.map { ColumnBuilder($0.type) }
        for _ in 0..<90 {
            let key = Int64.random(in: 0...2, using: &random), time = second()
            let values = [.int64(key), .timestamp(Instant(microseconds: time))] + Judge.definitions.map { Judge.value($0.type, &random) }
            for (index, value) in values.enumerated() { builders[index].append(value) }
            let parameters = zip(values, columns).map { value, column -> SQL in "\(value.parameter(column.type))" }
            try connection.execute("insert into judge.facts (k, t, i1, i2, f1, f2, s1, s2, b1, b2, t1, t2) values (\(SQL.joined(parameters, by: ", ")))")
        }
        rows = SourceRows(importing: Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) }), into: source)
        var keys: [Int64] = [], instants: [Int64] = []
        for _ in 0..<20 {
            keys.append(Int64.random(in: 0...3, using: &random))
            instants.append(second())
            try connection.execute("insert into judge.spine (k, t) values (\(keys.last!), \(.timestamp(instants.last!)))")
        }
        spine = Spine(columns: ["k": Column(.int64(keys))], instants: instants)
    }

    func compare(_ aggregates: [JudgedAggregate], seed: UInt64) throws {
        let functions = aggregates.indices.map { index in
            Definition.function(
                FunctionDefinition(name: VersionedName(name: "f\(index)", version: 1), kind: .feature, entity: "e", source: "facts", expression: aggregates[index].firn))
        }
        let catalog: Catalog
        do {
            catalog = try Catalog([.entity(Entity(name: "e", keys: [ColumnDefinition("k", .int64)])), .source(source)] + functions)
        } catch {
            Issue.record("seed \(seed): \(error)")
            return
        }
        let plan = Plan(try catalog.resolve(features: aggregates.indices.map { "f\($0).v1" }), in: catalog)
        let ours = plan.evaluate(spine, Reading()) { _ in rows }.columns
        for (index, aggregate) in aggregates.enumerated() {
            let theirs: Rows
            do {
                theirs = try connection.execute("select \(SQL(stringLiteral: aggregate.sql)) from judge.spine s order by n")
            } catch {
                Issue.record("seed \(seed): PostgreSQL refuses \(aggregate.sql): \(error)")
                return
            }
            for row in 0..<theirs.count {
                let got = ours[index][row], expected = theirs[row].literal(0, aggregate.type)
                guard !JudgedFacts.isSame(got, expected, aggregate) else { continue }
                Issue.record(
                    "seed \(seed): \(aggregate.firn)\n  gives \(got), PostgreSQL \(expected)\n  \(aggregate.sql)\n  row \(row), as of \(Instant(microseconds: spine.instants[row]))"
                )
                return
            }
        }
    }

    /// Zeros of both signs are equal to PostgreSQL, which takes either as a minimum.
    private static func isSame(_ a: Literal, _ b: Literal, _ aggregate: JudgedAggregate) -> Bool {
        guard case .float64(let x) = a, case .float64(let y) = b else { return a == b }
        var left = Double(bitPattern: x), right = Double(bitPattern: y)
        if left.isNaN || right.isNaN { return left.isNaN && right.isNaN }
        if left == right { return true }
        guard aggregate.tolerance > 0 else { return false }
        if aggregate.isRoot { (left, right) = (left * left, right * right) }
        return (left - right).magnitude <= aggregate.tolerance + 1e-12 * max(left.magnitude, right.magnitude)
    }
}
