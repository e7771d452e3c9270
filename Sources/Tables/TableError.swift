/// Why a file of rows can't be read or written: which file, where in it, and what to do. It never contains data from
/// the file.
public struct TableError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file's path, or what the rows come from if there is no file, such as `query`.
    public var file: String
    /// Counted from 1; for a record of several lines, the one on which it begins.
    public var line: Int?
    /// The name of the column; nil if it isn't about one.
    public var column: String?
    /// What is wrong, as part of a sentence.
    public var message: String
    /// What to do about it, as part of a sentence; nil if nothing is to be said.
    public var advice: String?
    /// Whether the only fault is that there are too many rows or bytes.
    public var isTooMuch = false

    /// An error about a file, or about a line, a column or both.
    public init(
        file: String, line: Int? = nil, column: String? = nil, message: String, advice: String? = nil,
        isTooMuch: Bool = false
    ) {
        self.isTooMuch = isTooMuch
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.advice = advice
    }

    public var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if let column { text += ": column '\(column)'" }
        text += ": \(message)"
        if let advice { text += " (\(advice))" }
        return text
    }
}
