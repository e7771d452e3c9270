import FeatureEngine
import FeatureLanguage
import Postgres
import TestSupport
import Testing

/// Scalar expressions here and in a real PostgreSQL, over the same rows: 40,000 expressions of all types over 24 rows
/// of hard values, and 3,000 aggregates with filters and windows.
///
/// Results are compared bit for bit, but for `ln log exp power`, where PostgreSQL's C library may be a unit in the last
/// place off.
@Suite struct PostgresJudgesTests {
    @Test func `scalar expressions equal PostgreSQL`() throws {
        let judge = try Judge()
        for seed in 0..<UInt64(380) {
            let isSame = judge.compare(seed: seed) {
                $0.draw(RandomExpressions.types[$1 % RandomExpressions.types.count], depth: 1 + $1 % 4)
            }
            if !isSame { return }
        }
    }

    @Test func `logarithms and powers equal PostgreSQL to a few units in the last place`() throws {
        let judge = try Judge()
        for seed in 1000..<UInt64(1010) {
            let isSame = judge.compare(seed: seed, tolerance: 1e-15) { $0.elementary(depth: $1 % 3) }
            if !isSame { return }
        }
    }

    @Test func `operators bind as in PostgreSQL`() throws {
        let judge = try Judge()
        for seed in 2000..<UInt64(2010) {
            let isSame = judge.compare(seed: seed) { expressions, _ in expressions.flat() }
            if !isSame { return }
        }
    }

    @Test func `floats become the same texts`() throws {
        let judge = try Judge()
        var random = Randomness(seed: 9)
        var values: [Double] = []
        for exponent in -308...308 {
            values += [Double("1e\(exponent)")!, Double("-9.5e\(exponent)") ?? 0, Double("1e\(exponent)")!.nextUp]
        }
        for exponent in -1074...1023 { values.append(Double(sign: .plus, exponent: exponent, significand: 1)) }
        for _ in 0..<4000 { values.append(Double(bitPattern: random.next())) }
        // Integers beyond 53 bits, among which the shortest digits may lie half-way between two floats.
        for _ in 0..<4000 { values.append(Double(random.next() >> UInt64.random(in: 0...10, using: &random))) }
        let theirs = try judge.connection.execute(
            "select v::text from unnest(\(.array(.float64, values.map { .float64($0) }))) v"
        ).map { try $0.text(0) }
        let definition = FunctionDefinition(
            name: VersionedName("f.v1")!, kind: .feature, entity: "all", request: [.init("x", .float64)],
            expression: "request.x::string")
        let catalog = try Catalog([.entity(Entity(name: "all", keys: [])), .function(definition)])
        let plan = Plan(try catalog.resolve(features: ["f.v1"]), in: catalog)
        let spine = Spine(columns: ["x": Column(.float64, values)], instants: Array(repeating: 0, count: values.count))
        let ours = plan.evaluate(spine, Reading()) { _ in preconditionFailure("no rows are read") }.columns[0]
        for (index, value) in values.enumerated() where ours[index] != .string(theirs[index]) {
            Issue.record("\(value): \(ours[index]), PostgreSQL \(theirs[index])")
            return
        }
    }

    @Test func `aggregates with filters and windows equal PostgreSQL`() throws {
        let judge = try Judge()
        let facts = try JudgedFacts(judge)
        for seed in 3000..<UInt64(3060) {
            if !facts.compare(seed: seed) { return }
        }
    }
}

/// Something that one of both sides refuses to compute.
struct Refusal: Error, CustomStringConvertible {
    let firn: String, sql: String, error: any Error

    var description: String { "\(firn), in SQL \(sql), is refused: \(error)" }
}

/// A database with rows of hard values, and what it takes to ask both sides.
struct Judge {
    let connection: Connection
    private let columns: [(name: String, column: Column)]
    private let instants: [Int64]

    /// What PostgreSQL refuses to compute is NULL in Firn, float overflow infinite and underflow zero: these functions
    /// say so in SQL.
    private static let functions = """
        create schema judge;
        create function judge.add(a bigint, b bigint) returns bigint language plpgsql immutable strict as $$ begin return a + b; exception when others then return null; end $$;
        create function judge.sub(a bigint, b bigint) returns bigint language plpgsql immutable strict as $$ begin return a - b; exception when others then return null; end $$;
        create function judge.mul(a bigint, b bigint) returns bigint language plpgsql immutable strict as $$ begin return a * b; exception when others then return null; end $$;
        create function judge.div(a bigint, b bigint) returns bigint language plpgsql immutable strict as $$ begin return a / b; exception when others then return null; end $$;
        create function judge.mod(a bigint, b bigint) returns bigint language plpgsql immutable strict as $$ begin return a % b; exception when others then return null; end $$;
        create function judge.neg(a bigint) returns bigint language plpgsql immutable strict as $$ begin return - a; exception when others then return null; end $$;
        create function judge.abs(a bigint) returns bigint language plpgsql immutable strict as $$ begin return abs(a); exception when others then return null; end $$;
        create function judge.to_bigint(a float8) returns bigint language plpgsql immutable strict as $$ begin return a::bigint; exception when others then return null; end $$;
        create function judge.to_bigint(a text) returns bigint language plpgsql immutable strict as $$ begin return a::bigint; exception when others then return null; end $$;
        create function judge.to_bigint(a numeric) returns bigint language plpgsql immutable strict as $$ begin return a::bigint; exception when others then return null; end $$;
        create function judge.mod(a numeric, b numeric) returns numeric language plpgsql immutable strict as $$ begin return a % b; exception when others then return null; end $$;
        create function judge.fitting(a numeric, p int, s int) returns numeric language sql immutable as
            $$ select case when abs(round(a, s)) < ('1e' || (p - s))::numeric then round(a, s) end $$;
        create function judge.to_decimal(a text, p int, s int) returns numeric language plpgsql immutable strict as
            $$ begin return case when a::numeric not in ('NaN', 'inf', '-inf') then judge.fitting(a::numeric, p, s) end;
                exception when others then return null; end $$;
        create function judge.quotient(a numeric, b numeric) returns float8 language plpgsql immutable strict as
            $$ begin return (round(a, 300) / b)::float8; exception when others then return null; end $$;
        create function judge.moved(a date, days numeric) returns date language sql immutable as
            $$ select case when a - date '1970-01-01' + days between -2440588 and 106751981
                then date '1970-01-01' + (a - date '1970-01-01' + days)::int end $$;
        create function judge.to_float(a text) returns float8 language plpgsql immutable strict as $$ begin return a::float8; exception when others then return null; end $$;
        create function judge.beyond(isNegative bool, message text) returns float8 language sql immutable as
            $$ select case when message like '%underflow%' then '0'::float8 else 'inf'::float8 end * case when isNegative then -1 else 1 end $$;
        create function judge.add(a float8, b float8) returns float8 language plpgsql immutable strict as
            $$ begin return a + b; exception when others then return judge.beyond(a < 0, sqlerrm); end $$;
        create function judge.sub(a float8, b float8) returns float8 language plpgsql immutable strict as
            $$ begin return a - b; exception when others then return judge.beyond(a < 0, sqlerrm); end $$;
        create function judge.mul(a float8, b float8) returns float8 language plpgsql immutable strict as
            $$ begin return a * b; exception when others then return judge.beyond((a < 0) <> (b < 0), sqlerrm); end $$;
        create function judge.div(a float8, b float8) returns float8 language plpgsql immutable strict as
            $$ begin return a / b; exception when division_by_zero then return null;
                when others then return judge.beyond((a < 0) <> (b < 0), sqlerrm); end $$;
        create function judge.sqrt(a float8) returns float8 language plpgsql immutable strict as $$ begin return sqrt(a); exception when others then return null; end $$;
        create function judge.ln(a float8) returns float8 language plpgsql immutable strict as $$ begin return ln(a); exception when others then return null; end $$;
        create function judge.log(a float8) returns float8 language plpgsql immutable strict as $$ begin return log(a); exception when others then return null; end $$;
        create function judge.exp(a float8) returns float8 language plpgsql immutable strict as
            $$ begin return exp(a); exception when numeric_value_out_of_range then return judge.beyond(false, sqlerrm); end $$;
        create function judge.power(a float8, b float8) returns float8 language plpgsql immutable strict as
            $$ begin return power(a, b); exception
                when numeric_value_out_of_range then return judge.beyond(a < 0 and b / 2 <> floor(b / 2), sqlerrm);
                when others then return null; end $$;
        create function judge.matches(a text, b text) returns bool language plpgsql immutable strict as
            $$ begin return a like b; exception when others then return null; end $$;
        create function judge.substring(a text, b int, c int) returns text language plpgsql immutable strict as
            $$ begin return substring(a from b for c); exception when others then return null; end $$;
        create function judge.date_trunc(a text, b timestamptz) returns timestamptz language plpgsql immutable strict as
            $$ begin return date_trunc(a, b); exception when others then return null; end $$;
        create function judge.plus(a timestamptz, b interval) returns timestamptz language plpgsql immutable strict as
            $$ begin return a + b; exception when others then return null; end $$;
        create function judge.element(a anyarray, i bigint) returns anyelement language sql immutable as
            $$ select a[greatest(0, least(i, 1000))::int] $$;
        create function judge.to_bigints(a float8[]) returns bigint[] language sql immutable as
            $$ select case when a is not null then coalesce((select array_agg(judge.to_bigint(x) order by n) from unnest(a) with ordinality u(x, n)), '{}') end $$;
        create function judge.to_real(a float8) returns real language plpgsql immutable strict as
            $$ begin return a::real; exception when numeric_value_out_of_range then return case when sqlerrm like '%underflow%' then 0 end; end $$;
        create function judge.to_vector(a float8[], count int) returns real[] language sql immutable as
            $$ select case when cardinality(a) = count and array_position(v, null) is null and not ('NaN' = any (v) or 'inf' = any (v) or '-inf' = any (v)) then v end
                from (select array(select judge.to_real(x) from unnest(a) with ordinality u(x, n) order by n)) c(v) $$;
        create function judge.dot_product(a real[], b real[]) returns float8 language sql immutable as
            $$ select sum(x::float8 * y::float8 order by n) from unnest(a, b) with ordinality u(x, y, n) where a is not null and b is not null $$;
        create function judge.cosine_similarity(a real[], b real[]) returns float8 language sql immutable as
            $$ select judge.dot_product(a, b) / nullif(sqrt(judge.dot_product(a, a)) * sqrt(judge.dot_product(b, b)), 0) $$;
        create function judge.l2_distance(a real[], b real[]) returns float8 language sql immutable as
            $$ select sqrt(sum((x::float8 - y::float8) * (x::float8 - y::float8) order by n)) from unnest(a, b) with ordinality u(x, y, n) where a is not null and b is not null $$;
        create table judge.rows (n serial, as_of timestamptz, \(sqlColumns));
        """

    /// The columns of expressions, as PostgreSQL's.
    static let sqlColumns = RandomExpressions.inputs.map {
        "\($0.name) \($0.type.rules.sqlName)\($0.type == .string ? " collate \"C\"" : "")"
    }.joined(separator: ", ")
    static let names = RandomExpressions.inputs.map(\.name).joined(separator: ", ")

    /// A value, bound.
    static func sql(_ value: Literal, _ type: ValueType) -> SQL {
        value == .null ? "null" : "\(value.parameter(type))"
    }

    init() throws {
        connection = try Connection(uri: TestCluster.newDatabase())
        try connection.run(script: "set timezone = 'UTC'; \(Judge.functions)")
        var random = Randomness(seed: 42)
        var builders = RandomExpressions.inputs.map { ColumnBuilder($0.type) }
        var instants: [Int64] = []
        for _ in 0..<24 {
            for (index, definition) in RandomExpressions.inputs.enumerated() {
                builders[index].append(HardValues.draw(definition.type, &random))
            }
            instants.append(Int64.random(in: -1_000_000_000_000...2_000_000_000_000_000, using: &random))
        }
        columns = zip(RandomExpressions.inputs, builders.indices).map { ($0.name, builders[$1].finish()) }
        self.instants = instants
        for row in instants.indices {
            let values = columns.map { Judge.sql($0.column[row], $0.column.type) }
            try connection.execute(
                "insert into judge.rows (as_of, \(SQL(raw: Judge.names))) values (\(.timestamp(instants[row])), \(SQL.joined(values, by: ", ")))"
            )
        }
    }

    /// Compares a hundred expressions, and says of the first that differs the smallest that still does.
    func compare(
        seed: UInt64, tolerance: Double = 0, _ draw: (inout RandomExpressions, Int) -> JudgedExpression
    ) -> Bool {
        let fault = RandomExpressions.fault(seed: seed, draw) { try mismatch($0, tolerance) }
        if let fault { Issue.record("\(fault)") }
        return fault == nil
    }

    /// The first value that isn't PostgreSQL's: of which expression, and what it is.
    ///
    /// - Throws: what either side refuses to compute, with the expression.
    private func mismatch(_ expressions: [JudgedExpression], _ tolerance: Double) throws -> (
        index: Int, text: String
    )? {
        do {
            return try difference(expressions, tolerance)
        } catch  where expressions.count == 1 {
            throw Refusal(firn: expressions[0].firn, sql: expressions[0].sql, error: error)
        } catch {
            for expression in expressions { _ = try mismatch([expression], tolerance) }
            throw error
        }
    }

    private func difference(_ expressions: [JudgedExpression], _ tolerance: Double) throws -> (
        index: Int, text: String
    )? {
        let functions = expressions.indices.map { index in
            Definition.function(
                FunctionDefinition(
                    name: VersionedName(name: "f\(index)", version: 1), kind: .feature, entity: "all",
                    request: RandomExpressions.inputs, expression: expressions[index].firn))
        }
        let catalog = try Catalog([.entity(Entity(name: "all", keys: []))] + functions)
        let plan = Plan(try catalog.resolve(features: expressions.indices.map { "f\($0).v1" }), in: catalog)
        let spine = Spine(
            columns: Dictionary(uniqueKeysWithValues: columns.map { ($0.name, $0.column) }), instants: instants)
        let ours = plan.evaluate(spine, Reading()) { _ in preconditionFailure("no rows are read") }.columns
        // Tables are at most 1,600 columns wide.
        let list = expressions.map { SQL(raw: $0.sql) }
        let theirs = try connection.execute("select \(SQL.joined(list, by: ", ")) from judge.rows order by n")
        for (index, expression) in expressions.enumerated() {
            #expect(ours[index].type == expression.type)
            for row in 0..<theirs.count {
                let got = ours[index][row], expected = try theirs[row].literal(index, expression.type)
                guard !got.isJudgedSame(as: expected, tolerance: tolerance) else { continue }
                let values = columns.filter { expression.sql.contains($0.name) }.map { "\($0.name) \($0.column[row])" }
                return (
                    index,
                    """
                    \(expression.firn)
                      gives \(got), PostgreSQL \(expected)
                      \(expression.sql)
                      as of \(Instant(microseconds: instants[row])), \(values.joined(separator: ", "))
                    """
                )
            }
        }
        return nil
    }
}

extension Rows.Row {
    func literal(_ column: Int, _ type: ValueType) throws -> Literal {
        guard let bytes = optionalBytes(column) else { return .null }
        switch type {
        case .bool: return try .bool(bool(column))
        case .int64: return try .int64(int64(column))
        case .float64: return .float64(bits: bytes.reduce(0) { $0 << 8 | UInt64($1) })
        case .string: return try .string(text(column))
        case .timestamp: return try .timestamp(Instant(microseconds: timestamp(column)))
        case .date: return try .date(days: date(column))
        case .decimal(let precision, let scale):
            return try .decimal(DecimalValue(numeric(column, scale: scale), precision: precision, scale: scale))
        case .list(let element):
            var items: [Literal] = []
            func item<T>(_ value: T?, _ make: (T) -> Literal) { items.append(value.map(make) ?? .null) }
            _ = read(column) { reader in
                reader.array { reader in
                    switch element {
                    case .int64: item(reader.int64()) { .int64($0) }
                    case .float64: item(reader.float64()) { .float64($0) }
                    case .string: item(reader.text()) { .string(String(decoding: $0, as: UTF8.self)) }
                    case .bool: item(reader.bool()) { .bool($0) }
                    case .timestamp: item(reader.timestamp()) { .timestamp(Instant(microseconds: $0)) }
                    case .date: item(reader.date()) { .date(days: $0) }
                    case .decimal(let precision, let scale):
                        item(reader.numeric(scale: Int(scale))) {
                            .decimal(DecimalValue($0, precision: Int(precision), scale: Int(scale)))
                        }
                    }
                }
            }
            return .list(ListValue(element, items))
        case .vector:
            var components: [Float] = []
            _ = read(column) { reader in
                reader.array { components.append(Float(bitPattern: UInt32(truncatingIfNeeded: $0.int64()!))) }
            }
            return .vector(components)
        }
    }
}

extension Literal {
    func parameter(_ type: ValueType) -> Parameter {
        switch self {
        case .null:
            switch type {
            case .bool: .null(.bool)
            case .int64: .null(.int64)
            case .float64: .null(.float64)
            case .string: .null(.text)
            case .timestamp: .null(.timestamp)
            case .date: .null(.date)
            case .decimal: .null(.numeric)
            case .list, .vector: preconditionFailure("a NULL list is written, not bound")
            }
        case .bool(let value): .bool(value)
        case .int64(let value): .int64(value)
        case .float64(let bits): .float64(Double(bitPattern: bits))
        case .string(let text): .text(text)
        case .timestamp(let instant): .timestamp(instant.microseconds)
        case .date(let days): .date(days)
        case .decimal(let value): .numeric(unscaled: value.unscaled, scale: value.scale)
        case .list(let list):
            .array(
                list.element == .int64 ? .int64 : list.element == .float64 ? .float64 : .text,
                list.items.map { $0.parameter(list.element.type) })
        case .vector(let components): .array(.float64, components.map { .float64(Double($0)) })
        }
    }

    /// Bit for bit, all NaNs being one; with a tolerance, floats that far apart relative to their size are the same.
    func isJudgedSame(as other: Literal, tolerance: Double) -> Bool {
        if case .list(let list) = self, case .list(let others) = other {
            return list.items.elementsEqual(others.items) { $0.isJudgedSame(as: $1, tolerance: tolerance) }
        }
        guard case .float64(let a) = self, case .float64(let b) = other else { return self == other }
        let x = Double(bitPattern: a), y = Double(bitPattern: b)
        if x.isNaN || y.isNaN { return x.isNaN && y.isNaN }
        return a == b
            || tolerance > 0
                && (x == y || (x - y).magnitude <= tolerance * max(x.magnitude, y.magnitude)
                    || max(x.magnitude, y.magnitude) < 0x1p-1060)
    }
}
