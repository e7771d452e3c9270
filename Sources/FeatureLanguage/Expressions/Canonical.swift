/// The canonical text of an expression, which the fingerprint covers. Two spellings share it exactly if they mean one
/// function.
///
/// It is in prefix notation, with a type for every part and windows in microseconds, as in
/// `(avg:float64 (column:float64 "amount") filter … over 604800000000 0)`. Keyword case, white space, redundant
/// parentheses, quoting and the spellings of types and windows are gone; nothing is reordered or folded.
extension Expression {
    /// The canonical text, in which a feature reference is the feature's name and type.
    public var canonical: String {
        var text = ""
        write(to: &text) { "feature:\($1.rawValue) \($0)" }
        return text
    }

    /// The canonical text with each feature reference replaced by what `reference` makes of it: for a fingerprint, the
    /// feature's own fingerprint.
    func canonical(reference: (VersionedName, ValueType) -> String) -> String {
        var text = ""
        write(to: &text, reference)
        return text
    }

    private func write(to text: inout String, _ reference: (VersionedName, ValueType) -> String) {
        switch self {
        case .literal(let literal, let type): text += "(\(type.rawValue) \(literal.canonical))"
        case .column(let name, let type): text += "(column:\(type.rawValue) \(canonicalText(name)))"
        case .request(let name, let type): text += "(request:\(type.rawValue) \(canonicalText(name)))"
        case .asOf: text += "(as_of)"
        case .feature(let name, let type): text += "(\(reference(name, type)))"
        case .call(let operation, let arguments, let type):
            text += "(\(operation.rawValue):\(type.rawValue)"
            for argument in arguments {
                text += " "
                argument.write(to: &text, reference)
            }
            text += ")"
        case .aggregate(let aggregate):
            text += "(\(aggregate.operator.rawValue):\(aggregate.type.rawValue) "
            for parameter in aggregate.parameters { text += parameter.canonical + " " }
            if let argument = aggregate.argument { argument.write(to: &text, reference) } else { text += "*" }
            if let second = aggregate.second {
                text += " "
                second.write(to: &text, reference)
            }
            if let filter = aggregate.filter {
                text += " filter "
                filter.write(to: &text, reference)
            }
            let older = aggregate.frame.older.map { String($0.microseconds) } ?? "unbounded"
            text += " over \(older) \(aggregate.frame.newer.microseconds))"
        }
    }
}

extension Literal {
    var canonical: String {
        guard let rules = type?.rules else { return "null" }
        switch rules.layout {
        case .bits: return rules.text(self)
        case .words: return String(rules.word(self) ?? 0)
        case .floats:
            let value = number ?? .nan
            return "0x" + String((value.isNaN ? .nan : value).bitPattern, radix: 16)
        case .wides: return String(decimal?.unscaled ?? 0)
        case .bytes, .packed: return canonicalText(rules.text(self))
        }
    }
}

/// A text in double quotes, with only the quote and the backslash escaped, so that no two texts look the same.
func canonicalText(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        if scalar == "\"" || scalar == "\\" { quoted.unicodeScalars.append("\\") }
        quoted.unicodeScalars.append(scalar)
    }
    return quoted + "\""
}
