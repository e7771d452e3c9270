extension TypeRules {
    /// The most components that a vector can have.
    static let maximumComponents = 8192

    static func vector(_ count: Int) -> TypeRules {
        made(.vector(count)) { makeVector(count) }
    }

    private static func makeVector(_ count: Int) -> TypeRules {
        let type = ValueType.vector(count)
        return TypeRules(
            .packed, spellings: [], phrase: "a \(type.rawValue)", isContinuous: true, isTextInJSON: false,
            casts: { $0 == .list(.float64) },
            sqlName: "real[]", sqlNumbers: nil,
            literalAdvice: "write its \(count) numbers as a JSON array, as in '[0.5,-1.25]'",
            numberAdvice: "take a component: x[1]",
            castAdvice:
                "pa.list_(pa.float32(), \(count)) in pyarrow, .cast(pl.Array(pl.Float32, \(count))) in Polars, ::real[] in SQL",
            read: { text in
                guard case .array(let items)? = try? JSON(parsing: Array(text.utf8)) else { return nil }
                return Literal(components: items, count)
            },
            text: { JSON($0).description },
            expression: { "'\(JSON($0).description)'::\(type.rawValue)" })
    }
}

extension Literal {
    /// A vector of these numbers, each rounded to the nearest float32; nil if it isn't so many, or one is no number.
    package init?(components items: [JSON], _ count: Int) {
        guard items.count == count else { return nil }
        var components: [Float] = []
        components.reserveCapacity(count)
        for item in items {
            guard case .number(let digits) = item, let value = Float(digits), value.isFinite else { return nil }
            components.append(value)
        }
        self = .vector(components)
    }
}
