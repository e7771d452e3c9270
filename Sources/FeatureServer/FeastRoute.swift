import FeatureEngine
import FeatureLanguage
import FeatureStore
import Hummingbird
import NIOCore
import Tables

/// `POST /get-online-features` as in Feast's feature server, so that its clients can read from Firn.
///
/// A feature service is a set (`fraud.v1` or `fraud_v1`, or `fraud` for its newest version) or a pointer, and so is a
/// feature view: `fraud_v1:spend_7d`. `spend_7d.v1` asks for a feature by itself. Request inputs are given along with
/// the entities. A timestamp is a number of seconds, as in Feast.
struct FeastRequest: Sendable {
    private let names: [String]
    private let given: [(name: String, values: [JSON])]
    private let rows: Int
    private let lookup: LookupRequest

    /// The key that clients before 0.67 send for views without entities: one value, however many rows are asked for.
    private static let noEntity = "__dummy_id"

    /// - Throws: anything with the wrong shape; unknown names.
    init(_ body: JSON, in catalog: Catalog, _ governance: Governance) throws {
        guard case .object(let entities)? = body["entities"] else {
            throw Problem.shape("entities is an object of lists")
        }
        given = try entities.map { member in
            guard case .array(let values) = member.value else {
                throw Problem.shape("entities.\(member.key.prefix(63)) is a list")
            }
            return (member.key, values)
        }
        let lists = given.filter { $0.name != FeastRequest.noEntity }
        guard Set(lists.map(\.values.count)).count <= 1 else {
            throw Problem.shape("the lists in entities have different lengths")
        }
        rows = (lists.first ?? given.first)?.values.count ?? 1
        guard rows <= LookupRequest.maximumEntities else {
            throw Problem.shape("\(rows) entities in one request; ask for at most \(LookupRequest.maximumEntities)")
        }
        let isFull = body["full_feature_names"] == .bool(true)
        let target: LookupRequest.Target
        switch (body["feature_service"], body["features"]) {
        case (.string(let service)?, _):
            let name = catalog.setName(ofView: service, governance)
            let outputs = try catalog.set(named: governance.setName(name)).features.map(\.output)
            target = .set(name)
            names = outputs.map { isFull ? "\(FeastRequest.view(service))__\($0)" : $0 }
        case (_, .array(let references)?) where !references.isEmpty:
            guard references.count <= LookupRequest.mostFeatures else {
                throw Problem.shape("features names at most \(LookupRequest.mostFeatures)")
            }
            let texts = try references.map { reference in
                guard case .string(let text) = reference else {
                    throw Problem.shape("features is a list of names such as fraud_v1:spend_7d")
                }
                return text.split(separator: ":", maxSplits: 1).map(String.init)
            }
            target = .features(
                texts.map { $0.count < 2 ? $0.joined() : "\(catalog.setName(ofView: $0[0], governance)):\($0[1])" })
            names = texts.map { $0.count < 2 ? $0.joined() : isFull ? "\(FeastRequest.view($0[0]))__\($0[1])" : $0[1] }
        default: throw Problem.shape("either feature_service (a set) or features (a list of references) is asked for")
        }
        for (index, name) in names.enumerated() where names[..<index].contains(name) {
            throw Problem.shape("two features would be named '\(name.prefix(80))': full_feature_names tells them apart")
        }
        let set = try catalog.served(governance.target(target)), keys = Set(set.keys.map(\.name)),
            requests = Set(set.requests.map(\.name))
        // Feast's clients send everything that a row has, including inputs of on-demand views that none of these
        // features reads. If something is missing, it may be misspelled.
        let isWhole = keys.union(requests).isSubset(of: given.map(\.name))
        var lookup = LookupRequest(target, entities: [:])
        for (name, values) in given {
            if requests.contains(name) {
                lookup.request[name] = values.map { .json($0) }
            } else if keys.contains(name) || !isWhole && name != FeastRequest.noEntity {
                lookup.entities[name] = values.map { .json($0) }
            }
        }
        self.lookup = lookup
    }

    /// What is looked up.
    var target: LookupRequest.Target { lookup.target }

    private static func view(_ name: String) -> String { String(name.map { $0 == "." ? "_" : $0 }) }

    /// The answer: one element for each entity column and each feature, with one value per row.
    func answer(_ store: Store) async throws -> JSON {
        let all = given.map(\.name) + names
        guard rows > 0 else { return FeastRequest.body(all, all.map { _ in (values: [], statuses: [], times: []) }) }
        let answer = try await store.serving.lookup(lookup), time = FeastRequest.time(answer.asOf)
        func whole<T>(_ values: [T]) -> [T] { values.count == rows ? values : Array(repeating: values[0], count: rows) }
        let entities = given.map { _, values in
            (
                values: whole(values.isEmpty ? [.null] : values), statuses: whole(["PRESENT"]),
                times: whole(["1970-01-01T00:00:00Z"])
            )
        }
        // Features that take nothing in have a single value for all rows.
        let features = zip(answer.columns, answer.statuses).map { column, statuses in
            (
                values: whole((0..<answer.rowCount).map { FeastRequest.value(column[$0]) }),
                statuses: whole(statuses.map(FeastRequest.status)), times: whole([time])
            )
        }
        return FeastRequest.body(all, entities + features)
    }

    /// Python before 3.11, which older clients run on, can read a fraction of a second only if it has three or six
    /// digits.
    private static func time(_ instant: Instant) -> String {
        let parts = instant.description.dropLast().split(separator: ".")
        return parts.count < 2
            ? instant.description : "\(parts[0]).\(parts[1])\(String(repeating: "0", count: 6 - parts[1].count))Z"
    }

    private static func body(_ names: [String], _ results: [(values: [JSON], statuses: [String], times: [String])])
        -> JSON
    {
        .object([
            "metadata": .object(["feature_names": .array(names.map { .string($0) })]),
            "results": .array(
                results.map {
                    .object([
                        "values": .array($0.values), "statuses": .array($0.statuses.map { .string($0) }),
                        "event_timestamps": .array($0.times.map { .string($0) }),
                    ])
                }),
        ])
    }

    private static func value(_ literal: Literal) -> JSON {
        guard case .timestamp(let instant) = literal else { return JSON(literal) }
        return JSON(
            Int(
                instant.microseconds >= 0
                    ? instant.microseconds / 1_000_000 : (instant.microseconds - 999_999) / 1_000_000))
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
    /// The set that one of Feast's views or services means: itself if it has a version, as in `fraud.v1` or `fraud_v1`.
    /// Without one, or as `fraud@latest`, Feast means what is registered now: the newest version that isn't deprecated
    /// or retired.
    fileprivate func setName(ofView text: String, _ governance: Governance) -> String {
        if governance.pointers[text] != nil { return text }
        let exact = text.contains("@") ? text : Catalog.setName(ofView: text)
        if let name = VersionedName(exact), sets[name] != nil { return exact }
        let base = text.hasSuffix("@latest") ? text.dropLast(7) : text[...]
        let versions = sets.keys.filter { $0.name == base }
        return (versions.filter { governance.stage(of: .set, $0) == nil }.max() ?? versions.max())?.description ?? exact
    }

    /// The set that a lookup computes.
    fileprivate func served(_ target: LookupRequest.Target) throws -> FeatureSet {
        switch target {
        case .set(let name): return try set(named: name).served
        case .features(let names):
            do {
                return try resolve(features: names).served
            } catch let error as DefinitionError {
                // Nobody wrote this set down: what is wrong with it is wrong with the request.
                throw Problem.shape(error.description)
            }
        }
    }
}
