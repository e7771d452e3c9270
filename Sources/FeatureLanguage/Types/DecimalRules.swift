extension TypeRules {
    /// PostgreSQL's names, and ours first.
    static let decimalSpellings: Set<String> = ["decimal", "numeric"]

    /// How the type is written.
    static let decimalAdvice = "write decimal(12, 2): up to 38 digits, 2 of them after the point"

    static func decimal(_ precision: Int, _ scale: Int) -> TypeRules {
        let type = ValueType.decimal(precision: precision, scale: scale)
        return made(type) { makeDecimal(type, precision, scale) }
    }

    private static func makeDecimal(_ type: ValueType, _ precision: Int, _ scale: Int) -> TypeRules {
        TypeRules(
            .wides, spellings: [], phrase: "a \(type.rawValue)", isContinuous: true, isTextInJSON: true,
            casts: { $0.isNumber },
            sqlName: "numeric(\(precision),\(scale))",
            // Floats if their shortest digits fit.
            sqlNumbers: [20, 21, 23, 700, 701, 1700],
            literalAdvice: "write digits, as in '19.90': at most \(precision), with at most \(scale) after the point",
            numberAdvice: nil,
            castAdvice:
                "pa.\(type.arrowText) in pyarrow, .cast(pl.Decimal(\(precision), \(scale))) in Polars, ::numeric(\(precision),\(scale)) in SQL",
            read: { text in
                // PostgreSQL's numeric has no more digits after its point.
                guard let digits = DecimalDigits(text: text.utf8), digits.scale <= 16_383 else { return nil }
                return DecimalValue(digits, precision, scale).map { .decimal($0) }
            },
            text: { $0.decimal?.description ?? "" },
            // A sign before digits would be an operator, and other digits would be of another type.
            expression: { "'\($0.decimal?.description ?? "")'::\(type.rawValue)" },
            number: { $0.decimal?.float64 })
    }
}

extension ValueType {
    fileprivate var arrowText: String { rawValue.replacing("decimal", with: "decimal128") }
}

extension Literal {
    package var decimal: DecimalValue? { if case .decimal(let value) = self { value } else { nil } }
}
