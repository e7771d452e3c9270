internal import Crypto
internal import FeatureLanguage
internal import Migrations
package import Postgres

/// Brings a database's schema to this version, forward only.
///
/// Each file is applied once, in one transaction, under an advisory lock, and recorded with its checksum. A file that
/// changed after it was applied is refused.
package struct Migrator {
    private let connection: Connection

    package init(_ connection: Connection) {
        self.connection = connection
    }

    package struct Status: Sendable, Hashable {
        var applied: [String]
        package var pending: [String]
    }

    /// Applies what is pending and returns the names of what it applied.
    package func migrate() throws -> [String] {
        guard connection.serverVersion >= 140_000 else {
            throw StoreError(
                .notMigrated, "PostgreSQL \(connection.serverVersion / 10000) is too old",
                advice: "Firn needs version 14 or newer")
        }
        // If there is nothing to do, nobody needs the rights to do it.
        if try status().pending.isEmpty, try ServerRole.fault(connection) == nil || !ServerRole.isOwner(connection) {
            return []
        }
        return try connection.transaction {
            try connection.execute(Lock.statement(Lock.registry))
            try connection.run(script: Migrator.bookkeeping)
            let pending = try check()
            for migration in pending {
                try connection.run(script: String(decoding: migration.sql, as: UTF8.self))
                try connection.execute(
                    "insert into firn.migrations (number, name, checksum) values (\(migration.number), \(migration.name), \(Migrator.checksum(migration.sql)))"
                )
            }
            // Here too, in case the database was restored or somebody has created the role since.
            try ServerRole.admit(connection)
            return pending.map(\.name)
        }
    }

    /// What is applied and what is pending, without changing anything.
    package func status() throws -> Status {
        let exists = try connection.execute("select to_regclass('firn.migrations') is not null").first?.bool(0) ?? false
        let pending = exists ? try check() : Migrations.all
        return Status(
            applied: Migrations.all.filter { migration in !pending.contains { $0.number == migration.number } }.map(
                \.name), pending: pending.map(\.name))
    }

    private static let bookkeeping = """
        create schema if not exists firn;
        create table if not exists firn.migrations (
            number integer primary key, name text not null, checksum text not null, applied_at timestamptz not null default now());
        grant select on firn.migrations to public
        """

    /// Refuses a schema of any other version.
    package static func requireThisVersion(_ connection: Connection) throws {
        let applied: Int64, known = Int64(Migrations.all.map(\.number).max() ?? 0)
        do {
            applied = try connection.execute("select max(number) from firn.migrations").single().int64(0)
        } catch {
            // No such table or schema.
            guard error.code == "42P01" || error.code == "3F000" else { throw error }
            throw StoreError(
                .notMigrated, "the database is empty",
                advice: "run firn migrate, or firn init for a project of your own")
        }
        if applied > known {
            throw StoreError(.migrationChanged, "the database was migrated by a newer Firn", advice: "upgrade this one")
        }
        if applied < known {
            throw StoreError(.notMigrated, "the database's schema is an older Firn's", advice: "run firn migrate")
        }
    }

    private func check() throws -> [(number: Int, name: String, sql: [UInt8])] {
        let rows = try connection.execute("select number, name, checksum from firn.migrations order by number")
        for row in try rows.map({ row throws in
            try (number: Int(row.int64(0)), name: row.text(1), checksum: row.text(2))
        }) {
            guard let known = Migrations.all.first(where: { $0.number == row.number }) else {
                throw StoreError(
                    .migrationChanged, "the database was migrated by a newer Firn (\(row.name))",
                    advice: "upgrade this one")
            }
            guard Migrator.checksum(known.sql) == row.checksum else {
                throw StoreError(
                    .migrationChanged, "migration \(row.name) has changed since it was applied",
                    advice: "restore the file; a change to the schema is a new migration")
            }
        }
        return try Migrations.all.filter { migration in
            try !(0..<rows.count).contains { try Int(rows[$0].int64(0)) == migration.number }
        }
    }

    private static func checksum(_ sql: [UInt8]) -> String { SHA256.hash(data: sql).hexadecimal }
}

/// The advisory locks: one key space, with a number for each purpose.
package enum Lock {
    package static let space: Int = 0x6669_726E
    /// Migrations and the registry.
    package static let registry: Int = 0
    /// The ledger. Taken after any table's lock and before a log's, so that nobody waits in a circle.
    static let ledger: Int = 2

    /// The log of one source: an odd number. If two sources share a number, they wait for each other.
    package static func log(of source: String) -> Int { hash(source) | 1 }

    /// Making segments of one source: an even number above the others.
    package static func segments(of source: String) -> Int { hash(source) & ~1 | 1 << 30 }

    /// Keeping online state of one source: an even number from a range of its own.
    package static func online(of source: String) -> Int { hash(source) & ~1 | 1 << 29 }

    /// Takes a lock until the transaction ends.
    package static func statement(_ lock: Int) -> SQL { "select pg_advisory_xact_lock(\(space)::int, \(lock)::int)" }

    /// Holds a lock across several transactions.
    package static func holding<T>(_ lock: Int, _ connection: Connection, _ body: () throws -> T) throws -> T {
        try connection.execute("select pg_advisory_lock(\(space)::int, \(lock)::int)")
        defer { _ = try? connection.execute("select pg_advisory_unlock(\(space)::int, \(lock)::int)") }
        return try body()
    }

    private static func hash(_ source: String) -> Int {
        Int(source.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 } >> 1)
    }
}
