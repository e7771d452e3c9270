package import Postgres
package import SegmentFormat
package import StoreRecord
internal import Synchronization

extension SegmentDamage {
    /// The error for those who can't do without the segment.
    package var error: StoreError {
        StoreError(
            .damaged, description, advice: "firn cache clear --segments, and then firn materialize, makes it again")
    }
}

/// What was found damaged during a computation, which read rows instead.
package final class FoundDamage: Sendable {
    private let found = Mutex<[SegmentDamage]>([])

    package init() {}

    /// Adds damage; false if the run is already known to be damaged.
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

    /// Deletes damaged runs, so that they are sealed again. Outside a transaction; if it isn't possible right now, or
    /// here, that is no reason to fail.
    package func forget(_ connection: Connection) {
        for run in runs.sorted() { _ = try? connection.execute("delete from firn_cache.runs where run = \(run)") }
    }
}
