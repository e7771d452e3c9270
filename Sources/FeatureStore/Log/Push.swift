internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import Tables

extension Store {
    /// What a push did: the answer to its sender.
    public struct Pushed: Sendable, Hashable {
        public var accepted: Int
        public var duplicates: Int
        /// The log's end after it: a lookup with this cut sees the rows.
        public var lastOffset: Int64
    }

    /// Appends rows to a source, all or none; returns after the commit. Their `known_at` is the database's clock at the commit.
    ///
    /// - Parameters:
    ///   - body: the rows, in the layout named.
    ///   - idempotencyKey: the same key with the same body gives the first answer again, for seven days.
    /// - Throws: the row (from 1) and column that can't be taken; `idempotencyConflict` for a key used with another body.
    public func push(_ body: [UInt8], layout: PushLayout, into name: String, idempotencyKey: String? = nil) async throws -> Pushed {
        let actor = actor
        let pushed = try await withCatalog { connection, catalog in
            let source = try catalog.source(named: name)
            let schema = TableReader.Schema(pushing: source, keys: catalog.keyColumns(of: name))
            var rows: Table? = try layout.read(body, schema)
            let digest = Array(SHA256.hash(data: body))
            return try connection.transaction {
                if let idempotencyKey {
                    // Two requests with one key follow each other.
                    try connection.execute("select pg_advisory_xact_lock(\(Lock.space)::int, \(Lock.log(of: "key " + name + " " + idempotencyKey))::int)")
                    if let earlier = try answer(idempotencyKey, name, digest, connection) { return earlier }
                }
                let writer = try BatchWriter(source, connection, knownNow: !source.isStatic)
                if rows?.rowCount == 0 { rows = nil }
                try writer.write {
                    defer { rows = nil }
                    return rows
                }
                let written = try writer.finish((.push, actor: actor), idempotencyKey: idempotencyKey, requestDigest: digest)
                return Pushed(accepted: written.accepted, duplicates: written.duplicates, lastOffset: written.lastOffset)
            }
        }
        await showOwnRows()
        return pushed
    }

    /// Sees to it that the next lookup here sees what was written. Where the database went away meanwhile, what memory says is stale anyhow.
    func showOwnRows() async { try? await online?.follower.catchUp() }
}

/// How pushed rows are laid out.
public enum PushLayout: Sendable {
    /// A JSON array, one JSON object a line, an Arrow IPC stream.
    case array, lines, arrow

    /// What an Arrow body may come to when it is decompressed.
    private static let maximumArrowBytes = 256 << 20

    fileprivate func read(_ body: [UInt8], _ schema: TableReader.Schema) throws -> Table {
        let name = "rows"
        switch self {
        case .lines:
            var reader = try TableReader(ByteReader(bytes: body, name: name), layout: .ndjson, name: name, schema: schema, options: ReadOptions())
            return try reader.all()
        case .arrow:
            let bytes = try ByteReader(bytes: body, name: name, maximumBytes: PushLayout.maximumArrowBytes)
            var reader = try TableReader(bytes, layout: .arrows, name: name, schema: schema, options: ReadOptions())
            return try reader.all()
        case .array:
            let value: JSON
            do { value = try JSON(parsing: body) } catch { throw TableError(file: name, message: error.description) }
            guard case .array(let rows) = value else { throw TableError(file: name, message: "a JSON array of rows expected", advice: "as in [{\"customer_id\": 42}]") }
            return try TableReader.table(rows, name: name, schema: schema)
        }
    }
}

/// The first answer to a key, where it was used in the last seven days.
private func answer(_ key: String, _ source: String, _ digest: [UInt8], _ connection: Connection) throws -> Store.Pushed? {
    let rows = try connection.execute(
        """
        select request_digest, count, duplicates, base_offset + count from firn.batches
        where source = \(source) and idempotency_key = \(key) and committed_at > now() - interval '7 days' order by base_offset desc limit 1
        """)
    guard let row = rows.first else { return nil }
    guard row.bytes(0) == digest else {
        throw StoreError(.idempotencyConflict, "the Idempotency-Key was used with another body", advice: "a key belongs to one request")
    }
    return Store.Pushed(accepted: Int(row.int64(1) - row.int64(2)), duplicates: Int(row.int64(2)), lastOffset: row.int64(3))
}
