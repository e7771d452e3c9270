import FeatureStore
import HTTPTypes
import Hummingbird
import Postgres
import Synchronization

/// How many requests are handled at once. Any beyond that are refused immediately, with 503 and when to come back, so
/// that the others don't all become slow.
///
/// Long computations (training sets, imports, comparisons) have a small limit of their own and wait for their turn, so
/// that they can't starve lookups, nor one caller another.
final class Admission: Sendable {
    /// Where a route's requests are handled.
    enum Lane {
        /// Always admitted: how the server is.
        case free
        case request
        /// A request that computes briefly in the server itself, on dedicated threads.
        case work
        /// A request that may wait for others' transactions for as long as a job may.
        case registration
        /// A long computation.
        case job
        /// A job whose body is put aside before its turn: a slow sender keeps nobody out.
        case upload
    }

    /// A server's limits, one for each thing that requests need.
    struct Bounds {
        var mostRequests: Int
        var mostJobs: Int
        var bodyMemory: Int
        var rowMemory: Int
        var jobMemory: Int
        var deadline: Duration
        var jobDeadline: Duration
    }

    /// Whose job or upload it is.
    @TaskLocal private static var caller = ""

    private let requests = Mutex((all: 0, work: 0))
    private let bounds: Bounds
    private let jobs: Budget
    private let uploads: Budget
    private let answers: Budget
    private let turns = RowMemory.Turns()
    /// Bytes of bodies held in memory, including what is read out of them.
    let bodies: Budget

    /// Requests that compute in the server itself wait for threads; any beyond these would wait too long.
    private static let mostWork = 64
    /// How long a body waits for memory.
    private static let patience = Duration.seconds(5)

    init(_ bounds: Bounds) {
        self.bounds = bounds
        let most = bounds.mostJobs
        // One place stays free for another caller, if there is more than one.
        jobs = Budget(most, each: max(1, most - 1), mostWaiting: 8 * most)
        uploads = Budget(10 * most, each: 9 * most, mostWaiting: 0)
        answers = Budget(most, each: max(1, most - 1), mostWaiting: 8 * most)
        bodies = Budget(bounds.bodyMemory, mostWaiting: 1000)
    }

    /// What one job may hold: a quarter each for its spine, its results, the rows it reads, and everything in between.
    /// As many jobs as are running may be finished but not fetched yet.
    var jobQuarter: Int { bounds.jobMemory / (2 * bounds.mostJobs) / 4 }

    static let refusal = Problem(
        .serviceUnavailable, "overloaded",
        "too much is asked for at once: nothing of this was done, ask again in a second")

    func admit<T>(_ lane: Lane, _ caller: String, _ body: () async throws -> T) async throws -> T {
        switch lane {
        case .free: try await body()
        case .request: try await request(isWork: false, bounds.deadline) { try await holding(caller, body) }
        case .work, .registration:
            try await request(isWork: true, lane == .work ? bounds.deadline : bounds.jobDeadline) {
                try await holding(caller) { try await withTaskExecutorPreference(WorkThreads.shared, operation: body) }
            }
        case .job:
            try await Admission.$caller.withValue(caller) {
                try await job {
                    try await holding(caller) {
                        try await withTaskExecutorPreference(WorkThreads.shared, operation: body)
                    }
                }
            }
        case .upload:
            try await lent(uploads, caller) {
                try await Admission.$caller.withValue(caller) {
                    try await withTaskExecutorPreference(WorkThreads.shared, operation: body)
                }
            }
        }
    }

    /// Runs a job when its turn comes.
    func job<T>(_ body: () async throws -> T) async throws -> T {
        try await lent(jobs, Admission.caller) {
            try await RowMemory.$current.withValue(RowMemory(jobQuarter)) {
                try await Deadline.within(bounds.jobDeadline, body)
            }
        }
    }

    /// Memory for a job whose rows are sent after it is done, as fast as its client takes them: held for as long as the
    /// returned value lives.
    func answer() async throws -> Answer {
        try await answers.take(1, for: Admission.caller, until: .now + Admission.patience)
        return Answer(answers, Admission.caller)
    }

    /// A job's rows on their way to the client.
    final class Answer: Sendable {
        private let budget: Budget
        private let caller: String

        fileprivate init(_ budget: Budget, _ caller: String) {
            self.budget = budget
            self.caller = caller
        }

        deinit { budget.give(1, from: caller) }
    }

    private func request<T>(isWork: Bool, _ deadline: Duration, _ body: () async throws -> T) async throws -> T {
        let isAdmitted = requests.withLock { requests in
            guard requests.all < bounds.mostRequests, !isWork || requests.work < Admission.mostWork else {
                return false
            }
            requests.all += 1
            requests.work += isWork ? 1 : 0
            return true
        }
        guard isAdmitted else { throw Admission.refusal }
        defer {
            requests.withLock { requests in
                requests.all -= 1
                requests.work -= isWork ? 1 : 0
            }
        }
        return try await RowMemory.$current.withValue(RowMemory(bounds.rowMemory, turns)) {
            try await Deadline.within(deadline, body)
        }
    }

    private func lent<T>(_ budget: Budget, _ caller: String, _ body: () async throws -> T) async throws -> T {
        if !budget.takeNow(1, for: caller) { try await budget.take(1, for: caller) }
        defer { budget.give(1, from: caller) }
        return try await body()
    }

    private func holding<T>(_ caller: String, _ body: () async throws -> T) async throws -> T {
        try await RequestMemory.$current.withValue(
            RequestMemory(bodies, caller, patience: Admission.patience), operation: body)
    }
}

struct AdmissionMiddleware<Context: RemoteAddressRequestContext>: RouterMiddleware {
    let store: Store
    let admission: Admission
    let metrics: ServerMetrics
    let lane: Admission.Lane
    /// Whether callers have names; if not, they are told apart by their addresses.
    let hasTokens: Bool

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        do {
            let caller = hasTokens ? store.actor : context.remoteAddress?.ipAddress ?? ""
            return try await admission.admit(lane, caller) { try await next(request, context) }
        } catch let problem as Problem where problem.code == Admission.refusal.code {
            metrics.countRefused()
            throw problem
        }
    }
}
