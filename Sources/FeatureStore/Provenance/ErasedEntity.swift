internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import ServingMemory
internal import StoreRecord
internal import StoreRows
internal import Tables

/// The entity whose rows go: its keys, and where they may be found.
struct ErasedEntity {
    let entity: Entity
    /// A value for each of its keys: as columns of one row, and as parameters to bind.
    let key: [Column]
    let parameters: [Parameter]
    /// Stays in the ledger forever.
    let reason: String
    let catalog: Catalog
    /// Sources that may have rows of it, each with the lists of columns that carry its keys, in the keys' order:
    /// columns with the keys' names, or those that a `join` names.
    let carriers: [(source: Source, columns: [[String]])]

    var sources: [String] { carriers.map(\.source.name) }

    init(
        _ name: String, _ given: [String: LookupRequest.Value], _ reason: String, _ catalog: Catalog
    ) throws {
        guard let entity = catalog.entities[name] else {
            throw StoreError(
                .notFound, "unknown entity '\(name.prefix(80))'",
                advice: nearestName(to: name, among: Array(catalog.entities.keys)).map { "did you mean \($0)?" })
        }
        guard !entity.keys.isEmpty else {
            throw StoreError(
                .invalidRequest, "\(name) has no keys: it is one global series",
                advice: "erase the entity whose rows it is made of")
        }
        if let unknown = given.keys.sorted().first(where: { key in !entity.keys.contains { $0.name == key } }) {
            throw StoreError(
                .invalidRequest, "\(name) has no key '\(unknown.prefix(63))'",
                advice: "its keys are \(entity.keys.text)")
        }
        var columns: [Column] = [], parameters: [Parameter] = []
        for key in entity.keys {
            guard let value = given[key.name] else {
                throw StoreError(
                    .invalidRequest, "the key '\(key.name)' is missing", advice: "\(name) has \(entity.keys.text)")
            }
            guard let literal = value.literal(as: key.type), literal != .null else {
                throw StoreError(.invalidRequest, "the value of '\(key.name)' is not \(key.type.phrase)")
            }
            // A short text may occur in any sentence by chance.
            if case .string(let text) = literal, text.utf8.count > 3, reason.contains(text) {
                throw StoreError(
                    .invalidRequest, "the reason holds the value of '\(key.name)'",
                    advice: "it stands in the ledger for ever; refer to the request by its number")
            }
            columns.append(Column(repeating: literal, type: key.type, count: 1))
            parameters.append(literal.parameter(key.type))
        }
        key = columns
        self.parameters = parameters
        self.entity = entity
        self.reason = reason
        self.catalog = catalog
        var carriers: [(source: Source, columns: [[String]])] = []
        for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
            var lists = [entity.keys.map(\.name)]
            for function in catalog.functions.values
            where function.source?.name == source.name && ErasedEntity.holds(function.entity, entity) {
                lists.append(entity.keys.map { function.sourceColumn(of: $0.name) })
            }
            let whole = lists.filter { columns in
                zip(columns, entity.keys).allSatisfy { source.column($0)?.type == $1.type }
            }
            let columns = Set(whole).sorted { $0.lexicographicallyPrecedes($1) }
            if !columns.isEmpty { carriers.append((source, columns)) }
        }
        self.carriers = carriers
    }

    /// Whether an entity's keys include all of another's.
    static func holds(_ entity: Entity, _ other: Entity) -> Bool {
        other.keys.allSatisfy { entity.keys.contains($0) }
    }

    /// The lists of spine columns that carry the entity's keys in a set, in the keys' order: those of its features and
    /// labels, and columns with the keys' names.
    func carriers(in set: FeatureSet) -> [[String]] {
        let columns = set.keys + set.requests
        let named = entity.keys.allSatisfy(columns.contains) ? [entity.keys.map(\.name)] : []
        let lists =
            named
            + (set.features + set.labels).filter { ErasedEntity.holds($0.function.entity, entity) }.map { entry in
                entity.keys.map { key in entry.keys.first { $0.key.name == key.name }!.column }
            }
        return Array(Set(lists))
    }

    /// Rows of a spine, from 0, that have the entity's keys in columns with the keys' names, even if the set doesn't
    /// read those and they only pass through.
    func passing(_ file: SpineFile) throws -> [Int] {
        var rows = Array(0..<file.rowCount)
        for (index, definition) in entity.keys.enumerated() {
            // A column of bytes holds no key.
            guard let texts = (try? file.texts(of: definition.name)) ?? nil else { return [] }
            rows = rows.filter {
                !texts.isNull($0) && Literal(incoming: texts[$0].plainText, as: definition.type) == key[index][0]
            }
        }
        return rows
    }
}

extension Literal {
    /// Its text; empty if it isn't one.
    fileprivate var plainText: String { if case .string(let text) = self { text } else { "" } }
}
