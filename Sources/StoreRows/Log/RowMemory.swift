internal import Dispatch
internal import Postgres
package import StoreRecord
internal import Synchronization

/// Limits the memory for rows that a task reads from sources, since an entity may have millions of them. Tasks that
/// read few rows run at once; those that read more take turns, one at a time, and beyond the limit they are refused.
public final class RowMemory: Sendable {
    /// The limit for rows read in this task; nil if nobody sets one, as at the command line.
    @TaskLocal public static var current: RowMemory?

    /// Turns for tasks that read much, one at a time.
    public final class Turns: Sendable {
        fileprivate let semaphore = DispatchSemaphore(value: 1)

        public init() {}
    }

    /// How many bytes are read without a turn.
    private static let few = 32 << 20
    /// How long a turn is waited for at most; a deadline may shorten it.
    private static let patience = Duration.seconds(10)

    private let most: Int
    private let turns: Turns?
    private let state = Mutex((bytes: 0, hasTurn: false))

    /// - Parameters:
    ///   - most: the limit in bytes.
    ///   - turns: nil if it needs no turn to read more.
    public init(_ most: Int, _ turns: Turns? = nil) {
        self.most = most
        self.turns = turns
    }

    deinit { if state.withLock({ $0.hasTurn }) { turns?.semaphore.signal() } }

    /// Counts bytes of rows that came in, and waits for a turn if they are many.
    ///
    /// - Throws: `tooMuch` beyond the limit; `overloaded` if no turn came in time.
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
