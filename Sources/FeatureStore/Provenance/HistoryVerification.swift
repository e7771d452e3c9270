internal import FeatureEngine
internal import Postgres
public import StoreRecord

extension StoreProvenance {
    /// Recomputes the ledger's chain, every fingerprint, the logs' chains, the digests of their rows, and some or all
    /// of what is derived; and checks what guards the tables of truth.
    ///
    /// Finds any change that doesn't rewrite everything after it; with a head that was written down elsewhere, it finds
    /// that too.
    ///
    /// - Parameters:
    ///   - heads: hashes that were once the head of the ledger or of a log, in hexadecimal: the past up to each has to
    ///     be there.
    ///   - all: computes every snapshot again, seals every segment again and compares everything kept for lookups,
    ///     instead of a sample.
    ///   - progress: called with what is being checked, and how many of its rows have been read.
    public func checkHistory(
        expecting heads: [String] = [], all: Bool = false,
        progress: @escaping @Sendable (String, Int) -> Void = { _, _ in }
    ) async throws -> HistoryCheck {
        let training = training, threads = threads, directory = temporaryDirectory
        var (check, snapshots) = try await pool.run { connection in
            try Migrator.requireThisVersion(connection)
            var work = HistoryWork(
                connection: connection, heads: heads, all: all, threads: threads, temporaryDirectory: directory,
                training: training, progress: progress)
            try connection.transaction(.repeatableReadOnly) {
                for holding in Holdings.all where !work.isOver { try work.noting { try holding.verify(&$0) } }
            }
            return (work.check, work.snapshots)
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

    /// What doesn't come back of a snapshot, and what is kept of it but isn't what its rows make.
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
