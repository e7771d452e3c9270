internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Postgres
internal import SegmentFormat
internal import StoreRecord
internal import StoreRows
public import Tables

/// A training set's rows: the spine as it came, and a set's values beside it.
public struct TrainingSet: Sendable {
    let file: SpineFile
    /// The outputs, and the split's column where there is one.
    let values: Table
    /// Warnings from when it was computed.
    public var warnings: [String] = []

    /// Writes the rows to a file, which appears once it is complete.
    public func write(to writer: TableWriter) throws {
        try writer.write(file, values)
        try writer.publish()
    }

    /// The rows as an Arrow stream, piece by piece as it is sent.
    public func arrowStream() -> some Sequence<[UInt8]> { file.arrowStream(values) }
}

extension Plan {
    /// Computes a training set's values.
    ///
    /// Runs inside a transaction, so that what is sealed and what isn't fit together.
    ///
    /// - Parameter damage: collects runs that aren't what they were when they were sealed; from such a run on, rows are
    ///   read instead.
    func train(
        _ spine: Spine, _ reading: Reading, _ training: StoreTraining, _ connection: Connection,
        wantsChanges: Bool = false, damage: FoundDamage = FoundDamage(),
        progress: @escaping @Sendable (TrainingProgress) -> Void = { _ in }
    ) throws -> Outputs {
        while true {
            do {
                return try trainOnce(
                    spine, reading, training, connection, wantsChanges: wantsChanges, damage: damage, progress: progress
                )
            } catch let found as SegmentDamage {
                guard damage.add(found) else { throw found.error }
            }
        }
    }

    private func trainOnce(
        _ spine: Spine, _ reading: Reading, _ training: StoreTraining, _ connection: Connection, wantsChanges: Bool,
        damage: FoundDamage,
        progress: @escaping @Sendable (TrainingProgress) -> Void
    ) throws -> Outputs {
        let count = Double(spine.instants.count)
        let supply = TrainingRows(
            reader: SegmentReader(
                spine: spine, reading: reading, wantsChanges: wantsChanges, cache: training.cache, damage: damage,
                connection: connection), progress: progress)
        return try evaluate(spine, reading, from: supply, threads: training.threads, wantsChanges: wantsChanges) {
            progress(.computing(rows: Int($0 * count), of: spine.instants.count))
        }
    }
}

/// A training set's rows: from segments where rows are sealed and the spine is large, else from the sources' tables.
private struct TrainingRows: RowSupply {
    let reader: SegmentReader
    let progress: @Sendable (TrainingProgress) -> Void

    func buckets(for group: Plan.Group) throws -> any RowBuckets {
        let read = { (rows: Int) in progress(.reading(source: group.source.name, rows: rows)) }
        if reader.spine.instants.count > RowLoader.fewKeys, let sealed = try reader.buckets(for: group, progress: read)
        {
            return sealed
        }
        let loader = RowLoader(
            spine: reader.spine, cuts: reader.reading.cuts, wantsChanges: reader.wantsChanges, progress: read,
            connection: reader.connection)
        return OneBucket(try loader.load(group))
    }
}

extension StoreTraining {
    /// Gets a snapshot's rows again, as they were kept, or computed from the same spine at the same cuts; either way
    /// they are checked against its digest.
    ///
    /// - Throws: `damaged` where they aren't the same.
    public func fetch(_ id: String) async throws -> (manifest: Manifest, rows: TrainingSet) {
        let manifest = try await snapshot(id)
        if let kept = try await keptResult(manifest) { return (manifest, kept) }
        let (set, verification, _) = try await rebuild(manifest)
        if let fault = verification.faults.first {
            throw StoreError(
                .damaged, "\(manifest.id) doesn't come back as it was: \(fault)",
                advice: "firn snapshot verify \(manifest.id) says more")
        }
        return (manifest, set)
    }

    /// Computes a snapshot again, and compares it with its digest.
    public func verify(_ id: String) async throws -> Verification { try await rebuild(snapshot(id)).verification }

    /// - Parameter mends: whether damaged segments, whose rows were read instead, are reported and dropped, so that
    ///   they are sealed again.
    func rebuild(_ manifest: Manifest, mends: Bool = true) async throws -> (
        rows: TrainingSet, verification: Verification, damage: [String]
    ) {
        let store = self
        return try await withCatalog { connection, catalog in
            var verification = Verification(manifest: manifest)
            let set = try catalog.set(named: manifest.set.description)
            if set.fingerprint != manifest.fingerprint {
                verification.faults.append(.definition("set \(manifest.set)"))
            }
            for (entry, output) in zip(set.features + set.labels, manifest.outputs)
            where entry.function.fingerprint != output.fingerprint {
                verification.faults.append(.definition(output.function.description))
            }
            let plan = Plan(set, in: catalog), damage = FoundDamage()
            // Spine and rows as of one moment, since an erasure may be under way.
            let (file, isWhole, erasures, outputs) = try connection.transaction(.repeatableReadOnly) {
                let erasures = try Erasures(connection),
                    (file, isWhole) = try KeptSpine(manifest, erasures).read(plan, connection)
                return (
                    file, isWhole, erasures,
                    try plan.train(file.spine, manifest.reading, store, connection, damage: damage)
                )
            }
            if mends { store.mend(damage, connection) }
            if !isWhole { verification.faults.append(.spine) }
            let digest = FeatureEngine.Digest(plan.result(file.spine, outputs), threads: store.threads)
            verification.compare(digest, plan.outputs.map(\.name), erased: erasures.blocks[manifest.id] ?? [])
            return (
                TrainingSet(file: file, values: try plan.values(outputs, manifest.split, file)), verification,
                damage.all
            )
        }
    }

    /// Whether the kept rows of a snapshot, if there are any, are what its digest says.
    func holdsKeptResult(_ manifest: Manifest) async throws -> Bool {
        do {
            _ = try await readKeptResult(manifest)
            return true
        } catch is KeptResultDamage {
            return false
        }
    }

    /// The kept rows of a snapshot; nil where there are none, or they aren't what they were. Those are deleted, since
    /// they can be computed again.
    private func keptResult(_ manifest: Manifest) async throws -> TrainingSet? {
        do {
            return try await readKeptResult(manifest)
        } catch is KeptResultDamage {
            reportDamage("the kept rows of \(manifest.id) aren't what its digest says: they are computed again")
            try? await pool.run { _ = try $0.execute("delete from firn_cache.results where snapshot = \(manifest.id)") }
            return nil
        }
    }

    private struct KeptResultDamage: Error {}

    private func readKeptResult(_ manifest: Manifest) async throws -> TrainingSet? {
        try await withCatalog { connection, catalog in
            let plan = Plan(try catalog.set(named: manifest.set.description), in: catalog)
            let (pieces, spine) = try connection.transaction(.repeatableReadOnly) {
                let pieces = try connection.execute(
                    "select body from firn_cache.results where snapshot = \(manifest.id) order by piece"
                ).map { $0.optionalBytes(0) ?? [] }
                return (
                    pieces, pieces.isEmpty ? nil : try KeptSpine(manifest, Erasures(connection)).read(plan, connection)
                )
            }
            guard let (file, isWhole) = spine else { return nil }
            guard isWhole else {
                throw StoreError(.damaged, "the kept spine of \(manifest.id) isn't what its digest says")
            }
            var rest = pieces[...]
            let columns = plan.outputs.map { ColumnDefinition($0.name, $0.type) }
            var outputs: Outputs?
            do throws(TableError) {
                let bytes = try ByteReader(pieces: { rest.popFirst() }, name: manifest.id, compression: .zstd)
                // The split's column, where there is one, follows from the spine and isn't read.
                var reader = try TableReader(
                    bytes, layout: .arrows, name: manifest.id, schema: .init(columns),
                    options: ReadOptions(ignoresExtra: true))
                outputs = Outputs(kept: try reader.all().columns)
            } catch {}
            guard let outputs, outputs.columns.allSatisfy({ $0.count == file.rowCount }),
                FeatureEngine.Digest(plan.result(file.spine, outputs), threads: self.threads).description
                    == manifest.digest
            else { throw KeptResultDamage() }
            return TrainingSet(file: file, values: try plan.values(outputs, manifest.split, file))
        }
    }
}

extension Plan {
    /// The columns that a training set has beside the spine's.
    func values(_ outputs: Outputs, _ split: Split?, _ file: SpineFile) throws -> Table {
        var table = table(outputs)
        if let split { table.append(Split.column, try split.assign(file)) }
        return table
    }
}

/// What was found when a snapshot was computed again.
public struct Verification: Sendable {
    /// A way in which a snapshot isn't what was recorded.
    public enum Fault: Sendable, CustomStringConvertible {
        /// A definition isn't the one it was made with.
        case definition(String)
        /// The kept spine isn't what its digest says.
        case spine
        /// The first block of a column that differs: 1,024 rows from `row` on, counted from 1.
        case block(column: String, row: Int)
        /// Keys, instants or request inputs differ.
        case inputs

        public var description: String {
            switch self {
            case .definition(let name): "\(name) isn't the definition it was made with"
            case .spine: "the kept spine isn't what its digest says"
            case .block(let column, let row):
                "column '\(column)' differs in the block of rows \(row) to \(row + FeatureEngine.Digest.blockRows - 1)"
            case .inputs: "keys, instants or request inputs differ"
            }
        }
    }

    /// The record of the snapshot that was computed again.
    public var manifest: Manifest
    /// What differs that no erasure explains.
    public var faults: [Fault] = []
    /// Ranges of rows, counted from 1, whose blocks differ and had or read rows that have been erased since.
    public var erased: [ClosedRange<Int>] = []
    /// Whether everything is as it was, apart from what was erased.
    public var isIdentical: Bool { faults.isEmpty }

    init(manifest: Manifest) {
        self.manifest = manifest
    }

    /// - Parameter erased: blocks, from 0, that may differ.
    mutating func compare(_ digest: FeatureEngine.Digest, _ outputs: [String], erased: Set<Int>) {
        guard digest.description != manifest.digest else { return }
        let rows = FeatureEngine.Digest.blockRows
        var differing: Set<Int> = [], hasFault = false
        for block in digest.blocks where outputs.contains(block.name) {
            let hashes = Verification.hashes(block.hashes),
                kept = Verification.hashes(manifest.blocks[block.name] ?? "")
            let places = hashes.indices.filter { $0 >= kept.count || !hashes[$0].elementsEqual(kept[$0]) }
            differing.formUnion(places)
            guard let place = places.first(where: { !erased.contains($0) }) else { continue }
            faults.append(.block(column: block.name, row: place * rows + 1))
            hasFault = true
        }
        if erased.isEmpty {
            if !hasFault { faults.append(.inputs) }
            return
        }
        // Where only inputs differ, they differ in these blocks: the spine itself is checked against its digest.
        let blocks = differing.intersection(erased)
        for block in (blocks.isEmpty ? erased : blocks).sorted() {
            // Blocks come from the ledger and the number of rows from the manifest: they may not fit together.
            guard (0...1 << 40).contains(block), block * rows < manifest.rows else { continue }
            let range = block * rows + 1...min(manifest.rows, (block + 1) * rows)
            if let last = self.erased.last, last.upperBound + 1 == range.lowerBound {
                self.erased[self.erased.count - 1] = last.lowerBound...range.upperBound
            } else {
                self.erased.append(range)
            }
        }
    }

    private static func hashes(_ digits: String) -> [Substring.UTF8View] {
        let digits = digits[...].utf8, length = FeatureEngine.Digest.hashDigits
        return stride(from: 0, to: digits.count, by: length).map { start in
            let first = digits.index(digits.startIndex, offsetBy: start)
            return digits[
                first..<(digits.index(first, offsetBy: length, limitedBy: digits.endIndex) ?? digits.endIndex)]
        }
    }
}

/// A snapshot's spine as it is kept, found by its digest.
struct KeptSpine {
    private let record: Manifest.SpineRecord
    /// The digest that it is kept under: its own, or that of what erasures left of it.
    private let address: String

    init(_ manifest: Manifest, _ erasures: Erasures) {
        record = manifest.spine
        address = erasures.spine(of: manifest.id, first: manifest.spine.digest)
    }

    /// The spine as it is kept: compressed with zstd, in pieces.
    func pieces(_ connection: Connection) throws -> [[UInt8]] {
        let pieces = try connection.execute("select body from firn.spines where digest = \(address) order by piece").map
        { try $0.bytes(0) }
        guard !pieces.isEmpty else { throw StoreError(.damaged, "the spine \(address.prefix(16)) isn't kept any more") }
        return pieces
    }

    /// The spine, for what the store is to vouch for.
    ///
    /// - Throws: `damaged` where it doesn't match its digest.
    func intact(_ plan: Plan, _ connection: Connection) throws -> SpineFile {
        let (file, isWhole) = try read(plan, connection)
        guard isWhole else {
            throw StoreError(
                .damaged, "the kept spine \(address.prefix(16)) isn't what its digest says",
                advice: "restore its rows in firn.spines from a backup; firn verify --all shows what is damaged")
        }
        return file
    }

    /// - Returns: the spine, and whether it matches its digest.
    func read(_ plan: Plan, _ connection: Connection) throws -> (SpineFile, isWhole: Bool) {
        var rest = try pieces(connection)[...]
        let unpacked = try ByteReader(pieces: { rest.popFirst() }, name: "spine", compression: .zstd)
        var hash = SHA256()
        let bytes = try ByteReader(
            pieces: {
                let piece = try unpacked.next()
                if let piece { hash.update(data: piece) }
                return piece
            }, name: "spine", compression: .none)
        let layout = record.layout.flatMap { FileFormat.Layout(rawValue: $0) } ?? .csv
        let options = record.options
        let file: SpineFile
        do throws(TableError) {
            file = try SpineFile(
                bytes, layout: layout, name: "spine", plan: plan, timestamp: record.timestamp, options: options)
            // What comes after the rows belongs to the digest too.
            while try bytes.next() != nil {}
        } catch {
            throw StoreError(.damaged, "the kept spine \(address.prefix(16)) can't be read any more: \(error)")
        }
        return (file, hash.finalize().hexadecimal == address)
    }
}

extension StoreTraining {
    /// Reports what was damaged, and sees to it that it is made again. Not for use inside a transaction.
    func mend(_ damage: FoundDamage, _ connection: Connection) {
        damage.warnings.forEach(reportDamage)
        damage.forget(connection)
    }
}
