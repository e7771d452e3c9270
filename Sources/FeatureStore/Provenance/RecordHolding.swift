internal import Crypto
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import Tables

/// The ledger, what it registered and decided, and which store this is. It holds nobody's rows or keys.
enum RecordHolding: Holding {
    static let tables = [
        "firn.ledger", "firn.definitions", "firn.notes", "firn.tokens", "firn.token_revocations", "firn.store",
        "firn.server_roles", "firn.source_tables", "firn.migrations",
    ]

    static func verify(_ work: inout HistoryWork) throws {
        for fault in try Guards(connection: work.connection).faults() {
            work.check.faults.append("\(fault.what) \(fault.fault)")
        }
        work.catalog = try LedgerCheck(work.connection).run(expecting: work.heads, &work.check)
        work.isOver = work.catalog == nil
    }
}

/// Checks the ledger's chain, and the registry against it.
private struct LedgerCheck {
    let connection: Connection

    init(_ connection: Connection) {
        self.connection = connection
    }

    /// - Returns: the registry; nil where it can't be read any more.
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
            // The commit that it came from may precede it.
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

    /// An empty ledger has to mean an empty store; otherwise only part of the store was restored.
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

    /// Checks that what the ledger says was recorded is there, and as it was.
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
