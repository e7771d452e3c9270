// The types of operators and functions over lists and vectors.

extension TypeChecker {
    /// `x[i]`: an element of a list, or a component of a vector as a float64.
    mutating func element(_ call: Call) throws(SyntaxError) -> Expression {
        let operand = try packed(call.arguments[0], "[…]"), place = try expect(call.arguments[1], .int64, "[…]")
        let type: ValueType = if case .list(let element) = operand.type { element.type } else { .float64 }
        return .call(.element, [operand, place], type)
    }

    mutating func cardinality(_ call: Call) throws(SyntaxError) -> Expression {
        let operand = try packed(call.arguments[0], call.name)
        guard case .list = operand.type else {
            throw SyntaxError(
                offset: call.arguments[0].offset,
                message: "\(call.name) takes a list; \(operand.type.phrase) has as many components as its type says",
                advice: nil)
        }
        return .call(.cardinality, [operand], .int64)
    }

    /// `v = any (x)` and `array_position(x, v)`.
    mutating func search(_ call: Call, _ operation: Operation) throws(SyntaxError) -> Expression {
        let isAny = operation == .isAny, nodes = call.arguments
        let listNode = nodes[isAny ? 1 : 0], valueNode = nodes[isAny ? 0 : 1]
        let list = try packed(listNode, isAny ? "any" : call.name)
        guard case .list(let element) = list.type else {
            throw SyntaxError(
                offset: listNode.offset, message: "\(isAny ? "any" : call.name) takes a list, not \(list.type.phrase)",
                advice: nil)
        }
        let value = try self.element(try typed(valueNode), of: element, valueNode, isAny ? "any" : call.name)
        return isAny ? .call(.isAny, [value, list], .bool) : .call(.arrayPosition, [list, value], .int64)
    }

    mutating func vectors(_ call: Call) throws(SyntaxError) -> Expression {
        let pair = try unify(try all(call.arguments), call.arguments, call.name)
        guard case .vector = pair[0].type else {
            throw SyntaxError(
                offset: call.arguments[0].offset, message: "\(call.name) takes vectors, not \(pair[0].type.phrase)",
                advice: pair[0].type.isPacked ? "cast it: …::vector(n)" : nil)
        }
        return .call(Operation.spellings[call.name]!, pair, .float64)
    }

    /// `||` where one side is a list: two lists, or a list and an element before or behind it. Nil if neither is one.
    mutating func lists(_ typed: [Typed], _ nodes: [Syntax.Node]) throws(SyntaxError) -> Expression? {
        guard let list = typed.lazy.compactMap(\.type).first(where: \.isPacked) else { return nil }
        guard case .list(let element) = list else {
            throw SyntaxError(
                offset: nodes[0].offset, message: "'||' joins strings and lists, not vectors",
                advice: "cast it: …::list(float64)")
        }
        var parts: [Expression] = []
        for (part, node) in zip(typed, nodes) {
            // As in PostgreSQL, a literal without a type is a list here.
            if case .unknown = part {
                parts.append(try resolve(part, as: list, node))
            } else if part.type?.isPacked ?? false {
                parts += try unify([.known(.literal(.null, list)), part], [nodes[0], node], "'||'").suffix(1)
            } else {
                parts.append(try self.element(part, of: element, node, "'||'"))
            }
        }
        return .call(.concatenate, parts, list)
    }

    /// A value as an element of a list.
    private func element(_ part: Typed, of element: ScalarType, _ node: Syntax.Node, _ what: String)
        throws(SyntaxError) -> Expression
    {
        let value = convert(try resolve(part, as: element.type, node), to: element.type)
        guard value.type == element.type else {
            throw SyntaxError(
                offset: node.offset,
                message: "\(what) mixes \(value.type.rawValue) and a list of \(element.type.rawValue)",
                advice: value.type.isPacked ? nil : "cast one of them, as in …::\(element.type.rawValue)")
        }
        return value
    }

    private mutating func packed(_ node: Syntax.Node, _ what: String) throws(SyntaxError) -> Expression {
        let operand = try resolve(try typed(node), as: nil, node)
        guard operand.type.isPacked else {
            throw SyntaxError(
                offset: node.offset, message: "\(what) takes a list, not \(operand.type.phrase)",
                advice: operand.type == .string
                    ? "a text's characters are counted by length(x) and taken by substring(x, i, 1)" : nil)
        }
        return operand
    }

    func unordered(_ call: Call) -> SyntaxError {
        SyntaxError(
            offset: call.node.offset, message: "vectors have no order and no =",
            advice: "compare them by l2_distance(x, y) or cosine_similarity(x, y)")
    }
}
