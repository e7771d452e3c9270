import HTTPTypes
import Hummingbird
import Synchronization

/// How many requests are worked on at once: more are refused at once, with 503 and when to come again, instead of all becoming slow.
///
/// What computes for long (training sets, imports, comparisons) has a small bound of its own and waits for its turn, so that it can't starve lookups.
final class Admission: Sendable {
    /// Where a route's requests are worked on.
    enum Lane {
        /// In every state: how the server is.
        case free
        case request
        /// What computes for long.
        case job
    }

    private struct State {
        var requests = 0
        var jobs = 0
        var waiting: [(id: Int, turn: CheckedContinuation<Void, any Error>)] = []
        var next = 0
    }

    private let state = Mutex(State())
    private let mostRequests: Int
    private let mostJobs: Int
    private let mostWaiting: Int

    /// - Parameters:
    ///   - mostRequests: at once, without jobs.
    ///   - mostJobs: at once; as many again times eight wait.
    init(mostRequests: Int, mostJobs: Int) {
        self.mostRequests = mostRequests
        self.mostJobs = mostJobs
        mostWaiting = 8 * mostJobs
    }

    static let refusal = Problem(.serviceUnavailable, "overloaded", "too much is asked for at once: nothing of this was done, ask again in a second")

    func request<T>(_ body: () async throws -> T) async throws -> T {
        let isAdmitted = state.withLock { state in
            guard state.requests < mostRequests else { return false }
            state.requests += 1
            return true
        }
        guard isAdmitted else { throw Admission.refusal }
        defer { state.withLock { $0.requests -= 1 } }
        return try await body()
    }

    func job<T>(_ body: () async throws -> T) async throws -> T {
        try await turn()
        defer {
            let next = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                guard state.waiting.isEmpty else { return state.waiting.removeFirst().turn }
                state.jobs -= 1
                return nil
            }
            next?.resume()
        }
        return try await body()
    }

    private func turn() async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (turn: CheckedContinuation<Void, any Error>) in
                let outcome = state.withLock { state -> Result<Void, any Error>? in
                    if state.jobs < mostJobs {
                        state.jobs += 1
                        return .success(())
                    }
                    guard !Task.isCancelled else { return .failure(CancellationError()) }
                    guard state.waiting.count < mostWaiting else { return .failure(Admission.refusal) }
                    state.waiting.append((id, turn))
                    return nil
                }
                if let outcome { turn.resume(with: outcome) }
            }
        } onCancel: {
            let turn = state.withLock { state in
                state.waiting.firstIndex { $0.id == id }.map { state.waiting.remove(at: $0).turn }
            }
            turn?.resume(throwing: CancellationError())
        }
    }
}

struct AdmissionMiddleware<Context: RequestContext>: RouterMiddleware {
    let admission: Admission
    let metrics: ServerMetrics
    let lane: Admission.Lane

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        do {
            switch lane {
            case .free: return try await next(request, context)
            case .request: return try await admission.request { try await next(request, context) }
            case .job: return try await admission.job { try await next(request, context) }
            }
        } catch let problem as Problem where problem.code == Admission.refusal.code {
            metrics.countRefused()
            throw problem
        }
    }
}
