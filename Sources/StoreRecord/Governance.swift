public import FeatureLanguage
internal import Foundation
package import Postgres
internal import Tables

/// What people decided about what is registered: models, pointers, life cycle. Nothing but the ledger's entries, one
/// after the other.
public struct Governance: Sendable {
    public private(set) var models: [VersionedName: Model] = [:]
    /// By name (`fraud@production`): where each points.
    public private(set) var pointers: [String: Pointer] = [:]
    /// The features, labels, sets and models that are deprecated or retired.
    public private(set) var stages: [Subject: Stage] = [:]
    /// Every move of every pointer, the oldest first.
    public private(set) var moves: [Pointer] = []

    /// - Parameter asOf: as it was then; nil for now.
    package init(_ connection: Connection, asOf: Instant? = nil) throws {
        for entry in try Ledger.entries(of: ["model", "point", "deprecate", "retire"], until: asOf, connection) {
            let body = Data(entry.body.utf8), decoder = JSONDecoder()
            switch entry.kind {
            case "model":
                var model = try decoder.decode(Model.self, from: body)
                (model.recordedAt, model.actor) = (entry.at, entry.actor)
                models[model.name] = model
            case "point":
                let target = try decoder.decode(Pointer.Target.self, from: body)
                let pointer = Pointer(
                    name: String(entry.subject.dropFirst("pointer ".count)), target: target, movedAt: entry.at,
                    actor: entry.actor)
                pointers[pointer.name] = pointer
                moves.append(pointer)
            default:
                guard let subject = Subject(entry.subject) else { continue }
                let reason = try decoder.decode(Stage.Reason.self, from: body)
                stages[subject] = Stage(
                    isRetired: entry.kind == "retire", reason: reason, at: entry.at, actor: entry.actor)
            }
        }
    }

    // MARK: Names

    /// The set that a name stands for: itself, where a pointer points, or what the model there takes in.
    ///
    /// - Returns: also the pointer and the model, where it went by one.
    package func set(named name: String) throws -> (set: String, pointer: String?, model: VersionedName?) {
        guard name.contains("@") else { return (name, nil, nil) }
        guard let pointer = pointers[name] else {
            throw StoreError(
                .notFound, "unknown pointer '\(name.prefix(130))'",
                advice: nearestName(to: name, among: Array(pointers.keys)).map { "did you mean \($0)?" })
        }
        guard pointer.target.kind == .model, let model = models[pointer.target.name] else {
            return (pointer.target.name.description, name, nil)
        }
        return (model.set.description, name, model.name)
    }

    /// The set that a name stands for, which may be a pointer's.
    public func setName(_ name: String) throws -> String { try set(named: name).set }

    public func model(named text: String) throws -> Model {
        guard let name = VersionedName(text), let model = models[name] else {
            let near = nearestName(to: text, among: models.keys.map(\.description))
            throw StoreError(
                .notFound, "unknown model '\(text.prefix(80))'",
                advice: near.map { "did you mean \($0)?" } ?? "firn model list shows what there is")
        }
        return model
    }

    /// What a name stands for among what has a life cycle. `set:fraud.v1` says which, where there are several.
    func subject(named text: String, _ catalog: Catalog) throws -> Subject {
        let parts = text.split(separator: ":", maxSplits: 1),
            kind = parts.count == 2 ? Subject.Kind(rawValue: String(parts[0])) : nil
        guard parts.count < 2 || kind != nil, let last = parts.last, let name = VersionedName(last) else {
            throw StoreError(
                .invalidRequest, "'\(text.prefix(80))' names no feature, label, set or model",
                advice: "such as spend_7d.v1, or set:fraud.v1")
        }
        var found: [Subject] = []
        if let function = catalog.functions[name] {
            found.append(Subject(function.kind == .feature ? .feature : .label, name))
        }
        if catalog.sets[name] != nil { found.append(Subject(.set, name)) }
        if models[name] != nil { found.append(Subject(.model, name)) }
        if let kind { found = found.filter { $0.kind == kind } }
        guard let subject = found.first else {
            let near = nearestName(
                to: name.description,
                among: (Array(catalog.functions.keys) + Array(catalog.sets.keys) + Array(models.keys)).map(
                    \.description))
            throw StoreError(
                .notFound, "no feature, label, set or model '\(text.prefix(80))'",
                advice: near.map { "did you mean \($0)?" })
        }
        guard found.count == 1 else {
            throw StoreError(
                .invalidRequest,
                "'\(text)' is the name of \(found.map { "a \($0.kind.rawValue)" }.joined(separator: " and "))",
                advice: "say \(subject.kind.rawValue):\(text)")
        }
        return subject
    }

    // MARK: Life cycle

    /// Nil where it is active.
    public func stage(of kind: Subject.Kind, _ name: VersionedName) -> Stage? { stages[Subject(kind, name)] }

    /// What to say to who uses a set: what of it is deprecated or retired.
    package func warnings(_ set: FeatureSet, _ catalog: Catalog) -> [String] {
        catalog.subjects(of: set).compactMap { subject in stages[subject].map { "\(subject) is \($0)" } }
    }

    /// - Throws: `retired` where a set may make no more training sets.
    package func refuseRetired(_ set: FeatureSet, _ catalog: Catalog) throws {
        for subject in catalog.subjects(of: set) {
            if let stage = stages[subject], stage.isRetired {
                throw StoreError(
                    .retired, "\(subject) is \(stage)",
                    advice: "what was made of it before still verifies; nothing new is made of it")
            }
        }
    }

    /// Pointers, and models that aren't retired, that hang on something.
    func users(of subject: Subject, _ catalog: Catalog) -> [String] {
        let sets = catalog.sets.values.filter { catalog.subjects(of: $0).contains(subject) }.map(\.definition.name)
        let inUse = models.values.filter {
            stages[Subject(.model, $0.name)]?.isRetired != true && sets.contains($0.set)
        }.map(\.name)
        let pointed = pointers.values.filter { pointer in
            switch pointer.target.kind {
            case .set: sets.contains(pointer.target.name)
            case .model: inUse.contains(pointer.target.name) || subject == Subject(.model, pointer.target.name)
            }
        }
        return inUse.map { "model \($0)" }.sorted() + pointed.map { "pointer \($0.name)" }.sorted()
    }
}

/// What has a life cycle.
public struct Subject: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable { case feature, label, set, model }

    public var kind: Kind
    public var name: VersionedName

    package init(_ kind: Kind, _ name: VersionedName) {
        self.kind = kind
        self.name = name
    }

    package init(_ function: Function) { self.init(function.kind == .feature ? .feature : .label, function.name) }

    /// As the ledger names it: `feature spend_7d.v1`.
    package init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])), let name = VersionedName(parts[1]) else {
            return nil
        }
        self.init(kind, name)
    }

    public var description: String { "\(kind.rawValue) \(name)" }
}

/// Where in its life something is that isn't active any more.
public struct Stage: Sendable, CustomStringConvertible {
    struct Reason: Codable {
        var reason: String
        var successor: String?
        /// Whether it was retired though it was in use.
        var forced: Bool?
    }

    public var isRetired: Bool
    public var reason: String
    public var successor: String?
    public var at: Instant
    public var actor: String

    init(isRetired: Bool, reason: Reason, at: Instant, actor: String) {
        self.isRetired = isRetired
        self.reason = reason.reason
        successor = reason.successor
        self.at = at
        self.actor = actor
    }

    public var description: String {
        "\(isRetired ? "retired" : "deprecated"): \(reason)\(successor.map { "; use \($0)" } ?? "")"
    }
}

extension Catalog {
    /// A set and all that it is made of.
    fileprivate func subjects(of set: FeatureSet) -> [Subject] {
        [Subject(.set, set.definition.name)] + functions(of: set).map(Subject.init)
    }

    /// The features and labels that a set's outputs are made of, those they refer to as well, by name.
    package func functions(of set: FeatureSet) -> [Function] {
        functions(under: (set.features + set.labels).map(\.function))
    }

    /// Some functions and all that they refer to, by name.
    package func functions(under functions: [Function]) -> [Function] {
        var found: [VersionedName: Function] = [:], rest = functions
        while let function = rest.popLast() {
            if found.updateValue(function, forKey: function.name) == nil {
                rest += function.references.keys.compactMap { self.functions[$0] }
            }
        }
        return found.values.sorted { $0.name < $1.name }
    }
}

extension StoreCatalog {
    /// What was decided about what is registered.
    ///
    /// - Parameter asOf: as it was then; nil for now.
    public func governance(asOf: Instant? = nil) async throws -> Governance {
        try await withCatalog { connection, _ in try Governance(connection, asOf: asOf) }
    }

    /// Decides something under the ledger's lock: what `body` reads holds when its entry is written.
    package func governing<T: Sendable>(_ body: @escaping @Sendable (Ledger, Catalog, Governance) throws -> T)
        async throws -> T
    {
        let actor = actor
        return try await withCatalog { connection, _ in
            try connection.transaction {
                let ledger = Ledger(connection: connection, actor: actor)
                try ledger.lock()
                return try body(ledger, Registry(connection).load(), Governance(connection))
            }
        }
    }

    /// Says of a feature, label, set or model that it is on its way out: whoever uses it is told.
    ///
    /// - Parameters:
    ///   - name: `spend_7d.v1`, or `set:fraud.v1` where another has the name too.
    ///   - successor: what to use instead, of the same kind.
    /// - Throws: unknown names; `retired` where it is already.
    public func deprecate(_ name: String, reason: String, successor: String? = nil) async throws -> Subject {
        try checkReason(reason)
        return try await governing { ledger, catalog, governance in
            let subject = try governance.subject(named: name, catalog)
            if let stage = governance.stages[subject], stage.isRetired {
                throw StoreError(.retired, "\(subject) is \(stage)")
            }
            let next = try successor.map {
                try governance.subject(named: $0.contains(":") ? $0 : "\(subject.kind.rawValue):\($0)", catalog)
            }
            if let next, next == subject || next.kind != subject.kind {
                throw StoreError(.invalidRequest, "the successor of \(subject) is another \(subject.kind.rawValue)")
            }
            _ = try ledger.append(
                kind: "deprecate", subject: subject.description,
                body: canonicalJSON(Stage.Reason(reason: reason, successor: next?.name.description)))
            return subject
        }
    }

    /// Ends the life of a feature, label, set or model: nothing new is made of it. What was made before still verifies,
    /// and lookups go on with a warning.
    ///
    /// - Throws: `in_use` where a pointer, or a model that isn't retired, hangs on it, unless forced.
    public func retire(_ name: String, reason: String, force: Bool = false) async throws -> Subject {
        try checkReason(reason)
        return try await governing { ledger, catalog, governance in
            let subject = try governance.subject(named: name, catalog)
            if let stage = governance.stages[subject], stage.isRetired {
                throw StoreError(.retired, "\(subject) is \(stage)")
            }
            let users = governance.users(of: subject, catalog).filter { $0 != subject.description }
            guard users.isEmpty || force else {
                throw StoreError(
                    .inUse, "\(subject) is in use by \(users.joined(separator: ", "))",
                    advice: "retire models and move pointers first, or force it")
            }
            let body = Stage.Reason(
                reason: reason, successor: governance.stages[subject]?.successor, forced: users.isEmpty ? nil : true)
            _ = try ledger.append(kind: "retire", subject: subject.description, body: canonicalJSON(body))
            return subject
        }
    }
}

/// What people give as a reason stands in the ledger for ever.
package func checkReason(_ reason: String) throws {
    guard !reason.isEmpty, reason.utf8.count <= 1000, !reason.utf8.contains(0) else {
        throw StoreError(.invalidRequest, "a reason has 1 to 1000 bytes")
    }
}
