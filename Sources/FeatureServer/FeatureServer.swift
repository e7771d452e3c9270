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
        /// 0 takes any that is free.
        public var port = 7070
        /// Whether every request must bear a token. Without, anybody who reaches the address may do anything.
        public var needsTokens = false
        /// What it is called beside localhost: on loopback without tokens requests under other names are refused.
        public var hostNames: [String] = []
        /// Speaks TLS with these.
        public var certificates: Certificates?
        /// How often it looks for rows to seal into segments; nil leaves that to others.
        public var sealsEvery: Duration?
        /// Connections of clients at once; more wait to be accepted.
        public var mostConnections = 10_000
        /// Requests worked on at once, beside lookups that memory answers and jobs; more are refused.
        public var mostRequests = 1024
        /// Training sets, imports and comparisons worked on at once; eight times as many wait, and more are refused.
        public var mostJobs = 2
        /// Bytes of bodies that are held in memory, with what is read out of them: more wait, and then are refused.
        public var bodyMemory = 512 << 20
        /// Bytes of rows that one request may read which memory doesn't have; it is shared by those that read much.
        public var rowMemory = 1 << 30
        /// Bytes that jobs may take up, each its share.
        public var jobMemory = 4 << 30
        /// What a request may take that isn't a job: beyond, whoever waits for the database gets 503.
        public var deadline = Duration.seconds(30)
        /// How long a job may take.
        public var jobDeadline = Duration.seconds(3600)
        /// Gets a line for each request.
        public var accessLog: AccessLog?
        public var patience = Patience()

        public init() {}
    }

    private let store: Store
    private let configuration: Configuration
    private let logger: Logger
    private let gatekeeper: Gatekeeper?
    private let metrics = ServerMetrics()
    private let isWarm = Warmth()

    /// So many rows wait before the server seals them, or a tenth of what is sealed.
    private static let rowsToSeal = 10_000

    public init(_ store: Store, _ configuration: Configuration = Configuration(), logger: Logger) {
        self.store = store
        self.configuration = configuration
        self.logger = logger
        gatekeeper = configuration.needsTokens ? Gatekeeper(store.catalog) : nil
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then finishes what it has accepted.
    ///
    /// - Parameters:
    ///   - preparing: what has to be done before it is ready; it listens meanwhile. What it throws ends the server.
    ///   - listening: called with the port once it listens.
    /// - Throws: that it can't listen there, and why.
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
        // What was looked up until the end is in its log.
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

    /// On loopback a page that a browser shows would be let in with everybody else.
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

    /// Every route, as `GET /v1/sets/{name}/plan`.
    package var endpoints: [String] { router(admission()).routes.map { "\($0.method) \($0.path)" } }

    /// Looks every second whether there is a new certificate, until it is cancelled.
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

    /// Takes what is kept of entities into memory. Until then the server isn't ready, though it answers.
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

    /// Seals rows as they gather, until it is cancelled. That it can't just now is no reason to stop serving.
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

/// Whether memory has what was kept for it.
final class Warmth: Sendable {
    private let isReached = Atomic(false)

    var isWarm: Bool { isReached.load(ordering: .relaxed) }
    func reach() { isReached.store(true, ordering: .relaxed) }
}
