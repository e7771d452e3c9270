public import FeatureLanguage

/// An expression as Firn writes it and as PostgreSQL does.
///
/// The two texts differ only where docs/language.md says that the languages do: what PostgreSQL refuses to compute is
/// NULL here, so the SQL calls functions of the schema `judge` that catch the refusal; decimal literals are float8 and
/// integers bigint.
public struct JudgedExpression {
    public var firn: String
    public var sql: String
    public var type: ValueType

    public init(_ firn: String, _ sql: String? = nil, _ type: ValueType) {
        self.firn = firn
        self.sql = sql ?? firn
        self.type = type
    }
}

/// Draws typed scalar expressions over columns of every type, two or more of each.
public struct RandomExpressions {
    /// The columns.
    public static let inputs: [ColumnDefinition] = [
        .init("i1", .int64), .init("i2", .int64), .init("f1", .float64), .init("f2", .float64), .init("s1", .string),
        .init("s2", .string), .init("b1", .bool), .init("b2", .bool), .init("t1", .timestamp), .init("t2", .timestamp),
        .init("d1", .date), .init("d2", .date), .init("n1", .decimal(precision: 12, scale: 2)),
        .init("n2", .decimal(precision: 12, scale: 2)), .init("m1", .decimal(precision: 38, scale: 10)),
        .init("w1", .decimal(precision: 20, scale: 0)), .init("li1", .list(.int64)), .init("li2", .list(.int64)),
        .init("lf1", .list(.float64)), .init("lf2", .list(.float64)), .init("ls1", .list(.string)),
        .init("ls2", .list(.string)), .init("v1", .vector(3)), .init("v2", .vector(3)),
    ]
    /// The types that are drawn, all of which have an order; one of decimals stands for all of them.
    public static let types: [ValueType] = singles + [.list(.int64), .list(.float64), .list(.string)]
    /// Those of single values.
    public static let singles: [ValueType] = ValueType.plain + [someDecimal]
    private static let someDecimal = ValueType.decimal(precision: 38, scale: 0)

    public var random: Randomness
    /// What Firn calls a column: `request.i1` over a spine, `i1` inside an aggregate.
    let prefix: String
    /// Whether `as_of` may be read.
    let hasInstant: Bool

    public init(seed: UInt64, prefix: String, hasInstant: Bool) {
        self.init(Randomness(seed: seed), prefix: prefix, hasInstant: hasInstant)
    }

    public init(_ random: Randomness, prefix: String, hasInstant: Bool) {
        self.random = random
        self.prefix = prefix
        self.hasInstant = hasInstant
    }

    /// What `Randomness.fault` tells of a hundred expressions over `request.`.
    public static func fault(
        seed: UInt64, _ draw: (inout RandomExpressions, Int) -> JudgedExpression,
        mismatch: ([JudgedExpression]) throws -> (index: Int, text: String)?
    ) -> String? {
        Randomness.fault(
            seed: seed, count: 100,
            { random, index in
                var expressions = RandomExpressions(random, prefix: "request.", hasInstant: true)
                defer { random = expressions.random }
                return draw(&expressions, index)
            }, mismatch: mismatch)
    }

    public mutating func draw(_ type: ValueType, depth: Int) -> JudgedExpression {
        if depth <= 0 || random.chance(12) { return leaf(type) }
        if random.chance(22) { return choice(type, depth - 1) }
        switch type {
        case .int64: return integer(depth - 1)
        case .float64: return float(depth - 1)
        case .string: return text(depth - 1)
        case .bool: return truth(depth - 1)
        case .timestamp: return time(depth - 1)
        case .date: return date(depth - 1)
        case .decimal: return decimal(depth - 1)
        case .list: return list(type, depth - 1)
        case .vector: return vector(depth - 1)
        }
    }

    public mutating func anyType() -> ValueType { random.pick(RandomExpressions.types) }
    public mutating func anySingle() -> ValueType { random.pick(RandomExpressions.singles) }

    // MARK: Leaves

    private mutating func leaf(_ type: ValueType) -> JudgedExpression {
        if type == .timestamp, hasInstant, random.chance(20) { return JudgedExpression("as_of", nil, .timestamp) }
        if random.chance(65) {
            let column = random.pick(RandomExpressions.inputs.filter { $0.type.isLike(type) })
            return JudgedExpression(prefix + column.name, column.name, column.type)
        }
        switch type {
        case .int64:
            let value = random.pick([
                "0", "1", "2", "-3", "10", "9223372036854775807", "-9223372036854775808", "3000000000",
            ])
            return JudgedExpression("(\(value))", "'\(value)'::bigint", .int64)
        case .float64:
            let value = random.pick(["0.0", "-0.0", "0.5", "1.5", "-2.5", "1e300", "1e-300", "0.1", ".25", "1e15"])
            return random.chance(15)
                ? JudgedExpression("\(random.pick(["'NaN'", "'inf'", "'-Infinity'"]))::float8", nil, .float64)
                : JudgedExpression("(\(value))", "'\(value)'::float8", .float64)
        case .string:
            return JudgedExpression(
                "\(random.pick(["''", "'a'", "'It''s'", "'é日'", "'12'", "'-7.5'", "'true'"]))::text", nil, .string)
        case .bool: return JudgedExpression(random.pick(["true", "false", "null::bool"]), nil, .bool)
        case .list(let element):
            let sql = element == .int64 ? "bigint" : element == .float64 ? "float8" : "text"
            let (json, array) = random.pick([("[]", "{}"), ("[1,null,2]", "{1,null,2}"), ("[\"12\"]", "{12}")])
            return JudgedExpression(
                element == .string && json.contains("1,") ? "null::list(string)" : "'\(json)'::\(type.rawValue)",
                element == .string && json.contains("1,") ? "null::text[]" : "'\(array)'::\(sql)[]", type)
        case .vector:
            return JudgedExpression("'[1,-0.5,1e3]'::vector(3)", "'{1,-0.5,1e3}'::real[]", type)
        case .date:
            return JudgedExpression(
                "date '\(random.pick(["2024-02-29", "1969-12-31", "2000-01-01", "0001-01-01", "9999-12-31"]))'", nil,
                .date)
        case .decimal:
            let (digits, precision, scale) = random.pick([
                ("0", 5, 0), ("19.90", 12, 2), ("-0.005", 38, 3), ("2.5", 2, 1), ("99999999999999999999", 20, 0),
                ("0.00000000000000000001", 38, 20),
            ])
            return JudgedExpression(
                "'\(digits)'::decimal(\(precision), \(scale))", "'\(digits)'::numeric(\(precision), \(scale))",
                .decimal(precision: precision, scale: scale))
        case .timestamp:
            return JudgedExpression(
                "'\(random.pick(["2024-02-29 12:34:56.789012", "1969-12-31T23:59:59.999999Z", "2000-01-01", "0001-01-01 00:00:00+02:30", "9999-12-31 23:59:59"]))'::timestamptz",
                nil, .timestamp)
        }
    }

    private mutating func literal(of type: ValueType) -> String {
        switch type {
        case .int64: random.pick(["7", "'7'", "null"])
        case .float64: random.pick(["'0.5'", "null", "'NaN'"])
        case .string: random.pick(["'a'", "'abc'", "null"])
        case .bool: random.pick(["true", "'f'", "null"])
        case .timestamp, .date: random.pick(["'2024-02-29'", "null"])
        case .decimal, .list, .vector: "null"
        }
    }

    // MARK: Every type

    /// `case`, `coalesce`, `nullif`, `greatest`, `least`: sometimes with a literal that takes its type from the others.
    private mutating func choice(_ type: ValueType, _ depth: Int) -> JudgedExpression {
        if type == .float64, random.chance(10) {
            // The int64 beside a float64 becomes one, in the result too.
            let a = draw(.int64, depth: depth), b = draw(.float64, depth: depth)
            return JudgedExpression("nullif(\(a.firn), \(b.firn))", "nullif(\(a.sql), \(b.sql))", .float64)
        }
        if type.isLike(RandomExpressions.someDecimal) { return decimalChoice(depth) }
        if case .vector = type { return vector(depth) }
        let a = draw(type, depth: depth), b = draw(type, depth: depth)
        let plain = literal(of: type)
        let isPlain = random.chance(25)
        let second = isPlain ? JudgedExpression(plain, nil, type) : b
        switch random.pick(["case", "case", "simple case", "coalesce", "nullif", "greatest", "least"]) {
        case "case":
            let when = draw(.bool, depth: depth)
            let otherwise = random.chance(30) ? ("", "") : (" else \(second.firn)", " else \(second.sql)")
            return JudgedExpression(
                "case when \(when.firn) then \(a.firn)\(otherwise.0) end",
                "case when \(when.sql) then \(a.sql)\(otherwise.1) end", type)
        case "simple case":
            let subjectType = anyType()
            let subject = draw(subjectType, depth: depth), match = draw(subjectType, depth: depth)
            return JudgedExpression(
                "case \(subject.firn) when \(match.firn) then \(a.firn) else \(b.firn) end",
                "case \(subject.sql) when \(match.sql) then \(a.sql) else \(b.sql) end", type)
        case let name:
            return JudgedExpression("\(name)(\(a.firn), \(second.firn))", "\(name)(\(a.sql), \(second.sql))", type)
        }
    }

    /// The same of decimals, which come to the larger scale; one that doesn't fit there is NULL.
    private mutating func decimalChoice(_ depth: Int) -> JudgedExpression {
        let a = draw(RandomExpressions.someDecimal, depth: depth), b = draw(RandomExpressions.someDecimal, depth: depth)
        let type = a.type == b.type ? a.type : .decimal(precision: 38, scale: max(a.type.scale, b.type.scale))
        let (x, y) = a.type == b.type ? (a.sql, b.sql) : (fitted(a.sql, type.scale), fitted(b.sql, type.scale))
        let name = random.pick(["case", "coalesce", "nullif", "greatest", "least"])
        if name != "case" {
            return JudgedExpression("\(name)(\(a.firn), \(b.firn))", "\(name)(\(x), \(y))", type)
        }
        let when = draw(.bool, depth: depth)
        return JudgedExpression(
            "case when \(when.firn) then \(a.firn) else \(b.firn) end", "case when \(when.sql) then \(x) else \(y) end",
            type)
    }

    // MARK: Numbers

    /// A numeric with so many digits after its point; NULL if it has more than 38 in all.
    private func fitted(_ sql: String, _ scale: Int) -> String { "judge.fitting((\(sql))::numeric, 38, \(scale))" }

    private mutating func decimal(_ depth: Int) -> JudgedExpression {
        let a = draw(RandomExpressions.someDecimal, depth: depth)
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5:
            var sides = [a, operand(depth)]
            if random.chance(50) { sides.swapAt(0, 1) }
            let scales = sides.map(\.type.scale), sum = scales[0] + scales[1]
            let symbol = random.pick(["+", "-", "*", "*", "%"]), isProduct = symbol == "*" && sum <= 38
            let shown = symbol == "*" && !isProduct ? "+" : symbol
            let scale = isProduct ? sum : scales.max()!
            let (x, y) = ("(\(sides[0].sql))::numeric", "(\(sides[1].sql))::numeric")
            return JudgedExpression(
                "(\(sides[0].firn) \(shown) \(sides[1].firn))",
                fitted(shown == "%" ? "judge.mod(\(x), \(y))" : "\(x) \(shown) \(y)", scale),
                .decimal(precision: 38, scale: scale))
        case 5:
            return random.chance(50)
                ? JudgedExpression("(- \(a.firn))", "(- (\(a.sql)))", a.type)
                : JudgedExpression("abs(\(a.firn))", "abs(\(a.sql))", a.type)
        case 6:
            let name = random.pick(["round", "floor", "ceil", "ceiling", "trunc", "sign"])
            return JudgedExpression(
                "\(name)(\(a.firn))", fitted("\(name)(\(a.sql))", 0), .decimal(precision: 38, scale: 0))
        case 7:
            let name = random.pick(["round", "trunc"]), digits = Int.random(in: -3...12, using: &random)
            return JudgedExpression(
                "\(name)(\(a.firn), \(digits))", fitted("\(name)(\(a.sql), \(digits))", max(0, digits)),
                .decimal(precision: 38, scale: max(0, digits)))
        default:
            let (precision, scale) = random.pick([(12, 2), (38, 0), (5, 5), (38, 20), (3, 1)])
            let x = random.chance(40) ? a : draw(random.pick([.int64, .float64, .string]), depth: depth)
            let digits = x.type == .float64 ? "(\(x.sql))::text" : x.sql
            return JudgedExpression(
                "(\(x.firn))::\(random.pick(["decimal", "numeric"]))(\(precision), \(scale))",
                "judge.to_decimal((\(digits))::text, \(precision), \(scale))",
                .decimal(precision: precision, scale: scale))
        }
    }

    /// What goes with a decimal: one, an int64, or a literal with a point.
    private mutating func operand(_ depth: Int) -> JudgedExpression {
        if random.chance(20) {
            let (digits, scale) = random.pick([("1.5", 1), ("-0.25", 2), ("100.0", 1), (".001", 3)])
            return JudgedExpression(
                digits.hasPrefix("-") ? "(\(digits))" : digits, "'\(digits)'::numeric",
                .decimal(precision: 38, scale: scale))
        }
        return draw(random.chance(25) ? .int64 : RandomExpressions.someDecimal, depth: depth)
    }

    private mutating func integer(_ depth: Int) -> JudgedExpression {
        switch Int.random(in: 0..<15, using: &random) {
        case 12:
            let (a, value) = search(depth)
            return random.chance(50)
                ? JudgedExpression("cardinality(\(a.firn))", "cardinality(\(a.sql))::bigint", .int64)
                : JudgedExpression(
                    "array_position(\(a.firn), \(value.firn))", "array_position(\(a.sql), \(value.sql))::bigint", .int64
                )
        case 13, 14: return element(.list(.int64), depth)
        case 10:
            let a = draw(.date, depth: depth), b = draw(.date, depth: depth)
            return JudgedExpression("(\(a.firn) - \(b.firn))", "(\(a.sql) - \(b.sql))::bigint", .int64)
        case 11:
            let a = draw(RandomExpressions.someDecimal, depth: depth)
            return JudgedExpression("\(a.firn)::int64", "judge.to_bigint(\(a.sql))", .int64)
        case 0..<5:
            let (symbol, name) = random.pick([("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "div"), ("%", "mod")])
            let a = draw(.int64, depth: depth), b = draw(.int64, depth: depth)
            return JudgedExpression("(\(a.firn) \(symbol) \(b.firn))", "judge.\(name)(\(a.sql), \(b.sql))", .int64)
        case 5:
            let a = draw(.int64, depth: depth)
            return random.chance(50)
                ? JudgedExpression("(- \(a.firn))", "judge.neg(\(a.sql))", .int64)
                : JudgedExpression("abs(\(a.firn))", "judge.abs(\(a.sql))", .int64)
        case 6:
            let a = draw(.string, depth: depth)
            return JudgedExpression("length(\(a.firn))", "length(\(a.sql))::bigint", .int64)
        case 7:
            let a = draw(.float64, depth: depth)
            return JudgedExpression("\(a.firn)::int64", "judge.to_bigint(\(a.sql))", .int64)
        case 8:
            let a = draw(.string, depth: depth)
            return JudgedExpression("cast(\(a.firn) as bigint)", "judge.to_bigint(\(a.sql))", .int64)
        default:
            let a = draw(.bool, depth: depth)
            return JudgedExpression("(\(a.firn))::int8", "(\(a.sql))::int::bigint", .int64)
        }
    }

    private mutating func float(_ depth: Int) -> JudgedExpression {
        switch Int.random(in: 0..<20, using: &random) {
        case 16: return element(.list(.float64), depth)
        case 17: return element(.vector(3), depth)
        case 18, 19:
            let name = random.pick(["dot_product", "cosine_similarity", "l2_distance"])
            let a = draw(.vector(3), depth: depth), b = draw(.vector(3), depth: depth)
            return JudgedExpression(
                "\(name)(\(a.firn), \(b.firn))", "judge.\(name)(\(a.sql), \(b.sql))", .float64)
        case 12:
            let a = draw(RandomExpressions.someDecimal, depth: depth), b = operand(depth)
            return JudgedExpression(
                "(\(a.firn) / \(b.firn))", "judge.quotient((\(a.sql))::numeric, (\(b.sql))::numeric)", .float64)
        case 13:
            let a = draw(RandomExpressions.someDecimal, depth: depth)
            return random.chance(50)
                ? JudgedExpression("\(a.firn)::float64", "(\(a.sql))::float8", .float64)
                : JudgedExpression("sqrt(\(a.firn))", "judge.sqrt((\(a.sql))::float8)", .float64)
        case 14, 15:
            let field = random.pick([
                "year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "epoch",
            ])
            let a = draw(.date, depth: depth)
            return JudgedExpression(
                "extract(\(field) from \(a.firn))", "extract(\(field) from \(a.sql))::float8", .float64)
        case 0..<5:
            let (symbol, name) = random.pick([("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "div")])
            // One side may be an int64 or a decimal, which becomes a float64.
            var sides = [
                draw(.float64, depth: depth),
                draw(
                    random.chance(60) ? .float64 : random.pick([.int64, RandomExpressions.someDecimal]), depth: depth),
            ]
            sides[0] = beside(sides[1].type, sides[0])
            if random.chance(50) { sides.swapAt(0, 1) }
            return JudgedExpression(
                "(\(sides[0].firn) \(symbol) \(sides[1].firn))",
                "judge.\(name)((\(sides[0].sql))::float8, (\(sides[1].sql))::float8)", .float64)
        case 5:
            let a = draw(.float64, depth: depth)
            return random.chance(50)
                ? JudgedExpression("(- \(a.firn))", "(- (\(a.sql)))", .float64)
                : JudgedExpression("abs(\(a.firn))", "abs(\(a.sql))", .float64)
        case 6, 7:
            let name = random.pick(["round", "floor", "ceil", "ceiling", "trunc", "sign", "sqrt"])
            let a = draw(random.chance(25) ? .int64 : .float64, depth: depth)
            return JudgedExpression(
                "\(name)(\(a.firn))", "\(name == "sqrt" ? "judge.sqrt" : name)((\(a.sql))::float8)", .float64)
        case 8:
            let field = random.pick([
                "year", "quarter", "month", "week", "day", "dow", "isodow", "doy", "hour", "minute", "second", "epoch",
            ])
            let a = draw(.timestamp, depth: depth)
            return JudgedExpression(
                "extract(\(field) from \(a.firn))", "extract(\(field) from \(a.sql))::float8", .float64)
        case 9:
            let a = draw(.timestamp, depth: depth), b = draw(.timestamp, depth: depth)
            return JudgedExpression(
                "(\(a.firn) - \(b.firn))", "extract(epoch from (\(a.sql) - \(b.sql)))::float8", .float64)
        case 10:
            let a = draw(.string, depth: depth)
            return JudgedExpression("\(a.firn)::double precision", "judge.to_float(\(a.sql))", .float64)
        default:
            let a = draw(.int64, depth: depth)
            return JudgedExpression("\(a.firn)::float64", "(\(a.sql))::float8", .float64)
        }
    }

    /// `ln log exp power` of some expression: PostgreSQL's C library may differ in the last bits, so nothing is built
    /// on them.
    public mutating func elementary(depth: Int) -> JudgedExpression {
        let name = random.pick(["ln", "log", "exp", "power"])
        let a = draw(random.chance(20) ? .int64 : .float64, depth: depth)
        if name != "power" {
            return JudgedExpression("\(name)(\(a.firn))", "judge.\(name)((\(a.sql))::float8)", .float64)
        }
        let b = draw(random.chance(30) ? .int64 : .float64, depth: depth)
        return JudgedExpression(
            "power(\(a.firn), \(b.firn))", "judge.power((\(a.sql))::float8, (\(b.sql))::float8)", .float64)
    }

    // MARK: Texts and times

    private mutating func text(_ depth: Int) -> JudgedExpression {
        switch Int.random(in: 0..<9, using: &random) {
        case 8: return element(.list(.string), depth)
        case 0, 1:
            let a = draw(.string, depth: depth), b = draw(random.chance(60) ? .string : anySingle(), depth: depth)
            return JudgedExpression("(\(a.firn) || \(b.firn))", "(\(a.sql) || \(b.sql))", .string)
        case 2:
            let a = draw(anySingle(), depth: depth), b = draw(anySingle(), depth: depth)
            return JudgedExpression("concat(\(a.firn), \(b.firn), null)", "concat(\(a.sql), \(b.sql), null)", .string)
        case 3:
            let name = random.pick(["lower", "upper"]), a = draw(.string, depth: depth)
            return JudgedExpression("\(name)(\(a.firn))", "\(name)((\(a.sql)) collate \"C\")", .string)
        case 4, 5:
            let a = draw(.string, depth: depth), from = Int.random(in: -2...4, using: &random),
                count = Int.random(in: -1...4, using: &random)
            if random.chance(40) {
                return JudgedExpression("substring(\(a.firn), \(from))", "substring(\(a.sql), \(from))", .string)
            }
            return JudgedExpression(
                "substring(\(a.firn) from \(from) for \(count))", "judge.substring(\(a.sql), \(from), \(count))",
                .string)
        default:
            let a = draw(anySingle(), depth: depth)
            return JudgedExpression(
                "(\(a.firn))::\(random.pick(["text", "string", "varchar"]))", "(\(a.sql))::text", .string)
        }
    }

    private mutating func time(_ depth: Int) -> JudgedExpression {
        if random.chance(20) {
            let day = draw(.date, depth: depth)
            return random.chance(50)
                ? JudgedExpression("(\(day.firn))::timestamp", "(\(day.sql))::timestamptz", .timestamp)
                : JudgedExpression(
                    "(\(day.firn) + interval '36 h')", "judge.plus((\(day.sql))::timestamptz, interval '36 h')",
                    .timestamp)
        }
        let a = random.chance(20) ? dated(draw(.date, depth: depth)) : draw(.timestamp, depth: depth)
        if random.chance(10), a.type == .timestamp {
            return JudgedExpression("(\(a.firn))::text::timestamp", "(\(a.sql))::text::timestamptz", .timestamp)
        }
        if random.chance(50) {
            let unit = random.pick([
                "year", "quarter", "month", "week", "day", "hour", "minute", "second", "milliseconds", "microseconds",
            ])
            return JudgedExpression(
                "date_trunc('\(unit)', \(a.firn))", "judge.date_trunc('\(unit)', \(a.sql))", .timestamp)
        }
        let span = random.pick([
            "1 day", "2 weeks", "90 minutes", "1 day 02:30:00", "-3 hours", "1500 ms", "36 h", "1 us", "0.5 s",
        ])
        let symbol = random.pick(["+", "-"])
        return JudgedExpression(
            "(\(a.firn) \(symbol) interval '\(span)')",
            "judge.plus(\(a.sql), \(symbol == "-" ? "-" : "") interval '\(span)')", .timestamp)
    }

    /// A date where a timestamp is wanted: `date_trunc` and intervals take it for its midnight.
    private func dated(_ day: JudgedExpression) -> JudgedExpression {
        JudgedExpression(day.firn, "(\(day.sql))::timestamptz", .date)
    }

    private mutating func date(_ depth: Int) -> JudgedExpression {
        let a = draw(.date, depth: depth)
        switch Int.random(in: 0..<6, using: &random) {
        case 0..<3:
            let days = draw(.int64, depth: depth), symbol = random.pick(["+", "-"])
            return symbol == "+" && random.chance(30)
                ? JudgedExpression("(\(days.firn) + \(a.firn))", "judge.moved(\(a.sql), (\(days.sql))::numeric)", .date)
                : JudgedExpression(
                    "(\(a.firn) \(symbol) \(days.firn))", "judge.moved(\(a.sql), \(symbol)(\(days.sql))::numeric)",
                    .date)
        case 3: return JudgedExpression("(\(a.firn))::text::date", "(\(a.sql))::text::date", .date)
        default:
            let time = draw(.timestamp, depth: depth)
            return JudgedExpression("(\(time.firn))::date", "(\(time.sql))::date", .date)
        }
    }

    // MARK: Lists and vectors

    /// A list, and a value that may be in it.
    private mutating func search(_ depth: Int) -> (list: JudgedExpression, value: JudgedExpression) {
        let type = random.pick(RandomExpressions.types.filter { $0.layout == .packed })
        guard case .list(let element) = type else { preconditionFailure("a list is wanted") }
        return (draw(type, depth: depth), draw(element.type, depth: depth))
    }

    private mutating func element(_ type: ValueType, _ depth: Int) -> JudgedExpression {
        let a = draw(type, depth: depth)
        let place =
            random.chance(70)
            ? JudgedExpression("\(Int.random(in: 1...3, using: &random))", nil, .int64) : draw(.int64, depth: depth)
        let value: ValueType = if case .list(let element) = type { element.type } else { .float64 }
        return JudgedExpression(
            "(\(a.firn))[\(place.firn)]",
            "judge.element(\(a.sql), \(place.sql))\(value == .float64 ? "::float8" : "")", value)
    }

    private mutating func list(_ type: ValueType, _ depth: Int) -> JudgedExpression {
        guard case .list(let element) = type else { preconditionFailure("a list is wanted") }
        let a = draw(type, depth: depth)
        switch (Int.random(in: 0..<6, using: &random), element) {
        case (0, .int64):
            let b = draw(.list(.float64), depth: depth)
            return JudgedExpression("(\(b.firn))::list(int64)", "judge.to_bigints(\(b.sql))", type)
        case (0, .float64):
            let b = draw(.list(.int64), depth: depth), v = vector(depth)
            return random.chance(50)
                ? JudgedExpression("(\(b.firn))::double precision[]", "(\(b.sql))::float8[]", type)
                : JudgedExpression("(\(v.firn))::list(float64)", "(\(v.sql))::float8[]", type)
        case (0, _):
            let b = draw(.list(.int64), depth: depth)
            return JudgedExpression("(\(b.firn))::list(string)", "(\(b.sql))::text[]", type)
        case (1, _), (2, _):
            let value = draw(element.type, depth: depth)
            return random.chance(50)
                ? JudgedExpression("(\(value.firn) || \(a.firn))", "(\(value.sql) || \(a.sql))", type)
                : JudgedExpression("(\(a.firn) || \(value.firn))", "(\(a.sql) || \(value.sql))", type)
        default:
            let b = draw(type, depth: depth)
            return JudgedExpression("(\(a.firn) || \(b.firn))", "(\(a.sql) || \(b.sql))", type)
        }
    }

    private mutating func vector(_ depth: Int) -> JudgedExpression {
        let a = draw(.vector(3), depth: depth), b = draw(.vector(3), depth: depth)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: return JudgedExpression("coalesce(\(a.firn), \(b.firn))", "coalesce(\(a.sql), \(b.sql))", a.type)
        case 1:
            let when = draw(.bool, depth: depth)
            return JudgedExpression(
                "case when \(when.firn) then \(a.firn) else \(b.firn) end",
                "case when \(when.sql) then \(a.sql) else \(b.sql) end", a.type)
        default:
            let list = draw(random.pick([.list(.float64), .list(.int64)]), depth: depth)
            return JudgedExpression(
                "(\(list.firn))::vector(3)", "judge.to_vector((\(list.sql))::float8[], 3)", a.type)
        }
    }

    // MARK: Truth

    private mutating func truth(_ depth: Int) -> JudgedExpression {
        switch Int.random(in: 0..<13, using: &random) {
        case 12:
            let (a, value) = search(depth)
            return JudgedExpression(
                "(\(value.firn) = any (\(a.firn)))", "(\(value.sql) = any (\(a.sql)))", .bool)
        case 0..<4:
            let symbol = random.pick(["=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"])
            let (a, b) = pair(depth)
            return JudgedExpression("(\(a.firn) \(symbol) \(b.firn))", "(\(a.sql) \(symbol) \(b.sql))", .bool)
        case 4, 5:
            let symbol = random.pick(["and", "or"]), a = draw(.bool, depth: depth), b = draw(.bool, depth: depth)
            return JudgedExpression("(\(a.firn) \(symbol) \(b.firn))", "(\(a.sql) \(symbol) \(b.sql))", .bool)
        case 6:
            let a = draw(.bool, depth: depth)
            return JudgedExpression("(not \(a.firn))", "(not \(a.sql))", .bool)
        case 7:
            let test = random.pick(["is null", "is not null"]), a = draw(anyType(), depth: depth)
            return JudgedExpression("(\(a.firn) \(test))", "(\(a.sql) \(test))", .bool)
        case 8:
            let test = random.pick(["is true", "is not true", "is false", "is not false"]),
                a = draw(.bool, depth: depth)
            return JudgedExpression("(\(a.firn) \(test))", "(\(a.sql) \(test))", .bool)
        case 9:
            let negation = random.pick(["", "not "]), (a, b) = pair(depth)
            let c = beside(
                RandomExpressions.someDecimal,
                draw(
                    a.type.isNumber ? random.pick([.int64, .float64, RandomExpressions.someDecimal]) : b.type,
                    depth: depth))
            return JudgedExpression(
                "(\(a.firn) \(negation)between \(b.firn) and \(c.firn))",
                "(\(a.sql) \(negation)between \(b.sql) and \(c.sql))", .bool)
        case 10:
            let negation = random.pick(["", "not "]), (a, b) = pair(depth)
            let plain = literal(of: a.type)
            return JudgedExpression(
                "(\(a.firn) \(negation)in (\(b.firn), \(plain)))", "(\(a.sql) \(negation)in (\(b.sql), \(plain)))",
                .bool)
        default:
            let a = draw(.string, depth: depth)
            let pattern = random.pick([
                "'%'", "'_%'", "'a%'", "'%a%'", "'_'", "''", "'a\\_b'", "'\\%'", "'%b_c%'", "'%\\_%'", "'é%'", "'a\\'",
                "'%\\'", "'_%\\'", "'%b\\'",
            ])
            let b = random.chance(60) ? JudgedExpression(pattern, nil, .string) : draw(.string, depth: 0)
            let negation = random.pick(["", "not "])
            return JudgedExpression(
                "(\(a.firn) \(negation)like \(b.firn))", "(\(negation)judge.matches(\(a.sql), \(b.sql)))", .bool)
        }
    }

    /// Two that may be compared: of one type, two numbers, or a date beside a timestamp.
    private mutating func pair(_ depth: Int) -> (JudgedExpression, JudgedExpression) {
        let type = anyType()
        var other = type
        if random.chance(30) {
            if type.isNumber { other = random.pick([.int64, .float64, RandomExpressions.someDecimal]) }
            if type.isTime { other = random.pick([.date, .timestamp]) }
        }
        return (beside(other, draw(type, depth: depth)), beside(type, draw(other, depth: depth)))
    }

    /// A float64 next to a decimal with its type spelled out: a bare literal would be a decimal of its digits.
    private func beside(_ other: ValueType, _ x: JudgedExpression) -> JudgedExpression {
        guard x.type == .float64, other.isLike(RandomExpressions.someDecimal) else { return x }
        return JudgedExpression("(\(x.firn))::float8", x.sql, .float64)
    }

    // MARK: Without parentheses

    /// Operators in a row, where only their precedence says what belongs together. Small numbers: nothing overflows or
    /// divides by zero.
    public mutating func flat() -> JudgedExpression {
        var text = ""
        for index in 0..<Int.random(in: 1...4, using: &random) {
            if index > 0 { text += random.pick([" and ", " or "]) }
            if random.chance(30) { text += "not " }
            let test = random.pick([
                "=", "<>", "<", ">=", "between", "in", "is null", "is distinct from", "is", "= not",
            ])
            text += sum()
            switch test {
            case "between": text += " between \(sum()) and \(sum())"
            case "in": text += " in (\(sum()), \(sum()))"
            case "is null":
                text += random.pick([
                    " is null", " is not null", " * 2 > 3 is not true", " > 1 is null", " is null = true",
                    " > 2 is unknown <> false",
                ])
            case "= not": text += " > 1 and true = not \(sum()) > 3"
            case "is": text += " < \(sum()) is \(random.pick(["", "not "]))\(random.pick(["true", "false", "null"]))"
            default: text += " \(test) \(sum())"
            }
        }
        return JudgedExpression(text, nil, .bool)
    }

    private mutating func sum() -> String {
        var text = ""
        for index in 0..<Int.random(in: 1...4, using: &random) {
            if index > 0 { text += random.pick([" + ", " - ", " * ", " / ", " % "]) }
            text +=
                random.pick(["", "", "", "- ", "+ "]) + "\(Int.random(in: 1...9, using: &random))"
                + random.pick(["", "", "::bigint", "::float8::int8"])
        }
        return text
    }
}

extension ValueType {
    /// Whether it is this type, or a decimal as well.
    fileprivate func isLike(_ other: ValueType) -> Bool {
        self == other || layout == .wides && other.layout == .wides
    }
}
