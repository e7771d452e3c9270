import Synchronization

/// What one request holds of a budget, until it ends.
final class RequestMemory: Sendable {
    /// The memory of the request being answered.
    @TaskLocal static var current: RequestMemory?

    private let budget: Budget
    private let caller: String
    private let patience: Duration
    private let held = Mutex(0)

    /// - Parameter patience: how long it waits for more.
    init(_ budget: Budget, _ caller: String, patience: Duration) {
        self.budget = budget
        self.caller = caller
        self.patience = patience
    }

    deinit { give(held.withLock { $0 }) }

    /// Takes more, but never more than half of the whole budget: a request that comes to more has a limit of its own.
    ///
    /// - Returns: how much was taken.
    func take(_ amount: Int) async throws -> Int {
        let amount = min(amount, budget.amount / 2)
        if !budget.takeNow(amount, for: caller) { try await budget.take(amount, for: caller, until: .now + patience) }
        held.withLock { $0 += amount }
        return amount
    }

    func give(_ amount: Int) {
        guard amount > 0 else { return }
        held.withLock { $0 -= amount }
        budget.give(amount, from: caller)
    }

    /// Holds this much more while `body` runs.
    static func holding<T>(_ amount: Int, _ body: () async throws -> T) async throws -> T {
        guard let memory = current else { return try await body() }
        let amount = try await memory.take(amount)
        defer { memory.give(amount) }
        return try await body()
    }
}
