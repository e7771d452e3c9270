/// What the store refuses, with a code that stays and what to do instead.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
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
        /// Nothing new is made of what is retired.
        case retired = "retired"
        /// Something hangs on it.
        case inUse = "in_use"
        /// More is asked for at once than can be done soon.
        case overloaded = "overloaded"
        /// The surroundings don't allow it.
        case unsupported = "unsupported"
        /// What is asked for takes up more than it may.
        case tooMuch = "too_much"
        /// What is kept isn't what it was when it was written.
        case damaged = "damaged"
    }

    public var code: Code
    public var message: String
    public var advice: String?

    public init(_ code: Code, _ message: String, advice: String? = nil) {
        self.code = code
        self.message = message
        self.advice = advice
    }

    public var description: String { message + (advice.map { " (\($0))" } ?? "") }
}
