internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import ServingMemory
internal import StoreRecord
internal import Tables

/// What something is made of, and what is made of it: columns, features, sets, snapshots, models, pointers, receipts.
public struct Lineage: Sendable {
    /// A thing in the graph, known by its kind and name (`feature spend_7d.v1`).
    public struct Node: Sendable, Hashable, CustomStringConvertible {
        /// What a node can be; the raw value is its word in descriptions, in JSON, and before a name (`set:fraud.v1`).
        public enum Kind: String, Sendable, CaseIterable {
            case source, column, entity, feature, label, set, snapshot, model, pointer
            /// One kept lookup, or all kept lookups of a set or of a model.
            case receipt, receipts
        }

        /// What the node is.
        public var kind: Kind
        /// The id of a snapshot or receipt, `source.column` of a column; of anything else, its name.
        public var name: String

        init(_ kind: Kind, _ name: String) {
            self.kind = kind
            self.name = name
        }

        public var description: String { "\(kind.rawValue) \(name)" }
    }

    /// The nodes that were asked for; several where a name means several things.
    public fileprivate(set) var roots: [Node] = []
    /// What a node is made of, in the order in which it was added; nodes made of nothing are absent.
    public fileprivate(set) var parents: [Node: [Node]] = [:]
    /// What is made of a node, in the order in which it was added; nodes of which nothing is made are absent.
    public fileprivate(set) var children: [Node: [Node]] = [:]
    /// What is said of a node in one line: a feature's expression, a snapshot's rows.
    public fileprivate(set) var texts: [Node: String] = [:]

    /// `up` leads from a node to what it is made of, `down` to what is made of it.
    public enum Direction: String, Sendable, CaseIterable { case up, down }

    /// All nodes reached from the roots in the given directions, the roots first.
    public func reached(_ directions: [Direction]) -> [Node] {
        var found = roots, known = Set(roots)
        for direction in directions {
            var seen = Set(roots), rest = roots
            while let node = rest.popLast() {
                for next in (direction == .up ? parents : children)[node] ?? [] where seen.insert(next).inserted {
                    rest.append(next)
                    if known.insert(next).inserted { found.append(next) }
                }
            }
        }
        return found
    }

    private var edges: Set<[Node]> = []
    /// All nodes, also those that are connected with nothing.
    fileprivate private(set) var nodes: Set<Node> = []

    fileprivate mutating func add(_ node: Node) { nodes.insert(node) }

    fileprivate mutating func add(_ parent: Node, _ child: Node) {
        guard edges.insert([parent, child]).inserted else { return }
        nodes.formUnion([parent, child])
        children[parent, default: []].append(child)
        parents[child, default: []].append(parent)
    }
}

extension StoreProvenance {
    /// The lineage of a column (`transactions.amount`), a source, entity, feature, label, set, snapshot, model, pointer
    /// or receipt, by its name.
    ///
    /// - Parameters:
    ///   - name: `set:fraud.v1` says which, where a name means several things.
    ///   - asOf: the graph as it was then; nil for now.
    /// - Throws: `notFound` for an unknown name.
    public func lineage(_ name: String, asOf: Instant? = nil) async throws -> Lineage {
        try await withCatalog { connection, catalog in
            try connection.transaction(.repeatableReadOnly) {
                var graph = LineageGraph(catalog: catalog, connection: connection, asOf: asOf)
                return try graph.build(name)
            }
        }
    }

    /// Why each feature of a kept lookup had its value, for one of the entities it asked for: the rows that counted at
    /// its instant and its cuts, as `why` explains them, whatever came since.
    ///
    /// - Parameters:
    ///   - receipt: the receipt that the lookup's answer named.
    ///   - row: which of its entities, from 0.
    ///   - rows: how many rows are given of those that counted, and of those that didn't.
    /// - Throws: `notFound` for an unknown receipt, `invalidRequest` for an entity that it doesn't have.
    public func why(receipt: String, row: Int = 0, rows: Int = WhyRequest.usualRows) async throws -> [(
        output: String, answer: WhyAnswer
    )] {
        guard UUID(uuidString: receipt) != nil else {
            throw StoreError(.invalidRequest, "'\(receipt.prefix(40))' is not a receipt")
        }
        let requests = try await withCatalog { connection, catalog -> [(output: String, request: WhyRequest)] in
            guard let line = try LoggedLookup.page(receipt: receipt, connection).first else {
                throw StoreError(
                    .notFound, "unknown receipt '\(receipt)'", advice: "its day may be older than the log's retention")
            }
            let logged = try LoggedLookup(line), set = try logged.target.resolve(catalog).served
            guard let (spine, _) = logged.read(Plan(set, in: catalog)) else {
                throw StoreError(.damaged, "receipt \(receipt) can't be read")
            }
            guard spine.instants.indices.contains(row) else {
                throw StoreError(
                    .invalidRequest, "receipt \(receipt) has \(spine.instants.count) entities",
                    advice: "they count from 0")
            }
            return set.features.map { entry in
                var request = WhyRequest(entry.function.name.description)
                request.lookup.asOf = Instant(microseconds: spine.instants[row])
                request.rows = rows
                request.cuts = logged.cuts
                for (key, column) in entry.keys {
                    request.lookup.entities[key.name] = [.json(JSON(spine.columns[column]![row]))]
                }
                for name in entry.function.requests.keys {
                    request.lookup.request[name] = [.json(JSON(spine.columns[name]![row]))]
                }
                return (entry.output, request)
            }
        }
        var answers: [(output: String, answer: WhyAnswer)] = []
        for (output, request) in requests { answers.append((output, try await serving.why(request))) }
        return answers
    }
}

/// Builds the graph of all definitions, snapshots, models, pointers and receipts that there were at `asOf`.
private struct LineageGraph {
    let catalog: Catalog
    let connection: Connection
    let asOf: Instant?
    private var lineage = Lineage()

    init(catalog: Catalog, connection: Connection, asOf: Instant?) {
        self.catalog = catalog
        self.connection = connection
        self.asOf = asOf
    }

    private var limit: Int64 { (asOf ?? Instant.range.upperBound).microseconds }

    mutating func build(_ name: String) throws -> Lineage {
        let governance = try Governance(connection, asOf: asOf)
        try addDefinitions()
        try addSnapshots()
        for model in governance.models.values.sorted(by: { $0.name < $1.name }) {
            let node = Lineage.Node(.model, model.name.description)
            lineage.texts[node] =
                ([model.recordedAt.description, model.actor]
                + model.metrics.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }).joined(separator: "  ")
            for snapshot in model.snapshots { lineage.add(Lineage.Node(.snapshot, snapshot.id), node) }
            lineage.add(Lineage.Node(.set, model.set.description), node)
        }
        for pointer in governance.pointers.values.sorted(by: { $0.name < $1.name }) {
            let node = Lineage.Node(.pointer, pointer.name)
            lineage.texts[node] = "since \(pointer.movedAt) by \(pointer.actor)"
            lineage.add(
                Lineage.Node(pointer.target.kind == .set ? .set : .model, pointer.target.name.description), node)
        }
        if UUID(uuidString: name) != nil { try addReceipt(name.lowercased(), governance) } else { try addReceipts() }
        lineage.roots = try roots(name)
        for (subject, stage) in governance.stages {
            let node = Lineage.Node(Lineage.Node.Kind(rawValue: subject.kind.rawValue)!, subject.name.description)
            lineage.texts[node] = [lineage.texts[node], "(\(stage))"].compactMap(\.self).joined(separator: "  ")
        }
        return lineage
    }

    private mutating func addDefinitions() throws {
        let known = try connection.execute(
            """
            select kind || ' ' || name from firn.definitions d where revision = 1 and exists (select from firn.ledger l where l.entry = d.entry and l.at <= \(.timestamp(limit)))
            """
        ).map { try $0.text(0) }
        let registered = Set(known)
        for name in catalog.entities.keys where registered.contains("entity \(name)") {
            lineage.add(Lineage.Node(.entity, name))
        }
        for source in catalog.sources.values.sorted(by: { $0.name < $1.name })
        where registered.contains("source \(source.name)") {
            for column in source.columns {
                lineage.add(Lineage.Node(.source, source.name), Lineage.Node(.column, "\(source.name).\(column.name)"))
            }
        }
        for function in catalog.functions.values.sorted(by: { $0.name < $1.name }) {
            let node = Lineage.Node(function.kind == .feature ? .feature : .label, function.name.description)
            guard registered.contains(node.description) else { continue }
            lineage.texts[node] = function.definition.expression.split(whereSeparator: \.isWhitespace).joined(
                separator: " ")
            lineage.add(Lineage.Node(.entity, function.entity.name), node)
            if let source = function.source {
                for column in function.usedColumns {
                    lineage.add(Lineage.Node(.column, "\(source.name).\(column.name)"), node)
                }
            }
            for name in function.references.keys.sorted() {
                lineage.add(Lineage.Node(.feature, name.description), node)
            }
        }
        for set in catalog.sets.values.sorted(by: { $0.definition.name < $1.definition.name }) {
            let node = Lineage.Node(.set, set.definition.name.description)
            guard registered.contains(node.description) else { continue }
            for entry in set.features + set.labels {
                lineage.add(
                    Lineage.Node(entry.function.kind == .feature ? .feature : .label, entry.function.name.description),
                    node)
            }
        }
    }

    private mutating func addSnapshots() throws {
        for row in try connection.execute(
            """
            select s.id, s.name, s.set_name, s.created_at, s.actor, (l.body::json ->> 'rows')::bigint from firn.snapshots s join firn.ledger l using (entry)
            where s.created_at <= \(.timestamp(limit)) order by s.entry
            """
        ).map({ $0 }) {
            let node = try Lineage.Node(.snapshot, row.text(0))
            lineage.texts[node] = try
                "\(row.isNull(1) ? "" : "\(row.text(1))  ")\(row.int64(5)) rows  \(Instant(microseconds: row.timestamp(3))) by \(row.text(4))"
            try lineage.add(Lineage.Node(.set, row.text(2)), node)
        }
    }

    /// How many lookups of each set are kept.
    private mutating func addReceipts() throws {
        for row in try connection.execute(
            """
            select set_name, model, count(*), min(as_of), max(as_of) from firn_log.lookups where set_name is not null and as_of <= \(.timestamp(limit))
            group by set_name, model order by set_name, model nulls first
            """
        ).map({ $0 }) {
            let node = try Lineage.Node(.receipts, row.isNull(1) ? row.text(0) : "\(row.text(0)) for \(row.text(1))")
            lineage.texts[node] = try
                "\(row.int64(2)) lookups from \(Instant(microseconds: row.timestamp(3))) to \(Instant(microseconds: row.timestamp(4)))"
            try lineage.add(row.isNull(1) ? Lineage.Node(.set, row.text(0)) : Lineage.Node(.model, row.text(1)), node)
        }
    }

    /// Adds one lookup. It hangs on its set and on the model that its pointer led to; without such a model, on all
    /// models that took the set in. A lookup of features hangs on those.
    private mutating func addReceipt(_ receipt: String, _ governance: Governance) throws {
        guard
            let row = try connection.execute(
                """
                select as_of, set_name, array_to_json(features)::text, pointer, model, actor, engine from firn_log.lookups where receipt = \(receipt)::text::uuid
                """
            ).first
        else {
            throw StoreError(
                .notFound, "unknown receipt '\(receipt)'", advice: "its day may be older than the log's retention")
        }
        let node = Lineage.Node(.receipt, receipt), asOf = try Instant(microseconds: row.timestamp(0))
        lineage.texts[node] = try
            "\(asOf) for \(row.text(5)), engine \(row.text(6))\(row.isNull(3) ? "" : ", by \(row.text(3))")"
        if !row.isNull(4) { try lineage.add(Lineage.Node(.model, row.text(4)), node) }
        guard !row.isNull(1) else {
            for text in try JSONDecoder().decode([String].self, from: Data(row.bytes(2))) {
                if let name = VersionedName(text), catalog.functions[name] != nil {
                    lineage.add(Lineage.Node(.feature, text), node)
                }
            }
            return
        }
        try lineage.add(Lineage.Node(.set, row.text(1)), node)
        if row.isNull(4) {
            let then = try Governance(connection, asOf: asOf)
            for model in then.models.values.sorted(by: { $0.name < $1.name })
            where try model.set.description == row.text(1) && governance.models[model.name] != nil {
                lineage.add(Lineage.Node(.model, model.name.description), node)
            }
        }
    }

    private func roots(_ text: String) throws -> [Lineage.Node] {
        let all = lineage.nodes
        let parts = text.split(separator: ":", maxSplits: 1),
            kind = parts.count == 2 ? Lineage.Node.Kind(rawValue: String(parts[0])) : nil
        let name = kind == nil ? text : String(parts[1])
        var found = all.filter {
            ($0.name == name || $0.kind == .receipt && $0.name == name.lowercased()) && (kind == nil || $0.kind == kind)
                && $0.kind != .receipts
        }
        if found.isEmpty, kind == nil || kind == .snapshot {
            // A snapshot's name means the newest snapshot with that name.
            let id = try connection.execute(
                "select id from firn.snapshots where name = \(name.utf8.contains(0) ? "" : name) and created_at <= \(.timestamp(limit)) order by entry desc limit 1"
            ).first?.text(0)
            found = Set(id.map { [Lineage.Node(.snapshot, $0)] } ?? [])
        }
        guard !found.isEmpty else {
            let near = nearestName(to: name, among: all.map(\.name))
            throw StoreError(
                .notFound, "nothing is known of '\(text.prefix(130))'\(asOf.map { " at \($0)" } ?? "")",
                advice: near.map { "did you mean \($0)?" })
        }
        return found.sorted { $0.description < $1.description }
    }
}
