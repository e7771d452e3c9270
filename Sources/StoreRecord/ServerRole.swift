package import Postgres

/// The role that this store's servers act as: it reads, passes what it writes to the owner's functions, and may change
/// derived data only. `firn.admit_server()` creates it (migrations/0010_server_functions.sql). Its name is kept in the
/// store, and a copy in the same cluster has a role of its own.
package enum ServerRole {
    /// Returns its name; an error if the database has none yet.
    static let name: SQL = "firn.server_role()"

    /// Creates the role, grants it what it needs, and revokes the privileges that other stores' servers have here. Runs
    /// inside a transaction, as the tables' owner.
    static func admit(_ connection: Connection) throws { try connection.execute("select firn.admit_server()") }

    /// What keeps servers with this connection's user from working, found by trying.
    package enum Fault {
        /// The owner has to admit servers (again): the database was just restored, or its role was created in the
        /// meantime.
        case notAdmitted
        /// Somebody with the rights for it has to run a statement.
        case lacks(statement: String)

        package var remedy: String {
            switch self {
            case .notAdmitted: "run firn migrate as the owner of the tables"
            case .lacks(let statement): "a superuser, or whoever may, runs: \(statement)"
            }
        }
    }

    /// - Returns: nil if servers can work.
    package static func fault(_ connection: Connection) throws -> Fault? {
        guard let server = try serverName(connection) else { return .notAdmitted }
        let user = try connection.execute(
            "select quote_ident(current_user), exists (select from pg_roles where rolname = \(server))"
        ).single()
        guard try user.bool(1) else {
            return try .lacks(statement: "create role \(server) nologin role \(user.text(0))")
        }
        do {
            return try connection.transaction(.repeatableReadOnly) { try canWork(as: server, connection) }
                ? nil : .notAdmitted
        } catch let error as PostgresError {
            if error.code == "42501" { return try .lacks(statement: "grant \(server) to \(user.text(0))") }
            throw error
        }
    }

    /// The role's name; nil if the database has none yet.
    private static func serverName(_ connection: Connection) throws -> String? {
        do {
            return try connection.execute("select \(name)").single().text(0)
        } catch {
            // No such role, function or schema.
            if error.code == "42704" || error.code == "42883" || error.code == "3F000" { return nil }
            throw error
        }
    }

    /// Acts as the role until the transaction ends, and asks what it may do.
    private static func canWork(as server: String, _ connection: Connection) throws -> Bool {
        try connection.execute("select set_config('role', \(server), true)")
        return try connection.execute(
            """
            select has_schema_privilege('firn_cache', 'usage') and has_table_privilege('firn.ledger', 'select')
                and has_function_privilege('firn.append_entry(text, text, text, text)', 'execute')
                and not exists (select from pg_shdepend d join pg_roles r on r.oid = d.refobjid
                    where d.refclassid = 'pg_authid'::regclass and d.dbid = (select oid from pg_database where datname = current_database())
                        and r.rolname ~ '^firn_server(_[0-9a-f]{16})?$' and r.rolname <> current_user)
            """
        ).single().bool(0)
    }

    /// Whether the connection's user may act as the tables' owner.
    static func isOwner(_ connection: Connection) throws -> Bool {
        try connection.execute("select pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'firn'").first?
            .bool(0) ?? false
    }
}
