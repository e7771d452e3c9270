internal import Crypto
internal import FeatureEngine
package import FeatureLanguage
package import Postgres
internal import StoreRecord

/// The log of one source: its batches in commit order.
package struct BatchLog {
    let source: Source
    let connection: Connection

    package init(source: Source, connection: Connection) {
        self.source = source
        self.connection = connection
    }

    /// Where the log ends: the cut that reads all of it.
    package struct Head: Sendable {
        package var offset: Int64
        var hash: [UInt8]
    }

    package func head() throws -> Head {
        let rows = try connection.execute(
            "select base_offset + count, hash from firn.batches where source = \(source.name) order by base_offset desc limit 1"
        )
        return try rows.first.map { try Head(offset: $0.int64(0), hash: $0.bytes(1)) } ?? Head(offset: 0, hash: [])
    }

    /// Holds the log until the transaction ends, so that nobody else appends meanwhile.
    func lock() { connection.later(Lock.statement(Lock.log(of: source.name))) }

    /// Where the log ends and what time it is.
    package struct State {
        package var head: Head
        /// Whether the condition asked about holds.
        var holds: Bool
        /// The database's clock, but never behind an earlier push to the source.
        package var clock: Int64
        var committedAt: Int64
    }

    /// Asks for all of it at once, and whether a condition holds. Under the lock, the answer stays true until the
    /// commit.
    package func state(_ condition: SQL = "false") throws -> State {
        let row = try connection.execute(
            prepared: """
                select h.base_offset + h.count, h.hash, clock_timestamp(), p.known_at, \(condition)
                from (values (true)) one
                left join lateral (select base_offset, count, hash from firn.batches where source = \(source.name) order by base_offset desc limit 1) h on true
                left join lateral (select known_at from firn.batches where source = \(source.name) and known_at is not null order by base_offset desc limit 1) p on true
                """
        ).single()
        let now = try row.timestamp(2)
        // No batch, or one with all its values.
        let head =
            row.isNull(0) && row.isNull(1)
            ? Head(offset: 0, hash: []) : Head(offset: try row.int64(0), hash: try row.bytes(1))
        guard (0...Heads.lastOffset).contains(head.offset) else {
            throw StoreError(
                .damaged, "the log of \(source.name) ends at an offset that no log reaches",
                advice: "firn verify says more")
        }
        return State(
            head: head, holds: try row.bool(4), clock: max(now, try row.optionalTimestamp(3) ?? .min), committedAt: now)
    }

    /// Who sent a batch, and what repeats of it are recognized by.
    struct Origin: Sendable {
        var actor: String
        var idempotencyKey: String?
        var requestDigest: [UInt8]?
        var fileDigest: [UInt8]?
        /// Where its rows came from, as canonical JSON.
        var origin = "{}"
    }

    /// What a batch contains, apart from its place in the log.
    struct Entry {
        enum Kind: String { case `import`, push }

        var batch: Int64
        var count: Int
        var duplicates: Int
        var kind: Kind
        var origin: Origin
        var rows: RowsDigest
    }

    /// Appends batches, one after another. This is the last act before the commit, under the lock, and travels with the
    /// commit. Returns the log's end after each batch; one without rows leaves no trace. One of the owner's functions
    /// checks them against the log and the clock (migrations/0010_server_functions.sql).
    func append(_ entries: [Entry], knownAt: Int64?, at state: State) -> [Int64] {
        var head = state.head, ends: [Int64] = []
        // One for each parameter of the function.
        var columns: [[Parameter]] = Array(repeating: [], count: BatchLog.appended.count)
        for entry in entries {
            guard entry.count > 0 else {
                ends.append(head.offset)
                continue
            }
            var rows = entry.rows
            let origin = entry.origin
            var batch = Recorded(
                number: entry.batch, baseOffset: head.offset, count: Int64(entry.count),
                duplicates: Int64(entry.duplicates), kind: entry.kind.rawValue, knownAt: knownAt,
                committedAt: state.committedAt, actor: origin.actor, idempotencyKey: origin.idempotencyKey,
                requestDigest: origin.requestDigest, fileDigest: origin.fileDigest,
                origin: origin.origin, salt: rows.salt, digest: rows.finish(), previous: head.hash)
            batch.hash = batch.computedHash(source.name)
            let values: [Parameter] = [
                .int64(batch.number), .int64(batch.baseOffset), .int64(batch.count), .int64(batch.duplicates),
                .text(batch.kind), .text(batch.actor),
                batch.idempotencyKey.map { .text($0) } ?? .null(.text),
                batch.requestDigest.map { .bytes($0) } ?? .null(.bytes),
                batch.fileDigest.map { .bytes($0) } ?? .null(.bytes), .text(batch.origin), .bytes(batch.salt),
                .bytes(batch.digest), .bytes(batch.previous), .bytes(batch.hash),
            ]
            for (column, value) in values.enumerated() { columns[column].append(value) }
            head = Head(offset: head.offset + batch.count, hash: batch.hash)
            ends.append(head.offset)
        }
        guard !columns[0].isEmpty else { return ends }
        let arrays = SQL.joined(zip(BatchLog.appended, columns).map { "\(Parameter.array($0, $1))" }, by: ", ")
        let known: Parameter = knownAt.map { .timestamp($0) } ?? .null(.timestamp)
        connection.later(
            "select firn.append_batches(\(source.name), \(known), \(.timestamp(state.committedAt)), \(arrays))")
        return ends
    }

    private static let appended: [Parameter.Kind] = [
        .int64, .int64, .int64, .int64, .text, .text, .text, .bytes, .bytes, .text, .bytes, .bytes, .bytes, .bytes,
    ]

    /// A batch as it is recorded.
    ///
    ///     hash, version 2 = SHA-256( "firn batch 2"  hash of the batch before  text source  u64 batch  u64 base offset  u64 count  u64 duplicates  text kind
    ///                       u64 known_at or −2^63  u64 committed_at  text actor  text idempotency key  bytes request digest  bytes file digest  text origin
    ///                       salt  rows digest )      numbers big-endian, as PostgreSQL sends them; text, bytes = 0 for NULL, else 1 u64 length, UTF-8 or bytes
    ///     version 1 = SHA-256( hash of the batch before  text source  u64 batch  u64 base offset  u64 count  u64 duplicates  text kind
    ///                       u64 known_at or −2^63  u64 committed_at  text actor  salt  rows digest )      numbers little-endian; text = u64 length, UTF-8
    package struct Recorded {
        package var number: Int64
        package var baseOffset: Int64
        package var count: Int64
        package var duplicates: Int64
        var kind: String
        /// When pushed rows became known, in microseconds since 1970; nil for imported rows.
        package var knownAt: Int64?
        var committedAt: Int64
        var actor: String
        package var idempotencyKey: String?
        package var requestDigest: [UInt8]?
        var fileDigest: [UInt8]?
        var origin: String
        package var salt: [UInt8]
        package var digest: [UInt8]
        package var previous: [UInt8]
        package var hash: [UInt8] = []
        /// The version of the hash's form. A log never goes back to an older one.
        package var version = 2

        /// The hash that it has if nothing in it was changed.
        package func computedHash(_ source: String) -> [UInt8] { version == 1 ? firstHash(source) : secondHash(source) }

        private func firstHash(_ source: String) -> [UInt8] {
            var chain = ChainHash()
            chain.add(bytes: previous)
            chain.add(text: source)
            for number in [number, baseOffset, count, duplicates] { chain.add(number) }
            chain.add(text: kind)
            chain.add(knownAt ?? .min)
            chain.add(committedAt)
            chain.add(text: actor)
            chain.add(bytes: salt)
            chain.add(bytes: digest)
            return chain.finish()
        }

        private func secondHash(_ source: String) -> [UInt8] {
            var bytes = Array("firn batch 2".utf8)
            func word(_ value: Int64) {
                for shift in stride(from: 56, through: 0, by: -8) {
                    bytes.append(UInt8(truncatingIfNeeded: value >> shift))
                }
            }
            func part(_ value: [UInt8]?) {
                bytes.append(value == nil ? 0 : 1)
                guard let value else { return }
                word(Int64(value.count))
                bytes += value
            }
            bytes += previous
            part(Array(source.utf8))
            for number in [number, baseOffset, count, duplicates] { word(number) }
            part(Array(kind.utf8))
            word(knownAt ?? .min)
            word(committedAt)
            part(Array(actor.utf8))
            part(idempotencyKey.map { Array($0.utf8) })
            part(requestDigest)
            part(fileDigest)
            part(Array(origin.utf8))
            bytes += salt + digest
            return Array(SHA256.hash(data: bytes))
        }
    }

    package static let columns: SQL = """
        b.batch, b.base_offset, b.count, b.duplicates, b.kind, b.known_at, b.committed_at, b.actor, b.idempotency_key, b.request_digest, b.file_digest, b.origin, b.salt,
        b.rows_digest, b.previous, b.hash, b.version
        """

    /// Numbers for batches, ascending.
    static func numbers(_ count: Int, _ connection: Connection) throws -> [Int64] {
        try connection.execute(prepared: "select nextval('firn.batch_numbers') from generate_series(1, \(count))").map {
            try $0.int64(0)
        }.sorted()
    }
}

extension BatchLog.Recorded {
    /// How many columns it takes.
    package static let width = 17

    /// - Parameter row: begins with `BatchLog.columns`.
    package init(_ row: Rows.Row) throws {
        try self.init(
            number: row.int64(0), baseOffset: row.int64(1), count: row.int64(2), duplicates: row.int64(3),
            kind: row.text(4), knownAt: row.optionalTimestamp(5),
            committedAt: row.timestamp(6), actor: row.text(7), idempotencyKey: row.optionalText(8),
            requestDigest: row.optionalBytes(9), fileDigest: row.optionalBytes(10),
            origin: row.text(11), salt: row.bytes(12), digest: row.bytes(13), previous: row.bytes(14),
            hash: row.bytes(15), version: Int(row.int64(16)))
    }
}

/// The salted digest of a batch's rows, in their order: what the batch says about them forever.
///
///     SHA-256( salt  row… )
///     row   = u64 position  known_at  (u64 column's place, value) for each that isn't NULL  u64 2^64−1
///     value = bool, int64, float64's bits, timestamp, date: u64 · decimal: u128 · string: u64 length, UTF-8;  known_at = u64, −2^63 where unknown or pushed
///
/// A column that the source gains later is NULL in older rows and so changes nothing. Numbers are little-endian.
package struct RowsDigest {
    let salt: [UInt8]
    private var hash = SHA256()
    private var buffer: [UInt8] = []

    init(salt: [UInt8]) {
        self.salt = salt
        hash.update(data: salt)
    }

    package static func randomSalt() -> [UInt8] {
        // Two requests to the system, rather than one for each byte.
        var generator = SystemRandomNumberGenerator()
        return [generator.next(), generator.next()].flatMap { (word: UInt64) in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
        }
    }

    /// - Parameters:
    ///   - positions: each row's position in the batch, from 1.
    ///   - columns: every declared column, in the source's order.
    mutating func add(_ columns: [Column], positions: some Collection<Int>, knownAt: [Int64]?) {
        for (row, position) in positions.enumerated() {
            append(UInt64(bitPattern: Int64(position)))
            append(UInt64(bitPattern: knownAt?[row] ?? .min))
            for (place, column) in columns.enumerated() where !column.isNull(row) {
                append(UInt64(place))
                switch column.values {
                case .bits(let values): append(values[row] ? 1 : 0)
                case .words(let values): append(UInt64(bitPattern: values[row]))
                case .floats(let values): append(values[row].bitPattern)
                case .wides(let values): buffer.append(littleEndian: values[row])
                case .bytes(let values), .packed(let values):
                    let range = values.range(row)
                    append(UInt64(range.count))
                    buffer += values.bytes[range]
                }
            }
            append(.max)
            if buffer.count > 1 << 16 { flush() }
        }
    }

    private mutating func append(_ word: UInt64) { buffer.append(littleEndian: word) }

    private mutating func flush() {
        hash.update(data: buffer)
        buffer.removeAll(keepingCapacity: true)
    }

    mutating func finish() -> [UInt8] {
        flush()
        return Array(hash.finalize())
    }
}

extension SourceTable {
    /// Digests of batches' rows as they are now, one batch after another.
    ///
    /// - Parameters:
    ///   - batches: in the order of the log.
    ///   - areAll: whether the log has no others, or hardly any.
    ///   - take: called for each batch with its number of rows and their digest.
    package func digests(
        of batches: [(batch: Int64, salt: [UInt8], isPushed: Bool)], areAll: Bool, _ connection: Connection,
        progress: (Int) -> Void = { _ in },
        take: (Int, [UInt8]) throws -> Void
    ) throws {
        guard !batches.isEmpty else { return }
        let places = Dictionary(batches.enumerated().map { ($1.batch, $0) }) { first, _ in first }
        let only: SQL = areAll ? "true" : "b.batch = any(\(Parameter.array(.int64, batches.map { .int64($0.batch) })))"
        let list = SQL.joined(
            ["r.firn_batch", "r.firn_position", "r.firn_known_at"] + source.columns.map { "r.\(identifier: $0.name)" },
            by: ", ")
        var next = 0, digest = RowsDigest(salt: batches[0].salt), kept = 0, total = 0
        var columns = source.columns.map { ColumnBuilder($0.type) }, positions: [Int] = [], known: [Int64] = []
        func flush() {
            guard !positions.isEmpty else { return }
            digest.add(
                columns.indices.map { columns[$0].finish() }, positions: positions,
                knownAt: batches[next].isPushed ? nil : known)
            (positions, known) = ([], [])
        }
        func finish() throws {
            flush()
            try take(kept, digest.finish())
            next += 1
            if next < batches.count { (digest, kept) = (RowsDigest(salt: batches[next].salt), 0) }
        }
        try connection.stream(
            "select \(list) from \(rows) where b.source = \(source.name) and \(only) order by b.base_offset, r.firn_position"
        ) { row in
            guard let place = places[row.int64() ?? 0], place >= next else { return }
            while next < place { try finish() }
            positions.append(Int(row.int64() ?? 0))
            known.append(row.timestamp() ?? SourceRows.unknown)
            for index in columns.indices { columns[index].append(&row) }
            (kept, total) = (kept + 1, total + 1)
            if positions.count == 1 << 14 {
                flush()
                progress(total)
            }
        }
        while next < batches.count { try finish() }
    }
}
