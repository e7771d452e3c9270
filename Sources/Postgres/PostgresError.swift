/// What PostgreSQL or the way to it refused: an SQLSTATE, its message, and what to do where we know.
///
/// Details and hints of the server are left out, since they hold people's data.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Five characters of SQLSTATE; `08006` where the connection failed.
    public var code: String
    public var message: String
    public var advice: String?

    public init(code: String, message: String, advice: String? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
    }

    public var description: String {
        "\(message) [\(code)]" + (advice.map { " (\($0))" } ?? "")
    }

    /// The database can't be reached, or went away in the middle.
    public var isConnectionLost: Bool { code.hasPrefix("08") || code.hasPrefix("57P") }

    static func connection(_ message: String, advice: String? = nil) -> PostgresError {
        PostgresError(code: "08006", message: message, advice: advice)
    }
}
