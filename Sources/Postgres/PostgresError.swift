/// Something that PostgreSQL or the way to it refused: an SQLSTATE, its message and, if we know, what to do.
///
/// The server's details and hints are left out, since they hold people's data.
public struct PostgresError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Five characters of SQLSTATE. Besides the server's own: `08001` if there is no connection, `08003` if its pool
    /// was closed, `08006` if it was lost, `XXF01` if a value isn't what it always is, `08F14` if the server didn't
    /// answer in time.
    public var code: String
    /// The server's primary message, or ours.
    public var message: String
    /// What to do about it; nil if we don't know.
    public var advice: String?

    /// An error of our own, or one that the server reported.
    public init(code: String, message: String, advice: String? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
    }

    public var description: String {
        "\(message) [\(code)]" + (advice.map { " (\($0))" } ?? "")
    }

    /// Whether the database can't be reached, or went away in the middle.
    public var isConnectionLost: Bool { code.hasPrefix("08") || code.hasPrefix("57P") }

    /// The server couldn't be reached, or didn't accept the connection.
    static func unreachable(_ message: String, advice: String? = nil) -> PostgresError {
        PostgresError(code: "08001", message: message, advice: advice)
    }

    /// Whether there was no connection at all.
    public var isUnreachable: Bool { code == "08001" }

    /// Whether it was refused because the pool was closed.
    public var isClosed: Bool { code == PostgresError.closed.code }

    /// A value that isn't what it always is: a NULL where there can be none, two rows where there is one. The message
    /// is ours and holds no value.
    static func damagedValue(_ message: String) -> PostgresError {
        PostgresError(code: ownDamage, message: message, advice: "firn verify says more")
    }

    /// Whether a stored value isn't what it always is, as when somebody changed a table by hand.
    public var isDamagedValue: Bool { code == PostgresError.ownDamage }

    private static let ownDamage = "XXF01"

    /// Whether it took too long: the database gave up on the statement, or we gave up on the database.
    public var isTimeout: Bool { code == "57014" || code == PostgresError.noAnswer }

    /// Whether nothing is wrong with the statement: resources are short, something else is in its way or was lost, or a
    /// disk fails. It may succeed in a moment.
    public var isTransient: Bool {
        isConnectionLost || isTimeout || ["53", "55", "57"].contains { code.hasPrefix($0) }
            || ["25006", "40001", "40P01", "58030"].contains(code)
    }

    private static let noAnswer = "08F14"

    /// A server didn't answer in time, and its connection was given up.
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
