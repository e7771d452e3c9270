internal import FeatureLanguage
internal import StoreRecord
internal import Tables

/// Describes each kind of definition, once in words and once as JSON.
struct CatalogDescriber {
    private let content: CatalogContent

    init(_ content: CatalogContent) { self.content = content }

    private var catalog: Catalog { content.catalog }
    private var governance: Governance { content.governance }

    private func make(
        _ kind: DefinitionKind, _ name: String, _ summary: String, _ fingerprint: Fingerprint,
        _ details: [(String, String)], _ members: [JSON.Member], searched: [String],
        users: [String], entities: Set<String>, sources: Set<String>
    ) -> CatalogEntry {
        let stage = Subject("\(kind.rawValue) \(name)").flatMap { governance.stages[$0] },
            times = sources.map { content.newestRows[$0] }
        let newestRows = times.contains { $0 == nil } ? nil : times.compactMap(\.self).min()
        let notes = content.notes["\(kind.rawValue) \(name)"] ?? Notes()
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
        let name = set.definition.name, made = content.snapshots[name.description] ?? []
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
