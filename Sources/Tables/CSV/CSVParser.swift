/// Splits CSV (RFC 4180) into records: fields separated by commas or another byte, quotes doubled inside quotes, LF or
/// CRLF, possibly a byte-order mark at the start.
///
/// Works on a window of bytes that slides over the file. A record is handed out as ranges of that window, so only
/// fields with doubled quotes are copied.
struct CSVParser {
    struct Field {
        var range: Range<Int>
        var isQuoted: Bool
        /// Whether there are doubled quotes inside.
        var hasEscapes: Bool
    }

    private let reader: ByteReader
    private let name: String
    private let options: ReadOptions
    private(set) var window: [UInt8] = []
    private var position = 0
    private var isAtEnd = false
    /// The line on which the record last handed out begins, from 1.
    private(set) var line = 0
    private var nextLine = 1
    private(set) var fields: [Field] = []

    /// A record with more bytes than this is refused: more likely, a quote is never closed.
    static let maximumRecord = 16 << 20

    init(_ reader: ByteReader, name: String, _ options: ReadOptions) throws(TableError) {
        self.reader = reader
        self.name = name
        self.options = options
        // A pipe may give the mark byte by byte.
        while window.count < 4, !isAtEnd { try fill() }
        if let encoding = TextEncoding(window) { throw encoding.fault(name) }
        if window.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        if options.delimiter != UInt8(ascii: ","), options.null?.utf8.contains(UInt8(ascii: ",")) ?? false {
            throw TableError(
                file: name, message: "a word that means NULL can't hold a comma", advice: "a spine is kept with commas")
        }
    }

    /// Reads the header.
    ///
    /// - Returns: the columns' names.
    /// - Throws: `TableError` for an empty file, and for lines that end in CR alone.
    mutating func header() throws(TableError) -> [String] {
        guard try next() else {
            throw TableError(file: name, message: "the file is empty", advice: "the first line names the columns")
        }
        if fields.contains(where: { !$0.isQuoted && window[$0.range].contains(0x0D) }) { throw endsInCR }
        return fields.map { String(decoding: bytes($0), as: UTF8.self) }
    }

    /// Refuses a name that appears twice.
    func requireOnce(_ titles: [String]) throws(TableError) {
        for (index, title) in titles.enumerated() where titles[..<index].contains(title) {
            throw TableError(
                file: name, line: line, column: String(title.prefix(63)), message: "stands twice in the header")
        }
    }

    private var endsInCR: TableError {
        TableError(
            file: name, line: 1, message: "its lines end in CR alone", advice: "end them in LF, as with tr '\\r' '\\n'")
    }

    /// Refuses a header that another delimiter would split. Called when a column isn't there.
    func requireDelimiter(_ titles: [String]) throws(TableError) {
        guard titles.count == 1 else { return }
        for (byte, what) in [
            (UInt8(ascii: ";"), "semicolons"), (UInt8(ascii: "\t"), "tabs"), (UInt8(ascii: "|"), "bars"),
            (UInt8(ascii: ","), "commas"),
        ]
        where byte != options.delimiter && titles[0].utf8.contains(byte) {
            let given = byte == UInt8(ascii: "\t") ? "\\t" : String(UnicodeScalar(byte))
            throw TableError(
                file: name, line: line, message: "its fields are separated by \(what)",
                advice: options.names.advice("delimiter") { "\($0) '\(given)' reads them" } ?? "write it with commas")
        }
    }

    private enum Outcome {
        case record
        /// The window ends inside the record.
        case incomplete
        case end
    }

    /// Advances to the next record; false at the end of the file.
    mutating func next() throws(TableError) -> Bool {
        while true {
            let outcome = try scan()
            switch outcome {
            case .record: return true
            case .end: return false
            case .incomplete:
                guard window.count - position <= CSVParser.maximumRecord else {
                    throw TableError(
                        file: name, line: nextLine,
                        message: "a record of more than \(CSVParser.maximumRecord >> 20) MiB",
                        advice: "is a quote never closed?")
                }
                try fill()
            }
        }
    }

    /// Advances to the next row of a table, past blank lines; false at the end of the file.
    ///
    /// - Throws: `TableError` for a record with more or fewer fields than `width`.
    mutating func nextRow(of width: Int) throws(TableError) -> Bool {
        while try next() {
            // In a table of one column an empty line is a NULL.
            if width > 1, fields.count == 1, !fields[0].isQuoted, fields[0].range.isEmpty { continue }
            guard fields.count == width else {
                throw TableError(
                    file: name, line: line, message: "\(fields.count) fields where the header has \(width)")
            }
            return true
        }
        return false
    }

    private mutating func fill() throws(TableError) {
        window.removeFirst(position)
        position = 0
        if let piece = try reader.next() { window += piece } else { isAtEnd = true }
    }

    private mutating func scan() throws(TableError) -> Outcome {
        fields.removeAll(keepingCapacity: true)
        let held = window
        let bytes = held.span
        let count = bytes.count
        var at = position
        var lines = 0
        if at == count { return isAtEnd ? .end : .incomplete }
        let quote = UInt8(ascii: "\""), comma = options.delimiter, newline = UInt8(ascii: "\n"),
            carriage = UInt8(ascii: "\r")
        while true {
            let start = at
            if at < count, bytes[at] == quote {
                at += 1
                var hasEscapes = false
                while true {
                    while at < count, bytes[at] != quote {
                        if bytes[at] == newline { lines += 1 }
                        at += 1
                    }
                    if at + 1 >= count, !isAtEnd { return .incomplete }
                    guard at < count else {
                        throw TableError(file: name, line: nextLine, message: "a quote that is never closed")
                    }
                    guard at + 1 < count, bytes[at + 1] == quote else { break }
                    hasEscapes = true
                    at += 2
                }
                fields.append(Field(range: (start + 1)..<at, isQuoted: true, hasEscapes: hasEscapes))
                at += 1
                if at < count, bytes[at] == carriage, at + 1 == count || bytes[at + 1] == newline {
                    if at + 1 == count, !isAtEnd { return .incomplete }
                    at += 1
                }
                guard at == count || bytes[at] == comma || bytes[at] == newline else {
                    if nextLine == 1, bytes[at] == carriage { throw endsInCR }
                    throw TableError(
                        file: name, line: nextLine, message: "field \(fields.count): something after the closing quote",
                        advice: "a quote inside quotes is written twice")
                }
            } else {
                while at < count, bytes[at] != comma, bytes[at] != newline {
                    if bytes[at] == quote {
                        throw TableError(
                            file: name, line: nextLine,
                            message: "field \(fields.count + 1): a quote inside an unquoted field",
                            advice: "quote the whole field and write the quote twice")
                    }
                    at += 1
                }
                let end =
                    at > start && (at == count ? isAtEnd : bytes[at] == newline) && bytes[at - 1] == carriage
                    ? at - 1 : at
                fields.append(Field(range: start..<end, isQuoted: false, hasEscapes: false))
            }
            if at == count {
                if !isAtEnd { return .incomplete }
                position = at
                break
            }
            at += 1
            if bytes[at - 1] == newline {
                position = at
                lines += 1
                break
            }
        }
        line = nextLine
        nextLine += lines
        return .record
    }

    /// The bytes of a field, with doubled quotes undone.
    func bytes(_ field: Field) -> ArraySlice<UInt8> {
        guard field.hasEscapes else { return window[field.range] }
        var plain: [UInt8] = []
        var skip = false
        for byte in window[field.range] {
            if byte == UInt8(ascii: "\""), skip {
                skip = false
                continue
            }
            skip = byte == UInt8(ascii: "\"")
            plain.append(byte)
        }
        return plain[...]
    }
}

/// An encoding other than UTF-8, recognized by how a file begins.
enum TextEncoding: String {
    case utf16 = "UTF-16", utf32 = "UTF-32"

    /// Nil if it may be UTF-8.
    init?(_ bytes: [UInt8]) {
        if bytes.starts(with: [0xFF, 0xFE, 0, 0]) || bytes.starts(with: [0, 0, 0xFE, 0xFF]) {
            self = .utf32
        } else if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            self = .utf16
        } else if bytes.count >= 4,
            bytes[0] == 0 && bytes[1] != 0 && bytes[2] == 0 && bytes[3] != 0
                || bytes[0] != 0 && bytes[1] == 0 && bytes[2] != 0 && bytes[3] == 0
        {
            // UTF-16 without a mark, beginning with ASCII.
            self = .utf16
        } else {
            return nil
        }
    }

    func fault(_ name: String) -> TableError {
        TableError(
            file: name, message: "is \(rawValue)", advice: "write it as UTF-8, as with iconv -f \(rawValue) -t UTF-8")
    }
}
