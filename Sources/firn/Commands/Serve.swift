import ArgumentParser
import FeatureServer
import FeatureStore
import Logging

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve lookups, pushes and the catalog over HTTP.",
        discussion: "Makes the project's PostgreSQL where there is none, and brings the schema up to date. SIGTERM ends it once it has answered what it accepted.")

    @Option(help: "The port.")
    var port = 7070

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"

    @Flag(help: "Let anybody who reaches the address do anything, without tokens.")
    var openToAnyone = false

    @Flag(help: "Ask for tokens on loopback too.")
    var requireTokens = false

    @Option(help: ArgumentHelp("Look so often for rows to seal into segments; 0 leaves that to firn materialize.", valueName: "seconds"))
    var materializeEvery = 30

    @Option(help: "Connections to PostgreSQL.")
    var connections = 8

    @Option(help: ArgumentHelp("What entities that lookups asked for may take up in memory.", valueName: "MiB"))
    var memory = 1024

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("A port is a number from 0 to 65535.") }
        guard (0...86_400).contains(materializeEvery) else { throw ValidationError("--materialize-every is 0 to 86400 seconds.") }
        guard (1...1_000_000).contains(memory) else { throw ValidationError("--memory is 1 to 1000000 MiB.") }
        guard (1...500).contains(connections) else { throw ValidationError("Connections are 1 to 500.") }
        guard !openToAnyone || !requireTokens else { throw ValidationError("--open-to-anyone asks for no tokens, --require-tokens does.") }
    }

    func run() async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "firn")
        logger.logLevel = .notice
        let store = try await Environment.store(creating: true, connections: connections, memory: OnlineMemory(maximumBytes: memory << 20))
        let host = host, needsTokens = requireTokens || !openToAnyone && !["127.0.0.1", "::1", "localhost"].contains(host)
        if needsTokens, try await !store.tokens().contains(where: { $0.revokedAt == nil }) {
            throw Failure("\(host) may be reached by others, and there are no tokens: firn token create makes one, --open-to-anyone does without")
        }
        try await FeatureServer(store, host: host, port: port, needsTokens: needsTokens, sealsEvery: materializeEvery > 0 ? .seconds(materializeEvery) : nil, logger: logger).run {
            port in
            Terminal.note("listening on http://\(host):\(port)")
        }
    }
}
