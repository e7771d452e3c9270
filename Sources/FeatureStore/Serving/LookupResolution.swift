internal import FeatureEngine
internal import FeatureLanguage
public import ServingMemory
public import StoreRecord

extension Governance {
    /// What a target stands for, once pointers are followed.
    public func target(_ target: LookupRequest.Target) throws -> LookupRequest.Target { try resolve(target).target }

    /// Follows pointers: `fraud@production`, or an output as Feast writes it, `fraud@production:spend_7d`.
    func resolve(_ target: LookupRequest.Target) throws -> LookupRequest.Resolved {
        switch target {
        case .set(let name):
            let found = try set(named: name)
            return LookupRequest.Resolved(target: .set(found.set), pointer: found.pointer, model: found.model)
        case .features(let names):
            guard names.contains(where: { $0.contains("@") }) else { return LookupRequest.Resolved(target: target) }
            return LookupRequest.Resolved(
                target: .features(
                    try names.map { name in
                        let parts = name.split(separator: ":", maxSplits: 1)
                        return parts.count == 2 && parts[0].contains("@")
                            ? try "\(set(named: String(parts[0])).set):\(parts[1])" : name
                    }))
        }
    }
}

extension LookupRequest.Target {
    /// The set that it stands for. A lookup serves no labels.
    func resolve(_ catalog: Catalog) throws -> FeatureSet {
        switch self {
        case .set(let name): return try catalog.set(named: name)
        case .features(let names):
            guard !names.isEmpty else { throw StoreError(.invalidRequest, "no features are asked for") }
            let set: FeatureSet
            do {
                set = try catalog.resolve(features: names)
            } catch let error as DefinitionError {
                // Nobody wrote this set down: what is wrong with it is wrong with the request.
                throw StoreError(.invalidRequest, error.description)
            }
            if let label = set.labels.first {
                throw StoreError(
                    .invalidRequest, "\(label.output) is a label, and labels are never served",
                    advice: "they belong in training sets")
            }
            return set
        }
    }
}

extension LookupRequest {
    /// The spine that the request stands for, checked against what the plan needs.
    func spine(_ plan: Plan, at instant: Instant) throws -> Spine {
        for (names, known, what) in [(entities, plan.keys, "entity key"), (request, plan.requests, "request input")] {
            for name in names.keys.sorted() where !known.contains(where: { $0.name == name }) {
                throw StoreError(
                    .invalidRequest, "unknown \(what) '\(name.prefix(63))'",
                    advice: "it takes \(known.isEmpty ? "none" : known.map(\.name).joined(separator: ", "))")
            }
        }
        var request = request
        for input in plan.requests where input.type.isPacked {
            request[input.name] = request[input.name].map { LookupRequest.lists($0) }
        }
        let lists = entities.values.map(\.count) + request.values.map(\.count)
        let count = lists.first { $0 != 1 } ?? 1
        guard lists.allSatisfy({ $0 == count || $0 == 1 }) else {
            throw StoreError(
                .invalidRequest, "lists of different lengths",
                advice: "entities and request inputs have one value each, or one value for all")
        }
        guard count <= LookupRequest.maximumEntities else {
            throw StoreError(
                .invalidRequest, "\(count) entities in one request",
                advice: "ask for at most \(LookupRequest.maximumEntities)")
        }
        var columns: [String: Column] = [:]
        for (values, known, what) in [(entities, plan.keys, "entity key"), (request, plan.requests, "request input")] {
            for definition in known {
                guard let given = values[definition.name] else {
                    throw StoreError(
                        .invalidRequest, "\(what) '\(definition.name)' is missing",
                        advice: "give it as \(definition.type.rawValue); null says that it isn't known")
                }
                var builder = ColumnBuilder(definition.type)
                for (row, value) in given.enumerated() {
                    guard let literal = value.literal(as: definition.type) else {
                        throw StoreError(
                            .invalidRequest,
                            "value \(row + 1) of \(what) '\(definition.name)' is not \(definition.type.phrase)")
                    }
                    for _ in 0..<(given.count == 1 ? count : 1) { builder.append(literal) }
                }
                columns[definition.name] = builder.finish()
            }
        }
        return Spine(columns: columns, instants: Array(repeating: instant.microseconds, count: count))
    }

    /// The values of a list or vector: a JSON array of arrays and NULLs has one for each row, any other is a single one
    /// for all.
    private static func lists(_ values: [Value]) -> [Value] {
        var items: [JSON] = []
        for value in values {
            guard case .json(let item) = value else { return values }
            items.append(item)
        }
        let isOne = items.contains { item in
            switch item {
            case .array, .null: false
            case .bool, .number, .string, .object: true
            }
        }
        return isOne || items.isEmpty ? [.json(.array(items))] : values
    }
}
