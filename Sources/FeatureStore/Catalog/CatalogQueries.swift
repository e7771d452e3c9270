public import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import StoreRecord
public import StoreRows
internal import Tables

/// What the database is asked for people's sake.
extension StoreCatalog {
    /// The catalog as it is now, for lists, details and search.
    public func browser() async throws -> CatalogBrowser {
        try await withRegistry { connection, known in
            var content = CatalogContent(
                catalog: known.catalog, notes: try Registry(connection).notes(), governance: known.governance)
            for row in try connection.execute(
                """
                select d.name, h.committed_at from firn.definitions d
                join lateral (select committed_at from firn.batches where source = d.name order by base_offset desc limit 1) h on true where d.kind = 'source' and d.revision = 1
                """
            ).map({ $0 }) { try content.newestRows[row.text(0)] = Instant(microseconds: row.timestamp(1)) }
            for row in try connection.execute("select set_name, id from firn.snapshots order by entry desc").map({ $0 })
            {
                try content.snapshots[row.text(0), default: []].append(row.text(1))
            }
            return CatalogBrowser(content)
        }
    }

    /// An entry as JSON, with its history in the ledger, and of a feature or label what it looks like in the newest
    /// snapshot that has it.
    ///
    /// - Parameter withStatistics: whether what it looks like is told.
    public func history(of entry: CatalogEntry, withStatistics: Bool = true) async throws -> JSON {
        guard case .object(var members) = entry.json else { return entry.json }
        let history = try await ledgerEntries(subject: "\(entry.kind.rawValue) \(entry.name)")
        members.append(JSON.Member("history", .array(history.map(\.json))))
        if entry.kind == .source { members.append(JSON.Member("rows", try await figures(ofSource: entry.name).json)) }
        if entry.kind == .feature || entry.kind == .label, let name = VersionedName(entry.name) {
            let seen = withStatistics ? try await StoreTraining(context: context).statistics(of: name) : nil
            members.append(
                JSON.Member(
                    "statistics",
                    seen.map { .object(["snapshot": .string($0.snapshot.id), "values": $0.statistics.json]) } ?? .null))
        }
        return .object(members)
    }

    /// How large a source is, and how late its rows were known.
    public func figures(ofSource name: String) async throws -> SourceFigures {
        try await withCatalog { connection, catalog in
            let source = try catalog.source(named: name)
            let row = try connection.execute(
                """
                select (select coalesce(sum(count - duplicates), 0)::bigint from firn.batches where source = \(name)),
                    pg_total_relation_size(\("firn_source." + SQL.quoted(name))::regclass), (select count(*) from firn.batches where source = \(name))
                """
            ).single()
            return try SourceFigures(
                rows: row.int64(0), bytes: row.int64(1), batches: row.int64(2),
                delay: try SourceDelay(source, connection))
        }
    }

    /// What a set computes, in words.
    ///
    /// - Throws: an unknown name.
    public func outline(ofSet name: String) async throws -> PlanOutline {
        try await withRegistry {
            Plan(try $1.catalog.set(named: $1.governance.set(named: name).set), in: $1.catalog).outline
        }
    }

    /// A set by its name or a pointer's, and what of it is deprecated or retired.
    public func set(named name: String) async throws -> (set: FeatureSet, warnings: [String]) {
        try await withRegistry { _, known in
            let set = try known.catalog.set(named: known.governance.set(named: name).set)
            return (set, known.governance.warnings(set, known.catalog))
        }
    }
}
