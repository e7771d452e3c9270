internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

extension StoreLog {
    /// What a push did: the answer to its sender.
    public struct Pushed: Sendable, Hashable {
        public var accepted: Int
        public var duplicates: Int
        /// The log's end after it: a lookup with this cut sees the rows.
        public var lastOffset: Int64

        /// As JSON.
        public var json: [UInt8] {
            Array("{\"accepted\":\(accepted),\"duplicates\":\(duplicates),\"last_offset\":\(lastOffset)}".utf8)
        }
    }

    /// Appends rows to a source, all or none; returns after the commit. Their `known_at` is the database's clock at the
    /// commit.
    ///
    /// - Parameters:
    ///   - body: the rows, in the layout named.
    ///   - idempotencyKey: the same key with the same body gives the first answer again, for seven days.
    /// - Throws: the row (from 1) and column that can't be taken; `idempotencyConflict` for a key used with another
    ///   body.
    public func push(_ body: [UInt8], layout: PushLayout, into name: String, idempotencyKey: String? = nil) async throws
        -> Pushed
    {
        try await push(readPush(body, layout: layout, into: name), idempotencyKey: idempotencyKey)
    }

    /// Rows of a push that were read, and are to be taken.
    public struct ReadPush: Sendable {
        fileprivate let source: Source
        fileprivate let rows: Table
        fileprivate let digest: [UInt8]
        /// What they take up.
        public let bytes: Int

        fileprivate init(_ source: Source, _ rows: Table, _ body: [UInt8]) {
            self.source = source
            self.rows = rows
            digest = Array(SHA256.hash(data: body))
            bytes = max(body.count, rows.columns.reduce(0) { $0 + $1.bytes })
        }
    }

    /// The first half of a push: reads a body, and takes nothing.
    public func readPush(_ body: [UInt8], layout: PushLayout, into name: String) async throws -> ReadPush {
        let (source, rows) = try await read(body, layout, name)
        return ReadPush(source, rows, body)
    }

    /// The second half.
    public func push(_ read: ReadPush, idempotencyKey: String? = nil) async throws -> Pushed {
        let actor = actor
        return try await withCheckedThrowingContinuation { sender in
            push(read, idempotencyKey, actor: actor) { sender.resume(with: $0) }
        }
    }

    /// Pushes a small body of JSON without waiting for it.
    ///
    /// - Parameters:
    ///   - actor: who pushes; nil for the store's own.
    ///   - done: called after the commit or the refusal, on any thread.
    /// - Returns: false where the body can't be read by what is known of its source: nothing was done, and `push` says
    ///   more.
    public func pushAhead(
        _ body: [UInt8], into name: String, idempotencyKey: String? = nil, actor: String? = nil,
        done: @escaping @Sendable (Result<Pushed, any Error>) -> Void
    ) -> Bool {
        guard let known = context.known?.catalog, let source = known.sources[name],
            let rows = try? PushLayout.array.read(
                body, TableReader.Schema(pushing: source, keys: known.keyColumns(of: name)))
        else { return false }
        push(ReadPush(source, rows, body), idempotencyKey, actor: actor ?? self.actor, done)
        return true
    }

    private func push(
        _ read: ReadPush, _ key: String?, actor: String, _ done: @escaping @Sendable (Result<Pushed, any Error>) -> Void
    ) {
        let origin = BatchLog.Origin(actor: actor, idempotencyKey: key, requestDigest: read.digest)
        pushes().queue(of: read.source.name).push(
            PushQueue.Request(source: read.source, rows: read.rows, bytes: read.bytes, origin: origin), done)
    }

    /// Reads a body by what is known of its source, and where that doesn't do by what is registered now.
    private func read(_ body: [UInt8], _ layout: PushLayout, _ name: String) async throws -> (Source, Table) {
        let read = { @Sendable (catalog: Catalog) in
            let source = try catalog.source(named: name)
            return (
                source, try layout.read(body, TableReader.Schema(pushing: source, keys: catalog.keyColumns(of: name)))
            )
        }
        if let known = context.known?.catalog, let read = try? read(known) { return read }
        return try read(try await context.catalog())
    }
}

/// How pushed rows are laid out.
public enum PushLayout: Sendable {
    /// A JSON array, one JSON object a line, an Arrow IPC stream.
    case array, lines, arrow

    /// What a body's columns may come to once they are read, and how many rows it may have: they hold up those that
    /// come after them.
    private static let maximumBytes = 128 << 20
    public static let maximumRows = 250_000

    fileprivate func read(_ body: [UInt8], _ schema: TableReader.Schema) throws -> Table {
        let name = "rows"
        switch self {
        case .lines:
            let bytes = try ByteReader(
                bytes: body, name: name, maximumBytes: PushLayout.maximumBytes, maximumRows: PushLayout.maximumRows)
            var reader = try TableReader(bytes, layout: .ndjson, name: name, schema: schema, options: ReadOptions())
            return try reader.all()
        case .arrow:
            let bytes = try ByteReader(
                bytes: body, name: name, maximumBytes: PushLayout.maximumBytes, maximumRows: PushLayout.maximumRows)
            var reader = try TableReader(bytes, layout: .arrows, name: name, schema: schema, options: ReadOptions())
            return try reader.all()
        case .array:
            let value: JSON
            do { value = try JSON(parsing: body) } catch { throw TableError(file: name, message: error.description) }
            guard case .array(let rows) = value else {
                throw TableError(
                    file: name, message: "a JSON array of rows expected", advice: "as in [{\"customer_id\": 42}]")
            }
            return try TableReader.table(
                rows, name: name, schema: schema, maximumBytes: PushLayout.maximumBytes,
                maximumRows: PushLayout.maximumRows)
        }
    }
}
