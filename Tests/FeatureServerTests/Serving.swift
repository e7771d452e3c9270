import FeatureServer
import FeatureStore
import Logging
import TestSupport
import Testing

/// Runs a server over a real socket and a real PostgreSQL while `body` asks it.
///
/// - Parameters:
///   - uri: a database; a new one where there is none.
///   - configure: changes how it serves.
///   - body: gets the server's address.
func serving(
    _ uri: String? = nil, memory: OnlineMemory = OnlineMemory(maximumBytes: 1 << 22), scheme: String = "http",
    temporaryDirectory: String = "/tmp",
    _ configure: (inout FeatureServer.Configuration) throws -> Void = { _ in },
    _ body: @escaping @Sendable (String) async throws -> Void
) async throws {
    let uri = try uri ?? TestCluster.newDatabase()
    _ = try await Store(uri: uri, actor: "owner").migrate()
    let store = Store(
        uri: uri, actor: "tester", connections: 3, temporaryDirectory: temporaryDirectory, memory: memory,
        isServer: true)
    var configuration = FeatureServer.Configuration()
    configuration.port = 0
    try configure(&configuration)
    let server = FeatureServer(
        store, configuration, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    let (ports, continuation) = AsyncStream.makeStream(of: Int.self)
    let running = Task { try await server.run(listening: { continuation.yield($0) }) }
    defer { running.cancel() }
    var iterator = ports.makeAsyncIterator()
    let port = try #require(await iterator.next())
    try await body("\(scheme)://127.0.0.1:\(port)")
}

/// What a server says of itself once it is warm, or after half a minute.
func ready(_ url: String) async throws -> (status: Int, text: String) {
    for _ in 0..<600 {
        let answer = try await http("GET", url + "/readyz")
        if !answer.text.contains("warming") { return answer }
        try await Task.sleep(for: .milliseconds(50))
    }
    return try await http("GET", url + "/readyz")
}
