/// The text of a checked expression: SQL that reads back as the same expression, for people who ask what is computed.
///
/// Everything the type checker added is spelled out: casts, and the types of literals.
extension Expression {
    /// The expression by itself, without parentheses around it.
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

    /// The text as an operand: in parentheses if it is more than a name, a literal or a call.
    var operand: String {
        switch self {
        case .literal, .column, .request, .asOf, .feature: text
        // A filter or window comes last in an aggregate, and anything after it would seem to belong to it.
        case .aggregate(let aggregate):
            aggregate.filter == nil && aggregate.frame == .allHistory ? text : "(\(text))"
        case .call(let operation, _, _):
            switch operation.entry.form {
            case .function, .cast, .own(isOperand: true, _): text
            case .infix, .own(isOperand: false, _): "(\(text))"
            }
        }
    }

    private static func text(_ operation: Operation, _ arguments: [Expression], _ type: ValueType) -> String {
        switch operation.entry.form {
        case .function: return "\(operation.entry.names[0])(\(list(arguments)))"
        case .infix:
            // Next to a list, a quoted literal would be one.
            let parts = arguments.map { $0.operand + (type.isPacked && $0.isQuoted ? "::string" : "") }
            return "\(parts[0]) \(operation.entry.names[0]) \(parts[1])"
        case .cast:
            // A quoted literal would take the type on itself.
            return "\(arguments[0].operand)\(arguments[0].isQuoted ? "::string" : "")::\(type.rawValue)"
        case .own(_, let write): return write(arguments)
        }
    }

    /// Whether its text is in quotes and says nothing of a type.
    private var isQuoted: Bool { if case .literal(.string, _) = self { true } else { false } }

    static func list(_ expressions: some Sequence<Expression>) -> String {
        expressions.map(\.text).joined(separator: ", ")
    }

    /// The text as a bound of a decimal, next to which the digits of a float64 would be a decimal.
    func boundText(beside other: Expression) -> String {
        let isDigits =
            switch self {
            case .literal, .call(.negate, _, _): type == .float64
            case .column, .request, .asOf, .aggregate, .feature, .call: false
            }
        return isDigits && other.type.layout == .wides ? "\(operand)::float64" : operand
    }

    /// The text of a literal that names a field or a unit.
    var constantText: String {
        guard case .literal(.string(let text), _) = self else { preconditionFailure("a field is a literal") }
        return text
    }
}

extension Aggregate {
    /// The name that implies its parameters, such as `median`, if there is one; otherwise the operator's own.
    public var name: String { preset ?? `operator`.rawValue }

    /// The name that implies its parameters; nil if there is none.
    private var preset: String? {
        `operator`.entry.presets.first { $0.value == parameters && !parameters.isEmpty }?.key
    }

    /// The aggregate as an expression writes it: `sum(amount) filter (where status = 'settled') over last_7d`.
    public var text: String {
        let entry = `operator`.entry
        let values = entry.values == 0 ? [] : [argument?.text ?? "*"] + [second?.text].compactMap(\.self)
        let arguments = values + (preset == nil ? zip(entry.parameters, parameters).map { $0.text($1) } : [])
        var text =
            "\(preset ?? entry.names[0])(\(entry.isDistinct ? "distinct " : "")\(arguments.joined(separator: ", ")))"
        if let filter { text += " filter (where \(filter.text))" }
        if frame != .allHistory { text += " over \(frame.text)" }
        return text
    }
}

extension Frame {
    /// What follows `over` in an expression.
    public var text: String {
        if let older, newer == .zero { return "last_\(older)" }
        if looksForward { return "next_\(TimeSpan(microseconds: -newer.microseconds))" }
        return
            "(range between \(older.map { "interval '\($0)' preceding" } ?? "unbounded preceding") and interval '\(newer)' preceding)"
    }
}

extension Literal {
    /// Its text in a form that has the type wherever it is.
    fileprivate func text(_ type: ValueType) -> String {
        self == .null ? "null::\(type.rawValue)" : type.rules.expression(self)
    }
}

extension Identifier {
    /// A name as an expression writes it, quoted if it has to be.
    fileprivate static func text(_ name: String) -> String {
        needsQuotes(name) || Parser.reserved.contains(name) || Parser.meaningful.contains(name)
            ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
    }
}
