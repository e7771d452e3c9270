internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
public import Tables

extension StoreLog {
    /// What a push did: the answer to its sender.
    public struct Pushed: Sendable, Hashable {
        /// How many rows were taken in.
        public var accepted: Int
        /// How many rows were dropped because they were there already; 0 for a source without an id.
        public var duplicates: Int
        /// The log's end after the push: a lookup with this cut sees the rows.
        public var lastOffset: Int64

        /// The answer as JSON.
        public var json: [UInt8] {
            Array("{\"accepted\":\(accepted),\"duplicates\":\(duplicates),\"last_offset\":\(lastOffset)}".utf8)
        }
    }

    /// Appends rows to a source, all or none; returns after the commit. Their `known_at` is the database's clock at the
    /// commit.
    ///
    /// - Parameters:
    ///   - body: the rows, in the given layout.
    ///   - idempotencyKey: for seven days, the same key with the same body returns the first answer again.
    /// - Throws: the row (from 1) and column that can't be taken; `idempotencyConflict` for a key used with another
    ///   body.
    public func push(_ body: [UInt8], layout: PushLayout, into name: String, idempotencyKey: String? = nil) async throws
        -> Pushed
    {
        try await push(readPush(body, layout: layout, into: name), idempotencyKey: idempotencyKey)
    }

    /// Rows of a push that have been read but not yet taken.
    public struct ReadPush: Sendable {
        fileprivate let source: Source
        fileprivate let rows: Table
        fileprivate let digest: [UInt8]
        /// How many bytes they take up.
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

    /// The second half of a push: takes the rows that were read, and returns after the commit.
    public func push(_ read: ReadPush, idempotencyKey: String? = nil) async throws -> Pushed {
        let actor = actor
        return try await withCheckedThrowingContinuation { sender in
            push(read, idempotencyKey, actor: actor) { sender.resume(with: $0) }
        }
    }

    /// Pushes a small JSON body without waiting for it.
    ///
    /// - Parameters:
    ///   - actor: who pushes; nil for the store's own actor.
    ///   - done: called after the commit or the refusal, on any thread.
    /// - Returns: false if what is known of the source isn't enough to read the body: nothing was done, and `push` says
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

    /// Reads a body by what is known of its source and, if that doesn't suffice, by what is registered now.
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
    /// A JSON array of rows.
    case array
    /// A file format that pushes may use (`isPushed`).
    case file(FileFormat.Layout)

    /// How many bytes a body's columns may come to once they are read: they hold up the pushes that come after them.
    private static let maximumBytes = 128 << 20
    /// How many rows a body may have.
    public static let maximumRows = 250_000

    fileprivate func read(_ body: [UInt8], _ schema: TableReader.Schema) throws -> Table {
        let name = "rows"
        switch self {
        case .file(let layout):
            let bytes = try ByteReader(
                bytes: body, name: name, maximumBytes: PushLayout.maximumBytes, maximumRows: PushLayout.maximumRows)
            var reader = try TableReader(bytes, layout: layout, name: name, schema: schema, options: ReadOptions())
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
