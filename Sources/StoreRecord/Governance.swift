public import FeatureLanguage
internal import Foundation
package import Postgres
internal import Tables

/// What people decided about registered things: models, pointers, life cycle. It is derived from the ledger's entries,
/// in order, and from nothing else.
public struct Governance: Sendable {
    /// Every recorded model, retired ones included.
    public private(set) var models: [VersionedName: Model] = [:]
    /// Where each pointer points, by its name (`fraud@production`).
    public private(set) var pointers: [String: Pointer] = [:]
    /// The features, labels, sets and models that are deprecated or retired.
    public private(set) var stages: [Subject: Stage] = [:]
    /// Every move of every pointer, oldest first.
    public private(set) var moves: [Pointer] = []

    /// Nothing is decided yet.
    package init() {}

    /// - Parameter asOf: the state at that instant; nil for now.
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

    /// The set that a name stands for: the set itself, the set that a pointer points to, or the set that the model
    /// there takes in.
    ///
    /// - Returns: also the pointer and the model, if the name led through them.
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

    /// The set that a name stands for; the name may be a pointer's.
    public func setName(_ name: String) throws -> String { try set(named: name).set }

    /// A model by its full name, such as `churn.v3`.
    ///
    /// - Throws: `notFound`, with the nearest known name as advice.
    public func model(named text: String) throws -> Model {
        guard let name = VersionedName(text), let model = models[name] else {
            let near = nearestName(to: text, among: models.keys.map(\.description))
            throw StoreError(
                .notFound, "unknown model '\(text.prefix(80))'",
                advice: near.map { "did you mean \($0)?" } ?? "firn model list shows what there is")
        }
        return model
    }

    /// The one thing with a life cycle that a name stands for. `set:fraud.v1` picks the kind if several share the name.
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

    /// Whether something is deprecated or retired; nil while it is active.
    public func stage(of kind: Subject.Kind, _ name: VersionedName) -> Stage? { stages[Subject(kind, name)] }

    /// What to tell users of a set: which of its parts are deprecated or retired.
    package func warnings(_ set: FeatureSet, _ catalog: Catalog) -> [String] {
        catalog.subjects(of: set).compactMap { subject in stages[subject].map { "\(subject) is \($0)" } }
    }

    /// - Throws: `retired` if the set or anything it is made of is retired, and so may make no more training sets.
    package func refuseRetired(_ set: FeatureSet, _ catalog: Catalog) throws {
        for subject in catalog.subjects(of: set) {
            if let stage = stages[subject], stage.isRetired {
                throw StoreError(
                    .retired, "\(subject) is \(stage)",
                    advice: "what was made of it before still verifies; nothing new is made of it")
            }
        }
    }

    /// Pointers, and models that aren't retired, that depend on something.
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

/// Something that has a life cycle.
public struct Subject: Sendable, Hashable, CustomStringConvertible {
    /// The kinds of things that can be deprecated and retired.
    public enum Kind: String, Sendable { case feature, label, set, model }

    /// What kind of thing it is; a set and a model, for example, may have the same name.
    public var kind: Kind
    /// Its full name, such as `spend_7d.v1`.
    public var name: VersionedName

    package init(_ kind: Kind, _ name: VersionedName) {
        self.kind = kind
        self.name = name
    }

    package init(_ function: Function) { self.init(function.kind == .feature ? .feature : .label, function.name) }

    /// Reads the ledger's form of it: `feature spend_7d.v1`.
    package init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, let kind = Kind(rawValue: String(parts[0])), let name = VersionedName(parts[1]) else {
            return nil
        }
        self.init(kind, name)
    }

    public var description: String { "\(kind.rawValue) \(name)" }
}

/// The stage of something that is no longer active: deprecated or retired.
public struct Stage: Sendable, CustomStringConvertible {
    struct Reason: Codable {
        var reason: String
        var successor: String?
        /// Whether it was retired while in use.
        var forced: Bool?
    }

    /// Whether it is retired; otherwise it is only deprecated.
    public var isRetired: Bool
    /// Why, in the words of whoever decided it: 1 to 1,000 bytes.
    public var reason: String
    /// What to use instead, of the same kind: a name such as `spend_30d.v1`; nil if none was named.
    public var successor: String?
    /// When the decision was recorded in the ledger.
    public var at: Instant
    /// Who decided it.
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
    /// A set and everything it is made of.
    fileprivate func subjects(of set: FeatureSet) -> [Subject] {
        [Subject(.set, set.definition.name)] + functions(of: set).map(Subject.init)
    }

    /// The features and labels behind a set's outputs, including those they refer to, by name.
    package func functions(of set: FeatureSet) -> [Function] {
        functions(under: (set.features + set.labels).map(\.function))
    }

    /// Some functions and everything they refer to, by name.
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
    /// What was decided about registered things.
    ///
    /// - Parameter asOf: the state at that instant; nil for now.
    public func governance(asOf: Instant? = nil) async throws -> Governance {
        try await withCatalog { connection, _ in try Governance(connection, asOf: asOf) }
    }

    /// Makes a decision under the ledger's lock, so that what `body` reads still holds when its entry is written.
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

    /// Marks a feature, label, set or model as deprecated: everyone who uses it is warned.
    ///
    /// - Parameters:
    ///   - name: `spend_7d.v1`, or `set:fraud.v1` if something else has the same name.
    ///   - successor: what to use instead, of the same kind.
    /// - Throws: unknown names; `retired` if it is retired already.
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
    /// - Throws: `inUse` if a pointer, or a model that isn't retired, depends on it, unless forced; `retired` if it is
    ///   retired already.
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

/// Checks a reason's length, since it stays in the ledger forever.
package func checkReason(_ reason: String) throws {
    guard !reason.isEmpty, reason.utf8.count <= 1000, !reason.utf8.contains(0) else {
        throw StoreError(.invalidRequest, "a reason has 1 to 1000 bytes")
    }
}
