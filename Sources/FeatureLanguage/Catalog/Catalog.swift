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
    /// Levels of features below and with this one, and parts of its expression with every reference replaced by what it
    /// means.
    var depth = 1
    var size = 1

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
            for (key, column) in entry.keys where !keys.contains(where: { $0.name == column }) {
                keys.append(ColumnDefinition(column, key.type))
            }
        }
        return keys
    }

    /// Request inputs of its features and labels, by name.
    public var requests: [ColumnDefinition] {
        var types: [String: ValueType] = [:]
        for entry in features + labels { types.merge(entry.function.requests) { first, _ in first } }
        return types.sorted { $0.key < $1.key }.map { ColumnDefinition($0.key, $0.value) }
    }

    /// This set without its labels, as a lookup serves it.
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
    /// A document's definition hides a registered one of the same name (`RegistrationPlan` says whether it may); a
    /// source's columns are joined.
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

    mutating func insert(_ entity: Entity) { entities[entity.name] = entity }
    mutating func insert(_ source: Source) { sources[source.name] = source }
    mutating func insert(_ function: Function) { functions[function.name] = function }
    mutating func insert(_ set: FeatureSet) { sets[set.definition.name] = set }
}

extension Catalog {
    /// The set's definition as this catalog resolves it, for sets made up on the spot: `features` of a lookup or an
    /// evaluation.
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
        for function in functions.values where function.source?.name == source {
            columns.formUnion(function.entity.keys.map { function.sourceColumn(of: $0.name) })
        }
        return columns
    }

    /// A set made up on the spot of features and labels alone, each output under its full reference.
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

    /// A set's output as Feast writes it, `fraud_v1:spend_7d`; nil for what is written otherwise.
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

    /// A set's name where `_` may stand for the dot: Feast's names have none.
    public static func setName(ofView view: String) -> String {
        guard !view.contains("."), let underscore = view.lastIndex(of: "_"), view[underscore...].hasPrefix("_v") else {
            return view
        }
        return view[..<underscore] + "." + view[view.index(after: underscore)...]
    }

    /// A registered set, or an error that names the nearest.
    public func set(named text: String) throws(UnknownName) -> FeatureSet {
        guard let name = VersionedName(text), let set = sets[name] else {
            throw UnknownName("set", text, among: sets.keys.map(\.description), plural: "sets")
        }
        return set
    }

    /// A registered source, or an error that names the nearest.
    public func source(named name: String) throws(UnknownName) -> Source {
        guard let source = sources[name] else {
            throw UnknownName("source", name, among: Array(sources.keys), plural: "sources")
        }
        return source
    }
}

/// A name that nothing is registered under, with the nearest that is.
public struct UnknownName: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ what: String, _ name: String, among known: [String], plural: String) {
        description = "unknown \(what) '\(name.prefix(80))' (\(suggestion(for: name, among: known, what: plural)))"
    }
}
