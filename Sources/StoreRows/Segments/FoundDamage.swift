package import Postgres
package import SegmentFormat
package import StoreRecord
internal import Synchronization

extension SegmentDamage {
    /// As who can't do without it is told.
    package var error: StoreError {
        StoreError(
            .damaged, description, advice: "firn cache clear --segments, and then firn materialize, makes it again")
    }
}

/// What was found damaged while something was computed, of which the rows were read instead.
package final class FoundDamage: Sendable {
    private let found = Mutex<[SegmentDamage]>([])

    package init() {}

    /// False where the run is known already.
    package func add(_ damage: SegmentDamage) -> Bool {
        found.withLock { found in
            if found.contains(where: { $0.run == damage.run }) { return false }
            found.append(damage)
            return true
        }
    }

    package var runs: Set<Int64> { found.withLock { Set($0.map(\.run)) } }
    package var all: [String] { found.withLock { $0.map(\.description) } }
    package var warnings: [String] {
        all.map { "\($0): its rows were read instead, and firn materialize seals it again" }
    }

    /// Takes damaged runs away, so that they are sealed again. Outside a transaction; that it can't be done just now,
    /// or here, is no reason to fail.
    package func forget(_ connection: Connection) {
        for run in runs.sorted() { _ = try? connection.execute("delete from firn_cache.runs where run = \(run)") }
    }
}
