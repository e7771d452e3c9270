public import ArgumentParser
import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
public import Logging

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve lookups, pushes and the catalog over HTTP.",
        discussion: """
            Creates the project's PostgreSQL if there is none, and brings the schema up to date. On SIGTERM, answers what it has accepted, then exits.

            FIRN_DATABASE_URL is the database; FIRN_REPLICA_URL is a hot standby of it to answer lookups from. An option that isn't given takes its value from a variable: \
            FIRN_PORT for --port, FIRN_TLS_CERTIFICATE for --tls-certificate, and so on. See docs/operating.md for more.
            """)

    @Option(help: "Port to listen on.")
    var port = Serve.number("PORT") ?? 7070

    @Option(help: "Address to listen on.")
    var host = Environment.variable("FIRN_HOST") ?? "127.0.0.1"

    @Option(
        help: ArgumentHelp(
            "Also answer to this name when no tokens are required; separate several with commas.", valueName: "name"))
    var hostName = Environment.variable("FIRN_HOST_NAME") ?? ""

    @Option(
        help: ArgumentHelp(
            "Use TLS with the certificate in this PEM file; a new one is used within a second.", valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("Private key of the certificate.", valueName: "file"))
    var tlsKey: String?

    @Flag(help: "Let anyone who can reach the address do anything, without tokens.")
    var openToAnyone = Serve.flag("OPEN_TO_ANYONE")

    @Flag(help: "Require tokens on loopback, too.")
    var requireTokens = Serve.flag("REQUIRE_TOKENS")

    @Option(
        help: ArgumentHelp(
            "How often to look for rows to seal into segments; 0 leaves it to firn materialize.", valueName: "seconds"))
    var materializeEvery = Serve.number("MATERIALIZE_EVERY") ?? 30

    @Option(help: "Connections to PostgreSQL for everything except lookups and pushes, which have four each.")
    var connections = Serve.number("CONNECTIONS") ?? 8

    @Option(help: ArgumentHelp("Memory limit for entities that lookups asked for.", valueName: "MiB"))
    var memory = Serve.number("MEMORY") ?? 1024

    @Option(help: ArgumentHelp("Memory limit for request bodies and what is read from them.", valueName: "MiB"))
    var bodyMemory = Serve.number("BODY_MEMORY") ?? 512

    @Option(help: ArgumentHelp("Memory limit for rows that a lookup reads from the database.", valueName: "MiB"))
    var rowMemory = Serve.number("ROW_MEMORY") ?? 1024

    @Option(
        help: ArgumentHelp(
            "Memory limit for all jobs together; half of this machine's memory by default.", valueName: "MiB"))
    var jobMemory = Serve.number("JOB_MEMORY") ?? max(1024, Int(ProcessInfo.processInfo.physicalMemory >> 21))

    @Option(
        help: ArgumentHelp(
            "Time limit for requests that are not jobs; one that waits longer for the database is refused.",
            valueName: "seconds"))
    var deadline = Serve.number("DEADLINE") ?? 30

    @Option(
        help: ArgumentHelp("How many training sets, imports and comparisons to work on at once.", valueName: "jobs"))
    var jobs = Serve.number("JOBS") ?? 2

    @Option(help: ArgumentHelp("Maximum number of client connections at once.", valueName: "clients"))
    var clients = Serve.number("CLIENTS") ?? 10_000

    @Option(
        help: ArgumentHelp(
            "Share of all lookups to keep in the lookup log, besides those that ask for it.", valueName: "0…1"))
    var logLookups = Environment.variable("FIRN_LOG_LOOKUPS").flatMap(Double.init) ?? 0

    @Option(help: ArgumentHelp("How long to keep the lookup log.", valueName: "days"))
    var keepLookups = Serve.number("KEEP_LOOKUPS") ?? 30

    @Flag(help: "Work as the database user, who may own the tables, instead of the servers' role.")
    var asOwner = Serve.flag("AS_OWNER")

    @Option(
        help: ArgumentHelp(
            "Append a line of JSON for each request to this file: who asked for what, and the outcome, but no values. - is standard output.",
            valueName: "file"))
    var accessLog: String?

    @Option(
        help:
            "Log level on standard error: trace, debug, info (each request except those that memory answers), notice, warning, error."
    )
    var logLevel = Environment.variable("FIRN_LOG_LEVEL").flatMap { Logger.Level(rawValue: $0) } ?? .notice

    /// The certificate and its key, from the options or else from their variables.
    private var tls: (certificate: String?, key: String?) {
        (tlsCertificate ?? Environment.variable("FIRN_TLS_CERTIFICATE"), tlsKey ?? Environment.variable("FIRN_TLS_KEY"))
    }

    private static func number(_ name: String) -> Int? { Environment.variable("FIRN_" + name).flatMap { Int($0) } }
    private static func flag(_ name: String) -> Bool {
        ["1", "true", "yes"].contains(Environment.variable("FIRN_" + name))
    }

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("A port is a number from 0 to 65535.") }
        guard (0...86_400).contains(materializeEvery) else {
            throw ValidationError("--materialize-every is 0 to 86400 seconds.")
        }
        guard (1...1_000_000).contains(memory) else { throw ValidationError("--memory is 1 to 1000000 MiB.") }
        guard (64...1_000_000).contains(bodyMemory) else {
            throw ValidationError("--body-memory is 64 to 1000000 MiB.")
        }
        guard (64...1_000_000).contains(rowMemory) else { throw ValidationError("--row-memory is 64 to 1000000 MiB.") }
        guard (64...10_000_000).contains(jobMemory) else {
            throw ValidationError("--job-memory is 64 to 10000000 MiB.")
        }
        guard (1...3600).contains(deadline) else { throw ValidationError("--deadline is 1 to 3600 seconds.") }
        guard (1...500).contains(connections) else { throw ValidationError("Connections are 1 to 500.") }
        guard (1...1000).contains(jobs) else { throw ValidationError("--jobs is 1 to 1000.") }
        guard (1...1_000_000).contains(clients) else { throw ValidationError("--clients is 1 to 1000000.") }
        guard (0...1).contains(logLookups) else { throw ValidationError("--log-lookups is a share from 0 to 1.") }
        guard (1...36_500).contains(keepLookups) else { throw ValidationError("--keep-lookups is 1 to 36500 days.") }
        guard !openToAnyone || !requireTokens else {
            throw ValidationError("--open-to-anyone asks for no tokens, --require-tokens does.")
        }
        guard (tls.certificate == nil) == (tls.key == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together.")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap(StreamLogHandler.standardError)
        var logger = Logger(label: "firn")
        logger.logLevel = logLevel
        var configuration = FeatureServer.Configuration()
        if let certificate = tls.certificate, let key = tls.key {
            configuration.certificates = try Certificates(certificate: certificate, key: key)
        }
        let (store, open) = try Environment.served(
            connections: connections, memory: OnlineMemory(maximumBytes: memory << 20), asOwner: asOwner,
            reportDamage: { [logger] in logger.warning("something kept is damaged", metadata: ["what": "\($0)"]) })
        store.serving.receipts.configure(rate: logLookups, retention: keepLookups)
        configuration.accessLog = try (accessLog ?? Environment.variable("FIRN_ACCESS_LOG")).map {
            try AccessLog(path: $0)
        }
        configuration.host = host
        configuration.port = port
        configuration.needsTokens = requireTokens || !openToAnyone && !["127.0.0.1", "::1", "localhost"].contains(host)
        configuration.sealsEvery = materializeEvery > 0 ? .seconds(materializeEvery) : nil
        configuration.mostJobs = jobs
        configuration.hostNames = hostName.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        configuration.bodyMemory = bodyMemory << 20
        configuration.rowMemory = rowMemory << 20
        configuration.jobMemory = jobMemory << 20
        configuration.deadline = .seconds(deadline)
        configuration.mostConnections = Serve.files(for: clients)
        let needsTokens = configuration.needsTokens, host = host
        let prepare = { @Sendable in
            try await open()
            if needsTokens, try await !store.catalog.tokens().contains(where: { $0.isInForce(at: .now) }) {
                throw Failure(
                    "\(host) may be reached by others, and there are no tokens: firn token create makes one, --open-to-anyone does without"
                )
            }
        }
        // If the database is there, anything wrong with it is reported before the server listens.
        var isPrepared = true
        do {
            try await prepare()
        } catch let away as Environment.DatabaseAway {
            Terminal.note("\(away.message); it is waited for, and until then the server isn't ready")
            isPrepared = false
        }
        let scheme = configuration.certificates == nil ? "http" : "https"
        try await FeatureServer(store, configuration, logger: logger).run(
            preparing: isPrepared ? nil : Serve.patiently(prepare)
        ) { port in
            Terminal.note("listening on \(scheme)://\(host):\(port)")
        }
    }

    /// Retries for as long as the database is away.
    private static func patiently(_ prepare: @escaping @Sendable () async throws -> Void)
        -> @Sendable () async throws -> Void
    {
        {
            while true {
                do { return try await prepare() } catch is Environment.DatabaseAway {
                    try await Task.sleep(for: .seconds(1))
                }
            }
        }
    }

    /// Raises the process's limit on open files as far as it can, and returns how many connections fit.
    private static func files(for connections: Int) -> Int {
        var limit = rlimit()
        guard unsafe getrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return connections }
        limit.rlim_cur = limit.rlim_max
        _ = unsafe setrlimit(Int32(RLIMIT_NOFILE.rawValue), &limit)
        // The rest is for PostgreSQL, segments and files.
        return max(1, min(connections, Int(clamping: limit.rlim_cur) - 200))
    }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
