/// One definition to check, with its places if it comes from a file.
struct CatalogItem {
    var definition: Definition
    var notes = Notes()
    var places: DefinitionDocument.Places?
    var text: SourceText?
}

/// Checks definitions against each other, in the order of their dependencies, and gathers everything wrong with them.
struct CatalogChecker {
    private var catalog: Catalog
    private let items: [CatalogItem]
    private let notes: [String: Notes]
    private var diagnostics: [Diagnostic] = []
    private var pending: [VersionedName: CatalogItem] = [:]
    /// The features being checked, outermost first: a reference back to one of them is a cycle.
    private var path: [VersionedName] = []
    private var broken: Set<VersionedName> = []

    /// Bounds on a feature with everything it refers to: far beyond what people write, and well within a stack.
    private static let maximumDepth = 50
    private static let maximumSize = 20_000

    /// - Parameter notes: those registered, by kind and name.
    init(catalog: Catalog, items: [CatalogItem], notes: [String: Notes] = [:]) {
        self.catalog = catalog
        self.items = items
        self.notes = notes
    }

    mutating func check() throws(DefinitionError) -> Catalog {
        refuseDuplicates()
        for item in items {
            switch item.definition {
            case .entity(let entity): catalog.insert(entity)
            case .source(let source): catalog.insert(catalog.sources[source.name].map { source.joining($0) } ?? source)
            case .function(let function): pending[function.name] = item
            case .set: break
            }
        }
        for item in items { if case .function(let function) = item.definition { check(function.name) } }
        for item in items {
            guard case .set(let set) = item.definition else { continue }
            refusePatterns(set, item)
            if let checked = check(set, item) { catalog.insert(checked) }
        }
        guard diagnostics.isEmpty else { throw DefinitionError(diagnostics) }
        return catalog
    }

    /// A set is a list of pinned names: what a pattern stands for may be more tomorrow.
    private mutating func refusePatterns(_ set: SetDefinition, _ item: CatalogItem) {
        for (list, patterns) in (item.places?.patterns ?? [:]).sorted(by: { $0.key < $1.key }) {
            let known = catalog.tagged(items.map { ($0.definition, $0.notes) }, notes, ofLabels: list == "labels")
            for pattern in patterns {
                let matches = pattern.matches(known).map(\.description)
                report(
                    item, pattern.place,
                    "set \(set.name) names '\(pattern.text)', and what is registered stays as it is",
                    matches.isEmpty
                        ? "nothing matches it" : "write what it stands for: \(matches.joined(separator: ", "))")
            }
        }
    }

    mutating func resolve(_ set: SetDefinition) throws(DefinitionError) -> FeatureSet {
        guard let checked = check(set, CatalogItem(definition: .set(set))) else { throw DefinitionError(diagnostics) }
        return checked
    }

    private mutating func refuseDuplicates() {
        var seen: [String: CatalogItem] = [:]
        for item in items {
            // Features and labels share one namespace: a set or an expression couldn't tell them apart.
            let kind = item.definition.kind == .label ? .feature : item.definition.kind
            let key = "\(kind.rawValue) \(item.definition.name)"
            if let first = seen[key] {
                let where_ = first.text.map { "\($0.file):\(first.places?.name.line ?? 1)" } ?? "the registry"
                report(
                    item, item.places?.name,
                    "duplicate name: \(item.definition.kind.rawValue) \(item.definition.name) stands in \(where_) too",
                    "keep one of the two")
            }
            seen[key] = item
        }
    }

    // MARK: Functions

    private mutating func check(_ name: VersionedName) {
        guard let item = pending.removeValue(forKey: name), case .function(let definition) = item.definition else {
            return
        }
        path.append(name)
        defer { path.removeLast() }
        guard let function = function(definition, item) else {
            broken.insert(name)
            return
        }
        catalog.insert(function)
    }

    private mutating func function(_ definition: FunctionDefinition, _ item: CatalogItem) -> Function? {
        guard let entity = catalog.entities[definition.entity] else {
            report(
                item, item.places?.place("entity"), "unknown entity '\(definition.entity)'",
                suggestion(for: definition.entity, among: Array(catalog.entities.keys), what: "entities"))
            return nil
        }
        var source: Source?
        if let name = definition.source {
            guard let found = catalog.sources[name] else {
                report(
                    item, item.places?.place("source"), "unknown source '\(name)'",
                    suggestion(for: name, among: Array(catalog.sources.keys), what: "sources"))
                return nil
            }
            source = found
        }
        for key in definition.join.keys.sorted() where !entity.keys.contains(where: { $0.name == key }) {
            report(
                item, item.places?.place("join"), "join names '\(key)', which is no key of entity \(entity.name)",
                "write entity key: source column, as in join: {customer_id: payer_id}")
            return nil
        }
        // References first, so that their types are known.
        let node: Syntax.Node
        let expression: Expression
        do {
            node = try Parser.parse(definition.expression)
            for reference in node.references { checkReference(reference) }
            expression = try TypeChecker.check(node, in: scope(of: definition, entity, source))
        } catch {
            // A fault in a feature it refers to is reported there, once.
            if !(error.message.isEmpty) {
                report(
                    item, item.places?.expression?.place(offset: error.offset), located(error, definition, item),
                    error.advice)
            }
            return nil
        }
        let reads = !expression.aggregates.isEmpty
        if reads, let source, !checkKeys(definition, entity, source, expression, item) { return nil }
        guard let requests = requests(of: expression, item, definition) else { return nil }
        let references = Dictionary(
            uniqueKeysWithValues: expression.features.compactMap { name in
                catalog.functions[name].map { (name, $0.fingerprint) }
            })
        var function = Function(
            definition: definition, expression: expression, entity: entity, source: reads ? source : nil,
            requests: requests, references: references,
            fingerprint: Fingerprint(of: ""))
        expression.forEach { part in
            guard case .feature(let name, _) = part, let referred = catalog.functions[name] else {
                return function.size += 1
            }
            function.depth = max(function.depth, referred.depth + 1)
            function.size += min(referred.size, CatalogChecker.maximumSize)
        }
        guard function.depth <= CatalogChecker.maximumDepth, function.size <= CatalogChecker.maximumSize else {
            report(
                item, item.places?.place("expression"),
                function.depth == 1
                    ? "the expression has \(function.size) parts"
                    : "\(definition.name) builds on features \(function.depth) deep, \(function.size) parts in all",
                "at most \(CatalogChecker.maximumDepth) levels and \(CatalogChecker.maximumSize) parts")
            return nil
        }
        function.fingerprint = Fingerprint(of: function.canonical)
        return function
    }

    /// The message of a fault; if the expression came without places, it names the function and the byte.
    private func located(_ error: SyntaxError, _ definition: FunctionDefinition, _ item: CatalogItem) -> String {
        item.places == nil ? "\(definition.name), at byte \(error.offset): \(error.message)" : error.message
    }

    private mutating func checkReference(_ name: VersionedName) {
        // Anything deeper stays unchecked, and the feature that refers to it is refused.
        if !path.contains(name), path.count <= CatalogChecker.maximumDepth { check(name) }
    }

    private func scope(of definition: FunctionDefinition, _ entity: Entity, _ source: Source?) -> TypeChecker.Scope {
        let catalog = catalog, path = path, broken = broken, waiting = pending
        return TypeChecker.Scope(
            columns: source.map { source in Dictionary(uniqueKeysWithValues: source.columns.map { ($0.name, $0.type) })
            }, source: source?.name,
            requests: Dictionary(definition.request.map { ($0.name, $0.type) }) { first, _ in first },
            feature: { name throws(TypeChecker.ReferenceFault) in
                if let start = path.firstIndex(of: name) {
                    let cycle = (path[start...] + [name]).map(\.description).joined(separator: " → ")
                    throw TypeChecker.ReferenceFault(
                        message: "features refer to each other in a circle: \(cycle)",
                        advice: "a feature builds on others that don't build on it")
                }
                if broken.contains(name) { throw TypeChecker.ReferenceFault(message: "", advice: nil) }
                if waiting[name] != nil {
                    throw TypeChecker.ReferenceFault(
                        message: "\(path[0]) builds on features more than \(CatalogChecker.maximumDepth) deep",
                        advice: "write some of them as one expression")
                }
                guard let function = catalog.functions[name] else {
                    throw TypeChecker.ReferenceFault(
                        message: "unknown feature '\(name)'",
                        advice: suggestion(
                            for: name.description, among: catalog.functions.keys.map(\.description), what: "features"))
                }
                if function.kind == .label, definition.kind == .feature {
                    throw TypeChecker.ReferenceFault(
                        message: "\(name) is a label, and a feature can't look at what comes after",
                        advice: "only labels refer to labels")
                }
                for key in function.entity.keys where !entity.keys.contains(key) {
                    throw TypeChecker.ReferenceFault(
                        message:
                            "\(name) describes \(function.entity.name), whose key '\(key.name)' (\(key.type.rawValue)) is not among the keys of \(entity.name)",
                        advice: "a feature refers to features whose keys are among its own")
                }
                return function.type
            }, isLabel: definition.kind == .label)
    }

    private mutating func checkKeys(
        _ definition: FunctionDefinition, _ entity: Entity, _ source: Source, _ expression: Expression,
        _ item: CatalogItem
    ) -> Bool {
        for key in entity.keys {
            let name = definition.join[key.name] ?? key.name
            guard let column = source.column(name) else {
                report(
                    item, item.places?.place(definition.join[key.name] == nil ? "source" : "join"),
                    "source \(source.name) has no column '\(name)' for the key '\(key.name)' of entity \(entity.name)",
                    "map it: join: {\(key.name): <column>}")
                return false
            }
            guard column.type == key.type else {
                report(
                    item, item.places?.place("source"),
                    "key '\(key.name)' of entity \(entity.name) is \(key.type.phrase), column '\(name)' of \(source.name) \(column.type.phrase)",
                    "the two must have one type")
                return false
            }
        }
        guard source.isStatic else { return true }
        let mapped = Set(entity.keys.map { definition.join[$0.name] ?? $0.name })
        guard mapped == Set(source.id) else {
            report(
                item, item.places?.place("source"),
                "static source \(source.name) is told apart by \(source.id.joined(separator: ", ")), and the feature's keys map to \(mapped.sorted().joined(separator: ", "))",
                "map exactly its id columns, with join: where the names differ")
            return false
        }
        guard expression.aggregates.allSatisfy({ $0.frame == .allHistory }) else {
            report(
                item, item.places?.expression?.place(offset: 0),
                "a window over static source \(source.name), whose rows have no time", "leave the over … away")
            return false
        }
        return true
    }

    private mutating func requests(of expression: Expression, _ item: CatalogItem, _ definition: FunctionDefinition)
        -> [String: ValueType]?
    {
        var requests = expression.requests
        for name in expression.features {
            for (input, type) in catalog.functions[name]?.requests ?? [:] {
                if let other = requests.updateValue(type, forKey: input), other != type {
                    report(
                        item, item.places?.place("request"),
                        "request input '\(input)' is \(other.phrase) here and \(type.phrase) in \(name)",
                        "give both one type or two names")
                    return nil
                }
            }
        }
        return requests
    }

    // MARK: Sets

    private mutating func check(_ set: SetDefinition, _ item: CatalogItem) -> FeatureSet? {
        guard let features = entries(set.features, .feature, item), let labels = entries(set.labels, .label, item)
        else { return nil }
        var uses: [String: (what: String, type: ValueType?)] = [FeatureSet.instantColumn: ("the instant", nil)]
        for (index, entry) in (features + labels).enumerated() {
            let place = item.places?.place(
                index < features.count ? "features.\(index)" : "labels.\(index - features.count)")
            var names = entry.keys.map { ($0.column, "a key", Optional($0.key.type)) }
            names += entry.function.requests.sorted { $0.key < $1.key }.map { ($0.key, "a request input", $0.value) }
            names.append((entry.output, "an output", nil))
            for (name, what, type) in names {
                if let other = uses[name], other.what != what || what == "an output" || other.type != type {
                    let types = other.what == what && type != nil ? " of two types" : ""
                    let areOutputs = other.what == what && what == "an output"
                    report(
                        item, place,
                        areOutputs
                            ? "two outputs of set \(set.name) are named '\(name)'"
                            : "'\(name)' names \(other.what) and \(what)\(types) in set \(set.name)",
                        "give the output another name with {feature: \(entry.function.name), as: …}"
                            + (areOutputs ? "" : ", or the key another column with keys: {…}"))
                    return nil
                }
                uses[name] = (what, type)
            }
        }
        return FeatureSet(definition: set, features: features, labels: labels)
    }

    private mutating func entries(_ entries: [SetEntry], _ kind: FunctionKind, _ item: CatalogItem) -> [FeatureSet
        .Entry]?
    {
        var resolved: [FeatureSet.Entry] = []
        for (index, entry) in entries.enumerated() {
            let place = item.places?.place("\(kind.rawValue)s.\(index)")
            if broken.contains(entry.function) { return nil }
            guard let function = catalog.functions[entry.function] else {
                let known = catalog.functions.values.filter { $0.kind == kind }.map(\.name.description)
                report(
                    item, place, "unknown \(kind.rawValue) '\(entry.function)'",
                    suggestion(for: entry.function.description, among: known, what: "\(kind.rawValue)s"))
                return nil
            }
            guard function.kind == kind else {
                report(
                    item, place, "\(entry.function) is a \(function.kind.rawValue)",
                    "list it under \(function.kind.rawValue)s:")
                return nil
            }
            for key in entry.keys.keys.sorted() where !function.entity.keys.contains(where: { $0.name == key }) {
                report(
                    item, place, "keys names '\(key)', which is no key of entity \(function.entity.name)",
                    "write entity key: spine column, as in keys: {airport: dest}")
                return nil
            }
            resolved.append(
                FeatureSet.Entry(
                    function: function, output: entry.output,
                    keys: function.entity.keys.map { ($0, entry.keys[$0.name] ?? $0.name) }))
        }
        return resolved
    }

    private mutating func report(_ item: CatalogItem, _ place: Place?, _ message: String, _ advice: String?) {
        diagnostics.append(
            item.text?.diagnostic(place, message, advice: advice) ?? Diagnostic(message: message, advice: advice))
    }
}

extension Syntax.Node {
    /// The features it names, before types are known.
    var references: [VersionedName] {
        if case .feature(let name) = syntax { [name] } else { children.flatMap(\.references) }
    }
}

extension Source {
    /// This source with the columns of a registered one ahead of its own new ones: a column never changes its position.
    func joining(_ registered: Source) -> Source {
        var joined = self
        joined.columns = registered.columns + columns.filter { registered.column($0.name) == nil }
        return joined
    }
}
