/// What PostgreSQL or the way to it refused: an SQLSTATE, its message, and what to do where we know.
///
/// Details and hints of the server are left out, since they hold people's data.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Five characters of SQLSTATE; `08001` where there is no connection, `08003` where its pool was closed, `08006`
    /// where it was lost, `XXF01` where a value isn't what it always is, `08F14` where the server didn't answer in
    /// time.
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
    static func unreachable(_ message: String, advice: String? = nil) -> PostgresError {
        PostgresError(code: "08001", message: message, advice: advice)
    }

    /// Whether there was no connection at all.
    public var isUnreachable: Bool { code == "08001" }

    /// Whether it was refused because the pool was closed.
    public var isClosed: Bool { code == PostgresError.closed.code }

    /// A value isn't what it always is: a NULL where there can be none, two rows where there is one. Said by us, in
    /// words that hold no value.
    static func damagedValue(_ message: String) -> PostgresError {
        PostgresError(code: ownDamage, message: message, advice: "firn verify says more")
    }

    public var isDamagedValue: Bool { code == PostgresError.ownDamage }

    private static let ownDamage = "XXF01"

    /// It took too long: the database gave the statement up, or was given up itself.
    public var isTimeout: Bool { code == "57014" || code == PostgresError.noAnswer }

    /// Nothing is wrong with the statement: resources are short, something else is in its way or was lost, a disk
    /// doesn't do. The same may do in a moment.
    public var isTransient: Bool {
        isConnectionLost || isTimeout || ["53", "55", "57"].contains { code.hasPrefix($0) }
            || ["25006", "40001", "40P01", "58030"].contains(code)
    }

    private static let noAnswer = "08F14"

    public static var tooSlow: PostgresError {
        PostgresError(code: noAnswer, message: "PostgreSQL didn't answer in time")
    }
    static var noConnection: PostgresError {
        PostgresError(code: noAnswer, message: "all connections to PostgreSQL were in use for too long")
    }

    /// The pool was closed.
    public static var closed: PostgresError { PostgresError(code: "08003", message: "the store is closed") }

    static func connection(_ message: String, advice: String? = nil) -> PostgresError {
        PostgresError(code: "08006", message: message, advice: advice)
    }
}
