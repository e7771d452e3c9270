/// All known definitions, checked against each other. A value: reading it never changes it.
public struct Catalog: Sendable {
    /// Entities by name.
    public private(set) var entities: [String: Entity] = [:]
    /// Sources by name, each with its registered columns before those that documents add.
    public private(set) var sources: [String: Source] = [:]
    /// Features and labels by name; the two share one namespace.
    public private(set) var functions: [VersionedName: Function] = [:]
    /// Sets by name.
    public private(set) var sets: [VersionedName: FeatureSet] = [:]

    public init() {}

    /// Registered definitions, checked again. They may come in any order.
    public init(_ definitions: [Definition]) throws(DefinitionError) {
        try self.init(base: Catalog(), items: definitions.map { CatalogItem(definition: $0) }, notes: [:])
    }

    /// The definitions of documents on top of those that are registered.
    ///
    /// A document's definition hides a registered one of the same name (`RegistrationPlan` decides whether it may). A
    /// source keeps its registered columns and gains the document's new ones.
    /// - Parameter notes: the newest registered notes by kind and name, for sets that name tags.
    /// - Throws: everything wrong with the documents, each fault with file, line, column and advice.
    public init(base: Catalog = Catalog(), documents: [DefinitionDocument], notes: [String: Notes] = [:])
        throws(DefinitionError)
    {
        let items = documents.flatMap { document in
            document.items.map {
                CatalogItem(definition: $0.definition, notes: $0.notes, places: $0.places, text: document.source)
            }
        }
        try self.init(base: base, items: items, notes: notes)
    }

    private init(base: Catalog, items: [CatalogItem], notes: [String: Notes]) throws(DefinitionError) {
        self = base
        var checker = CatalogChecker(catalog: base, items: items, notes: notes)
        self = try checker.check()
    }

    mutating func insert(_ entity: Entity) { entities[entity.name] = entity }
    mutating func insert(_ source: Source) { sources[source.name] = source }
    mutating func insert(_ function: Function) { functions[function.name] = function }
    mutating func insert(_ set: FeatureSet) { sets[set.definition.name] = set }
}

extension Catalog {
    /// Resolves a set in this catalog, such as one made up on the spot from the `features` of a lookup or an
    /// evaluation.
    ///
    /// - Throws: unknown names, and names that clash.
    public func resolve(_ set: SetDefinition) throws(DefinitionError) -> FeatureSet {
        var checker = CatalogChecker(catalog: self, items: [])
        return try checker.resolve(set)
    }
}

extension Catalog {
    /// The columns of a source in which features and labels look up their keys.
    public func keyColumns(of source: String) -> Set<String> {
        var columns: Set<String> = []
        for function in functions.values where function.source?.name == source {
            columns.formUnion(function.entity.keys.map { function.sourceColumn(of: $0.name) })
        }
        return columns
    }

    /// A set made up on the spot from the names of features and labels, each output under its full reference. A name
    /// may also be a set's output as Feast writes it.
    public func resolve(features names: [String]) throws -> FeatureSet {
        var set = SetDefinition(name: VersionedName(name: "features", version: 1), features: [])
        var seen: Set<String> = []
        for text in names {
            guard seen.insert(text).inserted else {
                throw DefinitionError([Diagnostic(message: "'\(text.prefix(80))' is asked for twice")])
            }
            if let entry = try output(text) {
                set.features.append(entry)
                continue
            }
            guard let name = VersionedName(text), let function = functions[name] else {
                throw UnknownName("feature", text, among: functions.keys.map(\.description), plural: "features")
            }
            let entry = SetEntry(function: name, output: text)
            if function.kind == .feature { set.features.append(entry) } else { set.labels.append(entry) }
        }
        return try resolve(set)
    }

    /// A set's output as Feast writes it, `fraud_v1:spend_7d`; nil for any other form.
    private func output(_ text: String) throws(UnknownName) -> SetEntry? {
        let parts = text.split(separator: ":", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let set = try set(named: Catalog.setName(ofView: String(parts[0])))
        guard var entry = set.definition.features.first(where: { $0.output == parts[1] }) else {
            throw UnknownName(
                "output of \(set.definition.name)", String(parts[1]), among: set.definition.features.map(\.output),
                plural: "outputs")
        }
        entry.output = text
        return entry
    }

    /// A set's name, given one in which `_` may stand for the dot, since Feast's names have no dots.
    public static func setName(ofView view: String) -> String {
        guard !view.contains("."), let underscore = view.lastIndex(of: "_"), view[underscore...].hasPrefix("_v") else {
            return view
        }
        return view[..<underscore] + "." + view[view.index(after: underscore)...]
    }

    /// A registered set, or an error that suggests the nearest name.
    public func set(named text: String) throws(UnknownName) -> FeatureSet {
        guard let name = VersionedName(text), let set = sets[name] else {
            throw UnknownName("set", text, among: sets.keys.map(\.description), plural: "sets")
        }
        return set
    }

    /// A registered source, or an error that suggests the nearest name.
    public func source(named name: String) throws(UnknownName) -> Source {
        guard let source = sources[name] else {
            throw UnknownName("source", name, among: Array(sources.keys), plural: "sources")
        }
        return source
    }
}

/// A name under which nothing is registered, with the nearest one that exists.
public struct UnknownName: Error, Sendable, CustomStringConvertible {
    /// What is unknown, followed in parentheses by the nearest name or a list of known ones.
    public let description: String

    init(_ what: String, _ name: String, among known: [String], plural: String) {
        description = "unknown \(what) '\(name.prefix(80))' (\(suggestion(for: name, among: known, what: plural)))"
    }
}
