internal import Foundation
internal import Synchronization

/// The database's time, as far as this process knows it: never ahead of the database, and never going back.
package final class DatabaseClock: Sendable {
    private struct Sample {
        /// The database's clock, and when the answer that had it came.
        var time: Int64
        var received: ContinuousClock.Instant
    }

    private struct State {
        var sample: Sample?
        var latest = Int64.min
        /// How far this machine's clock and the database's were apart when they were last compared.
        var disagreement = Duration.zero
    }

    private let state = Mutex(State())
    private let driven: (@Sendable () -> Int64)?
    private let wall: @Sendable () -> Int64

    /// - Parameters:
    ///   - driven: says what time it is instead.
    ///   - wall: this machine's clock, microseconds since 1970.
    package init(
        driven: (@Sendable () -> Int64)? = nil,
        wall: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970 * 1e6) }
    ) {
        self.driven = driven
        self.wall = wall
    }

    /// When the database's clock was read: at some moment between two readings of this machine's.
    package struct Reading {
        fileprivate var before: Int64
        fileprivate var after: Int64
        fileprivate var received: ContinuousClock.Instant
    }

    /// Runs `body`, which asks the database what time it is.
    package func reading<T>(_ body: () throws -> T) rethrows -> (T, Reading) {
        let before = wall(), value = try body()
        return (value, Reading(before: before, after: wall(), received: .now))
    }

    /// Takes what the database said.
    ///
    /// - Parameters:
    ///   - time: its *now*.
    ///   - raw: its clock as it is.
    package func learn(_ time: Int64, raw: Int64, _ reading: Reading) {
        state.withLock { state in
            state.sample = Sample(time: time, received: reading.received)
            state.latest = max(state.latest, time)
            state.disagreement = .microseconds(max(0, reading.before &- raw, raw &- reading.after))
        }
    }

    /// How far this machine's clock and the database's are apart at least.
    package var disagreement: Duration { state.withLock { $0.disagreement } }

    /// From here on, no *now* is before this one, because an answer had it.
    package func pass(_ time: Int64) { state.withLock { $0.latest = max($0.latest, time) } }

    /// How long ago something was learned.
    package var silence: Duration {
        state.withLock { $0.sample }.map { ContinuousClock.now - $0.received } ?? .seconds(Int64.max / 2)
    }

    /// The database's time in microseconds since 1970; nil before anything was learned.
    package func now() -> Int64? {
        if let driven { return driven() }
        return state.withLock { state in
            guard let sample = state.sample else { return nil }
            let passed = (ContinuousClock.now - sample.received).components
            state.latest = max(
                state.latest, sample.time &+ passed.seconds * 1_000_000 &+ passed.attoseconds / 1_000_000_000_000)
            return state.latest
        }
    }
}
