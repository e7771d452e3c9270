internal import ArrowIPC
internal import FeatureEngine
internal import Foundation
package import Postgres
internal import SegmentFormat
internal import StoreRecord

/// Blocks from this machine's copies, otherwise from the store.
///
/// Sendable: the connection is used by one thread at a time, under the lock.
final class KeptBlocks: BlockSupply, @unchecked Sendable {
    private let connection: Connection
    private let lock = NSLock()
    private let cache: SegmentCache?
    private let store: String

    init(_ connection: Connection, cache: SegmentCache?) throws {
        self.connection = connection
        self.cache = cache
        store = try StoreContext.identity(connection)
        try cache?.evictUnlisted(of: store, connection)
    }

    func plain(_ blocks: [SegmentBlock]) throws -> [[UInt8]: PlainBlock] {
        var found: [[UInt8]: PlainBlock] = [:], missing: [SegmentBlock] = []
        for block in blocks {
            if let copy = cache?.read(block, of: store) { found[block.address] = copy } else { missing.append(block) }
        }
        let bodies = try fetch(missing.map(\.address))
        for block in missing {
            guard let body = bodies[block.address],
                let column = try? ArrowBlock.decode(body, maximumBytes: block.bytes),
                let bytes = try? ArrowBlock.encode(column, isCompressed: false), let plain = PlainBlock(bytes, block)
            else { continue }
            cache?.write(bytes, for: block, of: store)
            found[block.address] = plain
        }
        return found
    }

    /// Files as the store has them, by their addresses.
    private func fetch(_ addresses: [[UInt8]]) throws -> [[UInt8]: [UInt8]] {
        if addresses.isEmpty { return [:] }
        let rows = try lock.withLock {
            try connection.execute(
                "select address, body from firn_cache.bodies where address = any(\(Parameter.array(.bytes, addresses.map { .bytes($0) })))"
            )
        }
        return Dictionary(try rows.map { (try $0.bytes(0), $0.optionalBytes(1) ?? []) }) { first, _ in first }
    }
}

extension SegmentCache {
    /// Deletes the copies of blocks that the store no longer lists.
    package func evictUnlisted(of store: String, _ connection: Connection) throws {
        try evict(
            of: store,
            state: try connection.execute(
                "select md5(coalesce(string_agg(run::text, ',' order by run), '')) from firn_cache.runs"
            ).single().text(0)
        ) {
            let listed = try connection.execute(
                "select distinct address from firn_cache.blocks where address = any(\(Parameter.array(.bytes, $0.map { .bytes($0) })))"
            )
            return try Set(listed.map { try $0.bytes(0) })
        }
    }
}
