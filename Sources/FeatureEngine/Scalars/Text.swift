internal import FeatureLanguage

/// `||`, `concat`, `lower`, `upper`, `length`, `substring`, `like`. Texts are runs of Unicode scalars, never normalised
/// or folded.
func text(_ operation: Operation, _ arguments: [Column]) -> Column {
    let count = arguments[0].count
    var builder = ColumnBuilder(operation == .length ? .int64 : operation == .like ? .bool : .string)
    builder.reserve(count)
    for row in 0..<count {
        if operation != .concat, arguments.contains(where: { $0.isNull(row) }) {
            builder.appendNull()
            continue
        }
        let first = arguments[0].texts
        switch operation {
        case .concatenate, .concat:
            var joined: [UInt8] = []
            for argument in arguments where !argument.isNull(row) {
                joined += argument.texts.bytes[argument.texts.range(row)]
            }
            builder.append(bytes: joined)
        case .lower:
            builder.append(bytes: first.bytes[first.range(row)].map { $0 >= 0x41 && $0 <= 0x5A ? $0 + 32 : $0 })
        case .upper:
            builder.append(bytes: first.bytes[first.range(row)].map { $0 >= 0x61 && $0 <= 0x7A ? $0 - 32 : $0 })
        case .length: builder.append(Int64(first.bytes[first.range(row)].count { $0 & 0xC0 != 0x80 }))
        case .like:
            let pattern = arguments[1].texts
            if let matches = like(Array(first[row].unicodeScalars), Array(pattern[row].unicodeScalars)) {
                builder.append(matches)
            } else {
                builder.appendNull()
            }
        default:
            let length = arguments.count == 3 ? arguments[2].integers[row] : nil
            if let part = substring(Array(first[row].unicodeScalars), from: arguments[1].integers[row], length: length)
            {
                builder.append(bytes: String(String.UnicodeScalarView(part)).utf8)
            } else {
                builder.appendNull()
            }
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

/// `%` any run, `_` any one scalar, backslash escapes. Greedy with one point of return: O(N·M).
///
/// Nil where PostgreSQL refuses: where matching comes to an escape that ends the pattern with text left to match.
private func like(_ text: [Unicode.Scalar], _ pattern: [Unicode.Scalar]) -> Bool? {
    var escapes = 0
    while escapes < pattern.count, pattern[pattern.count - 1 - escapes] == "\\" { escapes += 1 }
    let dangling = escapes % 2 == 1 ? pattern.count - 1 : -1
    /// Whether nothing but wildcards stands before the dangling escape, and the text is long enough for them.
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
