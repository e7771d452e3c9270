internal import ArrowIPC
internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import SegmentFormat
public import StoreRecord
internal import StoreRows
internal import Tables

extension StoreProvenance {
    /// Recomputes the ledger's chain, every fingerprint, the chains of the logs and the digests of their rows, and of
    /// what is derived some or all; and looks at what guards the tables of truth.
    ///
    /// It finds any change that doesn't rewrite all that follows it, and with a head that was written down elsewhere
    /// also that.
    /// - Parameters:
    ///   - heads: hashes that the ledger or a log had once, in hexadecimal: the past up to each has to be there.
    ///   - all: every snapshot is computed again, every segment sealed again and all that is kept for lookups compared,
    ///     not a sample.
    ///   - progress: what is checked, and how many of its rows were read.
    public func checkHistory(
        expecting heads: [String] = [], all: Bool = false,
        progress: @escaping @Sendable (String, Int) -> Void = { _, _ in }
    ) async throws -> HistoryCheck {
        let training = training, threads = threads, directory = temporaryDirectory
        var (check, snapshots) = try await pool.run { connection in
            var check = HistoryCheck(), snapshots: [String] = []
            try Migrator.requireThisVersion(connection)
            // A NULL where there can be none is a fault like any other.
            @discardableResult func noting<T>(_ body: (inout HistoryCheck) throws -> T?) throws -> T? {
                do { return try body(&check) } catch let error as PostgresError where error.isDamagedValue {
                    check.faults.append(error.message)
                    return nil
                }
            }
            try connection.transaction(.repeatableReadOnly) {
                for fault in try Guards(connection: connection).faults() {
                    check.faults.append("\(fault.what) \(fault.fault)")
                }
                guard let catalog = try noting({ try LedgerCheck(connection).run(expecting: heads, &$0) }) else {
                    return
                }
                guard let erasures = try? Erasures(connection) else {
                    check.faults.append("what was erased can't be read any more")
                    return
                }
                for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
                    try Task.checkCancellation()
                    let log = LogCheck(source: source, erasures: erasures, connection: connection)
                    try noting { if try log.hasTable(&$0) { try log.run(&$0) { progress(source.name, $0) } } }
                }
                // What can't be read any more is said above; nothing can be computed of it.
                guard check.faults.allSatisfy({ !$0.hasSuffix(LogCheck.unreadable) }) else { return }
                let segments = SegmentCheck(connection: connection, threads: threads, temporaryDirectory: directory)
                try noting { try segments.run(catalog, all: all, &$0) { progress($0, $1) } }
                try noting { try segments.checkBodies(atMost: all ? .max : HistoryCheck.sampleOfBlocks, &$0) }
                progress("online state", 0)
                try noting {
                    try OnlineWork.check(catalog, atMost: all ? nil : HistoryCheck.sampleOfEntities, &$0, connection)
                }
                progress("current values", 0)
                try noting {
                    try CurrentValues.check(
                        catalog, atMost: all ? nil : HistoryCheck.sampleOfEntities, training, &$0, connection)
                }
                let limit = all ? Int.max : HistoryCheck.sampleOfSnapshots
                snapshots = try connection.execute("select id from firn.snapshots order by random() limit \(limit)").map
                { try $0.text(0) }
            }
            return (check, snapshots)
        }
        for (index, id) in snapshots.sorted().enumerated() {
            try Task.checkCancellation()
            progress("snapshots", index)
            check.snapshots += 1
            do {
                check.faults += try await faults(ofSnapshot: id)
            } catch let error as StoreError {
                check.faults.append("snapshot \(id): \(error.message)")
            } catch let error as PostgresError where error.isConnectionLost {
                throw error
            } catch  where !(error is CancellationError) {
                check.faults.append("snapshot \(id) can't be computed any more")
            }
        }
        return check
    }

    /// What of a snapshot doesn't come back, or is kept of it and isn't what its rows make.
    private func faults(ofSnapshot id: String) async throws -> [String] {
        let manifest = try await training.snapshot(id),
            (rows, verification, damage) = try await training.rebuild(manifest, mends: false)
        var faults = damage + verification.faults.map { "snapshot \(id): \($0)" }
        guard verification.isIdentical else { return faults }
        if try await !training.holdsKeptResult(manifest) {
            faults.append("snapshot \(id): its kept rows aren't what its digest says")
        }
        if let kept = try await withCatalog({ connection, _ in try KeptStatistics(of: id, connection) }) {
            let made = manifest.outputs.reduce(into: [String: ColumnStatistics]()) { made, output in
                made[output.name] = rows.values[output.name].map { ColumnStatistics($0) }
            }
            if kept.statistics != made { faults.append("snapshot \(id): its statistics aren't what its rows make") }
        }
        return faults
    }
}

extension HistoryCheck {
    fileprivate static let sampleOfSnapshots = 10, sampleOfBlocks = 200, sampleOfEntities = 200
}

/// The ledger's chain, and the registry held against it.
private struct LedgerCheck {
    let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    /// - Returns: the registry; nil where it isn't one any more.
    func run(expecting heads: [String], _ check: inout HistoryCheck) throws -> Catalog? {
        for head in heads {
            guard let hash = [UInt8](hexadecimal: head.lowercased()), hash.count == 32 else {
                throw StoreError(
                    .invalidRequest, "'\(head.prefix(80))' is no hash",
                    advice: "firn ledger head prints one, of 64 hexadecimal digits")
            }
            let isThere = try connection.execute(
                "select exists (select from firn.ledger where hash = \(hash)) or exists (select from firn.batches where hash = \(hash))"
            ).single().bool(0)
            if !isThere {
                check.faults.append("the history never had the head \(head): what led to it was rewritten or cut off")
            }
        }
        try checkRecords(&check)
        var previous: [UInt8] = [], bodies: [Int64: String] = [:]
        for row in try connection.execute(
            "select entry, at, actor, kind, subject, body, previous, hash from firn.ledger order by entry"
        ).map({ $0 }) {
            check.entries += 1
            let entry = try row.int64(0), body = try row.text(5)
            let hash = try Ledger.hash(
                previous: row.bytes(6), entry: entry, at: row.timestamp(1), actor: row.text(2), kind: row.text(3),
                subject: row.text(4), body: body)
            guard entry == check.entries, try row.bytes(6) == previous, try hash == row.bytes(7) else {
                check.faults.append("ledger entry \(check.entries) isn't what it was when it was written")
                break
            }
            previous = hash
            bodies[entry] = body
        }
        check.ledgerHead = previous.hexadecimal
        if check.entries == 0 { try checkEmpty(&check) }
        let catalog: Catalog?
        do {
            catalog = try Registry(connection).load()
        } catch let error where error is DefinitionError || error is DecodingError {
            catalog = nil
            check.faults.append("the registry can't be read any more")
        }
        for row in try connection.execute(
            "select kind, name, fingerprint, body, entry from firn.definitions order by entry"
        ).map({ $0 }) {
            check.definitions += 1
            let what = try "\(row.text(0)) \(row.text(1))", body = try row.text(3), fingerprint = try row.text(2)
            let recorded = "\"definition\":\(body),\"fingerprint\":\"\(fingerprint)\"}",
                entry = try bodies[row.int64(4)] ?? ""
            // Before it there may be the commit that it came from.
            var isWhole = entry == "{\(recorded)" || entry.hasPrefix("{\"commit\":") && entry.hasSuffix("," + recorded)
            if isWhole, let catalog {
                let definition = try? JSONDecoder().decode(Definition.self, from: Data(body.utf8))
                isWhole = definition.flatMap { fingerprintNow($0, catalog) } == fingerprint
            }
            if !isWhole {
                check.faults.append("\(what) isn't what was registered")
                break
            }
        }
        for row in try connection.execute("select kind, name, body, entry from firn.notes order by entry").map({ $0 })
        where try bodies[row.int64(3)] != row.text(2) {
            try check.faults.append("the notes of \(row.text(0)) \(row.text(1)) aren't what was registered")
            break
        }
        return catalog
    }

    /// Without a ledger there is nothing that it would be of, unless not all of it was restored.
    private func checkEmpty(_ check: inout HistoryCheck) throws {
        let recorded = ["batches", "definitions", "notes", "snapshots", "spines", "tokens", "token_revocations"].map {
            "firn.\($0)"
        }
        let tables = try connection.execute(
            "select 'firn_source.' || quote_ident(tablename) from pg_tables where schemaname = 'firn_source' order by 1"
        ).map { try $0.text(0) }
        if !tables.isEmpty { check.faults.append("the ledger is empty, but there is \(tables[0])") }
        for table in recorded where try connection.execute("select from \(SQL(raw: table)) limit 1").count > 0 {
            check.faults.append("the ledger is empty, but \(table) has rows")
        }
    }

    /// What the ledger says was recorded has to be there, and as it was.
    private func checkRecords(_ check: inout HistoryCheck) throws {
        if (try? StoreContext.identity(connection)) == nil {
            check.faults.append("firn.store doesn't say any more which store this is")
        }
        for (kinds, table) in [
            (["register", "extend"], "firn.definitions"), (["note"], "firn.notes"), (["snapshot"], "firn.snapshots"),
            (["token"], "firn.tokens"),
            (["revoke"], "firn.token_revocations"),
        ] {
            let lost = try connection.execute(
                """
                select l.entry, l.subject from firn.ledger l where l.kind = any(\(.array(.text, kinds.map { .text($0) })))
                    and not exists (select from \(SQL(raw: table)) t where t.entry = l.entry) order by l.entry limit 1
                """
            ).first
            if let lost { try check.faults.append("\(lost.text(1)) of ledger entry \(lost.int64(0)) is gone") }
        }
        for (kind, table, subject) in [
            ("definition", "firn.definitions", "t.kind || ' ' || t.name"),
            ("note", "firn.notes", "t.kind || ' ' || t.name"),
            ("revocation", "firn.token_revocations", "'token ' || t.id"),
        ] as [(String, SQL, SQL)] {
            let moved = try connection.execute(
                "select l.entry from \(table) t join firn.ledger l on l.entry = t.entry where l.subject <> \(subject) order by l.entry limit 1"
            )
            .first
            if let moved {
                try check.faults.append("the \(kind) of ledger entry \(moved.int64(0)) is of something else now")
            }
        }
        for row in try connection.execute(
            """
            select s.id, s.manifest, l.subject, l.body, s.set_name, s.name from firn.snapshots s left join firn.ledger l on l.entry = s.entry and l.kind = 'snapshot' order by s.entry
            """
        ).map({ $0 }) {
            let digest = try SHA256.hash(data: row.bytes(1)).hexadecimal
            guard !row.isNull(3), try row.text(2) == "snapshot \(row.text(0))",
                let body = try? JSON(parsing: row.bytes(3)), body["manifest_digest"] == .string(digest),
                let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(row.bytes(1))),
                try manifest.id == row.text(0), try manifest.set.description == row.text(4),
                manifest.name == row.optionalText(5)
            else {
                try check.faults.append("the manifest of \(row.text(0)) isn't what was recorded")
                break
            }
        }
        for row in try connection.execute(
            """
            select t.id, t.name, t.role, l.subject, l.body, t.hash, t.bounds, t.ends_at from firn.tokens t
            left join firn.ledger l on l.entry = t.entry and l.kind = 'token' order by t.entry
            """
        ).map({ $0 }) {
            guard !row.isNull(4), try row.text(3) == "token \(row.text(0))",
                let body = try? JSON(parsing: row.bytes(4)), try body["name"] == .string(row.text(1)),
                try body["role"] == .string(row.text(2)),
                try body["hash"].map({ try $0 == .string(row.bytes(5).hexadecimal) }) ?? true,
                try body["hash_digest"].map({ try $0 == .string(Token.digest(row.bytes(5))) }) ?? true,
                try (body["bounds"]?.description ?? "{}") == row.text(6),
                try body["ends_at"] == row.optionalTimestamp(7).map({ .string(Instant(microseconds: $0).description) })
            else {
                try check.faults.append("token \(row.text(0)) isn't what was recorded")
                break
            }
        }
        let strays = try connection.execute(
            "select distinct source from firn.batches where source not in (select name from firn.definitions where kind = 'source') order by 1 limit 1"
        ).first
        if let strays { try check.faults.append("there are batches of \(strays.text(0)), which isn't registered") }
        let imports = try connection.execute(
            "select 'source ' || source, base_offset + count from firn.batches where kind = 'import'"
        ).map { try "\($0.text(0)) \($0.int64(1))" }
        let known = Set(imports)
        for entry in try Ledger.entries(of: ["import"], connection) {
            guard let offset = (try? JSON(parsing: Array(entry.body.utf8)))?["last_offset"],
                known.contains("\(entry.subject) \(offset)")
            else {
                check.faults.append("the import of ledger entry \(entry.number) into \(entry.subject) is gone")
                break
            }
        }
    }

    private func fingerprintNow(_ definition: Definition, _ catalog: Catalog) -> String? {
        switch definition {
        case .entity(let entity): entity.fingerprint.description
        case .source(let source): source.fingerprint.description
        case .function(let function): catalog.functions[function.name]?.fingerprint.description
        case .set(let set): (try? catalog.resolve(set))?.fingerprint.description
        }
    }
}

/// What is sealed, held against its addresses and against the rows.
private struct SegmentCheck {
    let connection: Connection
    let threads: Int
    let temporaryDirectory: String

    private static let sampleOfBuckets = 20

    /// A bucket of a run, with the columns that it has.
    private struct Bucket {
        var source: Source
        var keys: [String]
        var run: Run
        var bucket: Int
        var columns: Set<String>
    }

    /// Looks at every list of segments, and seals what it lists again: of some buckets what their blocks hold, or of
    /// all runs the rows.
    func run(_ catalog: Catalog, all: Bool, _ check: inout HistoryCheck, _ progress: (String, Int) -> Void) throws {
        var buckets: [Bucket] = []
        for row in try connection.execute(
            "select distinct source, array_to_json(keys)::text from firn_cache.runs order by 1, 2"
        ).map({ $0 }) {
            let keys = (try? JSONDecoder().decode([String].self, from: Data(row.bytes(1)))) ?? []
            guard let source = try catalog.sources[row.text(0)], keys.allSatisfy({ source.column($0) != nil }) else {
                try check.faults.append(
                    "there are segments of \(row.text(0)) by \(keys.joined(separator: ", ")), which aren't registered")
                continue
            }
            let head = try BatchLog(source: source, connection: connection).head().offset
            let columns = Set(source.columns.map(\.name)).union([SegmentColumn.offset, SegmentColumn.knownAt])
            for run in try SegmentList(source.name, keys: keys, columns: columns, connection).runs {
                try Task.checkCancellation()
                if run.isDamaged {
                    check.faults.append("\(SegmentDamage(source.name, keys, run))")
                } else if run.upTo > head {
                    check.faults.append(
                        "\(SegmentDamage(source.name, keys, run).place) goes beyond the log's end, offset \(head)")
                } else {
                    let listed = Set(run.segments.flatMap(\.blocks.keys)).intersection(columns)
                    if all {
                        try sealAgain(source, keys, run, listed.union(try dropped(run)), &check) {
                            progress("segments of \(source.name)", $0)
                        }
                    }
                    // Blocks whose content was dropped are built again when they are read.
                    if !all, run.isWhole(listed) {
                        buckets += Set(run.segments.map(\.bucket)).map {
                            Bucket(source: source, keys: keys, run: run, bucket: $0, columns: listed)
                        }
                    }
                }
            }
        }
        for bucket in buckets.shuffled().prefix(SegmentCheck.sampleOfBuckets) {
            try Task.checkCancellation()
            if let damage = try sealAgain(bucket, &check) {
                check.faults.append(damage.description)
                return
            }
        }
    }

    /// Reads blocks' contents, some taken by chance, and hashes them.
    func checkBodies(atMost limit: Int, _ check: inout HistoryCheck) throws {
        let addresses = try connection.execute(
            "select address from firn_cache.bodies where address in (select address from firn_cache.blocks) order by random() limit \(limit)"
        ).map { try $0.bytes(0) }
        for address in addresses {
            try Task.checkCancellation()
            check.blocks += 1
            let row = try connection.execute(
                "select o.body, (select max(b.bytes) from firn_cache.blocks b where b.address = o.address) from firn_cache.bodies o where o.address = \(address)"
            ).first
            guard let row, let column = try? ArrowBlock.decode(row.bytes(0), maximumBytes: Int(row.int64(1))),
                let plain = try? ArrowBlock.encode(column, isCompressed: false),
                Array(SHA256.hash(data: plain)) == address
            else {
                check.faults.append("a segment's block isn't what its address says: \(address.hexadecimal)")
                return
            }
        }
    }

    /// The columns of a run's blocks, also of those whose content was dropped.
    private func dropped(_ run: Run) throws -> Set<String> {
        Set(
            try connection.execute("select distinct column_name from firn_cache.blocks where run = \(run.number)").map {
                try $0.text(0)
            })
    }

    /// Seals a run again from the rows, and compares all that is listed.
    private func sealAgain(
        _ source: Source, _ keys: [String], _ run: Run, _ columns: Set<String>, _ check: inout HistoryCheck,
        _ progress: (Int) -> Void
    ) throws {
        var sealed: [Int64: Segment] = [:]
        let sealer = Sealer(
            source, keys: keys, columns: columns, threads: threads, temporaryDirectory: temporaryDirectory, connection)
        try sealer.seal(run, progress: progress) { sealed[$0.segment.number] = $0.segment }
        func fault(_ segment: Int64, _ column: String?) {
            check.faults.append(
                "\(SegmentDamage(source.name, keys, run, segment, column).place) isn't what its rows make")
        }
        guard sealed.count == run.segments.count else {
            check.faults.append("\(SegmentDamage(source.name, keys, run).place) isn't what its rows make")
            return
        }
        for segment in run.segments {
            guard let again = sealed[segment.number], again.isListed(as: segment) else {
                return fault(segment.number, nil)
            }
        }
        for row in try connection.execute(
            "select segment, column_name, address, bytes, checksum from firn_cache.blocks where run = \(run.number) order by 1, 2"
        ).map({ $0 }) {
            let number = try row.int64(0), name = try row.text(1)
            guard
                let block = sealed[number]?.blocks[name]?.listed(
                    at: .init(run: run.number, segment: number, column: name)), try block.address == row.bytes(2),
                try block.bytes == Int(row.int64(3)), try block.checksum == row.int64(4)
            else { return fault(number, name) }
        }
    }

    /// Seals what a bucket's blocks hold again.
    ///
    /// - Returns: what isn't what is listed.
    private func sealAgain(_ bucket: Bucket, _ check: inout HistoryCheck) throws -> SegmentDamage? {
        let (source, run) = (bucket.source, bucket.run),
            layout = SegmentLayout(source, keys: bucket.keys, columns: bucket.columns)
        let listed = run.segments.filter { $0.bucket == bucket.bucket }
        func damage(_ segment: Int64, _ column: String? = nil) -> SegmentDamage {
            SegmentDamage(source.name, bucket.keys, run, segment, column)
        }
        var parts: [SourceRows] = []
        for segment in listed {
            var columns: [String: Column] = [:]
            for (name, block) in segment.blocks.sorted(by: { $0.key < $1.key }) {
                check.blocks += 1
                let body = try connection.execute("select body from firn_cache.bodies where address = \(block.address)")
                    .first?.bytes(0)
                guard let body, let column = try? ArrowBlock.decode(body, maximumBytes: block.bytes),
                    column.count == segment.rows, column.type == source.type(ofSegment: name)
                else { return damage(segment.number, name) }
                columns[name] = column
            }
            guard layout.columns.allSatisfy({ columns[$0.name] != nil }), let offsets = columns[SegmentColumn.offset]
            else { return damage(segment.number) }
            let known =
                source.isStatic
                ? Array(repeating: SourceRows.unknown, count: segment.rows) : columns[SegmentColumn.knownAt]?.knownTimes
            guard let known else { return damage(segment.number) }
            var rows = SourceRows(
                columns: columns.filter { name, _ in layout.columns.contains { $0.name == name } },
                eventTimes: source.eventTime.flatMap { columns[$0]?.integers } ?? [],
                knownAt: known, offsets: offsets.integers)
            if let flags = columns[SegmentColumn.retraction] { rows.isRetraction = flags.bools }
            parts.append(rows)
        }
        guard let first = listed.first else { return nil }
        let rows = SourceRows(concatenating: parts).sorted(by: bucket.keys)
        let buckets = Buckets.assign(
            bucket.keys.compactMap { rows.columns[$0] }, count: rows.count, buckets: run.buckets)
        let sealed = try layout.segments(rows, bucket: bucket.bucket, ofRows: run.segmentRows)
        guard sealed.count == listed.count, buckets.allSatisfy({ $0 == bucket.bucket }) else {
            return damage(first.number)
        }
        for (segment, again) in zip(listed, sealed) {
            guard again.segment.isListed(as: segment) else { return damage(segment.number) }
            for (name, block) in segment.blocks {
                let made = again.segment.blocks[name]?.listed(
                    at: .init(run: run.number, segment: segment.number, column: name))
                guard let made, made.address == block.address, made.bytes == block.bytes,
                    made.checksum == block.checksum
                else { return damage(segment.number, name) }
            }
        }
        return nil
    }
}

/// A source's chain of batches, and their rows.
private struct LogCheck {
    let source: Source
    let erasures: Erasures
    let connection: Connection

    /// How the fault of a source ends whose rows can't be read.
    static let unreadable = "can't be read"

    /// Whether its table is there, with the columns that were registered.
    func hasTable(_ check: inout HistoryCheck) throws -> Bool {
        var types: [String: String] = [:]
        for row in try connection.execute(
            """
            select a.attname, format_type(a.atttypid, null) from pg_attribute a
            where a.attrelid = to_regclass(\("firn_source." + SQL.quoted(source.name))) and a.attnum > 0 and not a.attisdropped
            """
        ).map({ $0 }) {
            try types[row.text(0)] = row.text(1)
        }
        if types.isEmpty {
            check.faults.append("the table of \(source.name) is gone: its rows \(LogCheck.unreadable)")
            return false
        }
        let declared = source.columns.map {
            ($0.name, $0.type == .timestamp ? "timestamp with time zone" : $0.type.rules.sqlName)
        }
        let own = [
            ("firn_batch", "bigint"), ("firn_position", "integer"), ("firn_known_at", "timestamp with time zone"),
        ]
        guard let wrong = (own + declared).first(where: { types[$0.0] != $0.1 }) else { return true }
        check.faults.append(
            "the table of \(source.name) has another column '\(wrong.0)' than was registered: its rows \(LogCheck.unreadable)"
        )
        return false
    }

    /// A batch, and how many of its rows are there.
    private typealias Batch = (recorded: BatchLog.Recorded, kept: Int)

    func run(_ check: inout HistoryCheck, progress: (Int) -> Void) throws {
        var previous: [UInt8] = [], end: Int64 = 0, version = 1, batches: [Batch] = []
        for row in try connection.execute(
            "select \(BatchLog.columns) from firn.batches b where b.source = \(source.name) order by b.base_offset"
        ).map({ $0 }) {
            check.batches += 1
            let batch = try BatchLog.Recorded(row), computed = batch.computedHash(source.name),
                erased = erasures.batches[batch.number]
            // Where rows were erased, salt and digest are new ones, and the ledger vouches for them.
            let isWhole =
                erased.map { $0.seal == ErasureRecord.seal(hash: batch.hash, now: computed) }
                ?? (computed == batch.hash)
            // A batch of an older form after one of a newer would hide what the older doesn't cover.
            guard batch.baseOffset == end, batch.previous == previous, isWhole, batch.version >= version else {
                check.faults.append(
                    "the batch of \(source.name) at offset \(end) isn't what it was when it was written")
                return
            }
            (previous, version) = (batch.hash, batch.version)
            end &+= batch.count
            batches.append((batch, Int(batch.count &- batch.duplicates) &- (erased?.rows ?? 0)))
        }
        check.logHeads[source.name] = previous.hexadecimal
        try checkRows(batches, &check, progress)
    }

    /// Reads the rows in the order of the log, and holds each batch's against its digest.
    private func checkRows(_ batches: [Batch], _ check: inout HistoryCheck, _ progress: (Int) -> Void) throws {
        let strays = try connection.execute(
            "select exists (select from \(SourceTable(source).name) r where not exists (select from firn.batches b where b.batch = r.firn_batch and b.source = \(source.name)))"
        ).single().bool(0)
        if strays { check.faults.append("\(source.name) has rows that came with no batch") }
        var place = 0, total = 0, fault: String?
        try SourceTable(source).digests(
            of: batches.map { ($0.recorded.number, $0.recorded.salt, $0.recorded.knownAt != nil) }, areAll: true,
            connection, progress: progress
        ) {
            rows, digest in
            if fault == nil, rows != batches[place].kept || digest != batches[place].recorded.digest {
                fault =
                    "rows of \(source.name) in batch \(batches[place].recorded.number) aren't what they were when they were written"
            }
            (place, total) = (place + 1, total + rows)
        }
        check.rows += total
        if let fault { check.faults.append(fault) }
    }
}
