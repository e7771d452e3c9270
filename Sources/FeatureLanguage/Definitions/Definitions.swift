/// A named column or key with its type.
public struct ColumnDefinition: Sendable, Hashable, Codable {
    /// Any name of up to 63 bytes; an expression puts one that isn't plain in double quotes.
    public var name: String
    /// The type of its values.
    public var type: ValueType

    /// A column, key or request input of this name and type.
    public init(_ name: String, _ type: ValueType) {
        self.name = name
        self.type = type
    }
}

/// What features describe: typed key columns, or none for one global series.
public struct Entity: Sendable, Hashable, Codable {
    /// A plain name, such as `customer`.
    public var name: String
    /// Up to 16 keys, in the order they are written; empty for one global series.
    public var keys: [ColumnDefinition]

    /// Takes the parts unchecked; reading a `DefinitionDocument` checks them.
    public init(name: String, keys: [ColumnDefinition]) {
        self.name = name
        self.keys = keys
    }
}

/// When an imported row is known.
public enum KnownAt: Sendable, Hashable, Codable {
    /// At its event time: the default.
    case eventTime
    /// A fixed delay after its event time.
    case after(microseconds: Int64)
    /// At the instant in a declared column; a row with NULL there is never known.
    case column(String)

    package var isColumn: Bool { if case .column = self { true } else { false } }
}

/// A named, typed, append-only stream of rows.
public struct Source: Sendable, Hashable, Codable {
    /// A plain name, such as `payments`.
    public var name: String
    /// The declared columns; those that a registered source gains come after the ones it had.
    public var columns: [ColumnDefinition]
    /// The column that holds the event time; nil for a static source, whose rows count at every instant.
    public var eventTime: String?
    /// The columns that identify a fact, of which rows are versions; empty if every row stands for itself.
    public var id: [String]
    /// The bool column that is true in a tombstone, a row that takes its fact back; nil if there is none.
    public var tombstone: String?
    /// When imported rows are known. Pushed rows are known once they are committed, whatever this says.
    public var knownAt: KnownAt

    /// Takes the settings unchecked; reading a `DefinitionDocument` checks them.
    public init(
        name: String, columns: [ColumnDefinition], eventTime: String?, id: [String] = [], tombstone: String? = nil,
        knownAt: KnownAt = .eventTime
    ) {
        self.name = name
        self.columns = columns
        self.eventTime = eventTime
        self.id = id
        self.tombstone = tombstone
        self.knownAt = knownAt
    }

    /// Whether its rows have no event time and count at every instant.
    public var isStatic: Bool { eventTime == nil }

    /// The declared column of this name; nil if there is none.
    public func column(_ name: String) -> ColumnDefinition? { columns.first { $0.name == name } }

    /// The columns that are never NULL: those of the id, and the event time. Any other may be absent, which means NULL.
    public var requiredColumns: [String] {
        var required = id
        if let eventTime, !required.contains(eventTime) { required.append(eventTime) }
        return required
    }
}

/// Whether a function looks back and is served, or may look forward and is read in hindsight.
public enum FunctionKind: String, Sendable, Hashable, Codable {
    case feature, label
}

/// A feature or label as its author wrote it.
public struct FunctionDefinition: Sendable, Hashable, Codable {
    /// The name and version it is registered under.
    public var name: VersionedName
    /// Whether it is a feature or a label.
    public var kind: FunctionKind
    /// The name of the entity it describes.
    public var entity: String
    /// The name of the source whose rows it aggregates; nil if it reads none.
    public var source: String?
    /// Maps an entity key to the source's column that holds it, where the names differ.
    public var join: [String: String]
    /// The request inputs it declares, which the expression reads as `request.name`.
    public var request: [ColumnDefinition]
    /// The text of the expression, as written.
    public var expression: String

    /// Takes the parts unchecked; making a `Catalog` checks them.
    public init(
        name: VersionedName, kind: FunctionKind = .feature, entity: String, source: String? = nil,
        join: [String: String] = [:],
        request: [ColumnDefinition] = [], expression: String
    ) {
        self.name = name
        self.kind = kind
        self.entity = entity
        self.source = source
        self.join = join
        self.request = request
        self.expression = expression
    }
}

/// One output of a set: which feature or label, under which name, and which spine columns carry its keys.
public struct SetEntry: Sendable, Hashable, Codable {
    /// The name of the feature or label.
    public var function: VersionedName
    /// The name of the output's column, unique within the set.
    public var output: String
    /// Maps an entity key to the spine column that carries it, where the names differ.
    public var keys: [String: String]

    /// Without a name of its own, the output is named after the function, leaving out the version.
    public init(function: VersionedName, output: String? = nil, keys: [String: String] = [:]) {
        self.function = function
        self.output = output ?? function.name
        self.keys = keys
    }
}

/// A named, versioned list of pinned features and labels: what a model takes in.
public struct SetDefinition: Sendable, Hashable, Codable {
    /// The name and version it is registered under.
    public var name: VersionedName
    /// The features, in the order of the outputs.
    public var features: [SetEntry]
    /// The labels, whose outputs come after the features'; a lookup leaves them out.
    public var labels: [SetEntry]

    /// Takes the entries unchecked; a `Catalog` resolves them.
    public init(name: VersionedName, features: [SetEntry], labels: [SetEntry] = []) {
        self.name = name
        self.features = features
        self.labels = labels
    }
}

/// What people say about a definition. Notes change no value and no fingerprint.
public struct Notes: Sendable, Hashable, Codable {
    /// What the definition means, in words; nil if nobody said.
    public var description: String?
    /// Who answers for the definition, as free text; nil if nobody said.
    public var owner: String?
    /// Words by which the catalog can be filtered, in the order they are written.
    public var tags: [String]
    /// A set's bound on age: values that come from older rows are served as stale. Nil for no bound.
    public var fresh: TimeSpan?

    /// Notes that hold what is given and nothing else.
    public init(description: String? = nil, owner: String? = nil, tags: [String] = [], fresh: TimeSpan? = nil) {
        self.description = description
        self.owner = owner
        self.tags = tags
        self.fresh = fresh
    }

    /// Whether nothing is noted. Empty notes leave those registered earlier as they are.
    public var isEmpty: Bool { description == nil && owner == nil && tags.isEmpty && fresh == nil }
}

/// One definition of any kind, without its notes.
public enum Definition: Sendable, Hashable, Codable {
    case entity(Entity)
    case source(Source)
    case function(FunctionDefinition)
    case set(SetDefinition)

    /// The kind it is registered under: a function counts as a feature or a label.
    public var kind: DefinitionKind {
        switch self {
        case .entity: .entity
        case .source: .source
        case .function(let function): function.kind == .feature ? .feature : .label
        case .set: .set
        }
    }

    /// The name it is registered under, with the version if it has one.
    public var name: String {
        switch self {
        case .entity(let entity): entity.name
        case .source(let source): source.name
        case .function(let function): function.name.description
        case .set(let set): set.name.description
        }
    }
}

/// The kinds of definitions, by the names that the registry and messages use.
public enum DefinitionKind: String, Sendable, Hashable, Codable, CaseIterable {
    case entity, source, feature, label, set

    /// The heading in a definitions file, and the path over HTTP.
    public var plural: String {
        self == .entity ? "entities" : rawValue + "s"
    }
}
