extension TypeRules {
    static func list(_ element: ScalarType) -> TypeRules {
        made(.list(element)) { makeList(element) }
    }

    private static func makeList(_ element: ScalarType) -> TypeRules {
        let type = ValueType.list(element), rules = element.type.rules
        return TypeRules(
            .packed, spellings: [], phrase: "a \(type.rawValue)", isContinuous: true, isTextInJSON: false,
            casts: { other in
                switch other {
                case .list(let to):
                    element == .string || to == .string || to == element || rules.casts(to.type)
                case .vector: element.type.isNumber
                case .bool, .int64, .float64, .string, .timestamp, .date, .decimal: false
                }
            },
            sqlName: "\(rules.sqlName)[]", sqlNumbers: nil,
            literalAdvice: "write its elements as a JSON array, as in '\(element.example)'",
            numberAdvice: "count its elements with cardinality(x), or take one: x[1]",
            castAdvice:
                "a column of lists in pandas, .cast(pl.List(…)) in Polars, ::\(rules.sqlName)[] in SQL",
            read: { text in
                guard case .array(let items)? = try? JSON(parsing: Array(text.utf8)),
                    items.count <= ListValue.maximumCount
                else { return nil }
                var values: [Literal] = []
                for item in items {
                    guard let value = Literal(item, as: element.type) else { return nil }
                    values.append(value)
                }
                return .list(ListValue(element, values))
            },
            text: { JSON($0).description },
            expression: { "'\(JSON($0).description.replacing("'", with: "''"))'::\(type.rawValue)" })
    }
}

extension Literal {
    /// An element of a JSON array, read as its text would be.
    fileprivate init?(_ item: JSON, as type: ValueType) {
        switch item {
        case .null: self = .null
        case .bool(let value): self.init(text: value ? "true" : "false", as: type)
        case .number(let text) where type != .string, .string(let text): self.init(text: text, as: type)
        case .number, .array, .object: return nil
        }
    }
}

extension ScalarType {
    /// A list of such elements, for messages.
    fileprivate var example: String {
        switch self {
        case .bool: "[true,null]"
        case .int64: "[1,2]"
        case .float64: "[0.5,2.0]"
        case .string: "[\"a\",\"b\"]"
        case .timestamp: "[\"2024-05-01T09:30:00Z\"]"
        case .date: "[\"2024-05-01\"]"
        case .decimal: "[\"1.50\"]"
        }
    }
}
