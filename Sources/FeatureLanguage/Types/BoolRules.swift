extension TypeRules {
    static let bool = TypeRules(
        .bits, spellings: ["bool", "boolean"], phrase: "a bool", casts: { $0 == .int64 }, sqlName: "boolean",
        sqlNumbers: [16],
        literalAdvice: "write true or false",
        numberAdvice: "write case when … then 1 else 0 end",
        castAdvice: ".astype(\"boolean\") in pandas, .cast(pl.Boolean) in Polars, ::boolean in SQL",
        read: { text in
            switch text.lowercased() {
            case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1": .bool(true)
            case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0": .bool(false)
            default: nil
            }
        },
        text: { if case .bool(true) = $0 { "true" } else { "false" } }, expression: { $0.fileText },
        number: { if case .bool(true) = $0 { 1 } else { 0 } })
}
