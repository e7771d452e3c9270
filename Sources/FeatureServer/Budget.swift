import Synchronization

/// A limited amount of something (turns, bytes), lent to callers. If too little is left, a caller waits in line, and
/// the one in line that holds least is next: a caller with much to do doesn't keep out another with little.
final class Budget: Sendable {
    private struct Waiting {
        var id: Int
        var caller: String
        var amount: Int
        var turn: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var left: Int
        var held: [String: Int] = [:]
        var line: [Waiting] = []
        var numbers = 0

        mutating func lend(_ amount: Int, to caller: String) {
            left -= amount
            held[caller, default: 0] += amount
        }
    }

    let amount: Int
    private let each: Int
    private let mostWaiting: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - each: the most that one caller may hold; nil for the whole amount.
    ///   - mostWaiting: the longest the line may get; any more are refused.
    init(_ amount: Int, each: Int? = nil, mostWaiting: Int) {
        self.amount = amount
        self.each = each ?? amount
        self.mostWaiting = mostWaiting
        state = Mutex(State(left: amount))
    }

    /// How much is lent right now.
    var lent: Int { state.withLock { amount - $0.left } }

    /// Takes it at once, without waiting: false if too little is left, or somebody else is next in line.
    func takeNow(_ amount: Int, for caller: String) -> Bool {
        state.withLock { state in
            guard amount <= state.left, state.held[caller, default: 0] + amount <= each, next(state) == nil else {
                return false
            }
            state.lend(amount, to: caller)
            return true
        }
    }

    /// Waits in line for its turn.
    ///
    /// - Parameter deadline: until when it waits; nil for as long as it takes.
    /// - Throws: `Admission.refusal` if the deadline passed, or too many are waiting already.
    func take(_ amount: Int, for caller: String, until deadline: ContinuousClock.Instant? = nil) async throws {
        guard amount <= each else { throw Admission.refusal }
        let id = state.withLock { state in
            state.numbers += 1
            return state.numbers
        }
        let timer = deadline.map { deadline in
            Task.detached { [self] in
                try await Task.sleep(until: deadline, clock: .continuous)
                leave(id, Admission.refusal)
            }
        }
        defer { timer?.cancel() }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { turn in
                state.withLock { $0.line.append(Waiting(id: id, caller: caller, amount: amount, turn: turn)) }
                moveOn()
                if Task.isCancelled { leave(id, CancellationError()) }
            }
        } onCancel: {
            leave(id, CancellationError())
        }
    }

    func give(_ amount: Int, from caller: String) {
        state.withLock { state in
            state.left += amount
            state.held[caller]? -= amount
            if state.held[caller] == 0 { state.held[caller] = nil }
        }
        moveOn()
    }

    /// Lends to those in line for as long as there is enough, and refuses those that are too many.
    private func moveOn() {
        let (served, refused) = state.withLock { state -> ([Waiting], [Waiting]) in
            var served: [Waiting] = [], refused: [Waiting] = []
            while let place = next(state), state.line[place].amount <= state.left {
                let waiting = state.line.remove(at: place)
                state.lend(waiting.amount, to: waiting.caller)
                served.append(waiting)
            }
            // The caller with the most waiting requests gives way.
            while state.line.count > mostWaiting {
                let counts = state.line.reduce(into: [:]) { $0[$1.caller, default: 0] += 1 },
                    most = counts.values.max() ?? 0
                guard let place = state.line.lastIndex(where: { counts[$0.caller] == most }) else { break }
                refused.append(state.line.remove(at: place))
            }
            return (served, refused)
        }
        for waiting in served { waiting.turn.resume() }
        for waiting in refused { waiting.turn.resume(throwing: Admission.refusal) }
    }

    /// Whose turn is next: of those in line whose callers may hold more, the one whose caller holds least, and the
    /// first of several.
    private func next(_ state: State) -> Int? {
        state.line.indices.filter { state.held[state.line[$0].caller, default: 0] + state.line[$0].amount <= each }
            .min {
                (state.held[state.line[$0].caller, default: 0], $0) < (
                    state.held[state.line[$1].caller, default: 0], $1
                )
            }
    }

    /// Takes a request that was cancelled, or has waited long enough, out of the line.
    private func leave(_ id: Int, _ error: any Error) {
        let turn = state.withLock { state in
            state.line.firstIndex { $0.id == id }.map { state.line.remove(at: $0).turn }
        }
        turn?.resume(throwing: error)
        // It may have been ahead of others for whom there is enough.
        if turn != nil { moveOn() }
    }
}
