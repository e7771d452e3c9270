import FeatureLanguage
import FeatureStore
import HTTPTypes
import Tables

/// The body of `POST /v1/lookup`.
extension LookupRequest {
    /// - Throws: what doesn't have the right shape, by its place in the body.
    init(_ body: JSON) throws {
        try LookupRequest.refuseOthers(body, than: ["set", "features", "entities", "request", "as_of", "min_offsets", "cuts", "types", "log"])
        switch (body["set"], body["features"]) {
        case (.string(let name)?, nil): self.init(.set(name), entities: [:])
        case (nil, .array(let names)?):
            self.init(
                .features(
                    try names.map { name in
                        guard case .string(let text) = name else { throw Problem.shape("features is a list of names such as spend_7d.v1") }
                        return text
                    }), entities: [:])
        default: throw Problem.shape("either set (a name) or features (a list of names) is asked for")
        }
        entities = try LookupRequest.values(body["entities"], "entities")
        request = try LookupRequest.values(body["request"], "request")
        asOf = try LookupRequest.instant(body["as_of"], "as_of")
        for member in try body["min_offsets"].map({ try LookupRequest.members($0, "min_offsets") }) ?? [] {
            guard case .int64(let offset)? = member.value.literal(as: .int64) else { throw Problem.shape("min_offsets.\(member.key.prefix(63)) is an offset") }
            minOffsets[member.key] = offset
        }
        switch body["log"] {
        case nil, .null?: break
        case .bool(let flag)?: isLogged = flag
        default: throw Problem.shape("log is true or false")
        }
    }

    fileprivate static func refuseOthers(_ body: JSON, than known: [String]) throws {
        for member in try members(body, "the body") where !known.contains(member.key) {
            throw Problem.shape("unknown member '\(member.key.prefix(63))'; it takes \(known.joined(separator: ", "))")
        }
    }

    static func instant(_ value: JSON?, _ what: String) throws -> Instant? {
        guard let value, value != .null else { return nil }
        guard case .string(let text) = value, let instant = Instant(text: text) else { throw Problem.shape("\(what) is a time such as 2024-05-01T09:30:00Z") }
        return instant
    }

    private static func members(_ value: JSON, _ what: String) throws -> [JSON.Member] {
        guard case .object(let members) = value else { throw Problem.shape("\(what) is an object") }
        return members
    }

    /// Lists, or single values for all.
    fileprivate static func values(_ value: JSON?, _ what: String) throws -> [String: [Value]] {
        guard let value, value != .null else { return [:] }
        var values: [String: [Value]] = [:]
        for member in try members(value, what) {
            if case .array(let list) = member.value { values[member.key] = list.map { .json($0) } } else { values[member.key] = [.json(member.value)] }
        }
        return values
    }
}

/// The body of `POST /v1/why`.
extension WhyRequest {
    /// - Throws: what doesn't have the right shape, by its place in the body.
    init(_ body: JSON) throws {
        try LookupRequest.refuseOthers(body, than: ["feature", "entities", "request", "as_of", "hindsight", "known_by", "rows"])
        guard case .string(let name)? = body["feature"] else { throw Problem.shape("feature is a name such as spend_7d.v1") }
        self.init(name)
        lookup.entities = try LookupRequest.values(body["entities"], "entities")
        lookup.request = try LookupRequest.values(body["request"], "request")
        lookup.asOf = try LookupRequest.instant(body["as_of"], "as_of")
        knownBy = try LookupRequest.instant(body["known_by"], "known_by")
        switch body["hindsight"] {
        case nil, .null?: break
        case .bool(let flag)?: isHindsight = flag
        default: throw Problem.shape("hindsight is true or false")
        }
        if let value = body["rows"], value != .null {
            guard case .int64(let number)? = value.literal(as: .int64), let count = Int(exactly: number) else { throw Problem.shape("rows is a whole number") }
            rows = count
        }
    }
}

extension Problem {
    /// JSON, but not of the right shape.
    static func shape(_ detail: String) -> Problem { Problem(.badRequest, "invalid_request", detail) }
}
