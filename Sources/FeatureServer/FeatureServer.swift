public import FeatureStore
import Foundation
import Hummingbird
public import Logging
import NIOCore
import Postgres
import Synchronization

/// The store over HTTP.
public struct FeatureServer: Sendable {
    private let store: Store
    private let host: String
    private let port: Int
    private let logger: Logger
    private let sealsEvery: Duration?
    /// Nil where anybody who reaches the address may do anything.
    private let gatekeeper: Gatekeeper?

    /// So many rows wait before the server seals them, or a tenth of what is sealed.
    private static let rowsToSeal = 10_000

    /// - Parameters:
    ///   - host: the address to listen on; loopback reaches this machine alone.
    ///   - port: 0 takes any that is free.
    ///   - needsTokens: whether every request must bear a token.
    ///   - sealsEvery: how often it looks for rows to seal into segments; nil leaves that to others.
    public init(_ store: Store, host: String = "127.0.0.1", port: Int = 7070, needsTokens: Bool = false, sealsEvery: Duration? = nil, logger: Logger) {
        gatekeeper = needsTokens ? Gatekeeper(store) : nil
        self.store = store
        self.host = host
        self.port = port
        self.logger = logger
        self.sealsEvery = sealsEvery
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then finishes what it has accepted.
    ///
    /// - Parameter listening: called with the port once it listens.
    /// - Throws: that it can't listen there, and why.
    public func run(listening: @escaping @Sendable (Int) async -> Void = { _ in }) async throws {
        let listens = Mutex(false)
        let application = Application(
            router: Routes(store: store, gatekeeper: gatekeeper).router(),
            server: .http1(configuration: .init(additionalChannelHandlers: [FastLookup(store, gatekeeper)])),
            configuration: .init(address: .hostname(host, port: port), serverName: "firn"),
            onServerRunning: { channel in
                listens.withLock { $0 = true }
                await listening(channel.localAddress?.port ?? port)
            }, logger: logger)
        try await gatekeeper?.refresh()
        let sealing = Task { await seal() }
        defer { sealing.cancel() }
        let watching = Task { await gatekeeper?.keepFresh() }
        defer { watching.cancel() }
        do {
            try await application.runService()
        } catch  where !listens.withLock({ $0 }) && (error is IOError || error is SocketAddressError.UnknownHost) {
            let code = (error as? IOError)?.errnoCode
            let cause = code.map { unsafe String(cString: strerror($0)) } ?? "nobody knows this address"
            throw StoreError(.invalidRequest, "can't listen on \(host):\(port): \(cause)", advice: code == EADDRINUSE ? "--port names another port, 0 any that is free" : nil)
        }
    }

    /// Seals rows as they gather, until it is cancelled. That it can't just now is no reason to stop serving.
    private func seal() async {
        guard let sealsEvery else { return }
        while !Task.isCancelled {
            try? await Task.sleep(for: sealsEvery)
            do {
                for part in try await store.materialize(.init(minimumRows: FeatureServer.rowsToSeal)) {
                    logger.info("sealed", metadata: ["source": "\(part.source)", "rows": "\(part.rows)", "segments": "\(part.segments)"])
                }
            } catch is CancellationError {
                return
            } catch {
                logger.warning("sealing failed", metadata: ["cause": "\((error as? StoreError)?.message ?? (error as? PostgresError)?.description ?? "\(type(of: error))")"])
            }
        }
    }
}
