internal import FeatureLanguage
internal import Foundation
package import Postgres

/// An erasure as its ledger entry records it. It holds nothing of the entity's keys.
package struct ErasureRecord: Codable, Sendable {
    package struct Batch: Codable, Sendable {
        package var batch: Int64
        /// How many of its rows were erased.
        package var rows: Int
        /// SHA-256 over its hash in the chain and the hash it would have with the new salt and the digest of the
        /// remaining rows.
        package var seal: String

        package init(batch: Int64, rows: Int, seal: String) {
            self.batch = batch
            self.rows = rows
            self.seal = seal
        }
    }

    package struct Snapshot: Codable, Sendable {
        package var id: String
        /// Blocks of 1,024 rows, numbered from 0, that held or read erased rows.
        package var blocks: [Int]
        /// The digest under which the rest of its spine is kept; nil if no part of the spine was erased.
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
    /// Runs that were sealed with erased rows: when they are sealed again, their addresses differ.
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

/// What all erasures left behind: where the past differs from what was recorded of it.
package struct Erasures: Sendable {
    /// By batch: how many rows were erased, and the seal of the rest.
    package private(set) var batches: [Int64: (rows: Int, seal: String)] = [:]
    /// By snapshot: blocks that may differ, and the digest under which its spine is kept. A later snapshot may bring
    /// the same spine again.
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

    /// The digest under which a snapshot's spine is kept now.
    ///
    /// - Parameter first: the digest under which it was first kept.
    package func spine(of snapshot: String, first: String) -> String { spines[snapshot] ?? first }
}
