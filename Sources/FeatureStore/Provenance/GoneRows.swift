internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRows

/// The rows that are marked, by the keys under which groups read them.
final class GoneRows {
    let sources: Set<String>
    let connection: Connection
    private var known: [String: [EntityKey: Int64]] = [:]

    init(_ sources: Set<String>, _ connection: Connection) {
        self.sources = sources
        self.connection = connection
    }

    /// The values that some columns have in rows that are gone, each with the first offset of such a row.
    func tuples(_ source: Source, _ columns: [String]) throws -> [EntityKey: Int64] {
        let name = ([source.name] + columns).joined(separator: "\u{0}")
        if let known = known[name] { return known }
        var builders = columns.map { ColumnBuilder(source.column($0)!.type) }, offsets: [Int64] = []
        let list = SQL.joined(columns.map { "r.\(identifier: $0), " }, by: ""),
            places = SQL.joined((0..<columns.count).map { SQL(raw: String($0 + 1)) }, by: ", ")
        let table = SourceTable(source),
            gone: SQL =
                "firn_gone g on g.source = \(source.name) and g.firn_batch = r.firn_batch and g.firn_position = r.firn_position"
        var query: SQL = "select \(list)min(b.base_offset + r.firn_position) from \(table.rows) join \(gone)"
        if !source.id.isEmpty {
            // A version that is gone had replaced others of its fact, which now stand longer, whoever they belong to.
            query = """
                select \(list)min(f.first) from \(table.name) r join (select \(table.ids), min(b.base_offset + r.firn_position) as first from \(table.rows) join \(gone)
                    group by \(table.ids)) f on \(table.equal(source.id, to: source.id.map { "f.\(identifier: $0)" }))
                """
        }
        try connection.stream("\(query)\(columns.isEmpty ? "" : " group by \(places)" as SQL)") { row in
            for index in builders.indices { builders[index].append(&row) }
            offsets.append(row.int64() ?? .max)
        }
        let parts = builders.indices.map { builders[$0].finish() }
        var tuples: [EntityKey: Int64] = [:]
        for row in offsets.indices { if let key = EntityKey(parts, row) { tuples[key] = offsets[row] } }
        known[name] = tuples
        return tuples
    }
}
