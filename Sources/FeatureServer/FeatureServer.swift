public import FeatureStore
import Foundation
import Hummingbird
import HummingbirdCore
public import Logging
import NIOCore
import Postgres
import Synchronization

/// The store over HTTP.
public struct FeatureServer: Sendable {
    /// How it serves.
    public struct Configuration: Sendable {
        /// The address to listen on; loopback reaches this machine alone.
        public var host = "127.0.0.1"
        /// The port to listen on; 0 takes any free one.
        public var port = 7070
        /// Whether every request must bear a token. If not, anyone who reaches the address may do anything.
        public var needsTokens = false
        /// What it is called besides localhost: on loopback without tokens, requests under any other name are refused.
        public var hostNames: [String] = []
        /// Speaks TLS with these; nil speaks plain HTTP.
        public var certificates: Certificates?
        /// How often it looks for rows to seal into segments; nil leaves that to others.
        public var sealsEvery: Duration?
        /// How many clients may be connected at once; others wait to be accepted.
        public var mostConnections = 10_000
        /// How many requests are handled at once, besides lookups that memory answers and jobs; others are refused.
        public var mostRequests = 1024
        /// How many training sets, imports and comparisons run at once; eight times as many wait, and any beyond that
        /// are refused.
        public var mostJobs = 2
        /// How many bytes of bodies are held in memory, including what is read out of them: others wait, and are then
        /// refused.
        public var bodyMemory = 512 << 20
        /// How many bytes of rows that memory lacks one request may read; requests that read much take turns.
        public var rowMemory = 1 << 30
        /// How many bytes jobs may take up; each has its share.
        public var jobMemory = 4 << 30
        /// How long a request that isn't a job may take; if it still waits for the database then, it gets 503.
        public var deadline = Duration.seconds(30)
        /// How long a job may take.
        public var jobDeadline = Duration.seconds(3600)
        /// Gets a line for each request; nil writes none.
        public var accessLog: AccessLog?
        /// How slow a client may be before it is cut off.
        public var patience = Patience()

        public init() {}
    }

    private let store: Store
    private let configuration: Configuration
    private let logger: Logger
    private let gatekeeper: Gatekeeper?
    private let metrics = ServerMetrics()
    private let isWarm = Warmth()

    /// How many rows wait before the server seals them, unless a tenth of what is sealed is less.
    private static let rowsToSeal = 10_000

    /// A server that opens nothing and listens nowhere until `run`.
    public init(_ store: Store, _ configuration: Configuration = Configuration(), logger: Logger) {
        self.store = store
        self.configuration = configuration
        self.logger = logger
        gatekeeper = configuration.needsTokens ? Gatekeeper(store.catalog) : nil
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then finishes what it has accepted.
    ///
    /// - Parameters:
    ///   - preparing: what has to be done before the server is ready; it listens meanwhile. If this throws, the server
    ///     ends.
    ///   - listening: called with the port once it listens.
    /// - Throws: why it can't listen there.
    public func run(
        preparing: (@Sendable () async throws -> Void)? = nil,
        listening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        let listens = Mutex(false), host = configuration.host, port = configuration.port
        let (store, gatekeeper, metrics, patience, certificates) = (
            store, gatekeeper, metrics, configuration.patience, configuration.certificates
        )
        let foreign = foreign, admission = admission(), accessLog = configuration.accessLog
        let channel = HTTP1Channel.Configuration(
            additionalChannelHandlers: [
                PatientConnection(patience, metrics),
                ShortCut(store, gatekeeper, metrics, foreign, admission.bodies, accessLog),
            ])
        let application = Application(
            router: router(admission),
            server: HTTPServerBuilder { responder in
                let plain = PlainChannel(base: HTTP1Channel(responder: responder, configuration: channel))
                return certificates.map { SecureChannel(base: plain, certificates: $0) } ?? plain
            },
            configuration: .init(
                address: .hostname(host, port: port), serverName: "firn",
                availableConnectionsDelegate: MaximumAvailableConnections(configuration.mostConnections)),
            onServerRunning: { channel in
                listens.withLock { $0 = true }
                await listening(channel.localAddress?.port ?? port)
            }, logger: logger)
        if preparing == nil { try await gatekeeper?.refresh() }
        let beside: [Task<Void, Never>] = [
            Task { await store.serving.keepWatch() }, Task { await seal() }, Task { await gatekeeper?.keepFresh() },
            Task { await renewCertificates() },
            Task { await Heap.giveBack() },
            Task { await accessLog?.keepWriting() },
        ]
        defer { beside.forEach { $0.cancel() } }
        // What was looked up until the end gets into its log.
        do {
            try await withThrowingTaskGroup(of: Bool.self) { group in
                group.addTask {
                    try await application.runService()
                    return true
                }
                group.addTask {
                    try await preparing?()
                    await warmUp()
                    return false
                }
                while try await group.next() == false {}
                group.cancelAll()
            }
            await store.serving.receipts.flush(atMost: .seconds(5))
            accessLog?.flush()
        } catch  where !listens.withLock({ $0 }) && (error is IOError || error is SocketAddressError.UnknownHost) {
            let code = (error as? IOError)?.errnoCode
            let cause = code.map { unsafe String(cString: strerror($0)) } ?? "nobody knows this address"
            throw StoreError(
                .invalidRequest, "can't listen on \(host):\(port): \(cause)",
                advice: code == EADDRINUSE ? "--port names another port, 0 any that is free" : nil)
        }
    }

    /// On loopback, a page shown in a browser would be let in like everyone else.
    private var foreign: ForeignRequests? {
        let isLoopback = ["127.0.0.1", "::1", "localhost"].contains(configuration.host)
        return configuration.needsTokens || !isLoopback ? nil : ForeignRequests(names: configuration.hostNames)
    }

    private func admission() -> Admission {
        Admission(
            Admission.Bounds(
                mostRequests: configuration.mostRequests, mostJobs: configuration.mostJobs,
                bodyMemory: configuration.bodyMemory,
                rowMemory: configuration.rowMemory, jobMemory: configuration.jobMemory,
                deadline: configuration.deadline, jobDeadline: configuration.jobDeadline))
    }

    private func router(_ admission: Admission) -> Router<ServerContext> {
        Routes(
            store: store, gatekeeper: gatekeeper, metrics: metrics, accessLog: configuration.accessLog, isWarm: isWarm,
            admission: admission, foreign: foreign
        ).router()
    }

    /// Every route, in the form `GET /v1/sets/{name}/plan`.
    package var endpoints: [String] { router(admission()).routes.map { "\($0.method) \($0.path)" } }

    /// Looks for a new certificate every second, until the task is cancelled.
    private func renewCertificates() async {
        while let certificates = configuration.certificates, !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            do {
                if try certificates.refresh() { logger.notice("the certificate was renewed") }
            } catch {
                logger.error(
                    "the new certificate can't be used, and the old one stays",
                    metadata: ["cause": "\((error as? StoreError)?.message ?? "unreadable")"])
            }
        }
    }

    /// Loads what is kept of entities into memory. Until then the server isn't ready, although it answers.
    private func warmUp() async {
        do {
            try await store.serving.warmUp()
        } catch {
            logger.warning(
                "memory isn't warm",
                metadata: ["cause": "\((error as? PostgresError)?.description ?? "\(type(of: error))")"])
        }
        isWarm.reach()
    }

    /// Seals rows as they accumulate, until the task is cancelled. A failure is no reason to stop serving.
    private func seal() async {
        guard let sealsEvery = configuration.sealsEvery else { return }
        while !Task.isCancelled {
            try? await Task.sleep(for: sealsEvery)
            do {
                for part in try await store.log.materialize(.init(minimumRows: FeatureServer.rowsToSeal)) {
                    logger.info(
                        "sealed",
                        metadata: ["source": "\(part.source)", "rows": "\(part.rows)", "segments": "\(part.segments)"])
                }
                for part in try await store.serving.keepOnline() {
                    logger.info(
                        "kept",
                        metadata: ["source": "\(part.source)", "entities": "\(part.entities)", "up_to": "\(part.upTo)"])
                }
                await store.serving.connectKept()
            } catch is CancellationError {
                return
            } catch {
                logger.warning(
                    "sealing failed",
                    metadata: [
                        "cause":
                            "\((error as? StoreError)?.message ?? (error as? PostgresError)?.description ?? "\(type(of: error))")"
                    ])
            }
        }
    }
}

/// Whether memory has loaded what was kept for it.
final class Warmth: Sendable {
    private let isReached = Atomic(false)

    var isWarm: Bool { isReached.load(ordering: .relaxed) }
    func reach() { isReached.store(true, ordering: .relaxed) }
}
