public import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import StoreRecord
public import StoreRows
public import Tables

/// One registered definition as people look at it.
public struct CatalogEntry: Sendable {
    public var kind: DefinitionKind
    public var name: String
    /// What it is, in a few words for a list.
    public var summary: String
    public var notes: Notes
    /// What it is, in full: titles with their values.
    public var details: [(title: String, value: String)]
    public var json: JSON
    /// Where a search looks, the weightiest first.
    var searched: [String]
    /// The entities that it describes or is about, and the sources that it reads, through what it is made of.
    public var entities: Set<String> = []
    public var sources: Set<String> = []
    /// What is made of it: functions, sets, snapshots, models, pointers.
    public var users: [String] = []
    /// Where in its life it is, if it isn't active any more.
    public var stage: Stage?
    /// When rows came last into a source that it reads; nil where none ever did, or it reads none.
    public var newestRows: Instant?
}

/// Which entries are listed: all conditions hold.
public struct CatalogFilter: Sendable {
    public var kind: DefinitionKind?
    public var owner: String?
    public var tags: [String] = []
    public var entity: String?
    /// Only what nothing is made of.
    public var isUnused = false
    /// Only what reads a source that got no rows since; nil doesn't ask.
    public var staleSince: Instant?

    public init(kind: DefinitionKind? = nil) { self.kind = kind }

    func admits(_ entry: CatalogEntry) -> Bool {
        if let kind, entry.kind != kind { return false }
        if let owner, entry.notes.owner != owner { return false }
        if !tags.allSatisfy(entry.notes.tags.contains) { return false }
        if let entity, !entry.entities.contains(entity) { return false }
        if isUnused, !entry.users.isEmpty { return false }
        if let staleSince { return !entry.sources.isEmpty && entry.newestRows.map { $0 < staleSince } ?? true }
        return true
    }
}

/// The catalog for people: lists, details, search.
public struct CatalogBrowser: Sendable {
    public let entries: [CatalogEntry]

    public init(_ catalog: StoreCatalog) async throws {
        entries = try await catalog.withRegistry { connection, known in
            var newest: [String: Instant] = [:], snapshots: [String: [String]] = [:]
            for row in try connection.execute(
                """
                select d.name, h.committed_at from firn.definitions d
                join lateral (select committed_at from firn.batches where source = d.name order by base_offset desc limit 1) h on true where d.kind = 'source' and d.revision = 1
                """
            ).map({ $0 }) { try newest[row.text(0)] = Instant(microseconds: row.timestamp(1)) }
            for row in try connection.execute("select set_name, id from firn.snapshots order by entry desc").map({ $0 })
            {
                try snapshots[row.text(0), default: []].append(row.text(1))
            }
            return CatalogBrowser.entries(
                CatalogDescriber(
                    catalog: known.catalog, notes: try Registry(connection).notes(), governance: known.governance,
                    newest: newest, snapshots: snapshots))
        }
    }

    private static func entries(_ describer: CatalogDescriber) -> [CatalogEntry] {
        let catalog = describer.catalog
        return
            catalog.entities.values.sorted { $0.name < $1.name }.map(describer.entry)
            + catalog.sources.values.sorted { $0.name < $1.name }.map(describer.entry)
            + catalog.functions.values.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }.map(
                describer.entry)
            + catalog.sets.values.sorted { $0.definition.name < $1.definition.name }.map(describer.entry)
    }

    public func entries(_ filter: CatalogFilter) -> [CatalogEntry] { entries.filter(filter.admits) }

    /// Definitions of a name; a set and a feature may share one.
    public func named(_ name: String) -> [CatalogEntry] { entries.filter { $0.name == name } }

    /// The known name most like an unknown one.
    public func nearest(_ name: String) -> String? { nearestName(to: name, among: entries.map(\.name)) }

    /// Entries in which every word occurs, names before descriptions before expressions.
    public func search(_ text: String) -> [CatalogEntry] {
        let words = text.lowercased().split(separator: " ").map(String.init)
        guard !words.isEmpty else { return [] }
        let ranked = entries.compactMap { entry -> (entry: CatalogEntry, rank: Int)? in
            var rank = 0
            for word in words {
                guard let place = entry.searched.firstIndex(where: { $0.lowercased().contains(word) }) else {
                    return nil
                }
                rank += place * 2 + (entry.name.lowercased().hasPrefix(word) ? 0 : 1)
            }
            return (entry, rank)
        }
        return ranked.sorted { ($0.rank, $0.entry.name) < ($1.rank, $1.entry.name) }.map(\.entry)
    }
}

/// Puts definitions into words.
private struct CatalogDescriber {
    let catalog: Catalog
    let notes: [String: Notes]
    let governance: Governance
    /// By source, when rows came last; by set, its snapshots, the newest first.
    let newest: [String: Instant]
    let snapshots: [String: [String]]

    private func notes(_ kind: DefinitionKind, _ name: String) -> Notes { notes["\(kind.rawValue) \(name)"] ?? Notes() }

    private func make(
        _ kind: DefinitionKind, _ name: String, _ summary: String, _ fingerprint: Fingerprint,
        _ details: [(String, String)], _ members: [JSON.Member], searched: [String],
        users: [String], entities: Set<String>, sources: Set<String>
    ) -> CatalogEntry {
        let stage = Subject("\(kind.rawValue) \(name)").flatMap { governance.stages[$0] },
            times = sources.map { newest[$0] }
        let newestRows = times.contains { $0 == nil } ? nil : times.compactMap(\.self).min()
        let notes = notes(kind, name)
        var all = details
        if let stage { all.append(("stage", "\(stage), since \(stage.at) by \(stage.actor)")) }
        if !sources.isEmpty {
            all.append(
                (
                    "newest rows",
                    newestRows.map { $0.description } ?? "none yet\(sources.count > 1 ? " in one of its sources" : "")"
                ))
        }
        if let description = notes.description { all.append(("description", description)) }
        if let owner = notes.owner { all.append(("owner", owner)) }
        if !notes.tags.isEmpty { all.append(("tags", notes.tags.joined(separator: ", "))) }
        if let fresh = notes.fresh { all.append(("fresh", "\(fresh): values from older rows are served as stale")) }
        all.append(("used by", users.isEmpty ? "nothing yet" : users.joined(separator: ", ")))
        all.append(("fingerprint", fingerprint.description))
        var json = [JSON.Member("kind", .string(kind.rawValue)), JSON.Member("name", .string(name))] + members
        json += [
            JSON.Member("description", JSON(notes.description)), JSON.Member("owner", JSON(notes.owner)),
            JSON.Member("tags", .array(notes.tags.map { .string($0) })),
        ]
        if kind == .set { json.append(JSON.Member("fresh", JSON(notes.fresh?.description))) }
        json += [
            JSON.Member("used_by", .array(users.map { .string($0) })),
            JSON.Member("newest_rows", JSON(newestRows?.description)),
            JSON.Member(
                "stage",
                stage.map { stage in
                    .object([
                        "stage": stage.isRetired ? "retired" : "deprecated", "reason": .string(stage.reason),
                        "successor": JSON(stage.successor),
                        "at": .string(stage.at.description),
                        "actor": .string(stage.actor),
                    ])
                } ?? .null),
            JSON.Member("fingerprint", .string(fingerprint.description)),
        ]
        return CatalogEntry(
            kind: kind, name: name,
            summary: stage.map { "\(summary), \($0.isRetired ? "retired" : "deprecated")" } ?? summary, notes: notes,
            details: all, json: .object(json),
            searched: [
                name, notes.tags.joined(separator: " "), notes.description ?? "", searched.joined(separator: " "),
                notes.owner ?? "",
            ], entities: entities,
            sources: sources, users: users, stage: stage, newestRows: newestRows)
    }

    func entry(_ entity: Entity) -> CatalogEntry {
        let keys = entity.keys.text
        let users = catalog.functions.values.filter { $0.entity.name == entity.name }.map(\.name).sorted().map(
            \.description)
        return make(
            .entity, entity.name, keys, entity.fingerprint,
            [("keys", entity.keys.isEmpty ? "none: one global series" : keys)], [JSON.Member("keys", entity.keys.json)],
            searched: entity.keys.map(\.name), users: users, entities: [entity.name], sources: [])
    }

    func entry(_ source: Source) -> CatalogEntry {
        let known =
            switch source.knownAt {
            case .eventTime: "at the event time; pushed rows at their commit"
            case .after(let delay): "\(TimeSpan(microseconds: delay)) after the event time; pushed rows at their commit"
            case .column(let name): "as column \(name) says; pushed rows at their commit"
            }
        var details = [
            ("columns", source.columns.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: "\n")),
            ("event time", source.eventTime ?? "none: rows count at every instant"),
        ]
        if !source.isStatic { details.append(("known at", known)) }
        details.append(
            ("id", source.id.isEmpty ? "none: every row stands for itself" : source.id.joined(separator: ", ")))
        if let tombstone = source.tombstone {
            details.append(("tombstone", "\(tombstone) takes the \(source.id.isEmpty ? "latest row" : "fact") back"))
        }
        let users = catalog.functions.values.filter { $0.source?.name == source.name }.map(\.name).sorted().map(
            \.description)
        return make(
            .source, source.name, "\(source.columns.count) columns by \(source.eventTime ?? "nothing: static")",
            source.fingerprint, details,
            [
                JSON.Member("columns", source.columns.json), JSON.Member("event_time", JSON(source.eventTime)),
                JSON.Member("id", .array(source.id.map { .string($0) })),
                JSON.Member("tombstone", JSON(source.tombstone)), JSON.Member("known_at", .string(known)),
            ], searched: source.columns.map(\.name), users: users,
            entities: Set(catalog.functions.values.filter { $0.source?.name == source.name }.map(\.entity.name)),
            sources: [source.name])
    }

    func entry(_ function: Function) -> CatalogEntry {
        let kind: DefinitionKind = function.kind == .feature ? .feature : .label
        let definition = function.definition
        var windows: [String] = []
        for aggregate in function.expression.aggregates {
            let text = "\(aggregate.name) sees event times in \(aggregate.frame.description)"
            if !windows.contains(text) { windows.append(text) }
        }
        let functions = catalog.functions.values.filter { $0.references[function.name] != nil }.map(\.name).sorted()
            .map(\.description)
        let sets = catalog.sets.values.filter { set in
            (set.features + set.labels).contains { $0.function.name == function.name }
        }.map(\.definition.name).sorted().map(
            \.description)
        var details = [
            ("expression", definition.expression.trimmed), ("type", function.type.rawValue),
            ("entity", "\(function.entity.name) \(function.entity.keys.text)"),
        ]
        if let source = function.source { details.append(("source", source.name)) }
        if !definition.join.isEmpty {
            details.append(
                (
                    "join",
                    definition.join.sorted { $0.key < $1.key }.map { "\($0.key) is the source's \($0.value)" }.joined(
                        separator: ", ")
                ))
        }
        if !function.requests.isEmpty {
            details.append(
                (
                    "request",
                    function.requests.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.rawValue)" }.joined(
                        separator: ", ")
                ))
        }
        if !windows.isEmpty { details.append(("windows", windows.joined(separator: "\n"))) }
        if !function.references.isEmpty {
            details.append(("refers to", function.references.keys.sorted().map(\.description).joined(separator: ", ")))
        }
        return make(
            kind, function.name.description, "\(function.type.rawValue) of \(function.entity.name)",
            function.fingerprint, details,
            [
                JSON.Member("expression", .string(definition.expression.trimmed)),
                JSON.Member("type", .string(function.type.rawValue)),
                JSON.Member("entity", .string(function.entity.name)),
                JSON.Member("source", JSON(function.source?.name)),
                JSON.Member(
                    "join",
                    .object(definition.join.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) })),
                JSON.Member(
                    "request",
                    .object(
                        function.requests.sorted { $0.key < $1.key }.map {
                            JSON.Member($0.key, .string($0.value.rawValue))
                        })),
                JSON.Member("windows", .array(windows.map { .string($0) })),
                JSON.Member("refers_to", .array(function.references.keys.sorted().map { .string($0.description) })),
            ], searched: [definition.expression] + function.usedColumns.map(\.name), users: functions + sets,
            entities: [function.entity.name],
            sources: Set(catalog.functions(under: [function]).compactMap(\.source?.name)))
    }

    func entry(_ set: FeatureSet) -> CatalogEntry {
        func text(_ entry: FeatureSet.Entry) -> String {
            let keys = entry.keys.filter { $0.key.name != $0.column }.map { "\($0.key.name) from \($0.column)" }.joined(
                separator: ", ")
            return
                "\(entry.output): \(entry.function.type.rawValue) = \(entry.function.name)\(keys.isEmpty ? "" : " with \(keys)")"
        }
        func json(_ entry: FeatureSet.Entry) -> JSON {
            .object([
                "output": .string(entry.output), "function": .string(entry.function.name.description),
                "type": .string(entry.function.type.rawValue),
                "keys": .object(entry.keys.map { JSON.Member($0.key.name, .string($0.column)) }),
            ])
        }
        let name = set.definition.name, made = snapshots[name.description] ?? []
        var users =
            made.prefix(3).map { "snapshot \($0)" } + (made.count > 3 ? ["\(made.count - 3) older snapshots"] : [])
        users += governance.models.values.filter { $0.set == name }.map { "model \($0.name)" }.sorted()
        users += governance.pointers.values.filter { $0.target == Pointer.Target(kind: .set, name: name) }.map {
            "pointer \($0.name)"
        }.sorted()
        var details = [("features", set.features.map(text).joined(separator: "\n"))]
        if !set.labels.isEmpty { details.append(("labels", set.labels.map(text).joined(separator: "\n"))) }
        details.append(("keys", set.keys.text))
        if !set.requests.isEmpty { details.append(("request", set.requests.text)) }
        return make(
            .set, set.definition.name.description, "\(set.features.count) features, \(set.labels.count) labels",
            set.fingerprint, details,
            [
                JSON.Member("features", .array(set.features.map(json))),
                JSON.Member("labels", .array(set.labels.map(json))),
                JSON.Member("keys", set.keys.json), JSON.Member("request", set.requests.json),
            ], searched: (set.features + set.labels).map(\.function.name.description), users: users,
            entities: Set((set.features + set.labels).map(\.function.entity.name)),
            sources: Set(catalog.functions(of: set).compactMap(\.source?.name)))
    }
}

extension StoreCatalog {
    /// An entry as JSON, with its history in the ledger, and of a feature or label what it looks like in the newest
    /// snapshot that has it.
    ///
    /// - Parameter withStatistics: whether what it looks like is told.
    public func history(of entry: CatalogEntry, withStatistics: Bool = true) async throws -> JSON {
        guard case .object(var members) = entry.json else { return entry.json }
        let history = try await ledgerEntries(subject: "\(entry.kind.rawValue) \(entry.name)")
        members.append(JSON.Member("history", .array(history.map(\.json))))
        if entry.kind == .source { members.append(JSON.Member("rows", try await figures(ofSource: entry.name).json)) }
        if entry.kind == .feature || entry.kind == .label, let name = VersionedName(entry.name) {
            let seen = withStatistics ? try await StoreTraining(context: context).statistics(of: name) : nil
            members.append(
                JSON.Member(
                    "statistics",
                    seen.map { .object(["snapshot": .string($0.snapshot.id), "values": $0.statistics.json]) } ?? .null))
        }
        return .object(members)
    }

    /// How large a source is, and how late its rows were known.
    public func figures(ofSource name: String) async throws -> SourceFigures {
        try await withCatalog { connection, catalog in
            let source = try catalog.source(named: name)
            let row = try connection.execute(
                """
                select (select coalesce(sum(count - duplicates), 0)::bigint from firn.batches where source = \(name)),
                    pg_total_relation_size(\("firn_source." + SQL.quoted(name))::regclass), (select count(*) from firn.batches where source = \(name))
                """
            ).single()
            return try SourceFigures(
                rows: row.int64(0), bytes: row.int64(1), batches: row.int64(2),
                delay: try SourceDelay(source, connection))
        }
    }

    /// What a set computes, in words.
    ///
    /// - Throws: an unknown name.
    public func outline(ofSet name: String) async throws -> PlanOutline {
        try await withRegistry {
            Plan(try $1.catalog.set(named: $1.governance.set(named: name).set), in: $1.catalog).outline
        }
    }

    /// A set by its name or a pointer's, and what of it is deprecated or retired.
    public func set(named name: String) async throws -> (set: FeatureSet, warnings: [String]) {
        try await withRegistry { _, known in
            let set = try known.catalog.set(named: known.governance.set(named: name).set)
            return (set, known.governance.warnings(set, known.catalog))
        }
    }
}

extension [ColumnDefinition] {
    var json: JSON { .object(map { JSON.Member($0.name, .string($0.type.rawValue)) }) }
}

extension String {
    var trimmed: String {
        var text = self[...]
        while let last = text.last, last.isWhitespace { text.removeLast() }
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        return String(text)
    }
}
