/// One token of an expression, with the byte where it begins.
struct Token: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case word(String)  // an unquoted name or keyword, as written
        case quoted(String)  // "a name"
        case string(String)  // 'a text'
        case integer(String)
        case decimal(String)
        /// A number and a unit of time: `7d`.
        case span(String)
        case symbol(String)
        case end
    }

    var kind: Kind
    var offset: Int
    /// Whether white space or a comment comes before it: `spend.v1` is one name, `spend .v1` is not.
    var follows: Bool
}

/// A fault in an expression, with its byte offset.
struct SyntaxError: Error {
    var offset: Int
    var message: String
    var advice: String?
}

extension SyntaxError {
    /// The error for a number with letters behind it.
    static func runs(into offset: Int) -> SyntaxError {
        SyntaxError(
            offset: offset, message: "a number runs into a name",
            advice: "put a space or an operator between them; names that begin with a digit are quoted: \"7d\"")
    }
}

/// Splits an expression into tokens, as PostgreSQL does.
struct Lexer {
    private let bytes: [UInt8]
    private var position = 0

    /// An expression longer than this is refused; none that a person writes comes near.
    static let maximumBytes = 64 * 1024

    static func tokens(of text: String) throws(SyntaxError) -> [Token] {
        guard text.utf8.count <= maximumBytes else {
            throw SyntaxError(
                offset: 0, message: "the expression is longer than \(maximumBytes) bytes",
                advice: "split it into features that refer to each other")
        }
        var lexer = Lexer(bytes: Array(text.utf8))
        var tokens: [Token] = []
        repeat { try tokens.append(lexer.next()) } while tokens.last?.kind != .end
        return tokens
    }

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    private func peek(_ ahead: Int = 0) -> UInt8 {
        position + ahead < bytes.count ? bytes[position + ahead] : 0
    }

    private mutating func next() throws(SyntaxError) -> Token {
        let before = position
        try skipSpace()
        let start = position
        let follows = start > before
        guard position < bytes.count else { return Token(kind: .end, offset: start, follows: follows) }
        let kind: Token.Kind
        switch peek() {
        case UInt8(ascii: "'"): kind = try .string(delimited(by: UInt8(ascii: "'"), "text"))
        case UInt8(ascii: "\""): kind = try .quoted(delimited(by: UInt8(ascii: "\""), "name"))
        case UInt8(ascii: ".") where isDigit(peek(1)): kind = try number()
        case let byte where isDigit(byte): kind = try number()
        case let byte where isNameStart(byte): kind = word()
        default: kind = try symbol()
        }
        return Token(kind: kind, offset: start, follows: follows)
    }

    private mutating func skipSpace() throws(SyntaxError) {
        while position < bytes.count {
            if [0x20, 0x09, 0x0A, 0x0D, 0x0C].contains(peek()) {
                position += 1
            } else if peek() == UInt8(ascii: "-"), peek(1) == UInt8(ascii: "-") {
                while position < bytes.count, peek() != 0x0A { position += 1 }
            } else if peek() == UInt8(ascii: "/"), peek(1) == UInt8(ascii: "*") {
                try skipComment()
            } else {
                return
            }
        }
    }

    /// Comments nest, as in PostgreSQL.
    private mutating func skipComment() throws(SyntaxError) {
        let start = position
        var open = 0
        repeat {
            guard position < bytes.count else {
                throw SyntaxError(offset: start, message: "a comment that doesn't end", advice: "close it with */")
            }
            let opens = peek() == UInt8(ascii: "/") && peek(1) == UInt8(ascii: "*"),
                closes = peek() == UInt8(ascii: "*") && peek(1) == UInt8(ascii: "/")
            if opens { open += 1 } else if closes { open -= 1 }
            position += opens || closes ? 2 : 1
        } while open > 0
    }

    private mutating func delimited(by quote: UInt8, _ what: String) throws(SyntaxError) -> String {
        let start = position
        var content: [UInt8] = []
        position += 1
        while position < bytes.count {
            if peek() == quote {
                if peek(1) != quote {
                    position += 1
                    return String(decoding: content, as: UTF8.self)
                }
                position += 1
            }
            content.append(peek())
            position += 1
        }
        throw SyntaxError(
            offset: start, message: "a \(what) that doesn't end",
            advice: "close it with \(String(UnicodeScalar(quote)))")
    }

    private mutating func number() throws(SyntaxError) -> Token.Kind {
        let start = position
        var isDecimal = false
        while isDigit(peek()) { position += 1 }
        // A name after the point would be a version; an exponent isn't one.
        if peek() == UInt8(ascii: "."),
            !isNameStart(peek(1)) || peek(1) | 0x20 == UInt8(ascii: "e") && (isDigit(peek(2)) || isDigit(peek(3)))
        {
            isDecimal = true
            position += 1
            while isDigit(peek()) { position += 1 }
        }
        let signed = peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-")
        if peek() | 0x20 == UInt8(ascii: "e"), isDigit(peek(signed ? 2 : 1)) {
            isDecimal = true
            position += signed ? 2 : 1
            while isDigit(peek()) { position += 1 }
        }
        if isNameStart(peek()) {
            while isNameStart(peek()) || isDigit(peek()) { position += 1 }
            let text = String(decoding: bytes[start..<position], as: UTF8.self)
            guard !isDecimal, TimeSpan(text: text[...]) != nil else { throw SyntaxError.runs(into: start) }
            return .span(text)
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        return isDecimal ? .decimal(text) : .integer(text)
    }

    private mutating func word() -> Token.Kind {
        let start = position
        while isNameStart(peek()) || isDigit(peek()) || peek() == UInt8(ascii: "$") { position += 1 }
        return .word(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    private mutating func symbol() throws(SyntaxError) -> Token.Kind {
        let pair = String(decoding: [peek(), peek(1)], as: UTF8.self)
        if pair == "==" { throw SyntaxError(offset: position, message: "unexpected '=='", advice: "equality is one =") }
        if ["<=", ">=", "<>", "!=", "||", "::"].contains(pair) {
            position += 2
            return .symbol(pair == "!=" ? "<>" : pair)
        }
        guard "+-*/%()[]<>=,.".utf8.contains(peek()) else {
            let rest = String(decoding: bytes[position...].prefix(8), as: UTF8.self)
            let advice = [
                "&": "write and", "|": "write or, or || to join strings", "^": "write power(x, y)", "!": "write not",
                "$": "an input is request.name",
            ]
            throw SyntaxError(
                offset: position, message: "unexpected character '\(rest.prefix(1))'",
                advice: advice[String(rest.prefix(1))])
        }
        position += 1
        return .symbol(String(UnicodeScalar(bytes[position - 1])))
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private func isNameStart(_ byte: UInt8) -> Bool {
        byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z") || byte == UInt8(ascii: "_")
            || byte >= 0x80
    }
}

extension StringProtocol {
    /// The text as PostgreSQL folds keywords and unquoted names: A to Z only.
    var asciiLowercased: String {
        String(
            decoding: utf8.map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 + 0x20 : $0 }, as: UTF8.self)
    }
}
