public import FeatureEngine
public import FeatureLanguage
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
}

/// The catalog for people: lists, details, search.
public struct CatalogBrowser: Sendable {
    public let entries: [CatalogEntry]

    public init(_ store: Store) async throws {
        self.init(try await store.catalog(), notes: try await store.notes())
    }

    init(_ catalog: Catalog, notes: [String: Notes]) {
        let describer = CatalogDescriber(catalog: catalog, notes: notes)
        entries =
            catalog.entities.values.sorted { $0.name < $1.name }.map(describer.entry) + catalog.sources.values.sorted { $0.name < $1.name }.map(describer.entry)
            + catalog.functions.values.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }.map(describer.entry)
            + catalog.sets.values.sorted { $0.definition.name < $1.definition.name }.map(describer.entry)
    }

    /// Of one kind, or all.
    public func entries(kind: DefinitionKind?) -> [CatalogEntry] { entries.filter { kind == nil || $0.kind == kind } }

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
                guard let place = entry.searched.firstIndex(where: { $0.lowercased().contains(word) }) else { return nil }
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

    private func notes(_ kind: DefinitionKind, _ name: String) -> Notes { notes["\(kind.rawValue) \(name)"] ?? Notes() }

    private func make(
        _ kind: DefinitionKind, _ name: String, _ summary: String, _ fingerprint: Fingerprint, _ details: [(String, String)], _ members: [JSON.Member], searched: [String],
        users: [String]
    ) -> CatalogEntry {
        let notes = notes(kind, name)
        var all = details
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
            JSON.Member("fingerprint", .string(fingerprint.description)),
        ]
        return CatalogEntry(
            kind: kind, name: name, summary: summary, notes: notes, details: all, json: .object(json),
            searched: [name, notes.tags.joined(separator: " "), notes.description ?? "", searched.joined(separator: " "), notes.owner ?? ""])
    }

    func entry(_ entity: Entity) -> CatalogEntry {
        let keys = entity.keys.text
        let users = catalog.functions.values.filter { $0.entity.name == entity.name }.map(\.name).sorted().map(\.description)
        return make(
            .entity, entity.name, keys, entity.fingerprint, [("keys", entity.keys.isEmpty ? "none: one global series" : keys)], [JSON.Member("keys", entity.keys.json)],
            searched: entity.keys.map(\.name), users: users)
    }

    func entry(_ source: Source) -> CatalogEntry {
        let known =
            switch source.knownAt {
            case .eventTime: "at the event time; pushed rows at their commit"
            case .after(let delay): "\(TimeSpan(microseconds: delay)) after the event time; pushed rows at their commit"
            case .column(let name): "as column \(name) says; pushed rows at their commit"
            }
        var details = [
            ("columns", source.columns.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: "\n")), ("event time", source.eventTime ?? "none: rows count at every instant"),
        ]
        if !source.isStatic { details.append(("known at", known)) }
        details.append(("id", source.id.isEmpty ? "none: every row stands for itself" : source.id.joined(separator: ", ")))
        if let tombstone = source.tombstone { details.append(("tombstone", "\(tombstone) takes the \(source.id.isEmpty ? "latest row" : "fact") back")) }
        let users = catalog.functions.values.filter { $0.source?.name == source.name }.map(\.name).sorted().map(\.description)
        return make(
            .source, source.name, "\(source.columns.count) columns by \(source.eventTime ?? "nothing: static")", source.fingerprint, details,
            [
                JSON.Member("columns", source.columns.json), JSON.Member("event_time", JSON(source.eventTime)),
                JSON.Member("id", .array(source.id.map { .string($0) })), JSON.Member("tombstone", JSON(source.tombstone)), JSON.Member("known_at", .string(known)),
            ], searched: source.columns.map(\.name), users: users)
    }

    func entry(_ function: Function) -> CatalogEntry {
        let kind: DefinitionKind = function.kind == .feature ? .feature : .label
        let definition = function.definition
        var windows: [String] = []
        for aggregate in function.expression.aggregates {
            let text = "\(aggregate.name) sees event times in \(aggregate.frame.description)"
            if !windows.contains(text) { windows.append(text) }
        }
        let functions = catalog.functions.values.filter { $0.references[function.name] != nil }.map(\.name).sorted().map(\.description)
        let sets = catalog.sets.values.filter { set in (set.features + set.labels).contains { $0.function.name == function.name } }.map(\.definition.name).sorted().map(
            \.description)
        var details = [("expression", definition.expression.trimmed), ("type", function.type.rawValue), ("entity", "\(function.entity.name) \(function.entity.keys.text)")]
        if let source = function.source { details.append(("source", source.name)) }
        if !definition.join.isEmpty { details.append(("join", definition.join.sorted { $0.key < $1.key }.map { "\($0.key) is the source's \($0.value)" }.joined(separator: ", "))) }
        if !function.requests.isEmpty {
            details.append(("request", function.requests.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.rawValue)" }.joined(separator: ", ")))
        }
        if !windows.isEmpty { details.append(("windows", windows.joined(separator: "\n"))) }
        if !function.references.isEmpty { details.append(("refers to", function.references.keys.sorted().map(\.description).joined(separator: ", "))) }
        return make(
            kind, function.name.description, "\(function.type.rawValue) of \(function.entity.name)", function.fingerprint, details,
            [
                JSON.Member("expression", .string(definition.expression.trimmed)), JSON.Member("type", .string(function.type.rawValue)),
                JSON.Member("entity", .string(function.entity.name)), JSON.Member("source", JSON(function.source?.name)),
                JSON.Member("join", .object(definition.join.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) })),
                JSON.Member("request", .object(function.requests.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value.rawValue)) })),
                JSON.Member("windows", .array(windows.map { .string($0) })), JSON.Member("refers_to", .array(function.references.keys.sorted().map { .string($0.description) })),
            ], searched: [definition.expression], users: functions + sets)
    }

    func entry(_ set: FeatureSet) -> CatalogEntry {
        func text(_ entry: FeatureSet.Entry) -> String {
            let keys = entry.keys.filter { $0.key.name != $0.column }.map { "\($0.key.name) from \($0.column)" }.joined(separator: ", ")
            return "\(entry.output): \(entry.function.type.rawValue) = \(entry.function.name)\(keys.isEmpty ? "" : " with \(keys)")"
        }
        func json(_ entry: FeatureSet.Entry) -> JSON {
            .object([
                "output": .string(entry.output), "function": .string(entry.function.name.description), "type": .string(entry.function.type.rawValue),
                "keys": .object(entry.keys.map { JSON.Member($0.key.name, .string($0.column)) }),
            ])
        }
        var details = [("features", set.features.map(text).joined(separator: "\n"))]
        if !set.labels.isEmpty { details.append(("labels", set.labels.map(text).joined(separator: "\n"))) }
        details.append(("keys", set.keys.text))
        if !set.requests.isEmpty { details.append(("request", set.requests.text)) }
        return make(
            .set, set.definition.name.description, "\(set.features.count) features, \(set.labels.count) labels", set.fingerprint, details,
            [
                JSON.Member("features", .array(set.features.map(json))), JSON.Member("labels", .array(set.labels.map(json))),
                JSON.Member("keys", set.keys.json), JSON.Member("request", set.requests.json),
            ], searched: (set.features + set.labels).map(\.function.name.description), users: [])
    }
}

extension Store {
    /// What a set computes, in words.
    ///
    /// - Throws: an unknown name.
    public func outline(ofSet name: String) async throws -> PlanOutline {
        try await withRegistry { Plan(try $1.catalog.set(named: $1.governance.set(named: name).set), in: $1.catalog).outline }
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
