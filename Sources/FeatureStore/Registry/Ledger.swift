internal import Crypto
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Tables

/// The append-only, hash-chained record of everything registered, loaded or governed.
///
///     hash = SHA-256( previous hash  u64 entry  u64 at (µs since 1970)  text actor  text kind  text subject  text body )
///     text = u64 length, UTF-8; numbers little-endian
struct Ledger {
    let connection: Connection
    let actor: String

    /// Holds the ledger to the transaction's end, so that entries follow each other.
    func lock() throws {
        try connection.execute("select pg_advisory_xact_lock(\(Lock.space)::int, \(Lock.ledger)::int)")
    }

    /// Adds an entry and gives its number. Inside a transaction, of which it should be nearly the last act.
    func append(kind: String, subject: String, body: String) throws -> Int64 {
        try lock()
        let last = try connection.execute(
            "select entry, hash, clock_timestamp() from (select entry, hash from firn.ledger union all select 0, ''::bytea) l order by entry desc limit 1"
        ).first!
        let entry = last.int64(0) + 1, previous = last.bytes(1), at = last.timestamp(2)
        let hash = Ledger.hash(previous: previous, entry: entry, at: at, actor: actor, kind: kind, subject: subject, body: body)
        try connection.execute(
            "insert into firn.ledger values (\(entry), \(.timestamp(at)), \(actor), \(kind), \(subject), \(body), \(previous), \(hash))")
        return entry
    }

    static func hash(previous: [UInt8], entry: Int64, at: Int64, actor: String, kind: String, subject: String, body: String) -> [UInt8] {
        var hash = ChainHash()
        hash.add(bytes: previous)
        hash.add(entry)
        hash.add(at)
        for text in [actor, kind, subject, body] { hash.add(text: text) }
        return hash.finish()
    }
}

/// SHA-256 over parts that can't run into each other.
struct ChainHash {
    private var hash = SHA256()

    mutating func add(bytes: [UInt8]) { hash.update(data: bytes) }

    mutating func add(_ number: Int64) {
        hash.update(data: (0..<8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) })
    }

    mutating func add(text: String) {
        add(Int64(text.utf8.count))
        hash.update(data: Array(text.utf8))
    }

    mutating func finish() -> [UInt8] { Array(hash.finalize()) }
}

/// JSON with sorted keys and no spaces: one text for one value.
func canonicalJSON(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
