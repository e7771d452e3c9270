internal import FeatureLanguage
internal import Foundation
internal import Postgres

/// An erasure as its ledger entry says it. Of the entity's keys it holds nothing.
struct ErasureRecord: Codable, Sendable {
    struct Batch: Codable, Sendable {
        var batch: Int64
        /// How many of its rows went.
        var rows: Int
        /// SHA-256 of its hash in the chain, and of the hash that it would have with the new salt and the digest of the rows that are left.
        var seal: String
    }

    struct Snapshot: Codable, Sendable {
        var id: String
        /// Blocks of 1,024 rows, from 0, that have or read rows that are gone.
        var blocks: [Int]
        /// Under which digest what is left of its spine is kept; nil where nothing of it went.
        var spine: String?
    }

    struct Spine: Codable, Sendable {
        var from: String
        var to: String
        var rows: Int
    }

    struct Run: Codable, Sendable {
        var source: String
        var keys: [String]
        var after: Int64
        var upTo: Int64
    }

    var reason: String
    var rows: [String: Int]
    var batches: [Batch]
    var snapshots: [Snapshot]
    var spines: [Spine]
    var receipts: Int
    /// What was sealed with rows that are gone: sealed again, it has other addresses.
    var runs: [Run]

    static func seal(hash: [UInt8], now: [UInt8]) -> String {
        var chain = ChainHash()
        for part in [hash, now] { chain.add(bytes: part) }
        return chain.finish().hexadecimal
    }
}

/// What all erasures left behind: how the past differs from what was written down of it.
struct Erasures: Sendable {
    /// By batch: how many rows went, and the seal of what is left.
    private(set) var batches: [Int64: (rows: Int, seal: String)] = [:]
    /// By snapshot: blocks that may differ, and under which digest its spine is kept. The same spine may come again with a later one.
    private(set) var blocks: [String: Set<Int>] = [:]
    private var spines: [String: String] = [:]

    init(_ connection: Connection) throws {
        for entry in try Ledger.entries(of: ["erase"], connection) {
            let record = try JSONDecoder().decode(ErasureRecord.self, from: Data(entry.body.utf8))
            for batch in record.batches { batches[batch.batch] = ((batches[batch.batch]?.rows ?? 0) &+ batch.rows, batch.seal) }
            for snapshot in record.snapshots {
                blocks[snapshot.id, default: []].formUnion(snapshot.blocks)
                if let spine = snapshot.spine { spines[snapshot.id] = spine }
            }
        }
    }

    /// Under which digest a snapshot's spine is kept now.
    ///
    /// - Parameter first: under which it was.
    func spine(of snapshot: String, first: String) -> String { spines[snapshot] ?? first }
}
