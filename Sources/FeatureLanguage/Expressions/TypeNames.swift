// The names of types in casts.

extension Parser {
    mutating func typeName() throws(SyntaxError) -> ValueType {
        let offset = token.offset
        var type = try plainTypeName()
        while isSymbol("["), tokens[position + 1].kind == .symbol("]") {
            position += 2
            type = try list(of: type, offset)
        }
        return type
    }

    private mutating func plainTypeName() throws(SyntaxError) -> ValueType {
        let start = token
        guard var name = takeName()?.asciiLowercased else { throw unexpected("a type") }
        for (first, rest) in [("double", ["precision"]), ("character", ["varying"])]
        where name == first && isWord(rest[0]) {
            position += 1
            name += " " + rest[0]
        }
        if name == "timestamp", isWord("with") || isWord("without"), wordAhead == "time" {
            position += 2
            try expect(word: "zone")
        }
        if TypeRules.decimalSpellings.contains(name) { return try decimalType(start.offset) }
        if name == "list", take(symbols: ["("]) != nil {
            let element = try typeName()
            try expect(symbol: ")")
            return try list(of: element, start.offset)
        }
        if name == "vector", take(symbols: ["("]) != nil {
            guard case .integer(let digits) = token.kind else { throw unexpected("a number of components") }
            position += 1
            try expect(symbol: ")")
            guard let type = Int(digits).flatMap({ ValueType(components: $0) }) else {
                throw SyntaxError(
                    offset: start.offset, message: "a vector has 1 to \(TypeRules.maximumComponents) components",
                    advice: nil)
            }
            return type
        }
        guard let type = ValueType(spelling: name) else {
            if ValueType.narrowFloats.contains(name) {
                throw SyntaxError(
                    offset: start.offset,
                    message: "'\(name)' is no type to cast to: a cast would round to 32 bits, and values have 64",
                    advice: "cast to float64")
            }
            throw SyntaxError(
                offset: start.offset, message: "unknown type '\(name)'",
                advice: "types are bool, int64, float64, string, timestamp, date, decimal(p, s), list(t) and vector(n)")
        }
        return type
    }

    /// The rest of `decimal(12, 2)`; without a scale it is 0, as in PostgreSQL.
    private mutating func decimalType(_ offset: Int) throws(SyntaxError) -> ValueType {
        var numbers: [Int] = []
        if take(symbols: ["("]) != nil {
            repeat {
                guard case .integer(let digits) = token.kind else { throw unexpected("a number of digits") }
                position += 1
                numbers.append(Int(digits) ?? .max)
            } while numbers.count < 2 && take(symbols: [","]) != nil
            try expect(symbol: ")")
        }
        guard let precision = numbers.first,
            let type = ValueType(precision: precision, scale: numbers.count == 2 ? numbers[1] : 0)
        else {
            throw SyntaxError(offset: offset, message: "a decimal needs its digits", advice: TypeRules.decimalAdvice)
        }
        return type
    }

    private func list(of type: ValueType, _ offset: Int) throws(SyntaxError) -> ValueType {
        guard let element = ScalarType(type) else {
            throw SyntaxError(
                offset: offset, message: "a list's elements are single values, not \(type.phrase)", advice: nil)
        }
        return .list(element)
    }
}
