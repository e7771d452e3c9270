// The types of `||`, of arithmetic with numbers, dates and times, and of rounding.

extension TypeChecker {
    mutating func concatenation(_ call: Call, _ operation: Operation) throws(SyntaxError) -> Expression {
        let nodes = call.arguments, typed = try all(nodes)
        if operation == .concatenate, let joined = try lists(typed, nodes) { return joined }
        var parts: [Expression] = []
        for (part, node) in zip(typed, nodes) { parts.append(try resolve(part, as: .string, node)) }
        if operation == .concatenate, !parts.contains(where: { $0.type == .string }) {
            throw SyntaxError(
                offset: nodes[0].offset,
                message: "'||' joins strings and lists, not \(parts[0].type.rawValue) and \(parts[1].type.rawValue)",
                advice: "cast one of them: …::string")
        }
        let texts = parts.map { part -> Expression in
            if part.type == .string { return part }
            let text = Expression.call(.cast, [part], .string)
            // concat prints a bool like PostgreSQL's output, || like its cast to text.
            guard part.type == .bool, operation == .concat else { return text }
            return .call(.substring, [text, .literal(.int64(1), .int64), .literal(.int64(1), .int64)], .string)
        }
        return .call(operation, texts, .string)
    }

    mutating func arithmetic(_ call: Call) throws(SyntaxError) -> Expression {
        let symbol = call.name, nodes = call.arguments, sides = try all(nodes)
        let operation = Operation(rawValue: symbol)!
        switch (sides[0], sides[1]) {
        case (let side, .span(let span)) where symbol == "+" || symbol == "-":
            return try addSpan(side, nodes[0], symbol == "-" ? -span.microseconds : span.microseconds)
        case (.span(let span), let side) where symbol == "+":
            return try addSpan(side, nodes[1], span.microseconds)
        case (let left, let right) where left.type?.isTime == true || right.type?.isTime == true:
            if let moved = addDays(sides, operation) { return moved }
            guard symbol == "-" else { break }
            let pair = try unify(sides, nodes, "'-'")
            return .call(.subtract, pair, pair[0].type == .date ? .int64 : .float64)
        case (.known, _), (.unknown, _), (.span, _), (.digits, _): break
        }
        let pair = try unify(sides, nodes, "'\(symbol)'", rescales: false)
        for (expression, side) in zip(pair, nodes) where !expression.type.isNumber {
            throw SyntaxError(
                offset: side.offset, message: "'\(symbol)' takes numbers, not \(expression.type.rawValue)",
                advice: expression.type == .string && symbol == "+" ? "strings are joined with ||" : nil)
        }
        if operation == .modulo, pair[0].type == .float64 {
            throw SyntaxError(offset: call.node.offset, message: "'%' takes int64s", advice: "cast with ::int64")
        }
        guard pair[0].type.layout == .wides else { return .call(operation, pair, pair[0].type) }
        if operation == .divide { return .call(operation, pair, .float64) }
        let scales = pair.map(\.type.scale), scale = operation == .multiply ? scales[0] + scales[1] : scales.max()!
        guard let type = ValueType(precision: DecimalValue.maximumPrecision, scale: scale) else {
            throw SyntaxError(
                offset: call.node.offset,
                message: "the product has \(scale) digits after its point, and a decimal at most 38",
                advice: "cast one of them to fewer: …::decimal(38, 2), or to float64")
        }
        return .call(operation, pair, type)
    }

    /// A date that is moved by a number of days; nil if it isn't that.
    private func addDays(_ sides: [Typed], _ operation: Operation) -> Expression? {
        guard case .known(let left) = sides[0], case .known(let right) = sides[1] else { return nil }
        if left.type == .date, right.type == .int64, operation == .add || operation == .subtract {
            return .call(operation, [left, right], .date)
        }
        return operation == .add && left.type == .int64 && right.type == .date
            ? .call(.add, [right, left], .date) : nil
    }

    /// `round`, `floor`, `ceil`, `trunc` and `sign`: a decimal stays one, without digits after its point, or with as many
    /// as a second argument says.
    mutating func rounding(_ call: Call, _ operation: Operation) throws(SyntaxError) -> Expression {
        let operand = try number(call.arguments[0], call.name)
        guard operand.type.layout == .wides else {
            if call.arguments.count == 2 {
                throw SyntaxError(
                    offset: call.arguments[1].offset,
                    message: "\(call.name) to a number of digits is not exact in float64",
                    advice: "write \(call.name)(x * 100) / 100")
            }
            return .call(operation, [convert(operand, to: .float64)], .float64)
        }
        guard call.arguments.count == 2 else {
            return .call(operation, [operand], .decimal(precision: DecimalValue.maximumPrecision, scale: 0))
        }
        let digits = try expect(call.arguments[1], .int64, call.name)
        guard case .int64(let places)? = digits.constant, (-38...38).contains(places) else {
            throw SyntaxError(
                offset: call.arguments[1].offset,
                message: "\(call.name) takes the number of digits as a literal, from -38 to 38",
                advice: "as in \(call.name)(x, 2)")
        }
        return .call(
            operation, [operand, .literal(.int64(places), .int64)],
            .decimal(precision: DecimalValue.maximumPrecision, scale: max(0, Int(places))))
    }

    private func addSpan(_ side: Typed, _ node: Syntax.Node, _ microseconds: Int64) throws(SyntaxError) -> Expression {
        let operand = convert(try resolve(side, as: .timestamp, node), to: .timestamp)
        guard operand.type == .timestamp else {
            throw SyntaxError(
                offset: node.offset,
                message: "an interval can only be added to or taken from a timestamp, not \(operand.type.rawValue)",
                advice: nil)
        }
        return .call(.addSpan, [operand, .literal(.int64(microseconds), .int64)], .timestamp)
    }
}

extension Expression {
    /// The value of an int64 that is written out, with or without a minus.
    fileprivate var constant: Literal? {
        switch self {
        case .literal(let literal, _): literal
        case .call(.negate, let arguments, _):
            if case .literal(.int64(let value), _) = arguments[0], value != .min { .int64(-value) } else { nil }
        case .call, .column, .request, .asOf, .aggregate, .feature: nil
        }
    }
}
