public import FeatureLanguage

/// A name that moves: `fraud@production` stands for a version of the set or model `fraud`.
public struct Pointer: Sendable {
    public enum Kind: String, Sendable, Codable { case set, model }

    public struct Target: Sendable, Codable, Hashable {
        public var kind: Kind
        public var name: VersionedName

        public init(kind: Kind, name: VersionedName) {
            self.kind = kind
            self.name = name
        }
    }

    public var name: String
    public var target: Target
    public var movedAt: Instant
    public var actor: String

    /// Reads `fraud@production`: a set's or model's name, and what the pointer is for.
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
    /// Moves a pointer, or makes it: from the next moment on, lookups and snapshots that ask for it get the new target.
    /// Each move is an entry in the ledger.
    ///
    /// - Parameter target: a version of what the pointer is named after; `model:churn.v3` says which, where a set has
    ///   the name too.
    /// - Throws: unknown names, another name's versions, `retired` ones.
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
