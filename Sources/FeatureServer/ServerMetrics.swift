import FeatureStore
import Hummingbird
import Logging
import Synchronization

/// What a server counts about its requests. Together with the store's figures, this makes the answer of `GET /metrics`.
final class ServerMetrics: Sendable {
    /// How many requests took at most a given number of seconds, and how long all of them took together.
    private struct Histogram {
        static let bounds = [
            0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
        ]

        var buckets = [Int](repeating: 0, count: bounds.count + 1)
        var sum = 0.0

        mutating func add(_ seconds: Double) {
            buckets[Histogram.bounds.firstIndex { seconds <= $0 } ?? Histogram.bounds.count] += 1
            sum += seconds
        }
    }

    private struct Asked: Hashable {
        var route: String
        var method: String
    }

    private struct State {
        var durations: [Asked: Histogram] = [:]
        var statuses: [Asked: [Int: Int]] = [:]
        var refused = 0
        var cutOff = 0
    }

    private let state = Mutex(State())
    /// Requests answered with 200 by the short cut, by route.
    private let ahead = Mutex(FastRoute.allCases.map { _ in Histogram() })

    func count(_ route: String, _ method: String, status: Int, _ duration: Duration) {
        let asked = Asked(route: route, method: method)
        state.withLock { state in
            state.durations[asked, default: Histogram()].add(duration / .seconds(1))
            state.statuses[asked, default: [:]][status, default: 0] += 1
        }
    }

    /// Counts a request that the short cut answered with 200.
    func count(_ route: FastRoute, _ duration: Duration) {
        ahead.withLock { $0[route.rawValue].add(duration / .seconds(1)) }
    }

    /// Counts a request that was refused because there were too many.
    func countRefused() { state.withLock { $0.refused += 1 } }

    /// Counts a client that was cut off because it sent or took too slowly.
    func countCutOff() { state.withLock { $0.cutOff += 1 } }

    /// All of it in the format that Prometheus reads.
    func text(_ figures: Figures) -> String {
        var text = MetricsText()
        let (ahead, state) = (self.ahead.withLock { $0 }, state.withLock { $0 })
        var durations = state.durations, statuses = state.statuses
        for (route, histogram) in zip(FastRoute.allCases, ahead) {
            let asked = Asked(route: route.path, method: "POST"), count = histogram.buckets.reduce(0, +)
            guard count > 0 else { continue }
            var sum = durations[asked] ?? Histogram()
            for index in histogram.buckets.indices { sum.buckets[index] += histogram.buckets[index] }
            sum.sum += histogram.sum
            durations[asked] = sum
            statuses[asked, default: [:]][200, default: 0] += count
        }
        text.family("firn_build_info", "gauge", "This build.", [(["version": firnBuild], 1)])
        text.family(
            "firn_http_requests_total", "counter", "Requests by route and status.",
            statuses.sorted { $0.key.route < $1.key.route }.flatMap { asked, counts in
                counts.sorted { $0.key < $1.key }.map {
                    (["route": asked.route, "method": asked.method, "status": String($0)], Double($1))
                }
            })
        text.head("firn_http_request_duration_seconds", "histogram", "Until the answer was ready, by route.")
        for (asked, histogram) in durations.sorted(by: { $0.key.route < $1.key.route }) {
            let labels = ["route": asked.route, "method": asked.method]
            var below = 0
            for (bound, bucket) in zip(Histogram.bounds.map { "\($0)" } + ["+Inf"], histogram.buckets) {
                below += bucket
                text.sample(
                    "firn_http_request_duration_seconds_bucket", labels.merging(["le": bound]) { $1 }, Double(below))
            }
            text.sample("firn_http_request_duration_seconds_sum", labels, histogram.sum)
            text.sample("firn_http_request_duration_seconds_count", labels, Double(below))
        }
        text.family(
            "firn_http_refused_total", "counter", "Requests refused since too many were there.",
            [([:], Double(state.refused))])
        text.family(
            "firn_http_cut_off_total", "counter", "Clients cut off since they sent or took too slowly.",
            [([:], Double(state.cutOff))])
        text.add(figures)
        return text.text
    }
}

/// Prometheus' text format: a family's help and type, and its samples.
private struct MetricsText {
    private(set) var text = ""

    mutating func head(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [String: String], _ value: Double) {
        let escaped = labels.sorted { $0.key < $1.key }.map { key, value in
            "\(key)=\"\(value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n"))\""
        }
        let number = value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : "\(value)"
        text += name + (escaped.isEmpty ? "" : "{\(escaped.joined(separator: ","))}") + " \(number)\n"
    }

    mutating func family(_ name: String, _ type: String, _ help: String, _ samples: [([String: String], Double)]) {
        guard !samples.isEmpty else { return }
        head(name, type, help)
        for (labels, value) in samples { sample(name, labels, value) }
    }

    /// Adds the store's figures.
    mutating func add(_ figures: Figures) {
        if let memory = figures.memory {
            let counts = memory.counts
            family(
                "firn_memory_lookups_total", "counter",
                "Lookups answered from memory, after entities were read, and computed from the database since an entity is too large.",
                [
                    (["outcome": "hit"], Double(counts.hits)), (["outcome": "miss"], Double(counts.misses)),
                    (["outcome": "direct"], Double(counts.direct)),
                ])
            family("firn_memory_entities", "gauge", "Entities in memory.", [([:], Double(counts.entities))])
            family("firn_memory_bytes", "gauge", "What they take up.", [([:], Double(counts.bytes))])
            family("firn_memory_limit_bytes", "gauge", "What they may take up.", [([:], Double(memory.maximumBytes))])
            family(
                "firn_memory_oversized_entities", "gauge", "Entities with more rows than memory holds for one.",
                [([:], Double(counts.oversized))])
            family(
                "firn_memory_recomputed_total", "counter", "Entities computed again since something had changed.",
                [([:], Double(counts.recomputed))])
            family(
                "firn_values_total", "counter", "Values served of sets, by feature and status.",
                memory.tallies.flatMap { tally in
                    zip(tally.features, tally.counts).flatMap { feature, counts in
                        zip(LookupAnswer.Status.allCases, counts).map {
                            (["set": tally.set, "feature": feature, "status": $0.rawValue], Double($1))
                        }
                    }
                })
            family(
                "firn_database_silence_seconds", "gauge", "How long ago the database was heard of.",
                [([:], memory.silence / .seconds(1))])
            family(
                "firn_database_lag_seconds", "gauge", "How far a standby was behind its primary; 0 on a primary.",
                [([:], memory.lag / .seconds(1))])
            family(
                "firn_clock_disagreement_seconds", "gauge",
                "How far this machine's clock and the database's are apart, at least.",
                [([:], memory.disagreement / .seconds(1))])
        }
        family(
            "firn_source_age_seconds", "gauge", "How long ago the newest batch of a source was committed.",
            figures.ages.map { (["source": $0], $1 / .seconds(1)) })
        family(
            "firn_pool_connections", "gauge", "Connections to PostgreSQL.",
            figures.pools.flatMap { pool in
                [
                    (["pool": pool.name, "state": "busy"], Double(pool.busy)),
                    (["pool": pool.name, "state": "idle"], Double(pool.idle)),
                ]
            })
        family(
            "firn_pool_waiting", "gauge", "Who waits for a connection.",
            figures.pools.map { (["pool": $0.name], Double($0.waiting)) })
        family(
            "firn_push_requests_total", "counter", "Pushes committed.",
            figures.pushes.map { (["source": $0.source], Double($0.requests)) })
        family(
            "firn_push_rows_total", "counter", "Rows of pushes, duplicates too.",
            figures.pushes.map { (["source": $0.source], Double($0.rows)) })
        family(
            "firn_push_commits_total", "counter", "Commits that they shared.",
            figures.pushes.map { (["source": $0.source], Double($0.commits)) })
        family(
            "firn_push_lag_seconds_total", "counter", "What pushes waited until they were committed, all together.",
            figures.pushes.map { (["source": $0.source], $0.waited / .seconds(1)) })
        family(
            "firn_push_waiting", "gauge", "Pushes that wait for a commit.",
            figures.pushes.map { (["source": $0.source], Double($0.waiting)) })
        family(
            "firn_receipts_total", "counter", "Lookups kept in the lookup log, and those for which there was no room.",
            [
                (["outcome": "written"], Double(figures.receipts.written)),
                (["outcome": "dropped"], Double(figures.receipts.dropped)),
            ])
    }
}

/// Counts and logs every request under its route's template, since paths may hold what users wrote.
struct MetricsMiddleware<Context: RemoteAddressRequestContext>: RouterMiddleware {
    let metrics: ServerMetrics
    let accessLog: AccessLog?

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        let began = ContinuousClock.now, note = accessLog.map { _ in AccessLog.Note() }
        let response = try await AccessLog.Note.$current.withValue(note) { try await next(request, context) }
        let duration = ContinuousClock.now - began, route = context.endpointPath ?? "unknown"
        metrics.count(route, request.method.rawValue, status: response.status.code, duration)
        accessLog?.write(
            request.method.rawValue, route, name: context.parameters.get("name") ?? context.parameters.get("id"),
            set: note?.set, by: note?.token,
            from: context.remoteAddress?.ipAddress, status: response.status.code, duration)
        context.logger.info(
            "answered",
            metadata: [
                "route": "\(route)", "method": "\(request.method)", "status": "\(response.status.code)",
                "ms": "\(Double(Int(duration / .microseconds(1))) / 1000)",
            ])
        return response
    }
}
