/// Until when somebody waits for what a task does with PostgreSQL. Waiting any longer for a connection or an answer
/// ends in an error, and a connection that didn't answer is given up.
///
/// The database has its own limit for a statement (`Connection.Settings.statementTimeout`), but one that hangs enforces
/// none.
public enum Deadline {
    /// Nil waits for as long as it takes. Work that runs beside the task that started it, on behalf of others, is
    /// detached so that it doesn't inherit this.
    @TaskLocal public static var current: ContinuousClock.Instant?

    /// Runs `body`, which may take that long; nil leaves the existing deadline in place.
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
