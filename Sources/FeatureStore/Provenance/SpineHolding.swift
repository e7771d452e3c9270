internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import Tables

/// Training sets: their manifests, and the spines kept with them.
enum SpineHolding: Holding {
    static let tables = ["firn.snapshots", "firn.spines"]
    static let vacuumed = ["firn.spines"]

    private static let sampleOfSnapshots = 10

    static func erase(_ gone: GoneRows, of whom: ErasedEntity, _ done: inout ErasedSoFar) throws {
        let (snapshots, spines) = try readers(gone, whom)
        for spine in spines { try replace(spine, gone.connection) }
        (done.snapshots, done.spines) = (snapshots, spines.map(\.record))
        done.erasure.snapshots = snapshots.filter { !$0.blocks.isEmpty }.map(\.id)
        done.erasure.spineRows = spines.reduce(0) { $0 + $1.record.rows }
    }

    static func verify(_ work: inout HistoryWork) throws {
        let limit = work.all ? Int.max : sampleOfSnapshots
        work.snapshots = try work.connection.execute("select id from firn.snapshots order by random() limit \(limit)")
            .map { try $0.text(0) }
    }

    private struct ChangedSpine {
        var record: ErasureRecord.Spine
        var pieces: [[UInt8]]
    }

    /// A kept spine and what was found in it; several snapshots may share it.
    private struct FoundSpine {
        /// Any one of the snapshots that share it.
        var manifest: Manifest
        /// The entity's rows, of which only instants stay; and rows of others that carry its keys in columns that pass
        /// through, of which only what sets read stays.
        var own: Set<Int> = []
        var passing: Set<Int> = []
        var instants: Set<String> = []
        var read: Set<String> = []
    }

    /// The snapshots that have or read rows that are gone, and kept spines with the entity's rows taken out.
    private static func readers(_ gone: GoneRows, _ whom: ErasedEntity) throws -> (
        [ErasureRecord.Snapshot], [ChangedSpine]
    ) {
        let connection = gone.connection, catalog = whom.catalog, erasures = try Erasures(connection),
            blockRows = FeatureEngine.Digest.blockRows
        var readers: [(id: String, address: String, blocks: Set<Int>)] = [], spines: [String: FoundSpine] = [:]
        for row in try connection.execute("select manifest from firn.snapshots order by entry").map({ $0 }) {
            try Task.checkCancellation()
            let manifest = try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0)))
            let set = try catalog.set(named: manifest.set.description), plan = Plan(set, in: catalog)
            let (file, _) = try KeptSpine(manifest, erasures).read(plan, connection),
                address = erasures.spine(of: manifest.id, first: manifest.spine.digest)
            var spine = spines[address] ?? FoundSpine(manifest: manifest)
            spine.instants.insert(manifest.spine.timestamp)
            spine.read.formUnion([manifest.spine.timestamp] + (plan.keys + plan.requests).map(\.name))
            spine.passing.formUnion(try whom.passing(file))
            let found = try SpineReaders(file.spine, plan, whom.carriers(in: set), whom.key, manifest.cuts, gone)
            spine.own.formUnion(found.own)
            readers.append((manifest.id, address, Swift.Set(found.all.map { $0 / blockRows })))
            spines[address] = spine
        }
        var changed: [ChangedSpine] = [], addresses: [String: String] = [:]
        for (address, spine) in spines.sorted(by: { $0.key < $1.key })
        where !spine.own.isEmpty || !spine.passing.isEmpty {
            let plan = Plan(try catalog.set(named: spine.manifest.set.description), in: catalog)
            let file = try KeptSpine(spine.manifest, erasures).intact(plan, connection)
                .erasing(spine.own, keeping: spine.instants).erasing(
                    spine.passing.subtracting(spine.own), keeping: spine.read)
            let hash = TextHash(), pieces = try file.archive { hash.add($0) }
            let record = ErasureRecord.Spine(
                from: address, to: hash.finish(), rows: spine.own.union(spine.passing).count)
            changed.append(ChangedSpine(record: record, pieces: pieces))
            addresses[address] = record.to
        }
        // What is taken out of a spine is gone from all snapshots that share it.
        let snapshots = readers.compactMap { reader -> ErasureRecord.Snapshot? in
            let blocks = reader.blocks.union(spines[reader.address]!.own.map { $0 / blockRows })
            return blocks.isEmpty && addresses[reader.address] == nil
                ? nil : ErasureRecord.Snapshot(id: reader.id, blocks: blocks.sorted(), spine: addresses[reader.address])
        }
        return (snapshots, changed)
    }

    private static func replace(_ spine: ChangedSpine, _ connection: Connection) throws {
        try connection.unguarded("firn.spines") { "delete from firn.spines where digest = \(spine.record.from)" }
        for (index, piece) in spine.pieces.enumerated() {
            try connection.execute(
                "insert into firn.spines values (\(spine.record.to), \(index)::int, \(piece)) on conflict do nothing")
        }
    }
}

/// Rows of a spine, from 0: the entity's own, and all that belong to it or read rows that are gone.
struct SpineReaders {
    var own: [Int] = []
    var all: [Int] = []

    init(
        _ spine: Spine, _ plan: Plan, _ own: [[String]], _ key: [Column], _ cuts: [String: Int64], _ gone: GoneRows
    ) throws {
        let wanted = EntityKey(key, 0)
        var isOwn = Array(repeating: false, count: spine.instants.count), isReader = isOwn
        for columns in own {
            let parts = columns.map { spine.columns[$0]! }
            for row in isOwn.indices where EntityKey(parts, row) == wanted { isOwn[row] = true }
        }
        for group in plan.groups where gone.sources.contains(group.source.name) {
            let cut = cuts[group.source.name] ?? 0, tuples = try gone.tuples(group.source, group.keys.map(\.column))
            let parts = group.keys.map { spine.columns[$0.spine]! }
            for row in isReader.indices {
                if let key = EntityKey(parts, row), let first = tuples[key], first <= cut { isReader[row] = true }
            }
        }
        for row in isOwn.indices {
            if isOwn[row] { self.own.append(row) }
            if isOwn[row] || isReader[row] { all.append(row) }
        }
    }
}
