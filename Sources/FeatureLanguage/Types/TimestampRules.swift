extension TypeRules {
    static let timestamp = TypeRules(
        .words, spellings: ["timestamp", "timestamptz", "timestamp with time zone", "timestamp without time zone"],
        phrase: "a timestamp", isContinuous: true, isTextInJSON: true, casts: { $0 == .date },
        sqlName: "timestamptz", sqlNumbers: [1082, 1114, 1184], literalAdvice: "write '2024-05-01T09:30:00Z'",
        numberAdvice: "for seconds since 1970 write extract(epoch from …)",
        castAdvice: "pd.to_datetime(…, utc=True) in pandas, .cast(pl.Datetime(\"us\")) in Polars, ::timestamptz in SQL",
        read: { Instant(text: $0).map { .timestamp($0) } }, text: { $0.instant.description },
        sqlText: { $0.instant.sqlText }, expression: { "timestamp '\($0.instant)'" },
        word: (
            { .timestamp(Instant(microseconds: $0)) },
            { if case .timestamp(let instant) = $0 { instant.microseconds } else { nil } }
        ),
        // Seconds since 1970.
        wordUnit: secondsUnit, number: { Double($0.instant.microseconds) / secondsUnit })

    private static let secondsUnit = 1_000_000.0
}

extension Literal {
    fileprivate var instant: Instant {
        if case .timestamp(let instant) = self { instant } else { Instant(microseconds: 0) }
    }
}
