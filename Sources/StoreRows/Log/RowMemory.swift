internal import Dispatch
internal import Postgres
package import StoreRecord
internal import Synchronization

/// What the rows that a task reads from sources may take up: an entity may have millions of them. Rows that stay few
/// are read by many at once; who reads more has its turn, one after the other, and beyond its bound is refused.
public final class RowMemory: Sendable {
    /// For whoever reads rows in this task; nil where that is nobody's business, as at the command line.
    @TaskLocal public static var current: RowMemory?

    /// Turns of those that read much, one at a time.
    public final class Turns: Sendable {
        fileprivate let semaphore = DispatchSemaphore(value: 1)

        public init() {}
    }

    /// What is read without a turn.
    private static let few = 32 << 20
    /// How long a turn is waited for, where there is no deadline.
    private static let patience = Duration.seconds(10)

    private let most: Int
    private let turns: Turns?
    private let state = Mutex((bytes: 0, hasTurn: false))

    /// - Parameters:
    ///   - most: bytes.
    ///   - turns: nil lets it read without one.
    public init(_ most: Int, _ turns: Turns? = nil) {
        self.most = most
        self.turns = turns
    }

    deinit { if state.withLock({ $0.hasTurn }) { turns?.semaphore.signal() } }

    /// So many bytes of rows came in.
    package func take(_ bytes: Int) throws(StoreError) {
        let (total, needsTurn) = state.withLock { state in
            state.bytes += bytes
            return (state.bytes, state.bytes > RowMemory.few && !state.hasTurn && turns != nil)
        }
        guard total <= most else {
            throw StoreError(
                .tooMuch, "the rows that this needs come to more than \(most >> 20) MiB",
                advice: "a shorter window needs fewer of an entity's rows; segments serve many entities")
        }
        guard needsTurn, let turns else { return }
        let left = Deadline.current.map { min($0 - .now, RowMemory.patience) } ?? RowMemory.patience
        guard turns.semaphore.wait(timeout: .now() + left / .seconds(1)) == .success else {
            throw StoreError(.overloaded, "others read as many rows just now", advice: "ask again in a second")
        }
        state.withLock { $0.hasTurn = true }
    }
}
