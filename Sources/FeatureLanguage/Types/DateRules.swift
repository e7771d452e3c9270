extension TypeRules {
    static let date = TypeRules(
        .words, spellings: ["date"], phrase: "a date", isContinuous: true, isTextInJSON: true,
        casts: { $0 == .timestamp }, sqlName: "date", sqlNumbers: [1082], literalAdvice: "write '2024-05-01'",
        numberAdvice: "for days since 1970 write x - date '1970-01-01'",
        castAdvice: ".dt.date in pandas, .cast(pl.Date) in Polars, ::date in SQL",
        // PostgreSQL reads a time too, and drops it.
        read: { text in Instant.date(of: Array(text.utf8).span).map { .date(days: $0) } },
        text: { CivilDate(daysSinceEpoch: $0.days).description },
        sqlText: { CivilDate(daysSinceEpoch: $0.days).sqlText },
        expression: { "date '\(CivilDate(daysSinceEpoch: $0.days))'" },
        word: ({ .date(days: $0) }, { if case .date(let days) = $0 { days } else { nil } }),
        // Days since 1970.
        number: { Double($0.days) })
}

extension Literal {
    fileprivate var days: Int64 { if case .date(let days) = self { days } else { 0 } }
}
