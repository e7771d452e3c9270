extension Literal {
    /// Reads a text as PostgreSQL reads input of the type, ignoring surrounding white space except in strings. Nil if
    /// it doesn't parse.
    public init?(text: String, as type: ValueType) {
        let trimmed =
            type.layout == .bytes
            ? text[...] : text.trimmingPrefix(while: Literal.isSpace)[...].trimmingSuffix(while: Literal.isSpace)
        guard let value = type.rules.read(trimmed) else { return nil }
        self = value
    }

    private static func isSpace(_ character: Character) -> Bool {
        character == " " || character == "\t" || character == "\n" || character == "\r" || character == "\r\n"
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[startIndex..<end]
    }
}
