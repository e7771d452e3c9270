/// A named column or key with its type.
public struct ColumnDefinition: Sendable, Hashable, Codable {
    public var name: String
    public var type: ValueType

    public init(_ name: String, _ type: ValueType) {
        self.name = name
        self.type = type
    }
}

/// What features describe: typed key columns, or none for one global series.
public struct Entity: Sendable, Hashable, Codable {
    public var name: String
    public var keys: [ColumnDefinition]

    public init(name: String, keys: [ColumnDefinition]) {
        self.name = name
        self.keys = keys
    }
}

/// When the store learns of an imported row.
public enum KnownAt: Sendable, Hashable, Codable {
    /// At its event time: the default.
    case eventTime
    /// A fixed delay after its event time.
    case after(microseconds: Int64)
    /// At the instant in a declared column; NULL there is never known.
    case column(String)

    package var isColumn: Bool { if case .column = self { true } else { false } }
}

/// A named, typed, append-only stream of rows.
public struct Source: Sendable, Hashable, Codable {
    public var name: String
    public var columns: [ColumnDefinition]
    /// The column that holds it; nil makes a static source, whose rows count at every instant.
    public var eventTime: String?
    /// Columns that name the fact; empty where every row stands for itself.
    public var id: [String]
    public var tombstone: String?
    public var knownAt: KnownAt

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

    public var isStatic: Bool { eventTime == nil }

    public func column(_ name: String) -> ColumnDefinition? { columns.first { $0.name == name } }

    /// Columns that may hold NULL in no row; of the others an absent one is NULL.
    public var requiredColumns: [String] {
        var required = id
        if let eventTime, !required.contains(eventTime) { required.append(eventTime) }
        return required
    }
}

/// Whether a function of rows looks back, and is served, or forward and in hindsight.
public enum FunctionKind: String, Sendable, Hashable, Codable {
    case feature, label
}

/// A feature or label as its author wrote it.
public struct FunctionDefinition: Sendable, Hashable, Codable {
    public var name: VersionedName
    public var kind: FunctionKind
    public var entity: String
    public var source: String?
    /// Entity key to the source's column that holds it, where the names differ.
    public var join: [String: String]
    public var request: [ColumnDefinition]
    public var expression: String

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
    public var function: VersionedName
    public var output: String
    /// Entity key to spine column, where the names differ.
    public var keys: [String: String]

    public init(function: VersionedName, output: String? = nil, keys: [String: String] = [:]) {
        self.function = function
        self.output = output ?? function.name
        self.keys = keys
    }
}

/// A named, versioned list of pinned features and labels: what a model takes in.
public struct SetDefinition: Sendable, Hashable, Codable {
    public var name: VersionedName
    public var features: [SetEntry]
    public var labels: [SetEntry]

    public init(name: VersionedName, features: [SetEntry], labels: [SetEntry] = []) {
        self.name = name
        self.features = features
        self.labels = labels
    }
}

/// What people say of a definition. Notes change no value and no fingerprint.
public struct Notes: Sendable, Hashable, Codable {
    public var description: String?
    public var owner: String?
    public var tags: [String]
    /// A set's bound on age: values that come from older rows are served as stale.
    public var fresh: TimeSpan?

    public init(description: String? = nil, owner: String? = nil, tags: [String] = [], fresh: TimeSpan? = nil) {
        self.description = description
        self.owner = owner
        self.tags = tags
        self.fresh = fresh
    }

    public var isEmpty: Bool { description == nil && owner == nil && tags.isEmpty && fresh == nil }
}

/// One definition of any kind, without its notes.
public enum Definition: Sendable, Hashable, Codable {
    case entity(Entity)
    case source(Source)
    case function(FunctionDefinition)
    case set(SetDefinition)

    public var kind: DefinitionKind {
        switch self {
        case .entity: .entity
        case .source: .source
        case .function(let function): function.kind == .feature ? .feature : .label
        case .set: .set
        }
    }

    public var name: String {
        switch self {
        case .entity(let entity): entity.name
        case .source(let source): source.name
        case .function(let function): function.name.description
        case .set(let set): set.name.description
        }
    }
}

public enum DefinitionKind: String, Sendable, Hashable, Codable, CaseIterable {
    case entity, source, feature, label, set

    /// The heading in a definitions file, and the path over HTTP.
    public var plural: String {
        self == .entity ? "entities" : rawValue + "s"
    }
}
