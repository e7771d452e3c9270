/// The text of a checked expression: SQL that reads back as the same expression, for people who ask what is computed.
///
/// What the type checker added is spelled out: casts, types of literals, `case` for a `nullif` of two types.
extension Expression {
    public var text: String {
        switch self {
        case .literal(let literal, let type): literal.text(type)
        case .column(let name, _): Identifier.text(name)
        case .request(let name, _): "request.\(Identifier.text(name))"
        case .asOf: "as_of"
        case .feature(let name, _): name.description
        case .aggregate(let aggregate): aggregate.text
        case .call(let operation, let arguments, let type): Expression.text(operation, arguments, type)
        }
    }

    /// Between parentheses where it is more than a name, a literal or a call.
    private var operand: String {
        switch self {
        case .literal, .column, .request, .asOf, .feature: return text
        // A window stands behind an aggregate: what follows would seem to belong to it.
        case .aggregate(let aggregate):
            return aggregate.filter == nil && aggregate.frame == .allHistory ? text : "(\(text))"
        case .call(let operation, _, _):
            switch operation {
            case .coalesce, .nullif, .greatest, .least, .cast, .abs, .round, .floor, .ceil, .trunc, .sign, .sqrt, .ln,
                .log, .exp, .power, .concat, .lower, .upper, .length,
                .substring, .extract, .dateTruncate:
                return text
            default: return "(\(text))"
            }
        }
    }

    private static func text(_ operation: Operation, _ arguments: [Expression], _ type: ValueType) -> String {
        // Each part is written once: as an operand here, or as it is.
        func operand(_ index: Int) -> String { arguments[index].operand }
        switch operation {
        case .add, .subtract, .multiply, .divide, .modulo, .equal, .notEqual, .less, .lessOrEqual, .greater,
            .greaterOrEqual, .and, .or, .like, .concatenate:
            return "\(operand(0)) \(operation.rawValue) \(operand(1))"
        case .negate: return "- \(operand(0))"
        case .not: return "not \(operand(0))"
        case .addSpan:
            guard case .literal(.int64(let span), _) = arguments[1] else { preconditionFailure("a span is a literal") }
            return "\(operand(0)) \(span < 0 ? "-" : "+") interval '\(TimeSpan(microseconds: abs(span)))'"
        case .isNull: return "\(operand(0)) is null"
        case .isDistinct: return "\(operand(0)) is distinct from \(operand(1))"
        case .between: return "\(operand(0)) between \(operand(1)) and \(operand(2))"
        case .in: return "\(operand(0)) in (\(arguments.dropFirst().map(\.text).joined(separator: ", ")))"
        case .cases:
            var text = "case"
            for pair in 0..<(arguments.count / 2) {
                text += " when \(arguments[pair * 2].text) then \(arguments[pair * 2 + 1].text)"
            }
            return text + " else \(arguments[arguments.count - 1].text) end"
        case .cast:
            // A quoted literal would take the type itself.
            let isQuoted = if case .literal(.string, _) = arguments[0] { true } else { false }
            return "\(operand(0))\(isQuoted ? "::string" : "")::\(type.rawValue)"
        case .extract, .dateTruncate:
            guard case .literal(.string(let field), _) = arguments[0] else {
                preconditionFailure("a field is a literal")
            }
            return operation == .extract
                ? "extract(\(field) from \(arguments[1].text))" : "date_trunc('\(field)', \(arguments[1].text))"
        case .coalesce, .nullif, .greatest, .least, .abs, .round, .floor, .ceil, .trunc, .sign, .sqrt, .ln, .log, .exp,
            .power, .concat, .lower, .upper, .length, .substring:
            return "\(operation.rawValue)(\(arguments.map(\.text).joined(separator: ", ")))"
        }
    }
}

extension Aggregate {
    /// The name that says its parameters, where there is one; else its operator's.
    public var name: String { preset ?? `operator`.rawValue }

    /// `median` of a percentile.
    private var preset: String? {
        `operator`.entry.presets.first { $0.value == parameters && !parameters.isEmpty }?.key
    }

    /// `sum(amount) filter (where status = 'settled') over last_7d`.
    public var text: String {
        let entry = `operator`.entry
        let arguments = [argument?.text ?? "*"] + (preset == nil ? parameters.map(\.parameterText) : [])
        var text =
            "\(preset ?? entry.names[0])(\(entry.isDistinct ? "distinct " : "")\(arguments.joined(separator: ", ")))"
        if let filter { text += " filter (where \(filter.text))" }
        if frame != .allHistory { text += " over \(frame.text)" }
        return text
    }
}

extension Frame {
    /// What stands after `over`.
    public var text: String {
        if let older, newer == .zero { return "last_\(older)" }
        if looksForward { return "next_\(TimeSpan(microseconds: -newer.microseconds))" }
        return
            "(range between \(older.map { "interval '\($0)' preceding" } ?? "unbounded preceding") and interval '\(newer)' preceding)"
    }
}

extension Literal {
    /// As it is written behind an aggregate's argument.
    fileprivate var parameterText: String {
        switch self {
        case .float64(let bits): "\(Double(bitPattern: bits))"
        case .int64(let value): "\(value)"
        case .null, .bool, .string, .timestamp: canonical
        }
    }

    /// A literal that is of the type wherever it stands.
    fileprivate func text(_ type: ValueType) -> String {
        self == .null ? "null::\(type.rawValue)" : type.rules.expression(self)
    }
}

extension Identifier {
    /// A name as an expression writes it.
    fileprivate static func text(_ name: String) -> String {
        needsQuotes(name) || Parser.reserved.contains(name) || Parser.meaningful.contains(name)
            ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
    }
}
