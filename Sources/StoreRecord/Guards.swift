internal import FeatureLanguage
internal import Migrations
package import Postgres

/// Checks from the outside what protects the tables of truth: that each has its guard as the migrations made it, and
/// that only the owner may do more than read and append.
package struct Guards {
    package struct Fault {
        /// A table, schema or function.
        package var what: String
        package var fault: String
        package var remedy: String
    }

    let connection: Connection

    package init(connection: Connection) {
        self.connection = connection
    }

    package func faults() throws -> [Fault] { try function() + triggers() + privileges() }

    /// Faults of the function that refuses every change.
    private func function() throws -> [Fault] {
        let name = "firn.refuse_change()"
        func fault(_ text: String) -> [Fault] {
            [
                Fault(
                    what: "the guards' function \(name)", fault: text,
                    remedy:
                        "make it again as migrations/0001_foundation.sql has it, once it is clear who changed it and what changed since"
                )
            ]
        }
        guard
            let row = try connection.execute(
                """
                select p.prosrc, l.lanname, p.prosecdef or p.proconfig is not null or p.prorettype <> 'trigger'::regtype
                from pg_proc p join pg_language l on l.oid = p.prolang where p.oid = to_regprocedure(\(name))
                """
            ).first
        else { return fault("is gone") }
        return try row.text(0) == Guards.source && row.text(1) == "plpgsql" && !row.bool(2)
            ? [] : fault("isn't what the migration made")
    }

    /// The function's text between the dollars, from the newest migration that creates it.
    private static let source: String? = {
        for migration in Migrations.all.reversed() {
            let text = String(decoding: migration.sql, as: UTF8.self)
            let makes = ["create function firn.refuse_change()", "create or replace function firn.refuse_change()"]
            guard let start = makes.compactMap({ text.firstRange(of: $0) }).first else { continue }
            let parts = text[start.upperBound...].split(separator: "$$", maxSplits: 2, omittingEmptySubsequences: false)
            return parts.count == 3 ? String(parts[1]) : nil
        }
        return nil
    }()

    /// Faults of the tables' guards: each must fire before updates, deletes and truncations, per statement, always,
    /// unconditionally, and call that function.
    private func triggers() throws -> [Fault] {
        let rows = try connection.execute(
            """
            select n.nspname || '.' || c.relname, t.tgenabled::text, t.tgtype, t.tgfoid = to_regprocedure('firn.refuse_change()'),
                t.tgqual is null and t.tgnargs = 0 and t.tgattr::text = ''
            from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_trigger t on t.tgrelid = c.oid and t.tgname = 'firn_guard' and not t.tgisinternal
            where n.nspname in ('firn', 'firn_source') and c.relkind in ('r', 'p') order by 1
            """)
        return try rows.map { row -> Fault? in
            let table = try row.text(0)
            // BEFORE, DELETE, UPDATE, TRUNCATE (pg_trigger.h).
            let events: Int64 = 2 | 8 | 16 | 32
            let fault: String
            if row.isNull(1) {
                fault = "is missing"
            } else if try row.text(1) == "D" {
                fault = "is switched off"
            } else if try row.text(1) != "A" {
                fault = "isn't enabled always"
            } else if try row.int64(2) != events || !row.bool(4) {
                fault = "is on other events"
            } else if try !row.bool(3) {
                fault = "calls another function"
            } else {
                return nil
            }
            let drop = row.isNull(1) ? "" : "drop trigger firn_guard on \(table); "
            return Fault(
                what: "the guard of \(table)", fault: fault,
                remedy: "\(drop)select firn.guard('\(table)'), once it is clear who changed it and what changed since")
        }.compactMap(\.self)
    }

    /// Who may do more than read and append. A superuser's powers appear in no list.
    private func privileges() throws -> [Fault] {
        let rows = try connection.execute(
            """
            with owner as (select nspowner as own from pg_namespace where nspname = 'firn'),
            relations as (
                select c.oid, n.nspname || '.' || c.relname as name, c.relowner, c.relacl from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname in ('firn', 'firn_source') and c.relkind in ('r', 'p')),
            held as (
                select 'the table ' || r.name as what, r.relowner as own, a.grantee, a.privilege_type as privilege, 'on ' || r.name as place from relations r, aclexplode(r.relacl) a
                where a.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER')
                union all
                select 'the table ' || r.name, r.relowner, a.grantee, a.privilege_type, 'on ' || r.name from relations r join pg_attribute t on t.attrelid = r.oid, aclexplode(t.attacl) a
                where a.privilege_type in ('UPDATE', 'REFERENCES') and not t.attisdropped
                union all
                select 'the schema ' || nspname, nspowner, a.grantee, a.privilege_type, 'on schema ' || nspname from pg_namespace, aclexplode(nspacl) a
                where nspname in ('firn', 'firn_source') and a.privilege_type = 'CREATE')
            select distinct h.what, case when h.grantee = 0 then 'everybody' else pg_get_userbyid(h.grantee)::text end, h.privilege, h.place,
                case when h.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(h.grantee)::text) end
            from held h left join pg_roles g on g.oid = h.grantee where h.grantee <> h.own and not coalesce(g.rolsuper, false)
            union all
            select 'the table ' || r.name, pg_get_userbyid(r.relowner)::text, null, r.name, quote_ident(pg_get_userbyid(o.own)::text)
            from relations r cross join owner o join pg_roles g on g.oid = r.relowner where r.relowner <> o.own and not g.rolsuper order by 1, 2, 3
            """)
        return try rows.map { row in
            try row.isNull(2)
                ? Fault(
                    what: row.text(0), fault: "belongs to \(row.text(1))",
                    remedy: "alter table \(row.text(3)) owner to \(row.text(4))")
                : Fault(
                    what: row.text(0), fault: "may be changed by \(row.text(1)): \(row.text(2).lowercased())",
                    remedy: "revoke \(row.text(2).lowercased()) \(row.text(3)) from \(row.text(4))")
        }
    }
}
