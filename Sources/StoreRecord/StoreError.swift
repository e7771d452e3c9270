/// What the store refuses: a stable code, the reason, and what to do instead.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What went wrong, for programs. Raw values never change: HTTP answers carry them as `code`.
    public enum Code: String, Sendable {
        case notMigrated = "not_migrated"
        case migrationChanged = "migration_changed"
        case definitionRefused = "definition_refused"
        case invalidRequest = "invalid_request"
        case asOfInFuture = "as_of_in_future"
        case duplicateFile = "duplicate_file"
        case conflictingRow = "conflicting_row"
        case idempotencyConflict = "idempotency_conflict"
        case notFound = "not_found"
        case behind = "behind"
        /// Nothing new is made of retired things.
        case retired = "retired"
        /// Something depends on it.
        case inUse = "in_use"
        /// More was asked for at once than can be done soon.
        case overloaded = "overloaded"
        /// The environment doesn't allow it.
        case unsupported = "unsupported"
        /// What was asked for takes more memory or space than it may.
        case tooMuch = "too_much"
        /// Kept data isn't what it was when it was written.
        case damaged = "damaged"
    }

    /// What went wrong, for programs.
    public var code: Code
    /// What was refused and why, for people, without any of their data.
    public var message: String
    /// What to do instead; nil if there is nothing to say.
    public var advice: String?

    /// An error with its code and what to tell people.
    public init(_ code: Code, _ message: String, advice: String? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
    }

    public var description: String { message + (advice.map { " (\($0))" } ?? "") }
}
