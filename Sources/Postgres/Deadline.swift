/// Until when somebody waits for what a task does with PostgreSQL: whoever waits longer for a connection, or for an
/// answer, gets an error instead, and a connection that didn't answer is given up.
///
/// The database has its own deadline for a statement (`Connection.Settings.statementTimeout`), but one that hangs keeps
/// none.
public enum Deadline {
    /// Nil waits as long as it takes. What runs beside the task that began it, and for others, is begun detached.
    @TaskLocal public static var current: ContinuousClock.Instant?

    /// Runs `body`, which may take so long; nil leaves it the deadline it has.
    public static func within<T>(_ duration: Duration?, _ body: () async throws -> T) async rethrows -> T {
        guard let duration else { return try await body() }
        return try await $current.withValue(earlier(.now + duration, current), operation: body)
    }

    static func earlier(_ left: ContinuousClock.Instant?, _ right: ContinuousClock.Instant?) -> ContinuousClock.Instant?
    {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }
}
