package import FeatureLanguage
internal import Foundation
package import Postgres
internal import Synchronization

/// The definitions in the database.
package struct Registry {
    package let connection: Connection

    package init(_ connection: Connection) {
        self.connection = connection
    }

    /// Everything registered.
    package func load() throws -> Catalog {
        let rows = try connection.execute("select body from firn.definitions order by revision")
        var definitions: [String: Definition] = [:]
        for row in 0..<rows.count {
            let definition = try JSONDecoder().decode(Definition.self, from: Data(rows[row].bytes(0)))
            // A source's later revision replaces the earlier one.
            definitions["\(definition.kind.rawValue) \(definition.name)"] = definition
        }
        return try Catalog(Array(definitions.values))
    }

    /// All notes, by kind and name (`feature spend_7d.v1`).
    package func notes() throws -> [String: Notes] {
        var notes: [String: Notes] = [:]
        let rows = try connection.execute(
            "select distinct on (kind, name) kind, name, body from firn.notes order by kind, name, entry desc")
        for row in 0..<rows.count {
            try notes["\(rows[row].text(0)) \(rows[row].text(1))"] = try JSONDecoder().decode(
                Notes.self, from: Data(rows[row].bytes(2)))
        }
        return notes
    }

    /// A set's bound on freshness, if it has one.
    package func fresh(_ set: String?) throws -> TimeSpan? {
        guard let set else { return nil }
        let rows = try connection.execute(
            "select body from firn.notes where kind = 'set' and name = \(set) order by entry desc limit 1")
        return try rows.first.flatMap { try JSONDecoder().decode(Notes.self, from: Data($0.bytes(0))).fresh }
    }

    package func register(_ step: RegistrationPlan.Step, _ catalog: Catalog, actor: String, commit: String?) throws {
        let kind = step.definition.kind.rawValue, name = step.definition.name
        var definition = step.definition
        switch step.change {
        case .unchanged, .refused: return
        case .notes: break
        case .new, .extended:
            if case .source(let source) = definition { definition = .source(catalog.sources[source.name]!) }
            let body = try canonicalJSON(definition)
            try connection.execute(
                "select firn.register(\(actor), \(kind), \(name), \(step.fingerprint.description), \(body), \(commit))")
        }
        if !step.notes.isEmpty {
            try connection.execute("select firn.note(\(actor), \(kind), \(name), \(try canonicalJSON(step.notes)))")
        }
    }
}

/// What the registry and the ledger said last, read again only if something was registered or decided since.
package final class RegistryCache: Sendable {
    package struct Known {
        package var catalog: Catalog
        package var governance: Governance
        /// The newest ledger entry that is certain to be included.
        package var entry: Int64
    }

    private let state = Mutex<Known?>(nil)
    private let isThisVersion = Atomic(false)

    /// What was read last.
    var known: Known? { state.withLock { $0 } }

    func read(_ connection: Connection) throws -> Known {
        if !isThisVersion.load(ordering: .relaxed) {
            try Migrator.requireThisVersion(connection)
            isThisVersion.store(true, ordering: .relaxed)
        }
        let newest = try connection.execute("select \(Ledger.governed)").single().int64(0)
        // A standby may be behind what was read from its primary.
        if let known, known.entry >= newest { return known }
        let read = Known(
            catalog: try Registry(connection).load(), governance: try Governance(connection), entry: newest)
        return state.withLock { state in
            if let known = state, known.entry >= read.entry { return known }
            state = read
            return read
        }
    }
}
