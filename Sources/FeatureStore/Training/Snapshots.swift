internal import Crypto
public import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import StoreRows
internal import Synchronization
public import Tables

/// What a snapshot is made of.
public struct SnapshotRequest: Sendable {
    /// The set's name, or that of a pointer (`fraud@production`).
    public var set: String
    /// A name for the snapshot, of 1 to 200 bytes and not beginning with `snap_`; nil for none.
    public var name: String?
    /// The spine's column that holds the instants.
    public var timestamp: String
    /// Whether rows count as served or in hindsight.
    public var mode: Reading.Mode
    /// Leaves out rows that became known later than this; nil leaves out none.
    public var knownBy: Instant?
    /// How the spine is read: its word for NULL, the unit of integer times, CSV's delimiter.
    public var options: ReadOptions
    /// The id or name of a snapshot whose cuts are taken; nil takes the newest.
    public var at: String?
    /// Adds a column that divides the rows into parts; nil adds none.
    public var split: Split?
    /// Whether the values are kept in the store, so that fetching them needs no computing.
    public var keeps: Bool

    /// Asks for a set as served, at the newest cuts, with nothing kept but the record, unless told otherwise.
    public init(
        set: String, name: String? = nil, timestamp: String = FeatureSet.instantColumn, mode: Reading.Mode = .asServed,
        knownBy: Instant? = nil,
        options: ReadOptions = ReadOptions(), at: String? = nil, split: Split? = nil, keeps: Bool = false
    ) {
        self.set = set
        self.name = name
        self.timestamp = timestamp
        self.mode = mode
        self.knownBy = knownBy
        self.options = options
        self.at = at
        self.split = split
        self.keeps = keeps
    }
}

/// How far the computation of a training set has come.
public enum TrainingProgress: Sendable {
    /// This many rows have come from a source's table: those that aren't sealed, or all that a small spine needs.
    case reading(source: String, rows: Int)
    /// This many rows of the spine have their values.
    case computing(rows: Int, of: Int)
}

extension StoreTraining {
    /// Computes a training set for a spine, writes it to a file and records how it came to be.
    ///
    /// - Parameters:
    ///   - request: the set, and how the spine and the logs are read.
    ///   - spinePath: the rows to get features for.
    ///   - output: where the result goes; nil records the snapshot alone. The file appears once the record is
    ///     committed.
    ///   - progress: called from several threads.
    public func createSnapshot(
        _ request: SnapshotRequest, spine spinePath: String, output: String?,
        progress: @escaping @Sendable (TrainingProgress) -> Void = { _ in }
    ) async throws -> Manifest {
        try await createSnapshot(request, name: spinePath, output: output, progress: progress) {
            plan throws(TableError) in
            try SpineFile(path: spinePath, plan: plan, timestamp: request.timestamp, options: request.options)
        }
    }

    /// Computes and records a training set over a spine that needn't be a file.
    ///
    /// - Parameters:
    ///   - request: the set, and how the spine and the logs are read.
    ///   - name: what errors call the spine.
    ///   - output: where the result goes; nil records the snapshot alone.
    ///   - progress: called from several threads.
    ///   - spine: reads the spine for a plan.
    public func createSnapshot(
        _ request: SnapshotRequest, name: String, output: String? = nil,
        progress: @escaping @Sendable (TrainingProgress) -> Void = { _ in },
        spine: @escaping @Sendable (Plan) throws -> SpineFile
    ) async throws -> Manifest {
        let store = self
        if let name = request.name {
            guard !name.isEmpty, name.utf8.count <= 200, !name.hasPrefix("snap_"), !name.utf8.contains(0) else {
                throw StoreError(
                    .invalidRequest, "a snapshot's name has 1 to 200 bytes, and doesn't begin like an id (snap_)",
                    advice: "as in churn-may")
            }
        }
        // The file is written while the rows are hashed; it appears once the snapshot is recorded.
        let writer = try output.map { try OutputFile(path: $0) }
        let spine = { @Sendable (plan: Plan) in
            let file = try spine(plan)
            try writer?.require(file)
            return file
        }
        return try await computing(request, name, progress, spine) { computed, connection in
            let manifest = try store.record(
                request, computed, Prepared(computed, writer, threads: store.threads), connection)
            try writer?.publish()
            return manifest
        }
    }

    /// Computes a training set without recording it: for what is computed often and never asked for again, such as a
    /// step of a pipeline.
    ///
    /// - Parameters:
    ///   - request: its name, and whether values are kept, mean nothing here.
    ///   - name: what errors call the spine.
    ///   - progress: called from several threads.
    ///   - spine: reads the spine for a plan.
    public func trainingSet(
        _ request: SnapshotRequest, name: String, progress: @escaping @Sendable (TrainingProgress) -> Void = { _ in },
        spine: @escaping @Sendable (Plan) throws -> SpineFile
    ) async throws -> TrainingSet {
        try await computing(request, name, progress, spine) { computed, _ in
            TrainingSet(file: computed.file, values: computed.values, warnings: computed.warnings)
        }
    }

    private func computing<Result: Sendable>(
        _ request: SnapshotRequest, _ name: String, _ progress: @escaping @Sendable (TrainingProgress) -> Void,
        _ spine: @escaping @Sendable (Plan) throws -> SpineFile,
        _ body: @escaping @Sendable (Computed, Connection) throws -> Result
    ) async throws -> Result {
        let store = self
        var earlier: Manifest?
        if let at = request.at { earlier = try await snapshot(at) }
        return try await withRegistry { [earlier] connection, known in
            let catalog = known.catalog, set = try catalog.set(named: known.governance.set(named: request.set).set)
            try known.governance.refuseRetired(set, catalog)
            let plan = Plan(set, in: catalog)
            let file = try spine(plan)
            try file.requireText(name: name)
            try file.requireFree(
                plan.outputs.map { ($0.name, "an output of \(set.definition.name)") }
                    + (request.split == nil ? [] : [(Split.column, "the split's column")]), name: name)
            let damage = FoundDamage()
            let (outputs, heads, empty) = try connection.transaction(.repeatableReadOnly) {
                // The cuts of all sources, in one statement: rows loaded later don't change the snapshot.
                var heads = try Heads(catalog.sources.keys.sorted(), connection)
                if let earlier { (heads.cuts, heads.newestCommits) = (earlier.cuts, earlier.newestCommits) }
                let reading = Reading(
                    mode: request.mode, knownBy: request.knownBy?.microseconds, cuts: heads.cuts,
                    newestCommits: heads.newestCommits)
                let outputs = try plan.train(file.spine, reading, store, connection, damage: damage, progress: progress)
                return (outputs, heads, try Emptiness(plan, file.spine, reading, connection).warnings(outputs))
            }
            damage.forget(connection)
            let values = try plan.values(outputs, request.split, file),
                warnings = known.governance.warnings(set, catalog) + empty + damage.warnings
            return try body(
                Computed(
                    set: set, plan: plan, file: file, outputs: outputs, values: values, heads: heads, at: earlier?.id,
                    warnings: warnings), connection)
        }
    }

    private func record(
        _ request: SnapshotRequest, _ computed: Computed, _ prepared: Prepared, _ connection: Connection
    ) throws -> Manifest {
        let (set, plan, file, heads) = (computed.set, computed.plan, computed.file, computed.heads)
        let digest = prepared.digest, pieces = prepared.spine
        let names = Set(plan.outputs.map(\.name))
        let entries = set.features + set.labels
        var manifest = Manifest(
            id: "", name: request.name, set: set.definition.name, fingerprint: set.fingerprint,
            outputs: entries.map {
                Manifest.Output(
                    name: $0.output, function: $0.function.name, kind: $0.function.kind, type: $0.function.type,
                    fingerprint: $0.function.fingerprint)
            },
            mode: request.mode, knownBy: request.knownBy?.description, cuts: heads.cuts,
            newestCommits: heads.newestCommits, at: computed.at,
            split: request.split, rows: file.rowCount, digest: digest.description,
            blocks: Dictionary(digest.blocks.filter { names.contains($0.name) }) { first, _ in first },
            spine: Manifest.SpineRecord(
                digest: prepared.spineDigest, timestamp: request.timestamp, null: request.options.null,
                epoch: request.options.epoch?.rawValue,
                layout: file.isTyped ? file.archiveLayout.rawValue : nil),
            createdAt: Instant(microseconds: heads.now).description, actor: actor, engine: "firn 1")
        manifest.id = "snap_" + SHA256.hash(data: Array(try canonicalJSON(manifest).utf8)).hexadecimal.prefix(16)
        let record = manifest
        manifest.warnings = computed.warnings
        try connection.transaction {
            let ledger = Ledger(connection: connection, actor: actor)
            try ledger.lock()
            try ledger.refuseErased(since: heads.erased)
            let held =
                try connection.execute("select from firn.spines where digest = \(record.spine.digest) limit 1").count
                > 0
            if !held {
                for (index, piece) in pieces.enumerated() {
                    // Somebody else may be keeping the same spine at this moment.
                    try connection.execute(
                        "insert into firn.spines values (\(record.spine.digest), \(index)::int, \(piece)) on conflict do nothing"
                    )
                }
            }
            let body = try canonicalJSON(record)
            let summary: JSON = .object([
                "digest": .string(record.digest), "fingerprint": .string(record.fingerprint.description),
                "manifest_digest": .string(SHA256.hash(data: Array(body.utf8)).hexadecimal),
                "rows": JSON(record.rows), "set": .string(record.set.description),
            ])
            let entry = try ledger.append(kind: "snapshot", subject: "snapshot \(record.id)", body: summary.description)
                .number
            try connection.execute(
                """
                insert into firn.snapshots (id, name, set_name, manifest, spine, created_at, actor, entry)
                values (\(record.id), \(record.name), \(record.set.description), \(body), \(record.spine.digest), \(.timestamp(heads.now)), \(actor), \(entry))
                """)
            try connection.execute(KeptStatistics.keeping(prepared.statistics, of: record.id))
            if request.keeps {
                var number = 0
                let writer = try ByteWriter(.zstd, name: "result") { bytes throws(TableError) in
                    try TableError.explaining("result") {
                        _ = try connection.execute(
                            "insert into firn_cache.results values (\(record.id), \(number)::int, \(bytes))")
                    }
                    number += 1
                }
                for piece in computed.values.arrowStream() { try writer.write(piece) }
                try writer.finish()
            }
        }
        return manifest
    }

    /// Every snapshot, the newest first.
    public func snapshots() async throws -> [Manifest] {
        try await withCatalog { connection, _ in
            let rows = try connection.execute("select manifest from firn.snapshots order by entry desc")
            return try rows.map { row throws in try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0))) }
        }
    }

    /// A snapshot by its id, or the newest with that name.
    ///
    /// - Throws: `notFound`.
    public func snapshot(_ id: String) async throws -> Manifest {
        try await withCatalog { connection, _ in
            // No name contains a zero byte, and PostgreSQL takes none.
            let rows =
                id.utf8.contains(0)
                ? nil
                : try connection.execute(
                    "select manifest from firn.snapshots where id = \(id) or name = \(id) order by id = \(id) desc, entry desc limit 1"
                )
            guard let row = rows?.first else {
                throw StoreError(
                    .notFound, "unknown snapshot '\(id.prefix(80))'", advice: "firn snapshot list shows what there is")
            }
            return try JSONDecoder().decode(Manifest.self, from: Data(row.bytes(0)))
        }
    }
}

/// A training set that isn't recorded yet.
private struct Computed {
    let set: FeatureSet
    let plan: Plan
    let file: SpineFile
    let outputs: Outputs
    /// The outputs as columns, and the split's column where there is one.
    let values: Table
    let heads: Heads
    /// The id of the snapshot whose cuts these are; nil for the newest.
    let at: String?
    let warnings: [String]
}

/// What is made of a training set before it is recorded, in parts that don't depend on each other: the file, the
/// digest, the spine as it is kept, statistics.
private struct Prepared {
    let digest: FeatureEngine.Digest
    let spine: [[UInt8]]
    let spineDigest: String
    /// By output.
    let statistics: [String: ColumnStatistics]

    private enum Part: Sendable {
        case written
        case hashes([[UInt8]])
        case spine([[UInt8]], digest: String)
        case statistics(String, ColumnStatistics)
    }

    /// - Parameter output: where the rows go; the file isn't published yet.
    init(_ computed: Computed, _ output: OutputFile?, threads: Int) throws {
        let (file, values) = (computed.file, computed.values)
        let result = computed.plan.result(file.spine, computed.outputs)
        let columns = result.columns
        let outputs = zip(computed.plan.outputs, computed.outputs.columns).map { (name: $0.name, column: $1) }
        let parts = try parallel(2 + columns.count + outputs.count, threads: threads) { part -> Part in
            switch part {
            case 0:
                try output?.write(file, values)
                return .written
            case 1:
                let hash = TextHash()
                let pieces = try file.archive { hash.add($0) }
                return .spine(pieces, digest: hash.finish())
            case 2..<2 + columns.count: return .hashes(FeatureEngine.Digest.hashes(columns[part - 2]))
            default:
                let output = outputs[part - 2 - columns.count]
                return .statistics(output.name, ColumnStatistics(output.column))
            }
        }
        guard case .spine(let spine, let spineDigest) = parts[1] else { preconditionFailure("parts in their order") }
        (self.spine, self.spineDigest) = (spine, spineDigest)
        digest = FeatureEngine.Digest(
            result, hashes: parts.compactMap { if case .hashes(let hashes) = $0 { hashes } else { nil } })
        var statistics: [String: ColumnStatistics] = [:]
        for case .statistics(let name, let column) in parts { statistics[name] = column }
        self.statistics = statistics
    }
}

/// A file of rows that one thread writes and another publishes.
private final class OutputFile: Sendable {
    private let writer: Mutex<TableWriter>

    init(path: String) throws {
        writer = Mutex(try TableWriter(path: path))
    }

    func require(_ file: SpineFile) throws { try writer.withLock { try $0.require(file) } }
    func write(_ file: SpineFile, _ values: Table) throws { try writer.withLock { try $0.write(file, values) } }
    func publish() throws { try writer.withLock { try $0.publish() } }
}

/// SHA-256 of a text that comes in pieces.
final class TextHash {
    private var hash = SHA256()

    func add(_ bytes: [UInt8]) { hash.update(data: bytes) }
    func finish() -> String { hash.finalize().hexadecimal }
}
