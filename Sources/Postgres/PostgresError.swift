/// What PostgreSQL or the way to it refused: an SQLSTATE, its message, and what to do where we know.
///
/// Details and hints of the server are left out, since they hold people's data.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Five characters of SQLSTATE; `08001` where there is no connection, `08006` where it was lost.
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

    /// The server couldn't be reached, or didn't let the connection in.
    static func unreachable(_ message: String, advice: String? = nil) -> PostgresError { PostgresError(code: "08001", message: message, advice: advice) }

    /// Whether there was no connection at all.
    public var isUnreachable: Bool { code == "08001" }

    static func connection(_ message: String, advice: String? = nil) -> PostgresError {
        PostgresError(code: "08006", message: message, advice: advice)
    }
}
