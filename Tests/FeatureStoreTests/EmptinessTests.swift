import FeatureLanguage
import FeatureStore
import Tables
import TestSupport
import Testing

/// What would be empty without a word.
@Suite struct EmptinessTests {
    private static let definitions = """
        entities:
          customer: {keys: {customer_id: int64}}
        sources:
          loaded: {columns: {customer_id: int64, amount: float64, at: timestamp, created: timestamp}, event_time: at, known_at: created}
          bare: {columns: {customer_id: int64, amount: float64, at: timestamp}, event_time: at}
          settled: {columns: {customer_id: int64, amount: float64, at: timestamp}, event_time: at, known_at: {after: 3d}}
        features:
          spend.v1: {entity: customer, source: loaded, expression: sum(amount) over last_30d}
          count.v1: {entity: customer, source: loaded, expression: count(*) over last_30d}
          none.v1: {entity: customer, source: bare, expression: latest(amount)}
          good.v1: {entity: customer, source: settled, expression: latest(amount)}
        sets:
          late.v1: {features: [spend.v1, count.v1, none.v1, good.v1]}
          good.v1: {features: [good.v1]}
        """

    private func fixture() async throws -> Fixture {
        let fixture = try await Fixture(applying: EmptinessTests.definitions)
        // A history as a warehouse loads it: all rows created on one day, long after.
        let rows = (1...9).map { "\($0),\($0),2024-01-0\($0),2024-06-01\n" }.joined()
        let imported = try await fixture.store.log.importFile(
            fixture.file("loaded.csv", "customer_id,amount,at,created\n" + rows), into: "loaded")
        #expect(imported.warnings.contains { $0.contains("known 148d") && $0.contains("firn why") })
        let settled = try await fixture.store.log.importFile(
            fixture.file("settled.csv", "customer_id,amount,at\n1,1,2024-01-01\n"), into: "settled")
        #expect(settled.warnings.isEmpty, "a delay that is declared is meant")
        return fixture
    }

    @Test func `an output without a value in any row is said, with its reason`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let spine = try fixture.file(
            "spine.csv", "customer_id,event_timestamp\n" + (1...9).map { "\($0),2024-01-10\n" }.joined())
        let warnings = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "late.v1"), spine: spine, output: nil
        ).warnings
        #expect(warnings.count == 3)
        let late = try #require(warnings.first { $0.hasPrefix("spend is NULL in all 9 rows") })
        #expect(
            late.contains("rows of loaded were known a median of 148d after they happened")
                && late.contains("firn why spend"))
        #expect(warnings.contains { $0.hasPrefix("count is 0 in all 9 rows, though in hindsight it has values") })
        #expect(warnings.contains { $0 == "none is NULL in all 9 rows: source bare has no rows" })
        // What isn't recorded, the same.
        let request = SnapshotRequest(set: "late.v1")
        let computed = try await fixture.store.training.trainingSet(request, name: "spine") { plan in
            try SpineFile(path: spine, plan: plan, timestamp: request.timestamp, options: request.options)
        }
        #expect(computed.warnings == warnings)
    }

    @Test func `a spine whose keys match nothing is said, and one that has values isn't`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let strange = try fixture.file("strange.csv", "customer_id,event_timestamp\n1001,2024-07-01\n1002,2024-07-01\n")
        let warnings = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "good.v1"), spine: strange, output: nil
        ).warnings
        #expect(
            warnings == [
                "good is NULL in all 2 rows: settled has no row of any of their entities; compare how both write the keys"
            ])
        let good = try fixture.file("good.csv", "customer_id,event_timestamp\n1,2024-07-01\n1002,2024-07-01\n")
        #expect(
            try await fixture.store.training.createSnapshot(SnapshotRequest(set: "good.v1"), spine: good, output: nil)
                .warnings == [])
        // An entity that has rows, none of which the window reaches: nothing is amiss.
        let old = try fixture.file("old.csv", "customer_id,event_timestamp\n1,2025-07-01\n")
        let request = SnapshotRequest(set: "late.v1")
        #expect(
            try await fixture.store.training.createSnapshot(request, spine: old, output: nil).warnings == [
                "none is NULL in all 1 rows: source bare has no rows"
            ])
    }

    @Test func `a source says how large it is and how late its rows were known`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let figures = try await fixture.store.catalog.figures(ofSource: "loaded"), day: Int64 = 86_400_000_000
        #expect(figures.rows == 9 && figures.batches == 1 && figures.bytes > 8000)
        #expect(figures.delay?.median.microseconds == 148 * day && figures.delay?.high.microseconds == 152 * day)
        #expect(try await fixture.store.catalog.figures(ofSource: "bare").delay == nil)
    }
}
