public import FeatureStore
import Hummingbird
public import Logging

/// The store over HTTP.
public struct FeatureServer: Sendable {
    private let store: Store
    private let host: String
    private let port: Int
    private let logger: Logger

    /// - Parameters:
    ///   - host: the address to listen on; loopback reaches this machine alone.
    ///   - port: 0 takes any that is free.
    public init(_ store: Store, host: String = "127.0.0.1", port: Int = 7070, logger: Logger) {
        self.store = store
        self.host = host
        self.port = port
        self.logger = logger
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then finishes what it has accepted.
    ///
    /// - Parameter listening: called with the port once it listens.
    public func run(listening: @escaping @Sendable (Int) async -> Void = { _ in }) async throws {
        let application = Application(
            router: Routes(store: store).router(), configuration: .init(address: .hostname(host, port: port), serverName: "firn"),
            onServerRunning: { channel in await listening(channel.localAddress?.port ?? port) }, logger: logger)
        try await application.runService()
    }
}
