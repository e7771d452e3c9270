internal import Crypto
public import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
public import Tables

/// The record of a training set: everything from which the same rows come back.
public struct Manifest: Sendable, Codable {
    public struct Output: Sendable, Codable {
        public var name: String
        public var function: VersionedName
        public var kind: FunctionKind
        public var type: ValueType
        public var fingerprint: Fingerprint
    }

    public struct SpineRecord: Sendable, Codable {
        /// SHA-256 of its CSV text.
        public var digest: String
        public var timestamp: String
        public var null: String?
        public var epoch: String?
    }

    public var id: String
    public var name: String?
    public var set: VersionedName
    public var fingerprint: Fingerprint
    public var outputs: [Output]
    public var mode: Reading.Mode
    public var knownBy: String?
    /// By source: how far its log was read.
    public var cuts: [String: Int64]
    /// By source: when its newest batch at the cut was committed, in microseconds since 1970.
    public var newestCommits: [String: Int64]
    public var rows: Int
    public var digest: String
    /// The hashes of each output column's blocks of 1,024 rows.
    public var blocks: [String: [String]]
    public var spine: SpineRecord
    public var createdAt: String
    public var actor: String
    public var engine: String
}

/// What a snapshot is made of.
public struct SnapshotRequest: Sendable {
    public var set: String
    public var name: String?
    public var timestamp: String
    public var mode: Reading.Mode
    public var knownBy: Instant?
    public var options: ReadOptions

    public init(
        set: String, name: String? = nil, timestamp: String = FeatureSet.instantColumn, mode: Reading.Mode = .asServed, knownBy: Instant? = nil,
        options: ReadOptions = ReadOptions()
    ) {
        self.set = set
        self.name = name
        self.timestamp = timestamp
        self.mode = mode
        self.knownBy = knownBy
        self.options = options
    }
}

extension Store {
    /// Computes a training set for a spine, writes it to a file and records how it came to be.
    ///
    /// - Parameters:
    ///   - spinePath: the rows to get features for.
    ///   - output: where the result goes; nil records the snapshot alone. The file appears once the record is committed.
    public func createSnapshot(_ request: SnapshotRequest, spine spinePath: String, output: String?) async throws -> Manifest {
        let actor = actor
        return try await withCatalog { connection, catalog in
            let set = try catalog.set(named: request.set)
            let plan = Plan(set, in: catalog)
            let file = try SpineFile(path: spinePath, plan: plan, timestamp: request.timestamp, options: request.options)
            for output in plan.outputs where file.passed.contains(where: { $0.name == output.name }) {
                throw TableError(file: spinePath, line: 1, column: output.name, message: "has the name of an output of \(request.set)", advice: "rename or drop it")
            }
            let (outputs, heads) = try connection.transaction(.repeatableReadOnly) {
                // The cuts of all sources, in one statement: rows loaded later don't change the snapshot.
                let heads = try Heads(catalog.sources.keys.sorted(), connection)
                let reading = Reading(mode: request.mode, knownBy: request.knownBy?.microseconds, cuts: heads.cuts, newestCommits: heads.newestCommits)
                let loader = RowLoader(spine: file.spine, cuts: heads.cuts, connection: connection)
                return (try plan.evaluate(file.spine, reading, rows: loader.load), heads)
            }
            let writer = try output.map { try TableWriter(path: $0) }
            try writer?.write(file, plan.table(outputs))
            let manifest = try Store.record(request, set, plan, file, outputs, heads, connection, actor: actor)
            try writer?.publish()
            return manifest
        }
    }

    private static func record(
        _ request: SnapshotRequest, _ set: FeatureSet, _ plan: Plan, _ file: SpineFile, _ outputs: Outputs, _ heads: Heads, _ connection: Connection, actor: String
    ) throws -> Manifest {
        let text = SpineHash()
        let pieces = try file.archive { text.add($0) }
        let digest = Digest(plan.result(file.spine, outputs))
        let names = Set(plan.outputs.map(\.name))
        let entries = set.features + set.labels
        var manifest = Manifest(
            id: "", name: request.name, set: set.definition.name, fingerprint: set.fingerprint,
            outputs: entries.map {
                Manifest.Output(name: $0.output, function: $0.function.name, kind: $0.function.kind, type: $0.function.type, fingerprint: $0.function.fingerprint)
            },
            mode: request.mode, knownBy: request.knownBy?.description, cuts: heads.cuts, newestCommits: heads.newestCommits, rows: file.rowCount,
            digest: digest.description, blocks: Dictionary(uniqueKeysWithValues: digest.blocks.filter { names.contains($0.name) }),
            spine: Manifest.SpineRecord(digest: text.finish(), timestamp: request.timestamp, null: request.options.null, epoch: request.options.epoch?.rawValue),
            createdAt: Instant(microseconds: heads.now).description, actor: actor, engine: "firn 1")
        manifest.id = "snap_" + SHA256.hash(data: Array(try canonicalJSON(manifest).utf8)).hexadecimal.prefix(16)
        let record = manifest
        try connection.transaction {
            let held = try connection.execute("select from firn.spines where digest = \(record.spine.digest) limit 1").count > 0
            if !held {
                for (index, piece) in pieces.enumerated() {
                    // Somebody may keep the same spine at this moment.
                    try connection.execute("insert into firn.spines values (\(record.spine.digest), \(index)::int, \(piece)) on conflict do nothing")
                }
            }
            let body = try canonicalJSON(record)
            let summary: JSON = .object([
                "digest": .string(record.digest), "fingerprint": .string(record.fingerprint.description),
                "manifest_digest": .string(SHA256.hash(data: Array(body.utf8)).hexadecimal),
                "rows": JSON(record.rows), "set": .string(record.set.description),
            ])
            let entry = try Ledger(connection: connection, actor: actor).append(kind: "snapshot", subject: "snapshot \(record.id)", body: summary.description)
            try connection.execute(
                """
                insert into firn.snapshots (id, name, set_name, manifest, spine, created_at, actor, entry)
                values (\(record.id), \(record.name), \(record.set.description), \(body), \(record.spine.digest), \(.timestamp(heads.now)), \(actor), \(entry))
                """)
        }
        return record
    }

    /// Every snapshot, the newest first.
    public func snapshots() async throws -> [Manifest] {
        try await withCatalog { connection, _ in
            let rows = try connection.execute("select manifest from firn.snapshots order by entry desc")
            return try rows.map { row throws in try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0))) }
        }
    }

    /// A snapshot by its id, or the newest of a name.
    public func snapshot(_ id: String) async throws -> Manifest {
        try await withCatalog { connection, _ in
            let rows = try connection.execute("select manifest from firn.snapshots where id = \(id) or name = \(id) order by id = \(id) desc, entry desc limit 1")
            guard let row = rows.first else { throw StoreError(.notFound, "unknown snapshot '\(id.prefix(80))'", advice: "firn snapshot list shows what there is") }
            return try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0)))
        }
    }
}

/// SHA-256 of a spine's text as it goes by.
private final class SpineHash {
    private var hash = SHA256()

    func add(_ bytes: [UInt8]) { hash.update(data: bytes) }
    func finish() -> String { hash.finalize().hexadecimal }
}
