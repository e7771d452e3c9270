/// A feature or label that has been checked: typed, with everything it refers to resolved.
public struct Function: Sendable {
    public var definition: FunctionDefinition
    public var expression: Expression
    public var entity: Entity
    /// Nil where it reads no rows itself.
    public var source: Source?
    /// Request inputs it needs, through the features it refers to as well.
    public var requests: [String: ValueType]
    /// The fingerprints of the features it refers to.
    public var references: [VersionedName: Fingerprint]
    public internal(set) var fingerprint: Fingerprint

    public var name: VersionedName { definition.name }
    public var kind: FunctionKind { definition.kind }
    public var type: ValueType { expression.type }

    /// The source's column that holds an entity key.
    public func sourceColumn(of key: String) -> String { definition.join[key] ?? key }
}

/// A set that has been checked: its outputs, and what a spine or lookup must bring.
public struct FeatureSet: Sendable {
    public struct Entry: Sendable {
        public var function: Function
        public var output: String
        /// The entity's keys, each with the spine column that carries it.
        public var keys: [(key: ColumnDefinition, column: String)]

        public init(function: Function, output: String, keys: [(key: ColumnDefinition, column: String)]) {
            self.function = function
            self.output = output
            self.keys = keys
        }
    }

    public var definition: SetDefinition
    public var features: [Entry]
    public var labels: [Entry]
    public internal(set) var fingerprint: Fingerprint

    public init(definition: SetDefinition, features: [Entry], labels: [Entry]) {
        self.definition = definition
        self.features = features
        self.labels = labels
        fingerprint = Fingerprint(of: "")
        fingerprint = Fingerprint(of: canonical)
    }

    /// The spine columns that carry keys, in the order they are first used.
    public var keys: [ColumnDefinition] {
        var keys: [ColumnDefinition] = []
        for entry in features + labels {
            for (key, column) in entry.keys where !keys.contains(where: { $0.name == column }) { keys.append(ColumnDefinition(column, key.type)) }
        }
        return keys
    }

    /// Request inputs of its features and labels, by name.
    public var requests: [ColumnDefinition] {
        var types: [String: ValueType] = [:]
        for entry in features + labels { types.merge(entry.function.requests) { first, _ in first } }
        return types.sorted { $0.key < $1.key }.map { ColumnDefinition($0.key, $0.value) }
    }

    /// The same set without its labels, as a lookup serves it.
    public var served: FeatureSet { FeatureSet(definition: definition, features: features, labels: []) }

    /// The spine's column of instants, unless a caller says otherwise.
    public static let instantColumn = "event_timestamp"
}

/// Every definition known, checked against each other. A value: reading it never changes it.
public struct Catalog: Sendable {
    public private(set) var entities: [String: Entity] = [:]
    public private(set) var sources: [String: Source] = [:]
    public private(set) var functions: [VersionedName: Function] = [:]
    public private(set) var sets: [VersionedName: FeatureSet] = [:]

    public init() {}

    /// What is registered, checked again. Definitions may come in any order.
    public init(_ definitions: [Definition]) throws(DefinitionError) {
        try self.init(base: Catalog(), items: definitions.map { CatalogItem(definition: $0, places: nil, text: nil) })
    }

    /// The definitions of documents on top of what is registered.
    ///
    /// A document's definition hides a registered one of the same name (`RegistrationPlan` says whether it may); a source's columns are joined.
    /// - Throws: everything that is wrong with the documents, each fault with file, line, column and advice.
    public init(base: Catalog = Catalog(), documents: [DefinitionDocument]) throws(DefinitionError) {
        let items = documents.flatMap { document in
            document.items.map { CatalogItem(definition: $0.definition, places: $0.places, text: document.source) }
        }
        try self.init(base: base, items: items)
    }

    private init(base: Catalog, items: [CatalogItem]) throws(DefinitionError) {
        self = base
        var checker = CatalogChecker(catalog: base, items: items)
        self = try checker.check()
    }

    public func function(_ name: VersionedName) -> Function? { functions[name] }

    mutating func insert(_ entity: Entity) { entities[entity.name] = entity }
    mutating func insert(_ source: Source) { sources[source.name] = source }
    mutating func insert(_ function: Function) { functions[function.name] = function }
    mutating func insert(_ set: FeatureSet) { sets[set.definition.name] = set }
}

extension Catalog {
    /// The set's definition as this catalog resolves it, for sets made up on the spot: `features` of a lookup or an evaluation.
    ///
    /// - Throws: unknown names and names that clash.
    public func resolve(_ set: SetDefinition) throws(DefinitionError) -> FeatureSet {
        var checker = CatalogChecker(catalog: self, items: [])
        return try checker.resolve(set)
    }
}

extension Catalog {
    /// The columns of a source in which features and labels look up their keys.
    public func keyColumns(of source: String) -> Set<String> {
        var columns: Set<String> = []
        for function in functions.values where function.source?.name == source { columns.formUnion(function.entity.keys.map { function.sourceColumn(of: $0.name) }) }
        return columns
    }

    /// A set made up of features alone, each output under its full reference.
    public func resolve(features: [VersionedName]) throws(DefinitionError) -> FeatureSet {
        let name = VersionedName(name: "features", version: 1)
        let isLabel = { (name: VersionedName) in functions[name]?.kind == .label }
        let entries = features.map { SetEntry(function: $0, output: $0.description) }
        return try resolve(SetDefinition(name: name, features: entries.filter { !isLabel($0.function) }, labels: entries.filter { isLabel($0.function) }))
    }

    /// A registered set, or an error that names the nearest.
    public func set(named text: String) throws(DefinitionError) -> FeatureSet {
        guard let name = VersionedName(text), let set = sets[name] else {
            throw DefinitionError([Diagnostic(message: "unknown set '\(text.prefix(80))'", advice: suggestion(for: text, among: sets.keys.map(\.description), what: "sets"))])
        }
        return set
    }

    /// A registered source, or an error that names the nearest.
    public func source(named name: String) throws(DefinitionError) -> Source {
        guard let source = sources[name] else {
            throw DefinitionError([Diagnostic(message: "unknown source '\(name.prefix(80))'", advice: suggestion(for: name, among: Array(sources.keys), what: "sources"))])
        }
        return source
    }
}

extension VersionedName {
    /// A feature's name as a user gave it.
    public init(parsing text: String) throws(DefinitionError) {
        guard let name = VersionedName(text) else {
            throw DefinitionError([Diagnostic(message: "'\(text.prefix(80))' is no feature name", advice: "write name.v1")])
        }
        self = name
    }
}
