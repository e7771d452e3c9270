internal import Crypto
internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
package import Postgres
internal import Tables

/// One thing that was registered, loaded or governed: who did it, when, and to what.
public struct LedgerEntry: Sendable {
    /// From 1, without gaps.
    public var number: Int64
    /// When it was written, by the database's clock.
    public var at: Instant
    /// Who did it: a token's name, or the name that the store was opened with.
    public var actor: String
    /// `register`, `extend`, `note`, `import`, `snapshot`, `model`, `point`, `deprecate`, `retire`, `token`, `revoke`,
    /// `erase`.
    public var kind: String
    /// What it is about, such as `feature spend_7d.v1`.
    public var subject: String
    /// What was done, as canonical JSON.
    public var body: String
    /// SHA-256 over this entry and the hash of the one before it.
    public var hash: [UInt8]
}

/// The append-only, hash-chained record of everything registered, loaded or governed.
///
///     hash = SHA-256( previous hash  u64 entry  u64 at (µs since 1970)  text actor  text kind  text subject  text body )
///     text = u64 length, UTF-8; numbers little-endian
package struct Ledger {
    let connection: Connection
    package let actor: String

    package init(connection: Connection, actor: String) {
        self.connection = connection
        self.actor = actor
    }

    /// Holds the ledger until the transaction ends, so that entries follow one another.
    package func lock() throws {
        try connection.execute(Lock.statement(Lock.ledger))
    }

    /// Under the lock: refuses a result that was computed from rows erased in the meantime.
    ///
    /// - Parameter entry: the newest erasure at the time the computation began.
    package func refuseErased(since entry: Int64) throws {
        guard
            try connection.execute("select exists (select from firn.ledger where kind = 'erase' and entry > \(entry))")
                .single().bool(0)
        else { return }
        throw StoreError(.behind, "something was erased while this was computed", advice: "ask again")
    }

    /// Kinds that no server writes.
    private static let ownersKinds: Set = ["token", "revoke", "erase"]

    /// Adds an entry through the owner's functions (migrations/0010_server_functions.sql). Runs inside a transaction
    /// and should be nearly its last act.
    package func append(kind: String, subject: String, body: String) throws -> LedgerEntry {
        let function: SQL = Ledger.ownersKinds.contains(kind) ? "write_entry" : "append_entry"
        let written = try connection.execute(
            "select entry, at, hash from firn.\(function)(\(actor), \(kind), \(subject), \(body))"
        ).single()
        return try LedgerEntry(
            number: written.int64(0), at: Instant(microseconds: written.timestamp(1)), actor: actor, kind: kind,
            subject: subject, body: body, hash: written.bytes(2))
    }

    /// The newest entry that changed what is registered or served.
    package static let governed: SQL = """
        coalesce((select max(entry) from firn.ledger
            where kind in ('register', 'extend', 'note', 'model', 'point', 'deprecate', 'retire', 'erase')), 0)
        """

    /// Entries of some kinds, oldest first.
    ///
    /// - Parameter until: no entry later than this; nil for all.
    package static func entries(of kinds: [String], until: Instant? = nil, _ connection: Connection) throws
        -> [LedgerEntry]
    {
        let kinds: Parameter = .array(.text, kinds.map { .text($0) }),
            until = (until ?? Instant.range.upperBound).microseconds
        return try connection.execute(
            "select \(columns) from firn.ledger where kind = any(\(kinds)) and at <= \(.timestamp(until)) order by entry"
        ).map { try LedgerEntry($0) }
    }

    package static let columns: SQL = "entry, at, actor, kind, subject, body, hash"

    package static func hash(
        previous: [UInt8], entry: Int64, at: Int64, actor: String, kind: String, subject: String, body: String
    ) -> [UInt8] {
        var hash = ChainHash()
        hash.add(bytes: previous)
        hash.add(entry)
        hash.add(at)
        for text in [actor, kind, subject, body] { hash.add(text: text) }
        return hash.finish()
    }
}

extension LedgerEntry {
    fileprivate init(_ row: Rows.Row) throws {
        try self.init(
            number: row.int64(0), at: Instant(microseconds: row.timestamp(1)), actor: row.text(2), kind: row.text(3),
            subject: row.text(4), body: row.text(5), hash: row.bytes(6))
    }

    /// The entry as HTTP and `--json` show it. Hashes of tokens' secrets, which older entries hold, are replaced by
    /// null and marked `redacted`.
    public var json: JSON {
        let (body, isRedacted) = shown
        return .object(
            [
                JSON.Member("entry", JSON(number)), JSON.Member("at", .string(at.description)),
                JSON.Member("actor", .string(actor)), JSON.Member("kind", .string(kind)),
                JSON.Member("subject", .string(subject)), JSON.Member("body", body),
                JSON.Member("hash", .string(hash.hexadecimal)),
            ] + (isRedacted ? [JSON.Member("redacted", .bool(true))] : []))
    }

    /// The body for readers of the ledger: the hashes of tokens' secrets, which older entries hold, are for nobody.
    private var shown: (body: JSON, isRedacted: Bool) {
        guard let body = try? JSON(parsing: Array(body.utf8)) else { return (.string(body), false) }
        guard kind == "token", case .object(let members) = body, body["hash"] != nil else { return (body, false) }
        return (
            .object(
                members.map { $0.key == "hash" ? JSON.Member("hash", .null) : $0 } + [
                    JSON.Member("redacted", .bool(true))
                ]), true
        )
    }
}

extension StorePart {
    package func ledgerEntries(subject: String? = nil, kind: String? = nil, before: Int64? = nil, count: Int = 100)
        async throws -> [LedgerEntry]
    {
        try await withCatalog { connection, _ in
            guard !(subject ?? "").utf8.contains(0), !(kind ?? "").utf8.contains(0) else { return [] }
            return try connection.execute(
                """
                select \(Ledger.columns) from firn.ledger
                where (\(subject) is null or subject = \(subject) or split_part(subject, ' ', 2) = \(subject)) and (\(kind) is null or kind = \(kind))
                    and entry < \(before ?? .max) order by entry desc limit \(count)
                """
            ).map { try LedgerEntry($0) }
        }
    }
}

/// SHA-256 over parts that can't run into one another.
package struct ChainHash {
    private var hash = SHA256()

    package init() {}

    package mutating func add(bytes: [UInt8]) { hash.update(data: bytes) }

    package mutating func add(_ number: Int64) {
        var bytes: [UInt8] = []
        bytes.append(littleEndian: number)
        hash.update(data: bytes)
    }

    package mutating func add(text: String) {
        add(Int64(text.utf8.count))
        hash.update(data: Array(text.utf8))
    }

    package mutating func finish() -> [UInt8] { Array(hash.finalize()) }
}

/// JSON with sorted keys and no spaces, so that each value has exactly one text.
package func canonicalJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
