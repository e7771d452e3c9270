import FeatureEngine
import FeatureLanguage
import FeatureStore
import Postgres
import TestSupport
import Tables
import Testing

/// From a column to a prediction, and back.
@Suite struct LineageTests {
    private func names(_ lineage: Lineage, _ direction: Lineage.Direction) -> Set<String> {
        Set(lineage.reached([direction]).map(\.description))
    }

    @Test func `everything hangs together, both ways and as it was then`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let store = fixture.store
        _ = try await store.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":2.5,"at":"2024-01-01"}]"#.utf8), layout: .array,
            into: "payments")
        let spine = try fixture.file("spine.csv", "customer_id,event_timestamp,amount\n1,2024-01-02,1\n")
        let manifest = try await store.training.createSnapshot(
            SnapshotRequest(set: "all.v1", name: "first"), spine: spine, output: nil)
        let model = try await store.catalog.recordModel(ModelRequest("all.v7", snapshots: [manifest.id]))
        _ = try await store.catalog.point("all@production", to: "model:all.v7")
        var request = LookupRequest(
            .set("all@production"), entities: ["customer_id": [.json(1)]], request: ["amount": [.json(5)]])
        request.isLogged = true
        let receipt = try #require(try await store.serving.lookup(request).receipt)
        await store.serving.receipts.flush()

        // Which models use this column?
        let down = names(try await store.provenance.lineage("payments.amount"), .down)
        #expect(
            down.isSuperset(of: [
                "feature spend.v1", "feature ratio.v1", "set all.v1", "snapshot \(manifest.id)", "model all.v7",
                "pointer all@production",
            ]), "\(down)")
        #expect(!down.contains("feature clicks.v1"))
        // What made this prediction?
        let up = names(try await store.provenance.lineage(receipt), .up)
        #expect(
            up.isSuperset(of: [
                "model all.v7", "snapshot \(manifest.id)", "set all.v1", "feature ratio.v1", "feature spend.v1",
                "column payments.amount", "source payments", "source people",
                "entity customer",
            ]), "\(up)")
        #expect(names(try await store.provenance.lineage("all@production"), .up).contains("source clicks"))
        #expect(try await store.provenance.lineage("first").roots.map(\.description) == ["snapshot \(manifest.id)"])
        #expect(names(try await store.provenance.lineage("model:all.v7"), .down).contains("receipts all.v1 for all.v7"))
        #expect(try await store.provenance.lineage("spend.v1").texts.values.contains("sum(amount) over last_7d"))
        // The rows that counted, feature by feature.
        let why = try await store.provenance.why(receipt: receipt)
        #expect(why.map(\.output) == ["spend", "payments", "clicks", "country", "ratio"])
        #expect(why[1].answer.explanations[0].countedTotal == 1 && why[2].answer.explanations[0].countedTotal == 0)
        // They stay those that counted, though rows came since that were known before.
        _ = try await store.log.importFile(
            fixture.file("late.csv", "payment_id,customer_id,amount,gone,at,recorded\nb,1,9,,2024-01-01,2024-01-01\n"),
            into: "payments")
        let later = try await store.provenance.why(receipt: receipt)
        #expect(later.map(\.answer.value) == why.map(\.answer.value))
        #expect(later[1].answer.explanations[0].countedTotal == 1 && later[1].answer.cuts["payments"] == 1)
        // Before the model was recorded there was none.
        let before = names(
            try await store.provenance.lineage(
                "payments.amount", asOf: Instant(microseconds: model.recordedAt.microseconds - 1)), .down)
        #expect(
            before.contains("snapshot \(manifest.id)") && !before.contains("model all.v7")
                && !before.contains("pointer all@production"))
        await #expect(throws: StoreError.self) {
            _ = try await store.provenance.lineage("payments.amount", asOf: Instant(text: "2020-01-01")!)
        }
        await #expect(throws: StoreError.self) { _ = try await store.provenance.lineage("nothing.v1") }
        let graph = try await store.provenance.lineage("all.v7").graphviz(Lineage.Direction.allCases)
        #expect(graph.hasPrefix("digraph lineage {") && graph.contains(#""set all.v1" -> "model all.v7";"#), "\(graph)")
    }

    @Test func `an entity that nothing is made of yet is known`() async throws {
        let fixture = try await Fixture(applying: "entities: {shop: {keys: {shop_id: int64}}}")
        defer { fixture.remove() }
        let lineage = try await fixture.store.provenance.lineage("shop")
        #expect(lineage.reached(Lineage.Direction.allCases).map(\.description) == ["entity shop"])
    }

    @Test func `statistics say what a column looks like, and drift how far two are apart`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let store = fixture.store
        var rows = "payment_id,customer_id,amount,gone,at,recorded\n"
        for customer in 0..<2000 {
            rows +=
                "p\(customer),\(customer),\(customer % 100),,2024-01-01,2024-01-01\nq\(customer),\(customer),\(customer % 100 + 50),,2024-02-01,2024-02-01\n"
        }
        _ = try await store.log.importFile(fixture.file("p.csv", rows), into: "payments")
        _ = try await store.log.importFile(
            fixture.file(
                "k.csv", "customer_id,country\n" + (0..<1000).map { "\($0),\($0 % 4 == 0 ? "it" : "fr")\n" }.joined()),
            into: "people")
        func snapshot(_ name: String, _ time: String, _ range: Range<Int>) async throws -> Manifest {
            let spine = "customer_id,event_timestamp,amount\n" + range.map { "\($0),\(time),1\n" }.joined()
            return try await store.training.createSnapshot(
                SnapshotRequest(set: "all.v1", name: name), spine: fixture.file("\(name).csv", spine), output: nil)
        }
        let early = try await snapshot("early", "2024-01-02", 0..<2000),
            late = try await snapshot("late", "2024-02-02", 0..<2000)
        let again = try await snapshot("again", "2024-01-02", 1000..<2000)
        let seen = Dictionary(
            uniqueKeysWithValues: try await store.training.statistics(ofSnapshot: early.id).map {
                ($0.name, $0.statistics)
            })
        let spend = try #require(seen["spend"])
        #expect(
            spend.rows == 2000 && spend.nulls == 0 && spend.mean == 49.5 && spend.quantiles[0] == 0
                && spend.quantiles[50] == 49.5.rounded(.up) && spend.quantiles[100] == 99,
            "\(spend)")
        #expect(
            abs(spend.deviation! - (9999.0 / 12).squareRoot()) < 1e-9
                && spend.histogram == Array(repeating: 100, count: 20), "\(spend)")
        #expect(
            seen["country"]?.nulls == 1000 && seen["country"]?.top.map(\.value) == ["fr", "it"]
                && seen["country"]?.top.map(\.count) == [750, 250])
        // Computed again from its rows it is the same.
        try fixture.connection().run(script: "delete from firn_cache.statistics")
        #expect(
            try await store.training.statistics(ofSnapshot: early.id).first { $0.name == "spend" }?.statistics == spend)
        let same = try await store.training.drift(early.id, again.id),
            moved = try await store.training.drift("early", "late")
        #expect(
            same.beyond(stability: 0.2, distance: 0.2).map(\.name) == ["country"],
            "\(same.features.map { ($0.name, $0.stability, $0.distance) })")
        #expect(
            abs(moved.features.first { $0.name == "spend" }!.distance! - 0.5) < 0.02
                && moved.beyond(stability: 0.2, distance: 0.2).map(\.name).contains("spend"))
        #expect(
            try await store.training.drift(late.id, late.id).features.allSatisfy {
                $0.stability == 0 && $0.distance ?? 0 == 0
            })
        // Of a handful of rows chance alone may be beyond any bound.
        let handful = try await snapshot("handful", "2024-02-02", 0..<5),
            few = try await store.training.drift(early.id, handful.id)
        #expect(
            few.beyond(stability: 0.2, distance: 0.2).isEmpty
                && few.tooFew(stability: 0.2, distance: 0.2).map(\.name).contains("spend"))
        #expect(few.json(beyond: [], tooFew: ["spend"])["features"]?.description.contains("\"too_few\":true") == true)
        // What is served beside what was trained on.
        await #expect(throws: StoreError.self) {
            _ = try await store.training.drift(early.id, since: Instant(text: "2024-01-01")!)
        }
        var request = LookupRequest(
            .set("all.v1"), entities: ["customer_id": (0..<200).map { .json(JSON($0)) }],
            request: ["amount": [.json(1)]])
        request.isLogged = true
        _ = try await store.serving.lookup(request)
        await store.serving.receipts.flush()
        let live = try await store.training.drift(early.id, since: Instant(text: "2024-01-01")!)
        #expect(
            live.beyond(stability: 0.2, distance: 0.2).map(\.name).contains("spend")
                && live.features.map(\.name) == ["spend", "payments", "clicks", "country", "ratio"])
        #expect(try await store.training.statistics(of: VersionedName("spend.v1")!)?.snapshot.id == handful.id)
    }
}
