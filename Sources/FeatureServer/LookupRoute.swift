import FeatureLanguage
import FeatureStore
import HTTPTypes
import Tables

/// The body of `POST /v1/lookup`.
extension LookupRequest {
    /// - Throws: anything with the wrong shape, by its place in the body.
    init(_ body: JSON) throws {
        let members = try Body(
            body, known: ["set", "features", "entities", "request", "as_of", "min_offsets", "cuts", "types", "log"])
        switch (body["set"], body["features"]) {
        case (.string(let name)?, nil): self.init(.set(name), entities: [:])
        case (nil, .array(let names)?):
            guard names.count <= LookupRequest.mostFeatures else {
                throw Problem.shape("features names at most \(LookupRequest.mostFeatures)")
            }
            self.init(
                .features(
                    try names.map { name in
                        guard case .string(let text) = name else {
                            throw Problem.shape("features is a list of names such as spend_7d.v1")
                        }
                        return text
                    }), entities: [:])
        default: throw Problem.shape("either set (a name) or features (a list of names) is asked for")
        }
        entities = try LookupRequest.values(body["entities"], "entities")
        request = try LookupRequest.values(body["request"], "request")
        asOf = try LookupRequest.instant(body["as_of"], "as_of")
        for member in try members["min_offsets"].map({ try LookupRequest.members($0, "min_offsets") }) ?? [] {
            guard case .int64(let offset)? = member.value.literal(as: .int64) else {
                throw Problem.shape("min_offsets.\(member.key.prefix(63)) is an offset")
            }
            minOffsets[member.key] = offset
        }
        isLogged = try members.flag("log")
        for name in ["cuts", "types"] { _ = try members.flag(name) }
    }

    /// In one request, besides those of a set.
    static let mostFeatures = 1000

    static func instant(_ value: JSON?, _ what: String) throws -> Instant? {
        guard let value, value != .null else { return nil }
        guard case .string(let text) = value, let instant = Instant(text: text) else {
            throw Problem.shape("\(what) is a time such as 2024-05-01T09:30:00Z")
        }
        return instant
    }

    fileprivate static func members(_ value: JSON, _ what: String) throws -> [JSON.Member] {
        guard case .object(let members) = value else { throw Problem.shape("\(what) is an object") }
        return members
    }

    /// Lists, or single values that apply to all rows.
    fileprivate static func values(_ value: JSON?, _ what: String) throws -> [String: [Value]] {
        guard let value, value != .null else { return [:] }
        var values: [String: [Value]] = [:]
        for member in try members(value, what) {
            if case .array(let list) = member.value {
                values[member.key] = list.map { .json($0) }
            } else {
                values[member.key] = [.json(member.value)]
            }
        }
        return values
    }
}

/// The body of `POST /v1/why`.
extension WhyRequest {
    /// - Throws: anything with the wrong shape, by its place in the body.
    init(_ body: JSON) throws {
        let members = try Body(
            body, known: ["feature", "entities", "request", "as_of", "hindsight", "known_by", "rows"])
        self.init(try members.text("feature"))
        lookup.entities = try LookupRequest.values(body["entities"], "entities")
        lookup.request = try LookupRequest.values(body["request"], "request")
        lookup.asOf = try LookupRequest.instant(body["as_of"], "as_of")
        knownBy = try LookupRequest.instant(body["known_by"], "known_by")
        isHindsight = try members.flag("hindsight")
        if let value = body["rows"], value != .null {
            guard case .int64(let number)? = value.literal(as: .int64), let count = Int(exactly: number) else {
                throw Problem.shape("rows is a whole number")
            }
            rows = count
        }
    }
}

/// The body of `POST /v1/models`.
extension ModelRequest {
    /// - Throws: anything with the wrong shape, by its place in the body.
    init(_ json: JSON) throws {
        let body = try Body(
            json, known: ["name", "snapshots", "set", "commit", "run", "metrics", "artifacts", "description"])
        guard case .array(let ids)? = body["snapshots"] else { throw Problem.shape("snapshots is a list of ids") }
        let snapshots = try ids.map { id in
            guard case .string(let text) = id else { throw Problem.shape("snapshots is a list of ids") }
            return text
        }
        self.init(
            try body.text("name"), snapshots: snapshots, set: try body.optionalText("set"),
            commit: try body.optionalText("commit"), run: try body.optionalText("run"),
            description: try body.optionalText("description"))
        for member in try body["metrics"].map({ try LookupRequest.members($0, "metrics") }) ?? [] {
            guard case .float64(let bits)? = member.value.literal(as: .float64) else {
                throw Problem.shape("metrics.\(member.key.prefix(63)) is a number")
            }
            metrics[member.key] = Double(bitPattern: bits)
        }
        guard let files = body["artifacts"] else { return }
        guard case .array(let list) = files else { throw Problem.shape("artifacts is a list of objects") }
        artifacts = try list.map { file in
            let members = try Body(file, known: ["name", "digest", "bytes"])
            guard case .int64(let bytes)? = members["bytes"]?.literal(as: .int64) else {
                throw Problem.shape("an artifact's bytes are a whole number")
            }
            return Model.Artifact(name: try members.text("name"), digest: try members.text("digest"), bytes: Int(bytes))
        }
    }
}

/// An object with known members; null counts as absent.
struct Body {
    private let members: [JSON.Member]

    init(_ json: JSON, known: [String]) throws {
        members = try LookupRequest.members(json, "the body")
        for (index, member) in members.enumerated()
        where !known.contains(member.key) || members[..<index].contains(where: { $0.key == member.key }) {
            throw Problem.shape(
                "member '\(member.key.prefix(63))' is unknown or given twice; it takes \(known.joined(separator: ", "))"
            )
        }
    }

    subscript(name: String) -> JSON? { members.first { $0.key == name && $0.value != .null }?.value }

    func optionalText(_ name: String) throws -> String? {
        switch self[name] {
        case nil: return nil
        case .string(let text)?:
            guard text.utf8.count <= Body.longest else {
                throw Problem.shape("\(name) has more than \(Body.longest) bytes")
            }
            return text
        default: throw Problem.shape("\(name) is a text")
        }
    }

    /// The most bytes that a text may have: reasons and descriptions are read by people.
    private static let longest = 10_000

    func text(_ name: String) throws -> String {
        guard let text = try optionalText(name) else { throw Problem.shape("\(name) is missing") }
        return text
    }

    func flag(_ name: String) throws -> Bool {
        switch self[name] {
        case nil: false
        case .bool(let flag)?: flag
        default: throw Problem.shape("\(name) is true or false")
        }
    }
}

extension Problem {
    /// JSON, but with the wrong shape.
    static func shape(_ detail: String) -> Problem { Problem(.badRequest, "invalid_request", detail) }
}
