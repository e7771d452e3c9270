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
