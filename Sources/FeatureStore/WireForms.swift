internal import FeatureEngine
public import FeatureLanguage
public import Tables

// What the CLI's --json and the HTTP API say alike.

extension LookupAnswer {
    public func json(cuts withCuts: Bool) -> JSON {
        let rows: [JSON] = (0..<rowCount).map { row in
            .object([
                "values": .array(columns.map { JSON($0[row]) }), "statuses": .array(statuses.map { .string($0[row].rawValue) }),
            ])
        }
        var members = [JSON.Member("as_of", .string(asOf.description)), JSON.Member("features", .array(features.map { .string($0) })), JSON.Member("rows", .array(rows))]
        if let set { members.insert(JSON.Member("set", .string(set)), at: 0) }
        if withCuts { members.append(JSON.Member("cuts", .object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }))) }
        return .object(members)
    }
}

extension Manifest {
    /// - Parameter whole: with the hashes of every block.
    public func json(whole: Bool) -> JSON {
        var members: KeyValuePairs<String, JSON> {
            [
                "id": .string(id), "name": JSON(name), "set": .string(set.description), "fingerprint": .string(fingerprint.description), "mode": .string(mode.rawValue),
                "known_by": JSON(knownBy),
                "rows": JSON(rows), "digest": .string(digest), "created_at": .string(createdAt), "actor": .string(actor), "engine": .string(engine),
                "cuts": .object(cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) }),
                "spine": .object(["digest": .string(spine.digest), "timestamp": .string(spine.timestamp)]),
                "outputs": .array(
                    outputs.map {
                        .object([
                            "name": .string($0.name), "function": .string($0.function.description), "kind": .string($0.kind.rawValue), "type": .string($0.type.rawValue),
                            "fingerprint": .string($0.fingerprint.description),
                        ])
                    }),
            ]
        }
        guard whole, case .object(let plain) = JSON.object(members) else { return .object(members) }
        let blocks = blocks.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .array($0.value.map { .string($0) })) }
        return .object(plain + [JSON.Member("blocks", .object(blocks))])
    }
}

extension RegistrationPlan {
    public var json: JSON {
        .object([
            "steps": .array(
                steps.map { step in
                    var change = "", detail: JSON = .null
                    switch step.change {
                    case .new: change = "new"
                    case .unchanged: change = "unchanged"
                    case .notes: change = "notes"
                    case .extended(let columns): (change, detail) = ("extended", .array(columns.map { .string($0) }))
                    case .refused(let reason, let advice): (change, detail) = ("refused", .object(["reason": .string(reason), "advice": .string(advice)]))
                    }
                    return .object([
                        "kind": .string(step.definition.kind.rawValue), "name": .string(step.definition.name), "change": .string(change),
                        "fingerprint": .string(step.fingerprint.description), "detail": detail,
                    ])
                }), "warnings": .array(warnings.map { .string($0) }),
        ])
    }
}
