extension TypeRules {
    static let int64 = TypeRules(
        .words, spellings: ["int64", "bigint", "int8", "int", "integer"], phrase: "an int64",
        casts: { $0 == .bool || $0.isNumber }, sqlName: "bigint",
        // Decimals if they are whole.
        sqlNumbers: [20, 21, 23, 1700], literalAdvice: "write a whole number, as in '42'", numberAdvice: nil,
        castAdvice: ".astype(\"Int64\") in pandas, .cast(pl.Int64) in Polars, ::bigint in SQL",
        read: { Int64($0).map { .int64($0) } },
        text: { $0.wordText },
        // A sign before digits would be an operator.
        expression: { literal in literal.wordText.hasPrefix("-") ? "'\(literal.wordText)'::int64" : literal.wordText },
        word: ({ .int64($0) }, { if case .int64(let value) = $0 { value } else { nil } }),
        number: { if case .int64(let value) = $0 { Double(value) } else { nil } })
}

extension Literal {
    fileprivate var wordText: String { if case .int64(let value) = self { String(value) } else { "" } }
}
