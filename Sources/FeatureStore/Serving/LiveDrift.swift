internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
internal import StoreRecord

extension StoreTraining {
    /// How far what is served is from what was trained on: a snapshot's rows beside the kept lookups of its set.
    ///
    /// - Parameters:
    ///   - id: the snapshot's id or name.
    ///   - set: what is served; nil for the snapshot's own set.
    ///   - since: only lookups answered for this instant or later.
    /// - Throws: `notFound` where no lookup is kept.
    public func drift(_ id: String, live set: String? = nil, since: Instant) async throws -> Drift {
        let manifest = try await snapshot(id), own = try await statistics(ofSnapshot: manifest.id)
        let (served, columns) = try await withRegistry { connection, known in
            let
                served = try known.catalog.set(named: known.governance.set(named: set ?? manifest.set.description).set)
                    .served, plan = Plan(served, in: known.catalog)
            var parts: [[Column]] = [], rows = 0, after = LoggedLookup.first
            while rows < Drift.mostLive {
                let page = try LoggedLookup.page(
                    since: since, set: served.definition.name.description, after: after, connection)
                for row in page.map({ $0 }) {
                    let logged = try LoggedLookup(row)
                    after = logged.receipt
                    guard let (_, answers) = logged.read(plan), let count = answers.first?.count else { continue }
                    parts.append(answers)
                    rows += count
                }
                if page.count < LoggedLookup.pageRows { break }
            }
            return (
                served,
                served.features.indices.map { index in
                    parts.isEmpty ? nil : Column(concatenating: parts.map { $0[index] })
                }
            )
        }
        guard columns.first ?? nil != nil else {
            throw StoreError(
                .notFound, "no lookup of \(served.definition.name) is kept since \(since)",
                advice: "firn serve --log-lookups 0.01 keeps one in a hundred; --since looks further back")
        }
        var drift = Drift(left: manifest.id, right: "lookups of \(served.definition.name) since \(since)", features: [])
        for (entry, column) in zip(served.features, columns) {
            guard let column, let statistics = own.first(where: { $0.name == entry.output })?.statistics else {
                continue
            }
            let trained = manifest.outputs.first { $0.name == entry.output }?.fingerprint
            drift.features.append(
                Drift.Feature(
                    entry.output, statistics, ColumnStatistics(column),
                    isRedefined: trained != entry.function.fingerprint))
        }
        drift.alone = Set(manifest.outputs.filter { $0.kind == .feature }.map(\.name)).symmetricDifference(
            served.features.map(\.output)
        ).sorted()
        return drift
    }
}
