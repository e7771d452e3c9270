extension TypeRules {
    static let string = TypeRules(
        .bytes, spellings: ["string", "text", "varchar", "character varying"], phrase: "a string", isTextInJSON: true,
        sqlName: "text", sqlNumbers: nil, literalAdvice: nil,
        numberAdvice: "cast it: …::float64",
        castAdvice: ".astype(\"string\") in pandas, .cast(pl.String) in Polars, ::text in SQL",
        read: { .string(String($0)) },
        text: { $0.content }, expression: { "'\($0.content.replacing("'", with: "''"))'" })
}

extension Literal {
    fileprivate var content: String { if case .string(let text) = self { text } else { "" } }
}
