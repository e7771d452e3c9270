internal import FeatureLanguage
internal import Foundation
package import Postgres

/// An erasure as its ledger entry says it. Of the entity's keys it holds nothing.
package struct ErasureRecord: Codable, Sendable {
    package struct Batch: Codable, Sendable {
        package var batch: Int64
        /// How many of its rows went.
        package var rows: Int
        /// SHA-256 of its hash in the chain, and of the hash that it would have with the new salt and the digest of the
        /// rows that are left.
        package var seal: String

        package init(batch: Int64, rows: Int, seal: String) {
            self.batch = batch
            self.rows = rows
            self.seal = seal
        }
    }

    package struct Snapshot: Codable, Sendable {
        package var id: String
        /// Blocks of 1,024 rows, from 0, that have or read rows that are gone.
        package var blocks: [Int]
        /// Under which digest what is left of its spine is kept; nil where nothing of it went.
        package var spine: String?

        package init(id: String, blocks: [Int], spine: String? = nil) {
            self.id = id
            self.blocks = blocks
            self.spine = spine
        }
    }

    package struct Spine: Codable, Sendable {
        package var from: String
        package var to: String
        package var rows: Int

        package init(from: String, to: String, rows: Int) {
            self.from = from
            self.to = to
            self.rows = rows
        }
    }

    package struct Run: Codable, Sendable {
        package var source: String
        package var keys: [String]
        package var after: Int64
        package var upTo: Int64

        package init(source: String, keys: [String], after: Int64, upTo: Int64) {
            self.source = source
            self.keys = keys
            self.after = after
            self.upTo = upTo
        }
    }

    package var reason: String
    package var rows: [String: Int]
    package var batches: [Batch]
    package var snapshots: [Snapshot]
    package var spines: [Spine]
    package var receipts: Int
    /// What was sealed with rows that are gone: sealed again, it has other addresses.
    package var runs: [Run]

    package init(
        reason: String, rows: [String: Int], batches: [Batch], snapshots: [Snapshot], spines: [Spine], receipts: Int,
        runs: [Run]
    ) {
        self.reason = reason
        self.rows = rows
        self.batches = batches
        self.snapshots = snapshots
        self.spines = spines
        self.receipts = receipts
        self.runs = runs
    }

    package static func seal(hash: [UInt8], now: [UInt8]) -> String {
        var chain = ChainHash()
        for part in [hash, now] { chain.add(bytes: part) }
        return chain.finish().hexadecimal
    }
}

/// What all erasures left behind: how the past differs from what was written down of it.
package struct Erasures: Sendable {
    /// By batch: how many rows went, and the seal of what is left.
    package private(set) var batches: [Int64: (rows: Int, seal: String)] = [:]
    /// By snapshot: blocks that may differ, and under which digest its spine is kept. The same spine may come again
    /// with a later one.
    package private(set) var blocks: [String: Set<Int>] = [:]
    private var spines: [String: String] = [:]

    package init(_ connection: Connection) throws {
        for entry in try Ledger.entries(of: ["erase"], connection) {
            let record = try JSONDecoder().decode(ErasureRecord.self, from: Data(entry.body.utf8))
            for batch in record.batches {
                batches[batch.batch] = ((batches[batch.batch]?.rows ?? 0) &+ batch.rows, batch.seal)
            }
            for snapshot in record.snapshots {
                blocks[snapshot.id, default: []].formUnion(snapshot.blocks)
                if let spine = snapshot.spine { spines[snapshot.id] = spine }
            }
        }
    }

    /// Under which digest a snapshot's spine is kept now.
    ///
    /// - Parameter first: under which it was.
    package func spine(of snapshot: String, first: String) -> String { spines[snapshot] ?? first }
}
