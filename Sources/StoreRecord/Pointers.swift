public import FeatureLanguage

/// A name that can be moved: `fraud@production` stands for a version of the set or model `fraud`.
public struct Pointer: Sendable {
    /// What a pointer can stand for.
    public enum Kind: String, Sendable, Codable { case set, model }

    /// The version that a pointer points to.
    public struct Target: Sendable, Codable, Hashable {
        /// Whether it is a set or a model; a model stands for the set that it takes in.
        public var kind: Kind
        /// The version's full name, such as `fraud.v3`.
        public var name: VersionedName

        /// A version of a set or model, whether or not there is one.
        public init(kind: Kind, name: VersionedName) {
            self.kind = kind
            self.name = name
        }
    }

    /// The pointer's name: what it is named after, and what it is for (`fraud@production`).
    public var name: String
    /// The version that it stands for since this move.
    public var target: Target
    /// When it was moved there.
    public var movedAt: Instant
    /// Who moved it.
    public var actor: String

    /// Reads `fraud@production`: the name of a set or model, and what the pointer is for.
    static func parts(_ name: String) throws -> (base: String, alias: String) {
        let parts = name.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ Identifier.isPlain($0) }) else {
            throw StoreError(
                .invalidRequest, "'\(name.prefix(130))' isn't a pointer's name",
                advice: "such as fraud@production: lower case, digits and underscores on both sides")
        }
        return (String(parts[0]), String(parts[1]))
    }
}

extension StoreCatalog {
    /// Moves a pointer, or creates it: from the next moment on, lookups and snapshots that ask for it get the new
    /// target. Each move is an entry in the ledger.
    ///
    /// - Parameter target: a version of what the pointer is named after; `model:churn.v3` picks the model if a set has
    ///   the same name.
    /// - Throws: unknown names, versions of another name, `retired` ones.
    public func point(_ name: String, to target: String) async throws -> Pointer {
        let (base, _) = try Pointer.parts(name)
        return try await governing { ledger, catalog, governance in
            let subject = try governance.subject(named: target, catalog)
            guard let kind = Pointer.Kind(rawValue: subject.kind.rawValue) else {
                throw StoreError(
                    .invalidRequest, "\(subject) can't be pointed to", advice: "a pointer stands for a set or a model")
            }
            guard subject.name.name == base else {
                throw StoreError(
                    .invalidRequest, "\(name) points to versions of \(base), not to \(subject.name)",
                    advice: "name the pointer \(subject.name.name)@…")
            }
            if let stage = governance.stages[subject], stage.isRetired {
                throw StoreError(.retired, "\(subject) is \(stage)")
            }
            let target = Pointer.Target(kind: kind, name: subject.name)
            if let known = governance.pointers[name], known.target == target { return known }
            let entry = try ledger.append(kind: "point", subject: "pointer \(name)", body: canonicalJSON(target))
            return Pointer(name: name, target: target, movedAt: entry.at, actor: ledger.actor)
        }
    }
}
