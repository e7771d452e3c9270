public import FeatureLanguage
internal import Foundation
internal import Postgres
public import StoreRecord
internal import StoreRows

extension StoreCatalog {
    /// What registering the documents would do, without doing it.
    ///
    /// - Throws: everything that is wrong with the documents.
    public func plan(_ documents: [DefinitionDocument]) async throws -> RegistrationPlan {
        try await withRegistry { connection, known in
            var plan = try RegistrationPlan(
                documents: documents, registered: known.catalog, notes: Registry(connection).notes())
            plan.heed(known.governance)
            try plan.checkWidths()
            return plan
        }
    }

    /// What the patterns in the documents' sets stand for today, for people to write out; nothing is registered.
    public func expansions(of documents: [DefinitionDocument]) async throws -> [SetExpansion] {
        try await withRegistry { connection, known in
            try known.catalog.expansions(of: documents, notes: Registry(connection).notes())
        }
    }

    /// Registers the documents, all or nothing. Safe against another apply at the same time: the second sees what the
    /// first registered.
    ///
    /// - Parameters:
    ///   - commit: the revision of the files they come from, which goes into the ledger.
    ///   - permit: is given the plan, and throws where the caller may not register it.
    /// - Throws: everything that is wrong with the documents, or `definitionRefused` where one would change what is
    ///   registered.
    public func apply(
        _ documents: [DefinitionDocument], commit: String? = nil,
        permit: @escaping @Sendable (RegistrationPlan) throws -> Void = { _ in }
    ) async throws -> RegistrationPlan {
        guard commit.map({ (1...100).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } }) ?? true
        else {
            throw StoreError(
                .invalidRequest,
                "a commit has 1 to 100 characters of ASCII, such as the hash that git rev-parse HEAD prints")
        }
        let actor = actor
        return try await pool.run { connection in
            try connection.transaction {
                try Migrator.requireThisVersion(connection)
                try connection.execute(Lock.statement(Lock.registry))
                let registry = Registry(connection)
                var plan = try RegistrationPlan(
                    documents: documents, registered: registry.load(), notes: registry.notes())
                plan.heed(try Governance(connection))
                try plan.checkWidths()
                try permit(plan)
                guard !plan.isRefused else { throw StoreError(.definitionRefused, plan.refusal, advice: nil) }
                // Tables and indexes first: they may have to wait for an import, and nobody should wait for the ledger
                // meanwhile.
                for step in plan.steps { try registry.prepare(step, plan.catalog) }
                try registry.index(plan.catalog)
                for step in plan.steps { try registry.register(step, plan.catalog, actor: actor, commit: commit) }
                return plan
            }
        }
    }

    /// The newest notes of each definition that has some, by kind and name (`feature spend_7d.v1`).
    public func notes() async throws -> [String: Notes] {
        try await pool.run { try Registry($0).notes() }
    }
}

extension RegistrationPlan {
    /// Plans documents by themselves, as if nothing were registered.
    ///
    /// - Throws: everything that is wrong with them.
    public init(checking documents: [DefinitionDocument]) throws {
        try self.init(documents: documents, registered: Catalog([]))
        try checkWidths()
    }

    /// Refuses new definitions made of retired ones, and warns of deprecated ones.
    fileprivate mutating func heed(_ governance: Governance) {
        for index in steps.indices {
            let definition = steps[index].definition
            steps[index].stage = Subject("\(definition.kind.rawValue) \(definition.name)").flatMap {
                governance.stages[$0]
            }.map { "\($0)" }
        }
        for index in steps.indices where steps[index].change == .new {
            var parts: [Function] = []
            switch steps[index].definition {
            case .function(let function):
                parts =
                    catalog.functions[function.name].map {
                        $0.references.keys.sorted().compactMap { catalog.functions[$0] }
                    } ?? []
            case .set(let set): parts = catalog.sets[set.name].map { catalog.functions(of: $0) } ?? []
            default: break
            }
            for subject in parts.map(Subject.init) {
                guard let stage = governance.stages[subject] else { continue }
                let what =
                    "\(steps[index].definition.kind.rawValue) \(steps[index].definition.name) has \(subject), which is \(stage)"
                if stage.isRetired {
                    steps[index].change = .refused(reason: what, advice: "nothing new is made of what is retired")
                } else {
                    warnings.append(what)
                }
            }
        }
    }

    /// Refuses sources whose rows may be wider than PostgreSQL can store.
    fileprivate func checkWidths() throws {
        for step in steps {
            guard case .source(let source) = step.definition, let joined = catalog.sources[source.name] else {
                continue
            }
            switch step.change {
            case .new, .extended:
                try RowWidth.check(RowWidth.columnsOfOurs + joined.columns.map(\.type), of: "source \(source.name)") {
                    "make it two sources with the same keys, or declare what features read alone"
                }
            default: break
            }
        }
    }

    /// The refused steps as text for people, each with its reason and advice; empty where none is refused.
    public var refusal: String {
        steps.compactMap { step in
            guard case .refused(let reason, let advice) = step.change else { return nil }
            return "\(step.definition.kind.rawValue) \(step.definition.name) can't change: \(reason)\n    \(advice)"
        }.joined(separator: "\n")
    }
}

extension Registry {
    /// Creates the table of a new source, and adds the columns that a known one gains.
    func prepare(_ step: RegistrationPlan.Step, _ catalog: Catalog) throws {
        guard case .source(let source) = step.definition, let joined = catalog.sources[source.name] else { return }
        switch step.change {
        case .new: try SourceTable(joined).create(connection)
        case .extended(let columns): try SourceTable(joined).add(columns, connection)
        default: break
        }
    }

    /// Makes an index for each choice of key columns in use, so that a lookup finds its entity's rows in a window.
    func index(_ catalog: Catalog) throws {
        for function in catalog.functions.values {
            guard let source = function.source, !function.entity.keys.isEmpty else { continue }
            try SourceTable(source).index(
                Set(function.entity.keys.map { function.sourceColumn(of: $0.name) }).sorted()
                    + (source.eventTime.map { [$0] } ?? []), connection)
        }
    }
}
