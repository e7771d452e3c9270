/// Says why bytes aren't Arrow as we read it: what is wrong, in which column, and what to do. Never the data itself.
public struct ArrowError: Error, Sendable, Hashable {
    /// What is wrong, mostly as a predicate to follow the name of a file or column.
    public var message: String
    /// The name of the column; nil if the fault isn't in a particular one.
    public var column: String?
    /// The row to blame, from 1 within the column at hand; nil if no single row is.
    public var row: Int?
    /// What to do about it; nil if there is no obvious remedy.
    public var advice: String?
    /// Whether nothing is wrong with the data except that there is too much of it.
    public var isTooMuch = false

    init(_ message: String, column: String? = nil, row: Int? = nil, advice: String? = nil) {
        self.message = message
        self.column = column
        self.row = row
        self.advice = advice
    }

    static let damaged = ArrowError("the Arrow data is damaged")
    static let tooLarge = tooMuch("holds more data than may travel at once")
    static func tooMuch(_ message: String) -> ArrowError {
        var error = ArrowError(message, advice: "send less at a time")
        error.isTooMuch = true
        return error
    }
    static let otherFormat = ArrowError("is not Arrow data of this format", advice: "Arrow 0.15 and newer write it")
    static let notText = ArrowError("holds strings that aren't UTF-8")
    static let cut = ArrowError("the Arrow data ends too early")
}
