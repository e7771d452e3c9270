/// An expression in which every part has a type. The engine compiles it, and the fingerprint covers it.
public indirect enum Expression: Sendable, Hashable {
    /// A constant, which may be `.null` of a type.
    case literal(Literal, ValueType)
    /// A column of the source's row; only inside aggregates.
    case column(String, ValueType)
    /// A request input: a value that the caller provides.
    case request(String, ValueType)
    /// The instant asked for.
    case asOf
    /// A reduction of the entity's rows.
    case aggregate(Aggregate)
    /// Another feature's value at the same instant, for the entity that the shared keys name.
    case feature(VersionedName, ValueType)
    /// An operator or function over values of one row.
    case call(Operation, [Expression], ValueType)

    /// The type of its value.
    public var type: ValueType {
        switch self {
        case .literal(_, let type), .column(_, let type), .request(_, let type), .feature(_, let type),
            .call(_, _, let type):
            type
        case .asOf: .timestamp
        case .aggregate(let aggregate): aggregate.type
        }
    }
}

extension Expression {
    /// The parts directly below it.
    public var children: [Expression] {
        switch self {
        case .call(_, let arguments, _): arguments
        case .aggregate(let aggregate): [aggregate.argument, aggregate.second, aggregate.filter].compactMap { $0 }
        default: []
        }
    }

    /// Calls `body` with this expression and everything below it, outermost first.
    public func forEach(_ body: (Expression) -> Void) {
        body(self)
        for child in children { child.forEach(body) }
    }

    /// The aggregates, in the order they are written.
    public var aggregates: [Aggregate] {
        var found: [Aggregate] = []
        forEach { if case .aggregate(let aggregate) = $0 { found.append(aggregate) } }
        return found
    }

    /// The features it refers to directly, in the order they are written, each once.
    public var features: [VersionedName] {
        var found: [VersionedName] = []
        forEach { if case .feature(let name, _) = $0, !found.contains(name) { found.append(name) } }
        return found
    }

    /// The request inputs it reads itself, by name.
    public var requests: [String: ValueType] {
        var found: [String: ValueType] = [:]
        forEach { if case .request(let name, let type) = $0 { found[name] = type } }
        return found
    }

    /// The columns of the source's rows that it reads.
    public var columns: Set<String> {
        var found: Set<String> = []
        forEach { if case .column(let name, _) = $0 { found.insert(name) } }
        return found
    }
}
