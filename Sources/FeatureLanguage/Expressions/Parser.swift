/// A recursive-descent parser for the expression language, with PostgreSQL's precedences, loosest first.
///
///     or ◂ and ◂ not ◂ is ◂ comparison ◂ between in like ◂ || ◂ + - ◂ * / % ◂ unary - ◂ :: []
struct Parser {
    let tokens: [Token]
    var position = 0
    private var depth = 0

    /// The most levels and the most parts that a tree may have.
    static let maximumDepth = 200
    static let maximumSize = 20_000

    static func parse(_ text: String) throws(SyntaxError) -> Syntax.Node {
        var parser = try Parser(tokens: Lexer.tokens(of: text))
        let node = try parser.expression()
        guard parser.token.kind == .end else {
            throw parser.unexpected(
                "an operator or the end of the expression",
                advice: parser.isWord("where")
                    ? "a condition on rows stands behind an aggregate: filter (where …)" : nil)
        }
        return node
    }

    private init(tokens: [Token]) {
        self.tokens = tokens
    }

    // MARK: Operators, loosest first

    mutating func expression() throws(SyntaxError) -> Syntax.Node {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Parser.maximumDepth else { throw tooDeep(token.offset) }
        var left = try conjunction()
        while let offset = take(word: "or") { left = try call("or", [left, try conjunction()], offset) }
        return left
    }

    private mutating func conjunction() throws(SyntaxError) -> Syntax.Node {
        var left = try negation()
        while let offset = take(word: "and") { left = try call("and", [left, try negation()], offset) }
        return left
    }

    private mutating func negation() throws(SyntaxError) -> Syntax.Node {
        guard let offset = take(word: "not") else { return try test() }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Parser.maximumDepth else { throw tooDeep(offset) }
        return try call("not", [try negation()], offset)
    }

    private mutating func test() throws(SyntaxError) -> Syntax.Node {
        var left = try comparison()
        while let offset = take(word: "is") {
            let negated = take(word: "not") != nil
            let positive: Syntax.Node
            if take(word: "null") != nil {
                positive = try call("is null", [left], offset)
            } else if take(word: "distinct") != nil {
                try expect(word: "from")
                positive = try call("is distinct from", [left, try comparison()], offset)
            } else if take(word: "unknown") != nil {
                positive = try call("is unknown", [left], offset)
            } else if let truth = isWord("true") ? true : isWord("false") ? false : nil {
                position += 1
                let literal = Syntax.Node(syntax: .bool(truth), offset: offset)
                positive = try call("not", [try call("is distinct from", [left, literal], offset)], offset)
            } else {
                throw unexpected("null, not null, distinct from, true or false")
            }
            left = negated ? try call("not", [positive], offset) : positive
            if let (symbol, place) = take(symbols: Parser.comparisons) {
                left = try call(symbol, [left, try range()], place)
            }
        }
        return left
    }

    private static let comparisons = ["=", "<>", "<", "<=", ">", ">="]

    private mutating func comparison() throws(SyntaxError) -> Syntax.Node {
        let left = try range()
        guard let (symbol, offset) = take(symbols: Parser.comparisons) else { return left }
        if let list = try anyOf(symbol, offset) { return try call("= any", [left, list], offset) }
        let node = try call(symbol, [left, try range()], offset)
        if take(symbols: Parser.comparisons) != nil {
            throw SyntaxError(
                offset: tokens[position - 1].offset, message: "comparisons can't be chained",
                advice: "write a < b and b < c")
        }
        return node
    }

    private mutating func range() throws(SyntaxError) -> Syntax.Node {
        let left = try concatenation()
        let offset = token.offset
        let negated = isWord("not") && ["between", "in", "like"].contains(wordAhead)
        if negated { position += 1 }
        var node = left
        if take(word: "between") != nil {
            // Even a comparison may come before the and.
            var low = try concatenation()
            if let (symbol, place) = take(symbols: Parser.comparisons) {
                low = try call(symbol, [low, try concatenation()], place)
            }
            try expect(word: "and")
            node = try call("between", [left, low, try concatenation()], offset)
        } else if take(word: "in") != nil {
            try expect(symbol: "(")
            node = try call("in", [left] + list(), offset)
        } else if take(word: "like") != nil {
            node = try call("like", [left, try concatenation()], offset)
        } else {
            return left
        }
        return negated ? try call("not", [node], offset) : node
    }

    private mutating func concatenation() throws(SyntaxError) -> Syntax.Node {
        var left = try sum()
        while let (symbol, offset) = take(symbols: ["||"]) { left = try call(symbol, [left, try sum()], offset) }
        return left
    }

    private mutating func sum() throws(SyntaxError) -> Syntax.Node {
        var left = try product()
        while let (symbol, offset) = take(symbols: ["+", "-"]) {
            left = try call(symbol, [left, try product()], offset)
        }
        return left
    }

    private mutating func product() throws(SyntaxError) -> Syntax.Node {
        var left = try sign()
        while let (symbol, offset) = take(symbols: ["*", "/", "%"]) {
            left = try call(symbol, [left, try sign()], offset)
        }
        return left
    }

    private mutating func sign() throws(SyntaxError) -> Syntax.Node {
        guard let (symbol, offset) = take(symbols: ["-", "+"]) else { return try casting() }
        // The one literal whose digits don't fit without the sign.
        if symbol == "-", token.kind == .integer("9223372036854775808"), tokens[position + 1].kind != .symbol("::") {
            position += 1
            return Syntax.Node(syntax: .integer(.min), offset: offset)
        }
        depth += 1
        defer { depth -= 1 }
        guard depth <= Parser.maximumDepth else { throw tooDeep(offset) }
        let operand = try sign()
        return try call(symbol == "+" ? "plus" : "negate", [operand], offset)
    }

    /// After `=`: the list in `any (…)`; nil for anything else.
    private mutating func anyOf(_ symbol: String, _ offset: Int) throws(SyntaxError) -> Syntax.Node? {
        guard isWord("any") || isWord("some") || isWord("all"), tokens[position + 1].kind == .symbol("(") else {
            return nil
        }
        guard symbol == "=", !isWord("all") else {
            throw SyntaxError(
                offset: offset, message: "a value is compared with a list by = any (…) only",
                advice: "for <> all write not x = any (…)")
        }
        position += 2
        let list = try expression()
        try expect(symbol: ")")
        return list
    }

    private mutating func casting() throws(SyntaxError) -> Syntax.Node {
        var operand = try primary()
        while let (symbol, offset) = take(symbols: ["::", "["]) {
            if symbol == "::" {
                operand = try node(.cast(operand, try typeName()), offset, [operand])
            } else {
                operand = try call("element", [operand, try expression()], offset)
                try expect(symbol: "]")
            }
        }
        return operand
    }

    // MARK: Primaries

    private mutating func primary() throws(SyntaxError) -> Syntax.Node {
        let start = token
        position += 1
        switch start.kind {
        case .integer(let digits):
            guard let value = Int64(digits) else {
                throw SyntaxError(
                    offset: start.offset, message: "\(digits) doesn't fit an int64",
                    advice: "write \(digits).0 for a float64")
            }
            return Syntax.Node(syntax: .integer(value), offset: start.offset)
        case .decimal(let digits):
            guard let value = Double(digits.hasPrefix(".") ? "0" + digits : digits), value.isFinite,
                let written = DecimalDigits(text: digits.utf8)
            else {
                throw SyntaxError(
                    offset: start.offset, message: "\(digits) is beyond a float64",
                    advice: "write 'inf'::float64 for infinity")
            }
            return Syntax.Node(syntax: .decimal(value, written), offset: start.offset)
        case .string(let text):
            return Syntax.Node(syntax: .string(text), offset: start.offset)
        case .quoted(let name):
            return try column(name, start.offset)
        case .symbol("("):
            let inner = try expression()
            try expect(symbol: ")")
            return inner
        case .word(let word):
            return try named(word.asciiLowercased, start)
        case .span:
            throw SyntaxError.runs(into: start.offset)
        default:
            position -= 1
            throw unexpected("a value")
        }
    }

    private mutating func named(_ word: String, _ start: Token) throws(SyntaxError) -> Syntax.Node {
        let offset = start.offset
        switch word {
        case "null": return Syntax.Node(syntax: .null, offset: offset)
        case "true", "false": return Syntax.Node(syntax: .bool(word == "true"), offset: offset)
        case "as_of": return Syntax.Node(syntax: .asOf, offset: offset)
        case "case": return try caseExpression(offset)
        case "not":
            // After an operator, it takes everything that binds tighter than itself.
            position -= 1
            return try negation()
        case "interval":
            if case .string(let text) = token.kind { return try interval(text, offset) }
        case "timestamp", "timestamptz":
            if case .string(let text) = token.kind {
                position += 1
                return try node(.cast(Syntax.Node(syntax: .string(text), offset: offset), .timestamp), offset, [])
            }
        case "date":
            if case .string(let text) = token.kind {
                position += 1
                return try node(.cast(Syntax.Node(syntax: .string(text), offset: offset), .date), offset, [])
            }
        case "request":
            if take(symbols: ["."]) != nil {
                guard let name = takeName() else { throw unexpected("the name of a request input") }
                return Syntax.Node(syntax: .request(name), offset: offset)
            }
        case "current_timestamp", "current_date", "localtimestamp": throw impure(word, offset)
        default: break
        }
        if isSymbol("("), !Parser.reserved.contains(word) { return try function(word, offset) }
        if isSymbol("."), !token.follows, case .word(let version) = tokens[position + 1].kind {
            position += 2
            guard let name = VersionedName("\(word).\(version.asciiLowercased)") else {
                throw SyntaxError(
                    offset: offset, message: "'\(word).\(version)' is not a feature reference",
                    advice:
                        "write name.v1 for a feature, request.\(version) for a request input, and a column by its name alone"
                )
            }
            return Syntax.Node(syntax: .feature(name), offset: offset)
        }
        if Parser.reserved.contains(word) {
            position -= 1
            throw unexpected("a value", advice: "\(word) is a keyword; a column of that name is written \"\(word)\"")
        }
        return try column(word, offset)
    }

    private mutating func column(_ name: String, _ offset: Int) throws(SyntaxError) -> Syntax.Node {
        if isSymbol("."), !token.follows {
            throw SyntaxError(
                offset: offset, message: "columns have no qualified names",
                advice: "an aggregate reads the columns of the feature's source: write the column alone")
        }
        return Syntax.Node(syntax: .column(name), offset: offset)
    }

    private mutating func interval(_ text: String, _ offset: Int) throws(SyntaxError) -> Syntax.Node {
        position += 1
        guard let span = TimeSpan(interval: text) else {
            throw SyntaxError(
                offset: offset, message: "'\(text.prefix(40))' can't be read as an interval of weeks or smaller units",
                advice: "write interval '14 days' or interval '1 hour 30 minutes'; a month is no fixed time")
        }
        return Syntax.Node(syntax: .interval(span), offset: offset)
    }

    private mutating func caseExpression(_ offset: Int) throws(SyntaxError) -> Syntax.Node {
        let subject = isWord("when") ? nil : try expression()
        var cases: [(when: Syntax.Node, then: Syntax.Node)] = []
        while let whenOffset = take(word: "when") {
            var when = try expression()
            if let subject { when = try call("=", [subject, when], whenOffset) }
            try expect(word: "then")
            cases.append((when, try expression()))
        }
        guard !cases.isEmpty else { throw unexpected("when") }
        let otherwise = take(word: "else") == nil ? nil : try expression()
        try expect(word: "end")
        return try node(
            .cases(cases, otherwise: otherwise), offset,
            cases.flatMap { [$0.when, $0.then] } + (otherwise.map { [$0] } ?? []))
    }

    private mutating func function(_ name: String, _ offset: Int) throws(SyntaxError) -> Syntax.Node {
        position += 1
        switch name {
        case "cast":
            let operand = try expression()
            try expect(word: "as")
            let type = try typeName()
            try expect(symbol: ")")
            return try node(.cast(operand, type), offset, [operand])
        case "extract":
            guard let field = takeName() else { throw unexpected("a field such as hour") }
            try expect(word: "from")
            let operand = try expression()
            try expect(symbol: ")")
            return try node(.extract(field.asciiLowercased, operand), offset, [operand])
        case "percentile_cont", "percentile_disc":
            throw SyntaxError(
                offset: offset, message: "\(name) … within group is PostgreSQL's",
                advice: "write percentile(x, 0.9) or median(x), which are continuous")
        case "now", "clock_timestamp", "transaction_timestamp", "statement_timestamp", "random", "gen_random_uuid":
            throw impure(name + "()", offset)
        case let name where AggregateOperator.spellings[name] != nil:
            return try aggregate(name, offset)
        default:
            if let unknown = TypeChecker.unknown(name, offset) { throw unknown }
            var arguments: [Syntax.Node] = []
            if take(symbols: [")"]) == nil {
                arguments.append(try expression())
                if name == "substring", take(word: "from") != nil {
                    arguments.append(try expression())
                    if take(word: "for") != nil { arguments.append(try expression()) }
                    try expect(symbol: ")")
                } else if name == "substring", take(word: "for") != nil {
                    arguments += [Syntax.Node(syntax: .integer(1), offset: offset), try expression()]
                    try expect(symbol: ")")
                } else if take(symbols: [","]) != nil {
                    arguments += try list()
                } else {
                    try expect(symbol: ")")
                }
            }
            if isWord("over") || isWord("filter") {
                throw SyntaxError(
                    offset: token.offset, message: "\(name) is no aggregate, and has no rows to choose",
                    advice: "as in \(name)(sum(x) over last_7d)")
            }
            return try call(name, arguments, offset)
        }
    }

    /// Expressions up to the closing parenthesis, which is consumed too.
    private mutating func list() throws(SyntaxError) -> [Syntax.Node] {
        var items = [try expression()]
        while take(symbols: [","]) != nil { items.append(try expression()) }
        try expect(symbol: ")")
        return items
    }

    // MARK: Aggregates

    /// What an aggregate takes, up to the closing parenthesis: expressions, and durations such as `7d`.
    private mutating func parts() throws(SyntaxError) -> [Syntax.Node] {
        var parts: [Syntax.Node] = []
        repeat {
            if case .span(let text) = token.kind, let span = TimeSpan(text: text[...]) {
                parts.append(Syntax.Node(syntax: .interval(span), offset: token.offset))
                position += 1
            } else {
                parts.append(try expression())
            }
        } while take(symbols: [","]) != nil
        try expect(symbol: ")")
        return parts
    }

    private mutating func aggregate(_ name: String, _ offset: Int) throws(SyntaxError) -> Syntax.Node {
        var call = Syntax.Call(name: name)
        if take(symbols: ["*"]) != nil {
            try expect(symbol: ")")
        } else if isSymbol(")") {
            throw SyntaxError(
                offset: token.offset, message: "\(name) of nothing",
                advice: name == "count" ? "count(*) counts rows" : "as in \(name)(amount)")
        } else {
            call.isDistinct = take(word: "distinct") != nil
            call.arguments = try parts()
        }
        if take(word: "filter") != nil {
            try expect(symbol: "(")
            try expect(word: "where")
            call.filter = try expression()
            try expect(symbol: ")")
        }
        if take(word: "over") != nil { call.frame = try frame() }
        if isWord("filter") {
            throw SyntaxError(
                offset: token.offset, message: "filter stands before over",
                advice: "as in sum(x) filter (where …) over last_7d")
        }
        return try node(.aggregate(call), offset, (call.arguments ?? []) + (call.filter.map { [$0] } ?? []))
    }

    private mutating func frame() throws(SyntaxError) -> Frame {
        let start = token
        if case .word(let word) = start.kind {
            position += 1
            let lower = word.asciiLowercased
            for (prefix, make) in [("last_", Frame.last), ("next_", Frame.next)] where lower.hasPrefix(prefix) {
                guard let span = TimeSpan(text: lower.dropFirst(5)), span > .zero else { break }
                return make(span)
            }
            throw SyntaxError(
                offset: start.offset, message: "'\(word)' is not a window",
                advice: "write last_7d: a whole number from 1 and one of us ms s m h d w")
        }
        try expect(symbol: "(", "last_<n><unit> or (range between …)")
        if isWord("rows") || isWord("partition") || isWord("order") {
            throw SyntaxError(
                offset: token.offset, message: "a window is a span of time over the entity's rows",
                advice:
                    "write over last_7d, or over (range between interval '14 days' preceding and interval '7 days' preceding)"
            )
        }
        try expect(word: "range")
        try expect(word: "between")
        let older = try bound("unbounded", "preceding")
        try expect(word: "and")
        let newer = try bound("current", "row") ?? .zero
        try expect(symbol: ")")
        if let older, older <= newer {
            throw SyntaxError(
                offset: start.offset,
                message: "the window is empty: its older bound must lie further back than its newer one",
                advice: "write the older bound first")
        }
        return Frame(older: older, newer: newer)
    }

    /// Reads `interval '…' preceding`, or the two words given, for which it returns nil.
    private mutating func bound(_ first: String, _ second: String) throws(SyntaxError) -> TimeSpan? {
        if take(word: first) != nil {
            try expect(word: second)
            return nil
        }
        let offset = token.offset
        if first == "unbounded", isWord("current") {
            throw SyntaxError(
                offset: offset, message: "a window begins before the instant",
                advice: "to look forward, write a label over next_<n><unit>")
        }
        guard take(word: "interval") != nil, case .string(let text) = token.kind else {
            throw unexpected("interval '…' preceding or \(first) \(second)")
        }
        guard case .interval(let span) = try interval(text, offset).syntax, span >= .zero else {
            throw SyntaxError(offset: offset, message: "a window's bound can't be negative", advice: nil)
        }
        if isWord("following") {
            throw SyntaxError(
                offset: token.offset, message: "a window can't look forward",
                advice: "in a label, write over next_<n><unit>")
        }
        try expect(word: "preceding")
        return span
    }

    // MARK: Words

    /// Words with a meaning of their own where a value is expected.
    static let meaningful: Set<String> = [
        "as_of", "interval", "timestamp", "timestamptz", "request", "current_timestamp", "current_date",
        "localtimestamp",
    ]

    static let reserved: Set<String> = [
        "and", "or", "not", "is", "in", "between", "like", "case", "when", "then", "else", "end", "null", "true",
        "false", "distinct", "from",
        "filter", "over", "where", "as",
    ]

    var token: Token { tokens[position] }

    var wordAhead: String {
        if position + 1 < tokens.count, case .word(let word) = tokens[position + 1].kind { return word.asciiLowercased }
        return ""
    }

    func isWord(_ word: String) -> Bool {
        if case .word(let spelling) = token.kind { return spelling.asciiLowercased == word }
        return false
    }

    func isSymbol(_ symbol: String) -> Bool { token.kind == .symbol(symbol) }

    mutating func take(word: String) -> Int? {
        guard isWord(word) else { return nil }
        position += 1
        return tokens[position - 1].offset
    }

    mutating func take(symbols: [String]) -> (String, Int)? {
        guard case .symbol(let symbol) = token.kind, symbols.contains(symbol) else { return nil }
        position += 1
        return (symbol, tokens[position - 1].offset)
    }

    mutating func takeName() -> String? {
        switch token.kind {
        case .word(let word):
            position += 1
            return word.asciiLowercased
        case .quoted(let name):
            position += 1
            return name
        default: return nil
        }
    }

    mutating func expect(word: String) throws(SyntaxError) {
        guard take(word: word) != nil else { throw unexpected(word) }
    }

    mutating func expect(symbol: String, _ what: String? = nil) throws(SyntaxError) {
        guard take(symbols: [symbol]) != nil else {
            var advice: String?
            if case .word(let second) = token.kind {
                if ["filter", "over", "where"].contains(second.asciiLowercased) {
                    advice = "behind the aggregate's parenthesis: sum(x) filter (where …) over last_7d"
                } else if case .word(let first) = tokens[position - 1].kind,
                    !Parser.reserved.contains(first.asciiLowercased), !Parser.reserved.contains(second.asciiLowercased)
                {
                    // Two words in a row: most likely one name.
                    advice = "a name of several words stands between double quotes: \"\(first) \(second)\""
                }
            }
            throw unexpected(what ?? "'\(symbol)'", advice: advice)
        }
    }

    func unexpected(_ wanted: String, advice: String? = nil) -> SyntaxError {
        let found =
            switch token.kind {
            case .word(let text), .integer(let text), .decimal(let text), .span(let text), .symbol(let text):
                "'\(text)'"
            case .quoted(let name): "\"\(name)\""
            case .string(let text): "'\(text.prefix(20))'"
            case .end: "the end"
            }
        return SyntaxError(offset: token.offset, message: "expected \(wanted), found \(found)", advice: advice)
    }

    private func impure(_ what: String, _ offset: Int) -> SyntaxError {
        SyntaxError(
            offset: offset, message: "\(what) differs from one call to the next, and a feature is a pure function",
            advice: "as_of is the instant asked for")
    }

    private func tooDeep(_ offset: Int) -> SyntaxError {
        SyntaxError(
            offset: offset, message: "the expression nests deeper than \(Parser.maximumDepth) levels",
            advice: "split it into features that refer to each other")
    }

    private func call(_ name: String, _ arguments: [Syntax.Node], _ offset: Int) throws(SyntaxError) -> Syntax.Node {
        try node(.call(name, arguments), offset, arguments)
    }

    private func node(_ syntax: Syntax, _ offset: Int, _ children: [Syntax.Node]) throws(SyntaxError) -> Syntax.Node {
        let depth = (children.map(\.depth).max() ?? 0) + 1
        guard depth <= Parser.maximumDepth else { throw tooDeep(offset) }
        let size = children.reduce(1) { $0 + $1.size }
        guard size <= Parser.maximumSize else {
            throw SyntaxError(
                offset: offset, message: "the expression has more than \(Parser.maximumSize) parts",
                advice: "split it into features that refer to each other")
        }
        return Syntax.Node(syntax: syntax, offset: offset, depth: depth, size: size)
    }
}
