public import FeatureLanguage

/// A compiled set: which aggregates to compute from which sources, and how outputs follow from them.
///
/// Features share equal aggregates over the same source and keys; features they refer to are inlined. A plan depends on
/// definitions alone.
public struct Plan: Sendable {
    /// Aggregates over one source for one choice of spine columns as its keys, read in one mode.
    public struct Group: Sendable {
        /// The source whose rows are aggregated.
        public var source: Source
        /// The spine column that each of the source's key columns is compared with.
        public var keys: [(spine: String, column: String)]
        /// Whether it belongs to labels, which are read in hindsight whatever the request says.
        public var hindsight: Bool
        /// The aggregates, each once, in the order of their values.
        public var aggregates: [Aggregate]

        /// The declared columns that it reads.
        public var columns: Set<String> { valueColumns.union(source.id) }

        /// The declared columns that it reads if no fact has several versions.
        public var valueColumns: Set<String> {
            var names = Set(keys.map(\.column))
            if let tombstone = source.tombstone { names.insert(tombstone) }
            for aggregate in aggregates { names.formUnion(Expression.aggregate(aggregate).columns) }
            return names
        }

        /// The columns that only `latest`, `earliest`, `first_k` and `last_k` read, as single values, and nothing else is
        /// computed from.
        public var pickedColumns: Set<String> {
            var picked: Set<String> = [], computed = Set(keys.map(\.column)).union(source.id)
            if let tombstone = source.tombstone { computed.insert(tombstone) }
            for aggregate in aggregates {
                if let filter = aggregate.filter { computed.formUnion(filter.columns) }
                if let second = aggregate.second { computed.formUnion(second.columns) }
                if aggregate.operator.entry.picksRows, case .column(let name, _)? = aggregate.argument {
                    picked.insert(name)
                } else if let argument = aggregate.argument {
                    computed.formUnion(argument.columns)
                }
            }
            if let eventTime = source.eventTime { computed.insert(eventTime) }
            return picked.subtracting(computed)
        }
    }

    /// One column of the result: a feature or a label.
    public struct Output: Sendable {
        /// The name of its column, unique within the set.
        public var name: String
        /// The type of its values.
        public var type: ValueType
        /// Whether it is a feature or a label.
        public var kind: FunctionKind
        var scalar: Scalar
        /// Spine columns in which a NULL makes the value NULL.
        var keys: [String]
        /// The groups whose aggregates it reads.
        public fileprivate(set) var groups: [Int]
        /// How far a label looks forward, by source; empty for a feature.
        var forward: [(source: String, span: Int64)]
    }

    /// What is read and aggregated; each source, choice of keys and mode makes one group.
    public private(set) var groups: [Group] = []
    /// The set's features and then its labels, each in the order of its definition.
    public private(set) var outputs: [Output] = []
    /// Spine columns that carry keys.
    public let keys: [ColumnDefinition]
    /// The request inputs that a spine has to carry.
    public let requests: [ColumnDefinition]
    /// Where each group's aggregates begin among the inputs of the outputs.
    private(set) var slots: [Int] = []
    /// For each group, which of its aggregates counts the rows younger than the bound on freshness; nil without a
    /// bound, and for static sources.
    public private(set) var freshness: [Int?] = []

    /// - Parameters:
    ///   - set: what to compute.
    ///   - catalog: holds the features that the set's features refer to.
    ///   - fresh: a bound on freshness; with one, each group also counts the rows younger than it.
    public init(_ set: FeatureSet, in catalog: Catalog, fresh: TimeSpan? = nil) {
        keys = set.keys
        requests = set.requests
        var compiler = Compiler(catalog: catalog)
        let compiled = (set.features + set.labels).map { entry in
            compiler.inline(
                entry.function, keys: Dictionary(uniqueKeysWithValues: entry.keys.map { ($0.key.name, $0.column) }),
                hindsight: entry.function.kind == .label)
        }
        groups = compiler.groups
        freshness = groups.indices.map { index in
            guard let fresh, !groups[index].source.isStatic else { return nil }
            let count = Aggregate(.count, nil, frame: .last(fresh), type: .int64)
            if let there = groups[index].aggregates.firstIndex(of: count) { return there }
            groups[index].aggregates.append(count)
            return groups[index].aggregates.count - 1
        }
        var next = 1 + requests.count
        for group in groups {
            slots.append(next)
            next += group.aggregates.count
        }
        let requestInputs = Dictionary(uniqueKeysWithValues: requests.enumerated().map { ($1.name, $0 + 1) })
        for (entry, leaves) in zip(set.features + set.labels, compiled) {
            outputs.append(
                Output(
                    name: entry.output, type: entry.function.type, kind: entry.function.kind,
                    scalar: leaves.scalar(requests: requestInputs, slots: slots), keys: entry.keys.map(\.column),
                    groups: leaves.groups.sorted(),
                    forward: leaves.forward))
        }
    }
}

/// An expression whose leaves are resolved: references are replaced by what they refer to, aggregates by their slots.
private indirect enum Inlined {
    case literal(Literal, ValueType)
    case asOf
    case request(String, ValueType)
    case aggregate(group: Int, index: Int, ValueType)
    case call(Operation, [Inlined], ValueType)

    var groups: Set<Int> {
        switch self {
        case .aggregate(let group, _, _): [group]
        case .call(_, let arguments, _): arguments.reduce(into: []) { $0.formUnion($1.groups) }
        default: []
        }
    }

    /// The inputs of an output are the instant, the request inputs by name, then each group's aggregates.
    func scalar(requests: [String: Int], slots: [Int]) -> Scalar {
        switch self {
        case .literal(let literal, let type): .literal(literal, type)
        case .asOf: .input(0, .timestamp)
        case .request(let name, let type): .input(requests[name]!, type)
        case .aggregate(let group, let index, let type): .input(slots[group] + index, type)
        case .call(let operation, let arguments, let type):
            .call(operation, arguments.map { $0.scalar(requests: requests, slots: slots) }, type)
        }
    }
}

/// Gathers groups and their aggregates while features are inlined.
private struct Compiler {
    let catalog: Catalog
    var groups: [Plan.Group] = []

    struct Compiled {
        var tree: Inlined
        var groups: Set<Int>
        var forward: [(source: String, span: Int64)]

        func scalar(requests: [String: Int], slots: [Int]) -> Scalar { tree.scalar(requests: requests, slots: slots) }
    }

    /// - Parameters:
    ///   - keys: the spine column for each entity key. A feature that is referred to has keys among these, with the
    ///     same names.
    ///     same names.
    ///   - hindsight: everything that a label reaches is read in hindsight.
    mutating func inline(_ function: Function, keys: [String: String], hindsight: Bool) -> Compiled {
        var forward: [(source: String, span: Int64)] = []
        let tree = inline(function.expression, of: function, keys, hindsight, &forward)
        return Compiled(tree: tree, groups: tree.groups, forward: forward)
    }

    private mutating func inline(
        _ expression: Expression, of function: Function, _ keys: [String: String], _ hindsight: Bool,
        _ forward: inout [(source: String, span: Int64)]
    ) -> Inlined {
        switch expression {
        case .literal(let literal, let type): return .literal(literal, type)
        case .asOf: return .asOf
        case .request(let name, let type): return .request(name, type)
        case .column: preconditionFailure("the type checker lets no column stand outside an aggregate")
        case .feature(let name, _):
            let referred = catalog.functions[name]!
            return inline(referred.expression, of: referred, keys, hindsight, &forward)
        case .call(let operation, let arguments, let type):
            var inlined: [Inlined] = []
            for argument in arguments { inlined.append(inline(argument, of: function, keys, hindsight, &forward)) }
            return .call(operation, inlined, type)
        case .aggregate(let aggregate):
            let source = function.source!
            if aggregate.frame.looksForward { forward.append((source.name, -aggregate.frame.newer.microseconds)) }
            let mapping = function.entity.keys.map {
                (spine: keys[$0.name]!, column: function.sourceColumn(of: $0.name))
            }.sorted { ($0.spine, $0.column) < ($1.spine, $1.column) }
            let group = self.group(source, mapping, hindsight)
            if let index = groups[group].aggregates.firstIndex(of: aggregate) {
                return .aggregate(group: group, index: index, aggregate.type)
            }
            groups[group].aggregates.append(aggregate)
            return .aggregate(group: group, index: groups[group].aggregates.count - 1, aggregate.type)
        }
    }

    private mutating func group(_ source: Source, _ keys: [(spine: String, column: String)], _ hindsight: Bool) -> Int {
        let known = groups.firstIndex { group in
            group.source.name == source.name && group.hindsight == hindsight
                && group.keys.elementsEqual(keys) { $0.spine == $1.spine && $0.column == $1.column }
        }
        if let known { return known }
        groups.append(Plan.Group(source: source, keys: keys, hindsight: hindsight, aggregates: []))
        return groups.count - 1
    }
}

extension Plan {
    /// For each group and row, whether the entity has rows, but none younger than the bound on freshness; empty without
    /// a bound.
    ///
    /// - Parameter aggregates: every group's, group after group.
    public func isStale(_ aggregates: [Column], isFound: [[Bool]]) -> [[Bool]] {
        guard freshness.contains(where: { $0 != nil }) else { return [] }
        let first = 1 + requests.count
        return groups.indices.map { group in
            guard let index = freshness[group] else { return isFound[group].map { _ in false } }
            let counts = aggregates[slots[group] - first + index].integers
            return zip(isFound[group], counts).map { $0 && $1 == 0 }
        }
    }

    /// The names of the sources it reads, each once, sorted.
    public var sources: [String] { Set(groups.map(\.source.name)).sorted() }

    /// The set's outputs as a table.
    public func table(_ outputs: Outputs) -> Table {
        Table(zip(self.outputs, outputs.columns).map { ($0.name, $1) })
    }

    /// What the result digest covers: keys, the instant, request inputs, features, labels.
    public func result(_ spine: Spine, _ outputs: Outputs) -> Table {
        var table = Table(keys.map { ($0.name, spine.columns[$0.name]!) })
        table.append(FeatureSet.instantColumn, Column(.timestamp, spine.instants))
        for request in requests { table.append(request.name, spine.columns[request.name]!) }
        for (output, column) in zip(self.outputs, outputs.columns) { table.append(output.name, column) }
        return table
    }
}
