import FeatureLanguage
import FeatureStore
import Postgres
import TestSupport
import Tables
import Testing

/// What is decided about what is registered: models, pointers, life cycle.
@Suite struct GovernanceTests {
    private static let second = """
        features:
          spend.v2: {entity: customer, source: payments, expression: sum(amount) over last_30d}
        sets:
          all.v2: {features: [spend.v1, clicks.v1]}
          wide.v1: {features: [spend.v2]}
        """

    private func world() async throws -> (Fixture, Store, Manifest) {
        let fixture = try await Fixture()
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(yaml: GovernanceTests.second, file: "second.yaml")
        ])
        _ = try await fixture.store.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":2.5,"at":"2024-01-01"}]"#.utf8), layout: .array,
            into: "payments")
        let spine = try fixture.file("spine.csv", "customer_id,event_timestamp,amount\n1,2024-01-02,1\n")
        let manifest = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        return (
            fixture, Store(uri: fixture.uri, actor: "server", memory: OnlineMemory(maximumBytes: 1 << 22)), manifest
        )
    }

    private func code(_ body: () async throws -> Void) async -> StoreError.Code? {
        do { try await body() } catch { return (error as? StoreError)?.code }
        return nil
    }

    private func ask(_ name: String, _ store: Store) async throws -> LookupAnswer {
        try await store.serving.lookup(
            LookupRequest(
                .set(name), entities: ["customer_id": [.json(1)]],
                request: name.hasPrefix("all") ? ["amount": [.json(1)]] : [:]))
    }

    @Test func `a model's record says what it was made of, and never changes`() async throws {
        let (fixture, _, manifest) = try await world()
        defer { fixture.remove() }
        let weights = try Model.Artifact(file: fixture.file("model.bin", "abc"))
        #expect(
            weights.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" && weights.bytes == 3)
        let request = ModelRequest(
            "all.v3", snapshots: [manifest.id], set: "all.v2", commit: "abc", metrics: ["auc": 0.91],
            artifacts: [weights])
        let model = try await fixture.store.catalog.recordModel(request)
        #expect(
            model.set.description == "all.v2" && model.snapshots.map(\.id) == [manifest.id]
                && model.snapshots[0].digest == manifest.digest && model.actor == "tester")
        #expect(try await fixture.store.catalog.recordModel(request) == model)
        #expect(try await fixture.store.catalog.model("all.v3") == model)
        #expect(try await fixture.store.provenance.ledger(kind: "model").count == 1)
        var another = request
        another.metrics["auc"] = 0.92
        #expect(await code { _ = try await fixture.store.catalog.recordModel(another) } == .definitionRefused)
        // It can't have learned from what it takes in.
        #expect(
            await code {
                _ = try await fixture.store.catalog.recordModel(
                    ModelRequest("wide.v1", snapshots: [manifest.id], set: "wide.v1"))
            } == .invalidRequest)
        for wrong in [
            ModelRequest("churn", snapshots: [manifest.id]), ModelRequest("churn.v1", snapshots: []),
            ModelRequest("churn.v1", snapshots: [manifest.id], metrics: ["a": .nan]),
        ] {
            #expect(await code { _ = try await fixture.store.catalog.recordModel(wrong) } == .invalidRequest)
        }
        #expect(
            await code {
                _ = try await fixture.store.catalog.recordModel(ModelRequest("churn.v1", snapshots: ["nothing"]))
            } == .notFound)
        #expect(try await fixture.store.provenance.checkHistory().faults.isEmpty)
    }

    @Test func `lookups and snapshots follow a pointer, and the past stays known`() async throws {
        let (fixture, server, manifest) = try await world()
        defer { fixture.remove() }
        let store = fixture.store
        _ = try await store.catalog.point("all@production", to: "all.v1")
        #expect(try await ask("all@production", server).set == "all.v1")
        let first = try #require(try await store.catalog.governance().pointers["all@production"]?.movedAt)
        let moved = try await store.catalog.point("all@production", to: "all.v2")
        // Servers hear of it as they follow the logs.
        var asked: String?
        for _ in 0..<200 where asked != "all.v2" {
            try await Task.sleep(for: .milliseconds(10))
            // Until then it is the other set, which needs an amount.
            asked = try? await server.serving.lookup(
                LookupRequest(.set("all@production"), entities: ["customer_id": [.json(1)]])
            ).set
        }
        #expect(asked == "all.v2")
        // Pointing where it points is nothing new.
        #expect(try await store.catalog.point("all@production", to: "all.v2").movedAt == moved.movedAt)
        #expect(
            try await store.catalog.governance(asOf: first).pointers["all@production"]?.target.name.description
                == "all.v1")
        #expect(
            try await store.catalog.governance(asOf: Instant(microseconds: first.microseconds - 1)).pointers.isEmpty)
        #expect(try await store.catalog.governance().moves.map(\.target.name.description) == ["all.v1", "all.v2"])
        // A model's pointer stands for what the model takes in.
        _ = try await store.catalog.recordModel(ModelRequest("all.v9", snapshots: [manifest.id], set: "all.v2"))
        _ = try await store.catalog.point("all@champion", to: "model:all.v9")
        var request = LookupRequest(.set("all@champion"), entities: ["customer_id": [.json(1)]])
        request.isLogged = true
        let answer = try await server.serving.lookup(request)
        #expect(answer.set == "all.v2" && answer.columns.count == 2)
        await server.serving.receipts.flush()
        let logged = try fixture.connection().execute("select pointer, model, set_name from firn_log.lookups").first!
        #expect(try [logged.text(0), logged.text(1), logged.text(2)] == ["all@champion", "all.v9", "all.v2"])
        #expect(try await store.serving.replayLookups().differences == 0)
        let spine = try fixture.file("two.csv", "customer_id,event_timestamp\n1,2024-01-02\n")
        #expect(
            try await store.training.createSnapshot(SnapshotRequest(set: "all@champion"), spine: spine, output: nil).set
                .description == "all.v2")
        for (name, target) in [
            ("all", "all.v1"), ("all@Production", "all.v1"), ("wide@production", "all.v1"),
            ("spend@production", "spend.v1"), ("all@production", "all"),
        ] {
            #expect(
                await code { _ = try await store.catalog.point(name, to: target) } == .invalidRequest,
                "\(name) \(target)")
        }
        #expect(await code { _ = try await store.catalog.point("all@production", to: "all.v8") } == .notFound)
        #expect(await code { _ = try await ask("all@staging", server) } == .notFound)
    }

    @Test func `what is deprecated warns, and of what is retired nothing new is made`() async throws {
        let (fixture, server, manifest) = try await world()
        defer { fixture.remove() }
        let store = fixture.store
        #expect(try await ask("wide.v1", server).warnings.isEmpty)
        _ = try await store.catalog.deprecate("spend.v1", reason: "too short a window", successor: "spend.v2")
        let warning = "feature spend.v1 is deprecated: too short a window; use spend.v2"
        // Through ratio.v1, which refers to it, too.
        #expect(try await ask("all.v1", server).warnings == [warning])
        #expect(try await ask("all.v1", store).warnings == [warning])
        let plan = try await store.catalog.plan([
            DefinitionDocument(yaml: "sets: {more.v1: {features: [ratio.v1]}}", file: "more.yaml")
        ])
        #expect(
            plan.warnings == ["set more.v1 has feature spend.v1, which is deprecated: too short a window; use spend.v2"]
                && !plan.isRefused)

        _ = try await store.catalog.point("all@production", to: "all.v1")
        #expect(await code { _ = try await store.catalog.retire("spend.v1", reason: "gone") } == .inUse)
        _ = try await store.catalog.point("all@production", to: "all.v2")
        #expect(await code { _ = try await store.catalog.retire("spend.v1", reason: "gone") } == .inUse)
        _ = try await store.catalog.recordModel(ModelRequest("paying.v1", snapshots: [manifest.id]))
        #expect(await code { _ = try await store.catalog.retire("set:all.v1", reason: "gone") } == .inUse)
        _ = try await store.catalog.retire("paying.v1", reason: "replaced")
        _ = try await store.catalog.retire("all.v1", reason: "gone")
        _ = try await store.catalog.retire("spend.v1", reason: "gone", force: true)
        #expect(await code { _ = try await store.catalog.retire("spend.v1", reason: "again") } == .retired)
        #expect(await code { _ = try await store.catalog.point("all@production", to: "all.v1") } == .retired)

        let refused = try await store.catalog.plan([
            DefinitionDocument(yaml: "sets: {more.v1: {features: [ratio.v1]}}", file: "more.yaml")
        ])
        #expect(refused.isRefused && refused.refusal.contains("spend.v1, which is retired: gone"), "\(refused.refusal)")
        let spine = try fixture.file("three.csv", "customer_id,event_timestamp\n1,2024-01-02\n")
        #expect(
            await code {
                _ = try await store.training.createSnapshot(SnapshotRequest(set: "all.v2"), spine: spine, output: nil)
            } == .retired)
        #expect(try await store.training.verify(manifest.id).isIdentical)
        // Serving goes on: who is in production with it is told.
        var warnings: [String] = []
        for _ in 0..<200 where warnings.isEmpty {
            try await Task.sleep(for: .milliseconds(10))
            warnings = try await server.serving.lookup(
                LookupRequest(.set("all@production"), entities: ["customer_id": [.json(1)]])
            ).warnings
        }
        #expect(warnings == ["feature spend.v1 is retired: gone; use spend.v2"])
        let entry = try #require(try await store.provenance.ledger(subject: "spend.v1", kind: "retire").first)
        #expect(
            entry.body == #"{"forced":true,"reason":"gone","successor":"spend.v2"}"#
                && entry.subject == "feature spend.v1")
        #expect(await code { _ = try await store.catalog.deprecate("nothing.v1", reason: "x") } == .notFound)
        #expect(await code { _ = try await store.catalog.deprecate("spend.v2", reason: "") } == .invalidRequest)
    }
}
