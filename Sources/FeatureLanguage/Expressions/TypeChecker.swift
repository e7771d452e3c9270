/// Gives every part of a parsed expression its type, or says what is wrong and where.
///
/// Quoted literals and NULL start without a type and take that of what they appear next to, as in PostgreSQL. An int64
/// or decimal next to a float64 becomes a float64, an int64 next to a decimal a decimal, and a date next to a timestamp
/// its midnight.
struct TypeChecker {
    /// What the expression may name.
    struct Scope {
        /// The types of the source's columns by name; nil if the feature has no source.
        var columns: [String: ValueType]?
        var source: String?
        var requests: [String: ValueType]
        /// The type of a feature that may be referred to; throws a message with advice otherwise.
        var feature: (VersionedName) throws(ReferenceFault) -> ValueType
        var isLabel: Bool
    }

    /// Why a feature can't be referred to.
    struct ReferenceFault: Error {
        var message: String
        var advice: String?
    }

    /// An expression being checked: it has no type while it is a bare NULL or a quoted literal.
    enum Typed {
        case known(Expression)
        case unknown(String?)
        case span(TimeSpan)
        /// A number with a point, and whether a minus precedes it: a float64 unless it stands next to a decimal.
        case digits(Double, DecimalDigits, isNegated: Bool)

        /// The type that it has wherever it stands; nil if that depends.
        var type: ValueType? { if case .known(let expression) = self { expression.type } else { nil } }
    }

    let scope: Scope
    private var isInsideAggregate = false

    static func check(_ node: Syntax.Node, in scope: Scope) throws(SyntaxError) -> Expression {
        var checker = TypeChecker(scope: scope)
        let typed = try checker.typed(node)
        if case .unknown(nil) = typed {
            throw SyntaxError(
                offset: node.offset, message: "a bare null has no type",
                advice: "write null::float64, or the type you mean")
        }
        return try checker.resolve(typed, as: nil, node)
    }

    private init(scope: Scope) {
        self.scope = scope
    }

    // MARK: Resolution

    /// The expression with a type: a literal without one gets `type`, or string if nothing is asked for.
    func resolve(_ typed: Typed, as type: ValueType?, _ node: Syntax.Node) throws(SyntaxError) -> Expression {
        switch typed {
        case .known(let expression): return expression
        case .unknown(nil): return .literal(.null, type ?? .string)
        case .unknown(let text?):
            let type = type ?? .string
            guard let literal = Literal(text: text, as: type) else {
                throw SyntaxError(
                    offset: node.offset, message: "'\(text.prefix(40))' is not \(type.phrase)",
                    advice: type.rules.literalAdvice)
            }
            return .literal(literal, type)
        case .digits(let value, let digits, let isNegated):
            var literal = Expression.literal(.float64(value), .float64)
            if case .decimal? = type, let decimal = TypeChecker.decimal(digits) {
                literal = .literal(.decimal(decimal), decimal.type)
            }
            return isNegated ? .call(.negate, [literal], literal.type) : literal
        case .span:
            throw SyntaxError(
                offset: node.offset, message: "an interval can only be added to or taken from a timestamp",
                advice: "as in as_of - interval '1 day'; for seconds write a number")
        }
    }

    /// How two types that don't go together can be made to: by a cast that exists.
    static func advice(mixing one: ValueType, _ other: ValueType) -> String {
        let pair: Set<ValueType> = [one, other]
        if let packed = pair.first(where: \.isPacked) {
            return one.isPacked && other.isPacked && one.isOrdered == other.isOrdered
                ? one.isOrdered ? "cast one of them: …::\(one.rawValue)" : "vectors go with vectors of the same length"
                : "take an element of the \(packed.isOrdered ? "list" : "vector"): x[1]"
        }
        if let time = [one, other].first(where: \.isTime), !pair.contains(.string) {
            return "a \(time.rawValue) goes with \(time.rawValue)s ('2024-05-01') and intervals (+ interval '1 day')"
        }
        if pair.contains(.bool), pair.contains(where: { $0.layout == .wides }) {
            return "write case when … then 1 else 0 end"
        }
        if pair == [.bool, .float64] { return "write case when … then 1.0 else 0.0 end" }
        // The string or bool is cast to the other type.
        let weak: ValueType = pair.contains(.string) ? .string : .bool
        return "cast the \(weak.rawValue): …::\((one == weak ? other : one).rawValue)"
    }

    /// Gives all parts one type: the only one there is, or the one that holds the values of all.
    ///
    /// - Parameter rescales: whether decimals all get the common scale too; if not, each keeps its own.
    func unify(_ typed: [Typed], _ nodes: [Syntax.Node], _ what: String, rescales: Bool = true)
        throws(SyntaxError) -> [Expression]
    {
        let isDecimal = typed.contains { $0.type?.layout == .wides } && !typed.contains { $0.type == .float64 }
        var common: ValueType?
        for (part, node) in zip(typed, nodes) {
            let type: ValueType
            switch part {
            case .known(let expression): type = expression.type
            case .digits(_, let digits, _):
                type =
                    isDecimal ? TypeChecker.decimal(digits)?.type ?? .float64 : .float64
            case .unknown, .span: continue
            }
            guard let joined = common.map({ TypeChecker.join($0, type) }) ?? type else {
                throw SyntaxError(
                    offset: node.offset, message: "\(what) mixes \(common!.rawValue) and \(type.rawValue)",
                    advice: TypeChecker.advice(mixing: common!, type))
            }
            common = joined
        }
        var result: [Expression] = []
        for (part, node) in zip(typed, nodes) {
            let expression = try resolve(part, as: common, node)
            if !rescales, expression.type.layout == .wides, common?.layout == .wides {
                result.append(expression)
            } else if !rescales, expression.type == .int64, common?.layout == .wides {
                result.append(.call(.cast, [expression], .decimal(precision: 19, scale: 0)))
            } else {
                result.append(convert(expression, to: common ?? .string))
            }
        }
        return result
    }

    /// The type that holds the values of both; nil if they don't go together.
    private static func join(_ one: ValueType, _ other: ValueType) -> ValueType? {
        if one == other { return one }
        if one.isTime, other.isTime { return .timestamp }
        guard one.isNumber, other.isNumber else { return nil }
        if one == .float64 || other == .float64 { return .float64 }
        return .decimal(precision: DecimalValue.maximumPrecision, scale: max(one.scale, other.scale))
    }

    /// The decimal that has these digits; nil if there are too many.
    private static func decimal(_ digits: DecimalDigits) -> DecimalValue? {
        let scale = max(0, digits.scale), precision = max(1, digits.digits.count - min(0, digits.scale), scale)
        return precision <= DecimalValue.maximumPrecision ? DecimalValue(digits, precision, scale) : nil
    }

    /// The implicit conversion to the type of what it stands next to.
    func convert(_ expression: Expression, to type: ValueType) -> Expression {
        let from = expression.type
        let converts =
            switch type {
            case .float64: from.isNumber && from != type
            case .decimal: from == .int64 || from.layout == .wides && from != type
            case .timestamp: from == .date
            case .bool, .int64, .string, .date, .list, .vector: false
            }
        return converts ? .call(.cast, [expression], type) : expression
    }

    mutating func expect(_ node: Syntax.Node, _ type: ValueType, _ what: String) throws(SyntaxError)
        -> Expression
    {
        let expression = convert(try resolve(try typed(node), as: type, node), to: type)
        guard expression.type == type else {
            let advice: String? =
                type == .bool
                ? "compare it with something, as in … > 0"
                : type != .string
                    ? nil : expression.type.isPacked ? expression.type.rules.numberAdvice : "cast it: …::string"
            throw SyntaxError(
                offset: node.offset, message: "\(what) takes \(type.rawValue), not \(expression.type.rawValue)",
                advice: advice)
        }
        return expression
    }

    mutating func number(_ node: Syntax.Node, _ what: String) throws(SyntaxError) -> Expression {
        let expression = try resolve(try typed(node), as: .float64, node)
        guard expression.type.isNumber else {
            throw SyntaxError(
                offset: node.offset, message: "\(what) takes a number, not \(expression.type.rawValue)",
                advice: expression.type.rules.numberAdvice)
        }
        return expression
    }

    // MARK: The tree

    mutating func typed(_ node: Syntax.Node) throws(SyntaxError) -> Typed {
        switch node.syntax {
        case .null: return .unknown(nil)
        case .string(let text): return .unknown(text)
        case .interval(let span): return .span(span)
        case .decimal(let value, let digits): return .digits(value, digits, isNegated: false)
        case .call("negate", let arguments):
            if case .decimal(let value, let digits) = arguments[0].syntax {
                return .digits(value, digits, isNegated: true)
            }
            return .known(try expression(node))
        default: return .known(try expression(node))
        }
    }

    private mutating func expression(_ node: Syntax.Node) throws(SyntaxError) -> Expression {
        switch node.syntax {
        case .null, .string, .interval, .decimal: return try resolve(try typed(node), as: nil, node)
        case .bool(let value): return .literal(.bool(value), .bool)
        case .integer(let value): return .literal(.int64(value), .int64)
        case .column(let name): return try column(name, node)
        case .request(let name):
            try refuseInsideAggregate(node, "request.\(name)")
            guard let type = scope.requests[name] else {
                throw SyntaxError(
                    offset: node.offset, message: "unknown request input '\(name)'",
                    advice: scope.requests.isEmpty
                        ? "declare it: request: {\(name): float64}"
                        : suggestion(for: name, among: Array(scope.requests.keys), what: "request inputs"))
            }
            return .request(name, type)
        case .asOf:
            try refuseInsideAggregate(node, "as_of")
            return .asOf
        case .feature(let name):
            try refuseInsideAggregate(node, name.description)
            do {
                return .feature(name, try scope.feature(name))
            } catch {
                throw SyntaxError(offset: node.offset, message: error.message, advice: error.advice)
            }
        case .cast(let operand, let type): return try cast(operand, to: type, node)
        case .extract(let field, let operand):
            guard TimeField(rawValue: field) != nil else {
                throw SyntaxError(
                    offset: node.offset, message: "unknown field '\(field)'",
                    advice: suggestion(for: field, among: TimeField.allCases.map(\.rawValue), what: "fields"))
            }
            let operandType = try resolve(try typed(operand), as: .timestamp, operand)
            if operandType.type == .date, let clock = TimeField(rawValue: field), clock.isOfDay {
                throw SyntaxError(
                    offset: node.offset, message: "a date has no \(field)",
                    advice: "cast it: …::timestamp is its midnight")
            }
            let time = convert(operandType, to: .timestamp)
            guard time.type == .timestamp else {
                let advice = time.type == .float64 ? "timestamps subtract to seconds already" : nil
                throw SyntaxError(
                    offset: operand.offset, message: "extract takes timestamp, not \(time.type.rawValue)",
                    advice: advice)
            }
            return .call(.extract, [.literal(.string(field), .string), time], .float64)
        case .cases(let cases, let otherwise): return try caseExpression(cases, otherwise)
        case .aggregate(let call): return try aggregate(call, node)
        case .call(let name, let arguments): return try self.call(Call(name: name, arguments: arguments, node: node))
        }
    }

    private func refuseInsideAggregate(_ node: Syntax.Node, _ what: String) throws(SyntaxError) {
        guard isInsideAggregate else { return }
        throw SyntaxError(
            offset: node.offset, message: "\(what) can't stand inside an aggregate, which reads rows only",
            advice: "for rows that match a value of the caller, make an entity of both keys")
    }

    private func column(_ name: String, _ node: Syntax.Node) throws(SyntaxError) -> Expression {
        guard let columns = scope.columns else {
            throw SyntaxError(
                offset: node.offset, message: "'\(name)' can't be read: the feature has no source",
                advice: "name one with source:, or write request.\(name)")
        }
        guard let type = columns[name] else {
            let known = columns.keys.map { Identifier.needsQuotes($0) ? "\"\($0)\"" : $0 }
            throw SyntaxError(
                offset: node.offset, message: "source \(scope.source ?? "") has no column '\(name)'",
                advice: suggestion(for: name, among: known, what: "columns"))
        }
        guard isInsideAggregate else {
            throw SyntaxError(
                offset: node.offset, message: "column '\(name)' stands outside an aggregate",
                advice: "an entity has many rows: say which, as in latest(\(name)) or sum(\(name)) over last_7d")
        }
        return .column(name, type)
    }

    private mutating func cast(_ operand: Syntax.Node, to type: ValueType, _ node: Syntax.Node) throws(SyntaxError)
        -> Expression
    {
        let from: Expression
        switch try typed(operand) {
        case .unknown(let text): return try resolve(.unknown(text), as: type, operand)
        case let typed: from = try resolve(typed, as: nil, operand)
        }
        if from.type == type { return from }
        guard from.type == .string || type == .string || from.type.rules.casts(type) else {
            let advice = from.type == .timestamp && type.isNumber ? "write extract(epoch from …)" : nil
            throw SyntaxError(
                offset: node.offset, message: "\(from.type.phrase) can't be cast to \(type.rawValue)", advice: advice)
        }
        return .call(.cast, [from], type)
    }

    private mutating func caseExpression(_ cases: [(when: Syntax.Node, then: Syntax.Node)], _ otherwise: Syntax.Node?)
        throws(SyntaxError) -> Expression
    {
        var conditions: [Expression] = []
        var results: [Typed] = []
        var nodes: [Syntax.Node] = []
        for (when, then) in cases {
            conditions.append(try expect(when, .bool, "when"))
            results.append(try typed(then))
            nodes.append(then)
        }
        results.append(try otherwise.map { node throws(SyntaxError) in try typed(node) } ?? .unknown(nil))
        nodes.append(otherwise ?? nodes[0])
        let values = try unify(results, nodes, "case")
        var arguments: [Expression] = []
        for (condition, value) in zip(conditions, values) { arguments += [condition, value] }
        arguments.append(values[values.count - 1])
        return .call(.cases, arguments, values[0].type)
    }

    // MARK: Aggregates

    private mutating func aggregate(_ call: Syntax.Call, _ node: Syntax.Node) throws(SyntaxError) -> Expression {
        guard !isInsideAggregate else {
            throw SyntaxError(
                offset: node.offset, message: "an aggregate inside an aggregate",
                advice: "compute the inner one as a feature and combine features outside aggregates")
        }
        guard scope.columns != nil else {
            throw SyntaxError(
                offset: node.offset, message: "\(call.name) needs rows, and the feature has no source",
                advice: "name one with source:")
        }
        if call.frame.looksForward, !scope.isLabel {
            throw SyntaxError(
                offset: node.offset, message: "a feature can't look forward",
                advice: "over next_… belongs in a label, under labels:")
        }
        isInsideAggregate = true
        defer { isInsideAggregate = false }
        let filter = try call.filter.map { node throws(SyntaxError) in try expect(node, .bool, "filter") }
        let named = AggregateOperator.spellings[call.name]!, plain = named.first { !$0.entry.isDistinct }!
        guard let arguments = call.arguments else {
            guard plain.entry.takesRows else {
                throw SyntaxError(
                    offset: node.offset, message: "\(call.name)(*) means nothing", advice: "only count takes *")
            }
            return .aggregate(Aggregate(plain, nil, filter: filter, frame: call.frame, type: .int64))
        }
        let parameters = try parameters(of: plain, call, arguments, node)
        guard let `operator` = call.isDistinct ? named.first(where: \.entry.isDistinct) : plain else {
            throw SyntaxError(
                offset: node.offset, message: "distinct only goes with count", advice: "min and max don't need it")
        }
        var values: [Expression] = []
        for node in arguments.prefix(`operator`.entry.values) {
            values.append(try value(of: `operator`, call, node))
        }
        let frame = try frame(of: `operator`, call, parameters, node)
        let type = `operator`.entry.result(values.first?.type ?? .float64)!
        return .aggregate(
            Aggregate(
                `operator`, values.first, values.count > 1 ? values[1] : nil, parameters: parameters, filter: filter,
                frame: frame, type: type))
    }

    /// An expression over the row's columns, in a type that the aggregate takes.
    private mutating func value(of operator: AggregateOperator, _ call: Syntax.Call, _ node: Syntax.Node)
        throws(SyntaxError) -> Expression
    {
        let argument = try resolve(try typed(node), as: nil, node)
        guard `operator`.entry.result(argument.type) != nil else {
            let kinds =
                ValueType.plain.map { ($0.rawValue, $0) }
                + [("decimal", .decimal(precision: 1, scale: 0)), ("list", .list(.bool)), ("vector", .vector(1))]
            let taken = kinds.filter { `operator`.entry.result($0.1) != nil }.map(\.0).joined(separator: " or ")
            throw SyntaxError(
                offset: node.offset, message: "\(call.name) takes \(taken), not \(argument.type.rawValue)",
                advice: taken == "bool" ? "compare it with something, as in … > 0" : argument.type.rules.numberAdvice)
        }
        switch `operator`.entry.asFloats {
        case .none: return argument
        case .integers: return argument.type == .int64 ? convert(argument, to: .float64) : argument
        case .numbers: return convert(argument, to: .float64)
        }
    }

    /// The frame as written; without an older bound, a decayed aggregate reaches back 64 half-lives.
    private func frame(
        of operator: AggregateOperator, _ call: Syntax.Call, _ parameters: [Literal], _ node: Syntax.Node
    ) throws(SyntaxError) -> Frame {
        guard `operator`.entry.isDecayed else { return call.frame }
        if scope.isLabel {
            throw SyntaxError(
                offset: node.offset, message: "\(call.name) doesn't belong in a label",
                advice: "its weights fade with the past: write a feature")
        }
        guard call.frame.older == nil, case .int64(let halfLife)? = parameters.first else { return call.frame }
        let (reach, overflow) = halfLife.multipliedReportingOverflow(by: 64)
        guard !overflow, reach > call.frame.newer.microseconds else {
            throw SyntaxError(
                offset: node.offset,
                message: "64 half-lives of \(call.name) don't reach back beyond its window's newer bound",
                advice: "write both bounds of the window")
        }
        return Frame(older: TimeSpan(microseconds: reach), newer: call.frame.newer)
    }

    /// The constants after the argument: those written out, or those that the name implies.
    private func parameters(
        of operator: AggregateOperator, _ call: Syntax.Call, _ arguments: [Syntax.Node], _ node: Syntax.Node
    ) throws(SyntaxError) -> [Literal] {
        let entry = `operator`.entry, wanted = entry.presets[call.name] == nil ? entry.parameters : []
        let values = [[], ["a value"], ["two values, y and x"]][entry.values]
        let wrong = "\(call.name) takes \((values + wanted.map(\.phrase)).joined(separator: " and "))"
        guard arguments.count == entry.values + wanted.count else {
            if entry.values == 2 {
                throw SyntaxError(offset: node.offset, message: wrong, advice: "as in \(call.name)(y, x)")
            }
            if wanted.isEmpty {
                throw SyntaxError(offset: arguments[1].offset, message: "\(call.name) takes one argument", advice: nil)
            }
            throw SyntaxError(
                offset: node.offset, message: wrong,
                advice:
                    "as in \(call.name)(\((["amount"].prefix(entry.values) + wanted.map(\.example)).joined(separator: ", ")))"
            )
        }
        var parameters: [Literal] = []
        for (parameter, argument) in zip(wanted, arguments.dropFirst(entry.values)) {
            guard let value = parameter.read(argument.syntax) else {
                throw SyntaxError(
                    offset: argument.offset, message: wrong, advice: "written out, as in \(parameter.example)")
            }
            parameters.append(value)
        }
        return entry.presets[call.name] ?? parameters
    }

    // MARK: Operators and functions

    /// What people who know other dialects write, and how to write it here.
    private static let foreign = [
        "if": "case when … then … else … end", "iff": "case when … then … else … end",
        "lag": "latest(x) over (range between … ), a frame that ends before t",
        "iif": "case when … then … else … end", "ifnull": "coalesce(x, y)", "nvl": "coalesce(x, y)",
        "isnull": "x is null",
        "array_agg": "last_k(x, 10), or distinct_values(x)", "approx_distinct": "approx_count_distinct(x)",
        "hll": "approx_count_distinct(x)", "last": "latest(x)", "last_value": "latest(x)", "first": "earliest(x)",
        "first_value": "earliest(x)",
        "mean": "avg(x)", "std": "stddev(x)", "mod": "x % y",
        "array_length": "cardinality(x)", "array_append": "x || y", "array_cat": "x || y", "unnest": "x = any (list)",
        "array_contains": "y = any (x)", "cosine_distance": "1 - cosine_similarity(x, y)", "len": "length(x)",
        "strlen": "length(x)", "date_part": "extract(field from ts)",
        "age": "a - b, which is in seconds", "datediff": "a - b, which is in seconds",
        "quantile": "percentile(x, 0.9)", "nunique": "count(distinct x)", "any": "bool_or(x)", "all": "bool_and(x)",
        "cbrt": "power(x, 1.0 / 3)",
    ]

    /// A call to an operation: the name as written, the arguments, and the whole node.
    struct Call {
        let name: String
        let arguments: [Syntax.Node]
        let node: Syntax.Node
    }

    private mutating func call(_ call: Call) throws(SyntaxError) -> Expression {
        let name = call.name, arguments = call.arguments
        if name == "plus" { return try number(arguments[0], "+") }
        guard let operation = Operation.spellings[name] else {
            throw TypeChecker.unknown(name, call.node.offset)
                ?? SyntaxError(offset: call.node.offset, message: "\(name) is no function of values", advice: nil)
        }
        let entry = operation.entry
        if let second = entry.second, arguments.count == 2 {
            throw SyntaxError(
                offset: call.node.offset, message: second.message, advice: second.advice)
        }
        try TypeChecker.require(entry.count, call)
        switch entry.takes {
        case .alike(let type):
            let values = try unify(try all(arguments), arguments, quoted(name), rescales: type == nil)
            if operation != .coalesce, !values[0].type.isOrdered { throw unordered(call) }
            return .call(operation, values, type ?? values[0].type)
        case .exactly(let types, let type):
            var values: [Expression] = []
            for (argument, type) in zip(arguments, types) { values.append(try expect(argument, type, name)) }
            return .call(operation, values, type)
        case .number:
            let operand = try number(arguments[0], operation == .negate ? "-" : name)
            return .call(operation, [operand], operand.type)
        case .floats:
            var values: [Expression] = []
            for argument in arguments { values.append(convert(try number(argument, name), to: .float64)) }
            return .call(operation, values, .float64)
        case .own(let check): return try check(&self, call)
        case .unnamed: preconditionFailure("\(name) has no call")
        }
    }

    /// The name for use in a message, where a symbol is put in quotes.
    private func quoted(_ name: String) -> String { name.first?.isLetter ?? true ? name : "'\(name)'" }

    private static func require(_ count: ClosedRange<Int>, _ call: Call) throws(SyntaxError) {
        guard !count.contains(call.arguments.count) else { return }
        let wanted =
            count.count == 1
            ? "\(count.lowerBound)"
            : count.upperBound == .max
                ? "at least \(count.lowerBound)" : "\(count.lowerBound) to \(count.upperBound)"
        throw SyntaxError(
            offset: call.node.offset,
            message: "\(call.name) takes \(wanted) argument\(count == 1...1 ? "" : "s"), not \(call.arguments.count)",
            advice: nil)
    }

    /// The error for a function that doesn't exist; nil for one that does.
    static func unknown(_ name: String, _ offset: Int) -> SyntaxError? {
        if Operation.functions.contains(name) || AggregateOperator.spellings[name] != nil { return nil }
        if let own = foreign[name] {
            return SyntaxError(offset: offset, message: "unknown function '\(name)'", advice: "write \(own)")
        }
        // Nearly any three letters are close to any other three.
        let near =
            name.utf8.count < 4
            ? nil
            : nearestName(to: name, among: Operation.functions.union(AggregateOperator.spellings.keys)).map {
                "did you mean \($0)? "
            }
        return SyntaxError(
            offset: offset, message: "unknown function '\(name)'",
            advice: "\(near ?? "")docs/language.md lists them all")
    }

    mutating func all(_ nodes: [Syntax.Node]) throws(SyntaxError) -> [Typed] {
        var result: [Typed] = []
        for node in nodes { result.append(try typed(node)) }
        return result
    }

    /// `is null` of anything, `is unknown` of a bool.
    mutating func isNull(_ call: Call) throws(SyntaxError) -> Expression {
        let argument = call.arguments[0]
        let operand =
            call.name == "is unknown"
            ? try expect(argument, .bool, call.name) : try resolve(try typed(argument), as: nil, argument)
        return .call(.isNull, [operand], .bool)
    }

    mutating func truncation(_ call: Call) throws(SyntaxError) -> Expression {
        let unit = call.arguments[0], units = "one of \(TimeUnit.allCases.map(\.rawValue).joined(separator: ", "))"
        guard case .string(let text) = unit.syntax else {
            throw SyntaxError(
                offset: unit.offset, message: "date_trunc begins with a unit between quotes", advice: units)
        }
        guard TimeUnit(rawValue: text.lowercased()) != nil else {
            throw SyntaxError(offset: unit.offset, message: "unknown unit '\(text.prefix(40))'", advice: units)
        }
        let time = try expect(call.arguments[1], .timestamp, call.name)
        return .call(.dateTruncate, [.literal(.string(text.lowercased()), .string), time], .timestamp)
    }

    /// Two comparisons, each with types of its own: an int64 bound is compared as an int64 even if the other is a
    /// float64.
    mutating func between(_ call: Call) throws(SyntaxError) -> Expression {
        let nodes = call.arguments, parts = try all(nodes)
        guard case .known(let operand) = parts[0], operand.type.isNumber else {
            let values = try unify(parts, nodes, "between", rescales: false)
            guard values[0].type.isOrdered else { throw unordered(call) }
            return .call(.between, values, .bool)
        }
        var bounds: [Expression] = []
        for index in 1...2 {
            _ = try unify([parts[0], parts[index]], [nodes[0], nodes[index]], "between")
            bounds.append(try resolve(parts[index], as: operand.type, nodes[index]))
        }
        return .call(.between, [operand] + bounds, .bool)
    }
}
