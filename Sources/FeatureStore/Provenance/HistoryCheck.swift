internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Tables

/// What was found when the history was computed again.
public struct HistoryCheck: Sendable {
    public var entries = 0, definitions = 0, batches = 0, rows = 0
    /// The ledger's newest hash, and the newest of each source's log: whoever writes them down can hold the past against them.
    public var ledgerHead = ""
    public var logHeads: [String: String] = [:]
    /// The first thing of each kind that doesn't hold.
    public var faults: [String] = []
}

extension Store {
    /// Recomputes the ledger's chain, every fingerprint, the chains of the logs and the digests of their rows.
    ///
    /// It finds any change that doesn't rewrite all that follows it.
    /// - Parameter progress: a source, and how many of its rows were read.
    public func checkHistory(progress: @escaping @Sendable (String, Int) -> Void = { _, _ in }) async throws -> HistoryCheck {
        try await withCatalog { connection, catalog in
            var check = HistoryCheck()
            try connection.transaction(.repeatableReadOnly) {
                try LedgerCheck(connection).run(catalog, &check)
                let erasures = try Erasures(connection)
                for source in catalog.sources.values.sorted(by: { $0.name < $1.name }) {
                    try Task.checkCancellation()
                    try LogCheck(source: source, erasures: erasures, connection: connection).run(&check) { progress(source.name, $0) }
                }
            }
            return check
        }
    }
}

/// The ledger's chain, and the registry held against it.
private struct LedgerCheck {
    let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    func run(_ catalog: Catalog, _ check: inout HistoryCheck) throws {
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
        for row in try connection.execute("select kind, name, fingerprint, body, entry from firn.definitions order by entry").map({ $0 }) {
            check.definitions += 1
            let what = "\(row.text(0)) \(row.text(1))", body = row.text(3), fingerprint = row.text(2)
            guard bodies[row.int64(4)] == "{\"definition\":\(body),\"fingerprint\":\"\(fingerprint)\"}",
                let definition = try? JSONDecoder().decode(Definition.self, from: Data(body.utf8)), fingerprintNow(definition, catalog) == fingerprint
            else {
                check.faults.append("\(what) isn't what was registered")
                break
            }
        }
        for row in try connection.execute("select kind, name, body, entry from firn.notes order by entry").map({ $0 }) where bodies[row.int64(3)] != row.text(2) {
            check.faults.append("the notes of \(row.text(0)) \(row.text(1)) aren't what was registered")
            break
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

/// A source's chain of batches, and their rows.
private struct LogCheck {
    let source: Source
    let erasures: Erasures
    let connection: Connection

    private struct Batch {
        var number: Int64
        /// How many of its rows are there.
        var kept: Int
        var salt: [UInt8]
        var digest: [UInt8]
        var isPushed: Bool
    }

    func run(_ check: inout HistoryCheck, progress: (Int) -> Void) throws {
        var previous: [UInt8] = [], end: Int64 = 0
        let batches = try connection.execute(
            """
            select batch, base_offset, count, duplicates, kind, known_at, committed_at, actor, salt, rows_digest, previous, hash from firn.batches
            where source = \(source.name) order by base_offset
            """)
        var digests: [Batch] = []
        for row in batches.map({ $0 }) {
            check.batches += 1
            let hash = BatchLog.hash(
                previous: row.bytes(10), source: source.name, numbers: [row.int64(0), row.int64(1), row.int64(2), row.int64(3)], kind: row.text(4),
                knownAt: row.optionalTimestamp(5), committedAt: row.timestamp(6), actor: row.text(7), salt: row.bytes(8), rows: row.bytes(9))
            // Where rows were erased, salt and digest are new ones, and the ledger says which.
            let erased = erasures.batches[row.int64(0)]
            let isWhole = erased.map { $0.seal == ErasureRecord.seal(hash: row.bytes(11), salt: row.bytes(8), digest: row.bytes(9)) } ?? (hash == row.bytes(11))
            guard row.int64(1) == end, row.bytes(10) == previous, isWhole else {
                check.faults.append("the batch of \(source.name) at offset \(end) isn't what it was when it was written")
                return
            }
            previous = row.bytes(11)
            end += row.int64(2)
            digests.append(
                Batch(
                    number: row.int64(0), kept: Int(row.int64(2) - row.int64(3)) - (erased?.rows ?? 0), salt: row.bytes(8), digest: row.bytes(9), isPushed: !row.isNull(5)))
        }
        check.logHeads[source.name] = previous.hexadecimal
        try checkRows(digests, &check, progress)
    }

    /// Reads the rows in the order of the log, and holds each batch's against its digest.
    private func checkRows(_ batches: [Batch], _ check: inout HistoryCheck, _ progress: (Int) -> Void) throws {
        let strays = try connection.execute(
            "select exists (select from \(SourceTable(source).name) r where not exists (select from firn.batches b where b.batch = r.firn_batch and b.source = \(source.name)))"
        ).first!.bool(0)
        if strays { check.faults.append("\(source.name) has rows that came with no batch") }
        var place = 0, total = 0, fault: String?
        try SourceTable(source).digests(of: batches.map { ($0.number, $0.salt, $0.isPushed) }, areAll: true, connection, progress: progress) { rows, digest in
            if fault == nil, rows != batches[place].kept || digest != batches[place].digest {
                fault = "rows of \(source.name) in batch \(batches[place].number) aren't what they were when they were written"
            }
            (place, total) = (place + 1, total + rows)
        }
        check.rows += total
        if let fault { check.faults.append(fault) }
    }
}
