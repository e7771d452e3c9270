import FeatureEngine
import FeatureLanguage
import FeatureStore
import Hummingbird
import NIOCore
import Tables

/// `POST /get-online-features` as Feast's feature server has it, so that its clients can read from Firn.
///
/// A feature service is a set (`fraud.v1` or `fraud_v1`) or a pointer, a feature view a set too: `fraud_v1:spend_7d`; `spend_7d.v1` asks for a feature by
/// itself. Request inputs stand among the entities. A timestamp is a number of seconds, as Feast has it.
struct FeastRequest: Sendable {
    private let names: [String]
    private let given: [(name: String, values: [JSON])]
    private let lookup: LookupRequest

    /// - Throws: what doesn't have the right shape; unknown names.
    init(_ body: JSON, in catalog: Catalog, _ governance: Governance) throws {
        guard case .object(let entities)? = body["entities"] else { throw Problem.shape("entities is an object of lists") }
        given = try entities.map { member in
            guard case .array(let values) = member.value else { throw Problem.shape("entities.\(member.key.prefix(63)) is a list") }
            return (member.key, values)
        }
        guard Set(given.map(\.values.count)).count <= 1 else { throw Problem.shape("the lists in entities have different lengths") }
        let isFull = body["full_feature_names"] == .bool(true)
        let target: LookupRequest.Target
        switch (body["feature_service"], body["features"]) {
        case (.string(let service)?, _):
            let name = service.contains("@") ? service : Catalog.setName(ofView: service)
            let outputs = try catalog.set(named: governance.setName(name)).features.map(\.output)
            target = .set(name)
            names = outputs.map { isFull ? "\(FeastRequest.view(name))__\($0)" : $0 }
        case (_, .array(let references)?) where !references.isEmpty:
            let texts = try references.map { reference in
                guard case .string(let text) = reference else { throw Problem.shape("features is a list of names such as fraud_v1:spend_7d") }
                return text
            }
            target = .features(texts)
            names = texts.map { text in
                let parts = text.split(separator: ":", maxSplits: 1)
                return parts.count < 2 ? text : isFull ? "\(FeastRequest.view(String(parts[0])))__\(parts[1])" : String(parts[1])
            }
        default: throw Problem.shape("either feature_service (a set) or features (a list of references) is asked for")
        }
        for (index, name) in names.enumerated() where names[..<index].contains(name) {
            throw Problem.shape("two features would be named '\(name.prefix(80))': full_feature_names tells them apart")
        }
        let requests = try catalog.requests(of: governance.target(target))
        var lookup = LookupRequest(target, entities: [:])
        for (name, values) in given {
            if requests.contains(name) { lookup.request[name] = values.map { .json($0) } } else { lookup.entities[name] = values.map { .json($0) } }
        }
        self.lookup = lookup
    }

    private static func view(_ name: String) -> String { String(name.map { $0 == "." ? "_" : $0 }) }

    /// The answer: one element for each entity column and feature, each with a value for each row.
    func answer(_ store: Store) async throws -> JSON {
        guard given.first?.values.isEmpty != true else {
            return FeastRequest.body(given.map(\.name) + names, (given.map(\.name) + names).map { _ in (values: [], statuses: [], times: []) })
        }
        let answer = try await store.lookup(lookup)
        let rows = answer.rowCount
        let entities = given.map { _, values in (values: values, statuses: Array(repeating: "PRESENT", count: rows), times: Array(repeating: "1970-01-01T00:00:00Z", count: rows)) }
        let features = zip(answer.columns, answer.statuses).map { column, statuses in
            (values: (0..<rows).map { FeastRequest.value(column[$0]) }, statuses: statuses.map(FeastRequest.status), times: Array(repeating: answer.asOf.description, count: rows))
        }
        return FeastRequest.body(given.map(\.name) + names, entities + features)
    }

    private static func body(_ names: [String], _ results: [(values: [JSON], statuses: [String], times: [String])]) -> JSON {
        .object([
            "metadata": .object(["feature_names": .array(names.map { .string($0) })]),
            "results": .array(
                results.map {
                    .object([
                        "values": .array($0.values), "statuses": .array($0.statuses.map { .string($0) }), "event_timestamps": .array($0.times.map { .string($0) }),
                    ])
                }),
        ])
    }

    private static func value(_ literal: Literal) -> JSON {
        guard case .timestamp(let instant) = literal else { return JSON(literal) }
        return JSON(Int(instant.microseconds >= 0 ? instant.microseconds / 1_000_000 : (instant.microseconds - 999_999) / 1_000_000))
    }

    private static func status(_ status: LookupAnswer.Status) -> String {
        switch status {
        case .present: "PRESENT"
        case .null: "NULL_VALUE"
        case .notFound: "NOT_FOUND"
        case .stale: "OUTSIDE_MAX_AGE"
        }
    }
}

extension Catalog {
    /// The names of the request inputs that a lookup needs.
    fileprivate func requests(of target: LookupRequest.Target) throws -> Set<String> {
        switch target {
        case .set(let name): return Set(try set(named: name).served.requests.map(\.name))
        case .features(let names):
            do {
                return Set(try resolve(features: names).requests.map(\.name))
            } catch let error as DefinitionError {
                // Nobody wrote this set down: what is wrong with it is wrong with the request.
                throw Problem.shape(error.description)
            }
        }
    }
}
