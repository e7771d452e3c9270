import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import Synchronization
import TestSupport
import Tables

/// A migrated database of its own with a few definitions, and a directory for files.
struct Fixture: Sendable {
    let uri: String
    let store: Store
    let directory: String

    static let definitions = """
        entities:
          customer: {keys: {customer_id: int64}}
        sources:
          payments:
            columns: {payment_id: string, customer_id: int64, amount: float64, gone: bool, at: timestamp, recorded: timestamp}
            event_time: at
            known_at: recorded
            id: [payment_id]
            tombstone: gone
          clicks:
            columns: {customer_id: int64, page: string, at: timestamp}
            event_time: at
          people:
            columns: {customer_id: int64, country: string}
            event_time: none
            id: [customer_id]
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount) over last_7d}
          payments.v1: {entity: customer, source: payments, expression: count(*)}
          clicks.v1: {entity: customer, source: clicks, expression: count(*)}
          country.v1: {entity: customer, source: people, expression: latest(country)}
          ratio.v1: {entity: customer, request: {amount: float64}, expression: request.amount / spend.v1}
        labels:
          pays.v1: {entity: customer, source: payments, expression: count(*) over next_1d > 0}
        sets:
          all.v1: {features: [spend.v1, payments.v1, clicks.v1, country.v1, ratio.v1], labels: [pays.v1]}
        """

    init(applying yaml: String = Fixture.definitions) async throws {
        uri = try TestCluster.newDatabase()
        directory = try temporaryDirectory()
        store = Store(
            uri: uri, actor: "tester", cache: SegmentCache(directory: directory + "/cache", maximumBytes: 1 << 24),
            temporaryDirectory: directory)
        _ = try await store.migrate()
        _ = try await store.catalog.apply([DefinitionDocument(yaml: yaml, file: "fixture.yaml")])
    }

    func file(_ name: String, _ text: String) throws -> String {
        let path = directory + "/" + name
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    func link(_ name: String, to target: String) throws -> String {
        try FileManager.default.createSymbolicLink(atPath: directory + "/" + name, withDestinationPath: target)
        return directory + "/" + name
    }

    func connection() throws -> Connection { try Connection(uri: uri) }

    func lookup(_ customer: Int, asOf: String? = nil, _ features: String...) async throws -> LookupAnswer {
        try await store.serving.lookup(
            LookupRequest(
                .features(features), entities: ["customer_id": [.json(JSON(customer))]],
                asOf: asOf.map { Instant(text: $0)! }))
    }

    func remove() { try? FileManager.default.removeItem(atPath: directory) }
}

/// What a store says of what is kept and isn't what it was.
final class Reports: Sendable {
    private let heard = Mutex<[String]>([])

    var add: @Sendable (String) -> Void { { [self] text in heard.withLock { $0.append(text) } } }
    var all: [String] { heard.withLock { $0 } }
}
