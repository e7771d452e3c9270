/// What registering documents would do.
public struct RegistrationPlan: Sendable {
    /// What registering one definition would do.
    public enum Change: Sendable, Hashable {
        /// Not registered yet.
        case new
        /// Already registered with this very meaning; nothing to do.
        case unchanged
        /// Already registered with this meaning but other notes; the new notes are recorded.
        case notes
        /// A registered source that gains nullable columns.
        case extended(columns: [String])
        /// Already registered with another meaning, which never changes.
        case refused(reason: String, advice: String)
    }

    /// One definition of the documents, and what registering it would do.
    public struct Step: Sendable {
        /// The definition as the document has it: a source without the columns registered before, unless it repeats
        /// them.
        public var definition: Definition
        /// The document's notes; if empty, the registered ones stay as they are.
        public var notes: Notes
        /// What registering the definition would do.
        public var change: Change
        /// The fingerprint it has or would get; that of a source covers the registered columns too.
        public var fingerprint: Fingerprint
        /// Its stage of life, such as `retired on …`; nil while it is active.
        public var stage: String?
    }

    /// One step for each definition, in the order of the documents.
    public var steps: [Step]
    /// What is registered but in none of the documents, as kind and name.
    public private(set) var unlisted: [String] = []
    /// Registered and planned definitions together.
    public var catalog: Catalog
    /// What people should know, one sentence each; a warning doesn't keep a definition from being registered.
    public var warnings: [String]

    /// Whether any step is refused, in which case nothing gets registered.
    public var isRefused: Bool { steps.contains { if case .refused = $0.change { true } else { false } } }

    /// Whether every definition is registered already, so that there is nothing to do.
    public var isEmpty: Bool { steps.allSatisfy { $0.change == .unchanged } }

    /// Compares documents with what is registered.
    ///
    /// - Parameters:
    ///   - documents: the documents as people wrote them.
    ///   - registered: what the registry holds.
    ///   - notes: the newest notes by kind and name (`feature spend_7d.v1`).
    /// - Throws: everything wrong with the documents.
    public init(documents: [DefinitionDocument], registered: Catalog, notes: [String: Notes] = [:])
        throws(DefinitionError)
    {
        catalog = try Catalog(base: registered, documents: documents, notes: notes)
        steps = []
        warnings = []
        for item in documents.flatMap(\.items) {
            let (fingerprint, change) = RegistrationPlan.change(item.definition, catalog, registered)
            let old = notes["\(item.definition.kind.rawValue) \(item.definition.name)"] ?? Notes()
            // A file without notes leaves the registered ones as they are.
            let renewed = change == .unchanged && !item.notes.isEmpty && item.notes != old
            steps.append(
                Step(
                    definition: item.definition, notes: item.notes, change: renewed ? .notes : change,
                    fingerprint: fingerprint))
            warnings += RegistrationPlan.warnings(item.definition)
        }
        let listed = Set(steps.map { "\($0.definition.kind.rawValue) \($0.definition.name)" })
        unlisted = registered.names.filter { !listed.contains($0) }
    }

    private static func change(_ definition: Definition, _ catalog: Catalog, _ registered: Catalog) -> (
        Fingerprint, Change
    ) {
        let never = "what is registered never changes"
        switch definition {
        case .entity(let entity):
            guard let old = registered.entities[entity.name] else { return (entity.fingerprint, .new) }
            let same = old.fingerprint == entity.fingerprint
            return (
                entity.fingerprint,
                same
                    ? .unchanged
                    : .refused(
                        reason: "entity \(entity.name) is registered with other keys: \(old.keys.text)",
                        advice: "\(never); name the new entity otherwise")
            )
        case .source(let source):
            let joined = catalog.sources[source.name] ?? source
            guard let old = registered.sources[source.name] else { return (source.fingerprint, .new) }
            let gained = joined.columns.filter { old.column($0.name) == nil }.map(\.name)
            if let reason = old.conflict(with: source) {
                return (
                    joined.fingerprint,
                    .refused(
                        reason: reason, advice: "a source may gain columns; \(never); name the new source otherwise")
                )
            }
            return (joined.fingerprint, gained.isEmpty ? .unchanged : .extended(columns: gained))
        case .function(let function):
            let new = catalog.functions[function.name]
            let fingerprint = new?.fingerprint ?? Fingerprint(of: "")
            guard let old = registered.functions[function.name] else { return (fingerprint, .new) }
            // If the text is the same, something it refers to has changed: that is refused, and this isn't at fault.
            if old.fingerprint == fingerprint || old.definition == function { return (old.fingerprint, .unchanged) }
            let highest =
                registered.functions.keys.filter { $0.name == function.name.name }.map(\.version).max()
                ?? function.name.version
            return (
                fingerprint,
                .refused(
                    reason: old.definition.difference(from: function),
                    advice: "\(never): register it as the next version\n" + function.block(version: highest + 1))
            )
        case .set(let set):
            let fingerprint = catalog.sets[set.name]?.fingerprint ?? Fingerprint(of: "")
            guard let old = registered.sets[set.name] else { return (fingerprint, .new) }
            let same = old.fingerprint == fingerprint || old.definition == set
            return (
                same ? old.fingerprint : fingerprint,
                same
                    ? .unchanged
                    : .refused(
                        reason: "set \(set.name) is registered with other entries",
                        advice: "\(never): name it \(set.name.name).v\(set.name.version + 1)")
            )
        }
    }

    private static func warnings(_ definition: Definition) -> [String] {
        switch definition {
        case .source(let source) where !source.isStatic:
            var warnings: [String] = []
            if let eventTime = source.eventTime, source.column(eventTime)?.type == .date, source.knownAt == .eventTime {
                warnings.append(
                    "source \(source.name) counts its rows from midnight of '\(eventTime)', before that day's facts were known: known_at: {after: 24h} counts them when the day is over"
                )
            }
            if case .column = source.knownAt { return warnings }
            if !source.id.isEmpty {
                warnings.append(
                    "source \(source.name) has an id and no known_at column: an imported correction to an earlier event time loses against the row it corrects; import --known-now avoids that"
                )
            }
            return warnings
        case .function(let function):
            let unused = function.request.map(\.name).filter { name in
                guard let node = try? Parser.parse(function.expression) else { return false }
                return !node.requests.contains(name)
            }
            return unused.map { "\(function.name) declares the request input '\($0)' and doesn't use it" }
        default: return []
        }
    }
}

extension Catalog {
    /// Everything in it as kind and name, kind after kind, each sorted by name.
    fileprivate var names: [String] {
        let functions = functions.values.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }.map {
            "\($0.kind.rawValue) \($0.name)"
        }
        return entities.keys.sorted().map { "entity \($0)" } + sources.keys.sorted().map { "source \($0)" } + functions
            + sets.keys.sorted().map { "set \($0)" }
    }
}

extension Syntax.Node {
    /// The request inputs it names.
    fileprivate var requests: Set<String> {
        if case .request(let name) = syntax { [name] } else { Set(children.flatMap(\.requests)) }
    }
}

extension [ColumnDefinition] {
    package var text: String { "{" + map { "\($0.name): \($0.type.rawValue)" }.joined(separator: ", ") + "}" }
}

extension Source {
    /// Why `new` can't take the place of this registered source; nil if it can.
    func conflict(with new: Source) -> String? {
        for column in new.columns {
            if let old = self.column(column.name), old.type != column.type {
                return
                    "column '\(column.name)' of source \(name) is registered as \(old.type.rawValue), not \(column.type.rawValue)"
            }
        }
        if eventTime != new.eventTime { return "source \(name) is registered with event_time: \(eventTime ?? "none")" }
        if id != new.id { return "source \(name) is registered with id: [\(id.joined(separator: ", "))]" }
        if tombstone != new.tombstone {
            return "source \(name) is registered with \(tombstone.map { "tombstone: \($0)" } ?? "no tombstone")"
        }
        if knownAt != new.knownAt { return "source \(name) is registered with another known_at" }
        return nil
    }
}

extension FunctionDefinition {
    /// Both texts, for people to compare.
    func difference(from new: FunctionDefinition) -> String {
        if expression != new.expression {
            return "\(name) is registered as\n      \(expression)\n    and the file says\n      \(new.expression)"
        }
        return
            "\(name) is registered with another entity, source, join, request or referred feature\n    registered:\n\(block(version: name.version))\n    file:\n\(new.block(version: name.version))"
    }

    /// The YAML to paste for registering another version.
    func block(version: Int) -> String {
        var text = "  \(name.name).v\(version):\n    entity: \(entity)\n"
        if let source { text += "    source: \(source)\n" }
        if !join.isEmpty {
            text +=
                "    join: {" + join.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
                + "}\n"
        }
        if !request.isEmpty { text += "    request: \(request.text)\n" }
        return text + "    expression: |\n      " + expression.replacing("\n", with: "\n      ")
    }
}
