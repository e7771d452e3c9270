internal import FeatureLanguage

// Texts are runs of Unicode scalars, never normalized or folded.

/// Each row's arguments joined; a NULL makes the result NULL, or is left out if `skipsNull`.
func concatenation(_ arguments: [Column], skipsNull: Bool) -> Column {
    rows(arguments, .string, skipsNull: skipsNull) { row, builder in
        var joined: [UInt8] = []
        for argument in arguments where !argument.isNull(row) {
            joined += argument.texts.bytes[argument.texts.range(row)]
        }
        builder.append(bytes: joined)
    }
}

/// Changes ASCII letters only.
func lowercased(_ arguments: [Column]) -> Column {
    let texts = arguments[0].texts
    return rows(arguments, .string) { row, builder in
        builder.append(bytes: texts.bytes[texts.range(row)].map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 32 : $0 })
    }
}

/// Changes ASCII letters only.
func uppercased(_ arguments: [Column]) -> Column {
    let texts = arguments[0].texts
    return rows(arguments, .string) { row, builder in
        builder.append(bytes: texts.bytes[texts.range(row)].map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 32 : $0 })
    }
}

/// Counts Unicode scalars.
func length(_ arguments: [Column]) -> Column {
    let texts = arguments[0].texts
    return rows(arguments, .int64) { row, builder in
        builder.append(Int64(texts.bytes[texts.range(row)].count { $0 & 0xC0 != 0x80 }))
    }
}

func isLike(_ arguments: [Column]) -> Column {
    let texts = arguments[0].texts, patterns = arguments[1].texts
    return rows(arguments, .bool) { row, builder in
        if let matches = like(Array(texts[row].unicodeScalars), Array(patterns[row].unicodeScalars)) {
            builder.append(matches)
        } else {
            builder.appendNull()
        }
    }
}

func substring(_ arguments: [Column]) -> Column {
    let texts = arguments[0].texts
    return rows(arguments, .string) { row, builder in
        let length = arguments.count == 3 ? arguments[2].integers[row] : nil
        if let part = substring(Array(texts[row].unicodeScalars), from: arguments[1].integers[row], length: length) {
            builder.append(bytes: String(String.UnicodeScalarView(part)).utf8)
        } else {
            builder.appendNull()
        }
    }
}

/// - Parameter body: appends a row's value. It isn't called for rows with a NULL argument, whose result is NULL, unless
///   `skipsNull`.
private func rows(
    _ arguments: [Column], _ type: ValueType, skipsNull: Bool = false, _ body: (Int, inout ColumnBuilder) -> Void
) -> Column {
    let count = arguments[0].count
    var builder = ColumnBuilder(type)
    builder.reserve(count)
    for row in 0..<count {
        if !skipsNull, arguments.contains(where: { $0.isNull(row) }) {
            builder.appendNull()
        } else {
            body(row, &builder)
        }
    }
    return builder.finish()
}

/// SQL's substring: positions count from 1 and may lie outside; a negative length is NULL.
private func substring(_ text: [Unicode.Scalar], from start: Int64, length: Int64?) -> ArraySlice<Unicode.Scalar>? {
    var end = Int64(text.count) + 1
    if let length {
        guard length >= 0 else { return nil }
        let (sum, overflow) = start.addingReportingOverflow(length)
        if !overflow { end = min(end, sum) }
    }
    let begin = max(start, 1)
    guard begin < end else { return [] }
    return text[Int(begin - 1)..<Int(end - 1)]
}

/// `%` matches any run, `_` any one scalar, and a backslash escapes. Greedy, with one point to go back to: O(N·M).
///
/// Nil where PostgreSQL refuses: when matching gets to an escape that ends the pattern, with text left to match.
private func like(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool? {
    var escapes = 0
    while escapes < pattern.count, pattern[pattern.count - 1 - escapes] == "\\" { escapes += 1 }
    let dangling = escapes % 2 == 1 ? pattern.count - 1 : -1
    /// Whether only wildcards come before the dangling escape, and the text is long enough for them.
    func reachesDangling(_ t: Int, _ p: Int) -> Bool {
        var t = t, p = p
        while p < pattern.count, pattern[p] == "%" || pattern[p] == "_" {
            if pattern[p] == "_" {
                if t == text.count { return false }
                t += 1
            }
            p += 1
        }
        return p == dangling
    }
    var t = 0, p = 0
    var retry: (text: Int, pattern: Int)?
    while true {
        if p < pattern.count, pattern[p] == "%" {
            p += 1
            if t < text.count, reachesDangling(t, p) { return nil }
            retry = (t, p)
            continue
        }
        if t == text.count {
            if p == pattern.count { return true }
        } else if p < pattern.count {
            if p == dangling { return nil }
            let escaped = pattern[p] == "\\"
            let wanted = escaped ? pattern[p + 1] : pattern[p]
            if wanted == text[t] || !escaped && wanted == "_" {
                t += 1
                p += escaped ? 2 : 1
                continue
            }
        }
        guard let (back, resume) = retry, back < text.count else { return false }
        t = back + 1
        p = resume
        retry = (t, p)
    }
}
