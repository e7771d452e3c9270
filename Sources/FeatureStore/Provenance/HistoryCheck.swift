internal import ArrowIPC
internal import Crypto
internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Tables

/// What was found when the history was computed again.
public struct HistoryCheck: Sendable {
    public var entries = 0, definitions = 0, batches = 0, rows = 0
    /// Snapshots that were computed again, and blocks of segments that were read.
    public var snapshots = 0, blocks = 0
    /// The ledger's newest hash, and the newest of each source's log: whoever writes them down can hold the past against them.
    public var ledgerHead = ""
    public var logHeads: [String: String] = [:]
    /// The first thing of each kind that doesn't hold.
    public var faults: [String] = []
}

extension Store {
    /// Recomputes the ledger's chain, every fingerprint, the chains of the logs and the digests of their rows, and of segments and snapshots some or all.
    ///
    /// It finds any change that doesn't rewrite all that follows it, and with a head that was written down elsewhere also that.
    /// - Parameters:
    ///   - heads: hashes that the ledger or a log had once, in hexadecimal: the past up to each has to be there.
    ///   - all: every snapshot is computed again and every segment sealed again, not a sample.
    ///   - progress: what is checked, and how many of its rows were read.
    public func checkHistory(
        expecting heads: [String] = [], all: Bool = false, progress: @escaping @Sendable (String, Int) -> Void = { _, _ in }
    ) async throws -> HistoryCheck {
        let threads = threads, directory = temporaryDirectory
        var (check, snapshots) = try await pool.run { connection in
            var check = HistoryCheck(), snapshots: [String] = []
            try connection.transaction(.repeatableReadOnly) {
                guard let catalog = try LedgerCheck(connection).run(expecting: heads, &check) else { return }
                guard let erasures = try? Erasures(connection) else {
                    check.faults.append("what was erased can't be read any more")
                    return
                }
                for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
                    try Task.checkCancellation()
                    try LogCheck(source: source, erasures: erasures, connection: connection).run(&check) { progress(source.name, $0) }
                }
                let segments = SegmentCheck(connection: connection, threads: threads, temporaryDirectory: directory)
                try segments.checkBodies(atMost: all ? .max : HistoryCheck.sampleOfBlocks, &check)
                if all { try segments.sealAgain(catalog, &check) { progress($0, $1) } }
                let limit = all ? Int.max : HistoryCheck.sampleOfSnapshots
                snapshots = try connection.execute("select id from firn.snapshots order by random() limit \(limit)").map { $0.text(0) }
            }
            return (check, snapshots)
        }
        for (index, id) in snapshots.sorted().enumerated() {
            try Task.checkCancellation()
            progress("snapshots", index)
            check.snapshots += 1
            do {
                for fault in try await verify(id).faults { check.faults.append("snapshot \(id): \(fault)") }
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
}

extension HistoryCheck {
    fileprivate static let sampleOfSnapshots = 10, sampleOfBlocks = 200
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
                throw StoreError(.invalidRequest, "'\(head.prefix(80))' is no hash", advice: "firn ledger head prints one, of 64 hexadecimal digits")
            }
            let isThere = try connection.execute(
                "select exists (select from firn.ledger where hash = \(hash)) or exists (select from firn.batches where hash = \(hash))"
            ).first!.bool(0)
            if !isThere { check.faults.append("the history never had the head \(head): what led to it was rewritten or cut off") }
        }
        try checkRecords(&check)
        var previous: [UInt8] = [], bodies: [Int64: String] = [:]
        for row in try connection.execute("select entry, at, actor, kind, subject, body, previous, hash from firn.ledger order by entry").map({ $0 }) {
            check.entries += 1
            let entry = row.int64(0), body = row.text(5)
            let hash = Ledger.hash(
                previous: row.bytes(6), entry: entry, at: row.timestamp(1), actor: row.text(2), kind: row.text(3), subject: row.text(4), body: body)
            guard entry == check.entries, row.bytes(6) == previous, hash == row.bytes(7) else {
                check.faults.append("ledger entry \(check.entries) isn't what it was when it was written")
                break
            }
            previous = hash
            bodies[entry] = body
        }
        check.ledgerHead = previous.hexadecimal
        let catalog: Catalog?
        do {
            catalog = try Registry(connection).load()
        } catch let error where error is DefinitionError || error is DecodingError {
            catalog = nil
            check.faults.append("the registry can't be read any more")
        }
        for row in try connection.execute("select kind, name, fingerprint, body, entry from firn.definitions order by entry").map({ $0 }) {
            check.definitions += 1
            let what = "\(row.text(0)) \(row.text(1))", body = row.text(3), fingerprint = row.text(2)
            let recorded = "\"definition\":\(body),\"fingerprint\":\"\(fingerprint)\"}", entry = bodies[row.int64(4)] ?? ""
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
        for row in try connection.execute("select kind, name, body, entry from firn.notes order by entry").map({ $0 }) where bodies[row.int64(3)] != row.text(2) {
            check.faults.append("the notes of \(row.text(0)) \(row.text(1)) aren't what was registered")
            break
        }
        return catalog
    }

    /// What the ledger says was recorded has to be there, and as it was.
    private func checkRecords(_ check: inout HistoryCheck) throws {
        for (kinds, table) in [
            (["register", "extend"], "firn.definitions"), (["note"], "firn.notes"), (["snapshot"], "firn.snapshots"), (["token"], "firn.tokens"),
            (["revoke"], "firn.token_revocations"),
        ] {
            let lost = try connection.execute(
                """
                select l.entry, l.subject from firn.ledger l where l.kind = any(\(.array(.text, kinds.map { .text($0) })))
                    and not exists (select from \(SQL(stringLiteral: table)) t where t.entry = l.entry) order by l.entry limit 1
                """
            ).first
            if let lost { check.faults.append("\(lost.text(1)) of ledger entry \(lost.int64(0)) is gone") }
        }
        for (kind, table, subject) in [
            ("definition", "firn.definitions", "t.kind || ' ' || t.name"), ("note", "firn.notes", "t.kind || ' ' || t.name"),
            ("revocation", "firn.token_revocations", "'token ' || t.id"),
        ] as [(String, SQL, SQL)] {
            let moved = try connection.execute("select l.entry from \(table) t join firn.ledger l on l.entry = t.entry where l.subject <> \(subject) order by l.entry limit 1")
                .first
            if let moved { check.faults.append("the \(kind) of ledger entry \(moved.int64(0)) is of something else now") }
        }
        for row in try connection.execute(
            """
            select s.id, s.manifest, l.subject, l.body, s.set_name, s.name from firn.snapshots s left join firn.ledger l on l.entry = s.entry and l.kind = 'snapshot' order by s.entry
            """
        ).map({ $0 }) {
            let digest = SHA256.hash(data: row.bytes(1)).hexadecimal
            guard !row.isNull(3), row.text(2) == "snapshot \(row.text(0))", let body = try? JSON(parsing: row.bytes(3)), body["manifest_digest"] == .string(digest),
                let manifest = try? JSONDecoder().decode(Manifest.self, from: Data(row.bytes(1))), manifest.id == row.text(0), manifest.set.description == row.text(4),
                manifest.name == (row.isNull(5) ? nil : row.text(5))
            else {
                check.faults.append("the manifest of \(row.text(0)) isn't what was recorded")
                break
            }
        }
        for row in try connection.execute(
            """
            select t.id, t.name, t.role, l.subject, l.body, t.hash, t.bounds, t.ends_at from firn.tokens t
            left join firn.ledger l on l.entry = t.entry and l.kind = 'token' order by t.entry
            """
        ).map({ $0 }) {
            guard !row.isNull(4), row.text(3) == "token \(row.text(0))", let body = try? JSON(parsing: row.bytes(4)), body["name"] == .string(row.text(1)),
                body["role"] == .string(row.text(2)), body["hash"].map({ $0 == .string(row.bytes(5).hexadecimal) }) ?? true,
                body["hash_digest"].map({ $0 == .string(Token.digest(row.bytes(5))) }) ?? true, (body["bounds"]?.description ?? "{}") == row.text(6),
                body["ends_at"] == row.optionalTimestamp(7).map({ .string(Instant(microseconds: $0).description) })
            else {
                check.faults.append("token \(row.text(0)) isn't what was recorded")
                break
            }
        }
        let imports = try connection.execute("select 'source ' || source, base_offset + count from firn.batches where kind = 'import'").map { "\($0.text(0)) \($0.int64(1))" }
        let known = Set(imports)
        for entry in try Ledger.entries(of: ["import"], connection) {
            guard let offset = (try? JSON(parsing: Array(entry.body.utf8)))?["last_offset"], known.contains("\(entry.subject) \(offset)") else {
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

    /// Reads blocks' contents, some taken by chance, and hashes them.
    func checkBodies(atMost limit: Int, _ check: inout HistoryCheck) throws {
        // Blocks whose content was dropped are built again when they are read.
        let addresses = try connection.execute(
            "select address from firn_cache.bodies where address in (select address from firn_cache.blocks) order by random() limit \(limit)"
        ).map { $0.bytes(0) }
        for address in addresses {
            try Task.checkCancellation()
            check.blocks += 1
            let body = try connection.execute("select body from firn_cache.bodies where address = \(address)").first!.bytes(0)
            guard let column = try? ArrowBlock.decode(body), let plain = try? ArrowBlock.encode(column, isCompressed: false), Array(SHA256.hash(data: plain)) == address else {
                check.faults.append("a segment's block isn't what its address says: \(address.hexadecimal)")
                return
            }
        }
    }

    /// Seals every run again from the rows, and compares the addresses that are listed.
    func sealAgain(_ catalog: Catalog, _ check: inout HistoryCheck, _ progress: (String, Int) -> Void) throws {
        for row in try connection.execute("select distinct source, array_to_json(keys)::text from firn_cache.runs order by 1, 2").map({ $0 }) {
            guard let source = catalog.sources[row.text(0)] else { continue }
            let keys = try JSONDecoder().decode([String].self, from: Data(row.bytes(1))), columns = Set(source.columns.map(\.name))
            for run in try SegmentList(source.name, keys: keys, columns: columns, connection).runs {
                let listed = try connection.execute("select segment, column_name, address from firn_cache.blocks where run = \(run.number)").map {
                    (segment: $0.int64(0), column: $0.text(1), address: $0.bytes(2))
                }
                var addresses: [String: [UInt8]] = [:]
                let names = Set(listed.map(\.column)).intersection(columns)
                let sealer = Sealer(source, keys: keys, columns: names, threads: threads, temporaryDirectory: temporaryDirectory, connection)
                try sealer.seal(run, progress: { progress("segments of \(source.name)", $0) }) { sealed in
                    for (name, block) in sealed.segment.blocks { addresses["\(sealed.segment.number) \(name)"] = block.address }
                }
                if let wrong = listed.first(where: { addresses["\($0.segment) \($0.column)"] != $0.address }) {
                    check.faults.append("segment \(wrong.segment) of \(source.name) up to offset \(run.upTo), column '\(wrong.column)', isn't what its rows make")
                    break
                }
            }
        }
    }
}

/// A source's chain of batches, and their rows.
private struct LogCheck {
    let source: Source
    let erasures: Erasures
    let connection: Connection

    /// A batch, and how many of its rows are there.
    private typealias Batch = (recorded: BatchLog.Recorded, kept: Int)

    func run(_ check: inout HistoryCheck, progress: (Int) -> Void) throws {
        var previous: [UInt8] = [], end: Int64 = 0, version = 1, batches: [Batch] = []
        for row in try connection.execute("select \(BatchLog.columns) from firn.batches b where b.source = \(source.name) order by b.base_offset").map({ $0 }) {
            check.batches += 1
            let batch = BatchLog.Recorded(row), computed = batch.computedHash(source.name), erased = erasures.batches[batch.number]
            // Where rows were erased, salt and digest are new ones, and the ledger vouches for them.
            let isWhole = erased.map { $0.seal == ErasureRecord.seal(hash: batch.hash, now: computed) } ?? (computed == batch.hash)
            // A batch of an older form after one of a newer would hide what the older doesn't cover.
            guard batch.baseOffset == end, batch.previous == previous, isWhole, batch.version >= version else {
                check.faults.append("the batch of \(source.name) at offset \(end) isn't what it was when it was written")
                return
            }
            (previous, version) = (batch.hash, batch.version)
            end += batch.count
            batches.append((batch, Int(batch.count - batch.duplicates) - (erased?.rows ?? 0)))
        }
        check.logHeads[source.name] = previous.hexadecimal
        try checkRows(batches, &check, progress)
    }

    /// Reads the rows in the order of the log, and holds each batch's against its digest.
    private func checkRows(_ batches: [Batch], _ check: inout HistoryCheck, _ progress: (Int) -> Void) throws {
        let strays = try connection.execute(
            "select exists (select from \(SourceTable(source).name) r where not exists (select from firn.batches b where b.batch = r.firn_batch and b.source = \(source.name)))"
        ).first!.bool(0)
        if strays { check.faults.append("\(source.name) has rows that came with no batch") }
        var place = 0, total = 0, fault: String?
        try SourceTable(source).digests(of: batches.map { ($0.recorded.number, $0.recorded.salt, $0.recorded.knownAt != nil) }, areAll: true, connection, progress: progress) {
            rows, digest in
            if fault == nil, rows != batches[place].kept || digest != batches[place].recorded.digest {
                fault = "rows of \(source.name) in batch \(batches[place].recorded.number) aren't what they were when they were written"
            }
            (place, total) = (place + 1, total + rows)
        }
        check.rows += total
        if let fault { check.faults.append(fault) }
    }
}
