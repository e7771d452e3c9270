public import FeatureLanguage
public import StoreRecord
internal import Tables

/// One registered definition as people look at it.
public struct CatalogEntry: Sendable {
    /// Whether it is an entity, source, feature, label or set.
    public var kind: DefinitionKind
    /// Its name as it was registered, with the version of a feature, label or set.
    public var name: String
    /// What it is, in a few words for a list.
    public var summary: String
    /// What people said about it.
    public var notes: Notes
    /// What it is, in full: titles with their values.
    public var details: [(title: String, value: String)]
    /// The entry as the HTTP API and the command line's `--json` give it in lists.
    public var json: JSON
    /// Where a search looks, the weightiest first.
    var searched: [String]
    /// The names of the entities that it describes or is about.
    public var entities: Set<String> = []
    /// The names of the sources that it reads, itself or through what it is made of.
    public var sources: Set<String> = []
    /// What is made of it: functions, sets, snapshots, models, pointers.
    public var users: [String] = []
    /// Where in its life it is, if it isn't active any more.
    public var stage: Stage?
    /// When rows came last into a source that it reads; nil where none ever did, or it reads none.
    public var newestRows: Instant?
}

/// Which entries are listed: all conditions hold.
public struct CatalogFilter: Sendable {
    /// Only this kind; nil admits all.
    public var kind: DefinitionKind?
    /// Only those whose notes name this owner; nil admits all.
    public var owner: String?
    /// Only those that have every one of these tags.
    public var tags: [String] = []
    /// Only those that describe this entity or are about it; nil admits all.
    public var entity: String?
    /// Only what nothing is made of.
    public var isUnused = false
    /// Only what reads a source that got no rows since; nil doesn't ask.
    public var staleSince: Instant?

    /// Admits everything, or everything of a kind.
    public init(kind: DefinitionKind? = nil) { self.kind = kind }

    func admits(_ entry: CatalogEntry) -> Bool {
        if let kind, entry.kind != kind { return false }
        if let owner, entry.notes.owner != owner { return false }
        if !tags.allSatisfy(entry.notes.tags.contains) { return false }
        if let entity, !entry.entities.contains(entity) { return false }
        if isUnused, !entry.users.isEmpty { return false }
        if let staleSince { return !entry.sources.isEmpty && entry.newestRows.map { $0 < staleSince } ?? true }
        return true
    }
}

/// What the catalog is described from, as one transaction read it.
package struct CatalogContent: Sendable {
    package var catalog: Catalog
    /// By kind and name, such as `feature spend_30d.v1`.
    package var notes: [String: Notes]
    package var governance: Governance
    /// By source: when rows last came into it. A source without rows isn't there.
    package var newestRows: [String: Instant]
    /// By set: the ids of its snapshots, newest first.
    package var snapshots: [String: [String]]

    package init(
        catalog: Catalog, notes: [String: Notes] = [:], governance: Governance = Governance(),
        newestRows: [String: Instant] = [:], snapshots: [String: [String]] = [:]
    ) {
        self.catalog = catalog
        self.notes = notes
        self.governance = governance
        self.newestRows = newestRows
        self.snapshots = snapshots
    }
}

/// The catalog for people: lists, details, search. A value; `StoreCatalog.browser()` reads one.
public struct CatalogBrowser: Sendable {
    /// Entities, sources, features, labels and sets, in this order, each by name.
    public let entries: [CatalogEntry]

    /// - Parameter content: what is registered and decided; it is described here, and nothing else is asked.
    package init(_ content: CatalogContent) {
        let describer = CatalogDescriber(content), catalog = content.catalog
        entries =
            catalog.entities.values.sorted { $0.name < $1.name }.map(describer.entry)
            + catalog.sources.values.sorted { $0.name < $1.name }.map(describer.entry)
            + catalog.functions.values.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }.map(
                describer.entry)
            + catalog.sets.values.sorted { $0.definition.name < $1.definition.name }.map(describer.entry)
    }

    /// The entries that a filter admits, in the order of `entries`.
    public func entries(_ filter: CatalogFilter) -> [CatalogEntry] { entries.filter(filter.admits) }

    /// Definitions of a name; a set and a feature may share one.
    public func named(_ name: String) -> [CatalogEntry] { entries.filter { $0.name == name } }

    /// The known name most like an unknown one.
    public func nearest(_ name: String) -> String? { nearestName(to: name, among: entries.map(\.name)) }

    /// Entries in which every word occurs, names before descriptions before expressions.
    public func search(_ text: String) -> [CatalogEntry] {
        let words = text.lowercased().split(separator: " ").map(String.init)
        guard !words.isEmpty else { return [] }
        let ranked = entries.compactMap { entry -> (entry: CatalogEntry, rank: Int)? in
            var rank = 0
            for word in words {
                guard let place = entry.searched.firstIndex(where: { $0.lowercased().contains(word) }) else {
                    return nil
                }
                rank += place * 2 + (entry.name.lowercased().hasPrefix(word) ? 0 : 1)
            }
            return (entry, rank)
        }
        return ranked.sorted { ($0.rank, $0.entry.name) < ($1.rank, $1.entry.name) }.map(\.entry)
    }
}
