internal import Postgres
internal import Synchronization

/// Where a sealed run isn't what it was when it was sealed.
struct SegmentDamage: Error, CustomStringConvertible {
    let run: Int64
    /// Which run, and of it which segment and column, if it is known.
    let place: String

    init(_ source: String, _ keys: [String], _ run: Run, _ segment: Int64? = nil, _ column: String? = nil) {
        self.run = run.number
        let whose = "\(source) by \(keys.isEmpty ? "no key" : keys.joined(separator: ", ")) up to offset \(run.upTo) (run \(run.number))"
        place = "\(segment.map { "segment \($0)" } ?? "the list of segments") of \(whose)\(column.map { ", column '\($0)'," } ?? "")"
    }

    var description: String { "\(place) isn't what it was when it was sealed" }

    /// As who can't do without it is told.
    var error: StoreError { StoreError(.damaged, description, advice: "firn cache clear --segments, and then firn materialize, makes it again") }
}

/// What was found damaged while something was computed, of which the rows were read instead.
final class FoundDamage: Sendable {
    private let found = Mutex<[SegmentDamage]>([])

    /// False where the run is known already.
    func add(_ damage: SegmentDamage) -> Bool {
        found.withLock { found in
            if found.contains(where: { $0.run == damage.run }) { return false }
            found.append(damage)
            return true
        }
    }

    var runs: Set<Int64> { found.withLock { Set($0.map(\.run)) } }
    var all: [String] { found.withLock { $0.map(\.description) } }
    var warnings: [String] { all.map { "\($0): its rows were read instead, and firn materialize seals it again" } }

    /// Takes damaged runs away, so that they are sealed again. Outside a transaction; that it can't be done just now, or here, is no reason to fail.
    func forget(_ connection: Connection) {
        for run in runs.sorted() { _ = try? connection.execute("delete from firn_cache.runs where run = \(run)") }
    }
}
