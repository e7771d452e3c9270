internal import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import StoreRows

/// One thing that was examined: fine, or wrong with how to mend it.
public struct Finding: Sendable, Hashable {
    /// What was examined, such as `schema`.
    public var what: String
    /// What is wrong; nil where all is well.
    public var fault: String?
    /// How to mend the fault; nil where there is none.
    public var remedy: String?

    /// Without a fault, says that `what` is fine.
    public init(what: String, fault: String? = nil, remedy: String? = nil) {
        self.what = what
        self.fault = fault
        self.remedy = remedy
    }
}

extension Store {
    /// Examines the database from the outside in (is it reachable, new enough, migrated, guarded, the registry
    /// readable?), and then this machine's copies.
    public func examine() async -> [Finding] {
        let findings = await examineDatabase()
        guard let cache else { return findings }
        let fault = cache.isUsable ? nil : "\(cache.place) can't be written"
        return findings + [
            Finding(
                what: "copies of segments", fault: fault,
                remedy: fault.map { _ in "FIRN_CACHE_DIR names another directory; FIRN_CACHE_GIB=0 does without copies"
                })
        ]
    }

    private func examineDatabase() async -> [Finding] {
        do {
            do {
                try await Store.check(Pooler.found(context.uri))
            } catch let error as StoreError {
                return [Finding(what: "pooler", fault: error.message, remedy: error.advice)]
            }
            return try await context.pool.run { connection in
                let version = connection.serverVersion / 10000
                var findings = [
                    Finding(
                        what: "PostgreSQL \(version)", fault: version < 14 ? "too old" : nil,
                        remedy: version < 14 ? "use PostgreSQL 14 or newer" : nil)
                ]
                let status: Migrator.Status
                do {
                    status = try Migrator(connection).status()
                } catch {
                    return findings + [
                        Finding(what: "schema", fault: "\(error)", remedy: "the schema must be that of this Firn")
                    ]
                }
                let pending = status.pending.joined(separator: ", ")
                findings.append(
                    Finding(
                        what: "schema", fault: pending.isEmpty ? nil : "not applied yet: \(pending)",
                        remedy: pending.isEmpty ? nil : "run firn migrate"))
                guard pending.isEmpty else { return findings }
                findings += try guards(connection)
                let fault = try ServerRole.fault(connection)
                findings.append(
                    Finding(
                        what: "servers' role",
                        fault: fault.map { _ in "servers can't act as their role in this database" },
                        remedy: fault?.remedy))
                do {
                    let catalog = try Registry(connection).load(),
                        entry = try connection.execute("select coalesce(max(entry), 0) from firn.ledger").single()
                            .int64(0)
                    findings.append(
                        Finding(
                            what:
                                "registry: \(catalog.functions.count) features and labels, \(catalog.sources.count) sources, ledger entry \(entry)"
                        ))
                } catch {
                    findings.append(
                        Finding(
                            what: "registry", fault: "\(error)",
                            remedy: "a definition was changed by hand; restore the database from a backup"))
                }
                return findings
            }
        } catch {
            return [
                Finding(
                    what: "database", fault: "\(error)",
                    remedy:
                        "is the server up, and FIRN_DATABASE_URL right? Without it, firn init makes a cluster of your own"
                )
            ]
        }
    }
}

/// Whether each table of truth has its guard, the guard is enabled, and nobody has a way around it.
private func guards(_ connection: Connection) throws -> [Finding] {
    let faults = try Guards(connection: connection).faults()
    return faults.isEmpty
        ? [Finding(what: "guards against change")]
        : faults.map { Finding(what: $0.what, fault: $0.fault, remedy: $0.remedy) }
}
