import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

/// Training sets that come back: the same rows whatever was loaded since, and a difference has a place.
@Suite struct SnapshotTests {
    private struct World: Sendable {
        let fixture: Fixture
        let spine: String

        init(rows: Int = 3000) async throws {
            fixture = try await Fixture()
            var payments = "payment_id,customer_id,amount,gone,at,recorded\n"
            for row in 0..<400 {
                payments +=
                    "p\(row),\(row % 37),\(row).5,,2024-01-\(10 + row % 15)T00:00:00Z,2024-01-\(10 + row % 15)T06:00:00Z\n"
            }
            _ = try await fixture.store.log.importFile(fixture.file("p.csv", payments), into: "payments")
            var spine = "customer_id,event_timestamp,amount,note\n"
            for row in 0..<rows {
                spine += "\(row % 40),2024-01-\(10 + row / 40 % 20)T12:00:00Z,\(row % 7),\"n\(row)\"\n"
            }
            self.spine = try fixture.file("spine.csv", spine)
        }

        func create(_ request: SnapshotRequest, _ out: String? = nil, spine: String? = nil) async throws -> Manifest {
            try await fixture.store.training.createSnapshot(
                request, spine: spine ?? self.spine, output: out.map { fixture.directory + "/" + $0 })
        }

        func more(_ name: String = "") async throws {
            let rows =
                "payment_id,customer_id,amount,gone,at,recorded\n"
                + (0..<50).map { "p\($0),1,7,,2024-01-12T00:00:00Z,2024-01-14T00:00:00Z\n" }.joined()
            _ = try await fixture.store.log.importFile(
                fixture.file("more\(name).csv", rows), into: "payments", options: .init(again: true))
        }

        /// The spine as Arrow.
        func typedSpine(_ path: String) async throws {
            let catalog = try await fixture.store.catalog.read()
            let plan = try Plan(catalog.set(named: "all.v1"), in: catalog)
            let file = try SpineFile(path: spine, plan: plan, timestamp: "event_timestamp", options: ReadOptions())
            let writer = try TableWriter(path: path)
            try writer.write(file, Table(rowCount: file.rowCount))
            try writer.publish()
        }

        func text(_ name: String) throws -> String {
            try String(contentsOfFile: fixture.directory + "/" + name, encoding: .utf8)
        }

        /// Changes a record as a superuser could, past the guard.
        func tamper(_ table: String, _ statement: SQL) throws {
            let connection = try fixture.connection()
            try connection.run(script: "alter table \(table) disable trigger firn_guard")
            #expect(try connection.execute(statement).affected > 0)
            try connection.run(script: "alter table \(table) enable always trigger firn_guard")
        }
    }

    @Test(arguments: ["csv", "arrow"])
    func `a snapshot is the same again after rows that change the past`(layout: String) async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        var spine = world.spine
        if layout == "arrow" {
            spine = world.fixture.directory + "/spine.arrow"
            try await world.typedSpine(spine)
        }
        for mode in [Reading.Mode.asServed, .hindsight] {
            let before = try await world.create(SnapshotRequest(set: "all.v1", mode: mode), "before.csv", spine: spine)
            try await world.more("\(mode)")
            _ = try await world.fixture.store.log.materialize(.init(segmentRows: 64))
            let after = try await world.create(SnapshotRequest(set: "all.v1", mode: mode), spine: spine)
            #expect(after.digest != before.digest || mode == .hindsight, "the rows that came change something")
            #expect(try await world.fixture.store.training.verify(before.id).isIdentical)
            try await world.fixture.store.training.fetch(before.id).rows.write(
                to: TableWriter(path: world.fixture.directory + "/again.csv"))
            #expect(try world.text("again.csv") == world.text("before.csv"))
            let rows =
                "payment_id,customer_id,amount,gone,at,recorded\n"
                + (100..<150).map { "p\($0),2,9,,2024-01-13T00:00:00Z,2024-01-11T00:00:00Z\n" }.joined()
            _ = try await world.fixture.store.log.importFile(
                world.fixture.file("\(mode).csv", rows), into: "payments", options: .init(again: true))
        }
    }

    @Test func `another set or spine at the same cuts reads no later row`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let first = try await world.create(SnapshotRequest(set: "all.v1", name: "first"))
        try await world.more()
        let again = try await world.create(SnapshotRequest(set: "all.v1", at: "first"))
        #expect(again.digest == first.digest && again.cuts == first.cuts && again.at == first.id)
        #expect(try await world.create(SnapshotRequest(set: "all.v1")).digest != first.digest)
        await #expect(throws: StoreError.self) { try await world.create(SnapshotRequest(set: "all.v1", at: "nobody")) }
    }

    @Test func `kept rows are given, and computed again where they were changed`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let kept = try await world.create(
            SnapshotRequest(set: "all.v1", split: Split("a=0.5,b=0.5", by: "customer_id"), keeps: true), "kept.csv")
        try await world.fixture.store.training.fetch(kept.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/fetched.csv"))
        #expect(try world.text("fetched.csv") == world.text("kept.csv"))
        let other = try await world.create(
            SnapshotRequest(
                set: "all.v1", mode: .hindsight, knownBy: Instant(text: "2024-01-15T00:00:00Z"),
                split: Split("a=0.5,b=0.5", by: "customer_id"), keeps: true))
        #expect(other.digest != kept.digest)
        try world.fixture.connection().execute(
            "update firn_cache.results k set body = o.body from firn_cache.results o where k.snapshot = \(kept.id) and o.snapshot = \(other.id) and o.piece = k.piece"
        )
        let reports = Reports(), store = Store(uri: world.fixture.uri, actor: "other", reportDamage: reports.add)
        try await store.training.fetch(kept.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/fetched.csv"))
        #expect(try world.text("fetched.csv") == world.text("kept.csv"))
        #expect(reports.all.count == 1 && reports.all[0].contains("the kept rows of \(kept.id)"), "\(reports.all)")
        // They are gone: nobody comes upon them again.
        try await store.training.fetch(kept.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/fetched.csv"))
        #expect(reports.all.count == 1)
        try await world.fixture.store.log.dropResults()
        try await world.fixture.store.training.fetch(kept.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/fetched.csv"))
        #expect(try world.text("fetched.csv") == world.text("kept.csv"))
    }

    @Test func `a manifest that was changed by hand ends nothing`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let store = world.fixture.store
        let first = try await world.create(
            SnapshotRequest(set: "all.v1", split: Split("a=0.5,b=0.5", by: "customer_id")))
        let second = try await world.create(
            SnapshotRequest(set: "all.v1", mode: .hindsight, knownBy: Instant(text: "2024-01-15T00:00:00Z")))
        for rows in ["999999", "-1"] {
            try world.tamper(
                "firn.snapshots",
                "update firn.snapshots set manifest = regexp_replace(manifest, '\"rows\":-?[0-9]+', '\"rows\":' || \(rows))"
            )
            #expect(try await store.training.compareSnapshots(first.id, second.id).common == first.rows)
            #expect(try await store.provenance.checkHistory().faults.contains { $0.contains("the manifest of") })
        }
        try world.tamper(
            "firn.snapshots",
            "update firn.snapshots set manifest = regexp_replace(manifest, '\"parts\":\\[[^]]*\\]', '\"parts\":[]')")
        let refused = await #expect(throws: StoreError.self) { try await store.training.fetch(first.id) }
        #expect(refused?.code == .damaged)
    }

    @Test func `statistics that were changed are computed again`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let manifest = try await world.create(SnapshotRequest(set: "all.v1"))
        let before = try await world.fixture.store.training.statistics(ofSnapshot: manifest.id).map(\.statistics)
        for change in [
            "body = replace(body, '\"nulls\":0', '\"nulls\":1')", "body = '{}'", "body = 'no JSON'", "checksum = 0",
        ] {
            try world.fixture.connection().run(script: "update firn_cache.statistics set \(change)")
            let reports = Reports(), store = Store(uri: world.fixture.uri, actor: "other", reportDamage: reports.add)
            #expect(
                try await store.training.statistics(ofSnapshot: manifest.id).map(\.statistics) == before, "\(change)")
            #expect(
                reports.all.count == 1 && reports.all[0].contains("the statistics of \(manifest.id)"), "\(reports.all)")
            #expect(try await store.training.statistics(ofSnapshot: manifest.id).map(\.statistics) == before)
            #expect(reports.all.count == 1, "kept again")
        }
    }

    @Test func `verify names the first block that differs`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let manifest = try await world.create(SnapshotRequest(set: "all.v1"))
        // Row 2,500 and later are of customer 39 only here and there: change what only a late row of the spine reads.
        try world.tamper(
            "firn_source.payments", "update firn_source.payments set amount = 1000 where payment_id = 'p36'")
        let verification = try await world.fixture.store.training.verify(manifest.id)
        #expect(!verification.isIdentical)
        let faults = verification.faults.map(\.description)
        #expect(faults.contains { $0.hasPrefix("column 'spend' differs in the block of rows 1 to 1024") }, "\(faults)")
        #expect(
            faults.contains { $0.hasPrefix("column 'ratio'") }
                && !faults.contains { $0.hasPrefix("column 'payments'") }, "\(faults)")
        let refused = await #expect(throws: StoreError.self) {
            try await world.fixture.store.training.fetch(manifest.id)
        }
        #expect(refused?.code == .damaged)
    }

    @Test func `a kept spine that was changed is found, and nothing is made of it`() async throws {
        let world = try await World(rows: 5)
        defer { world.fixture.remove() }
        let manifest = try await world.create(SnapshotRequest(set: "all.v1"))
        let other = try world.fixture.file("other.csv", "customer_id,event_timestamp,amount\n1,2024-01-12,1\n")
        let second = try await world.create(SnapshotRequest(set: "all.v1"), spine: other)
        try world.tamper(
            "firn.spines",
            "update firn.spines k set body = o.body from firn.spines o where k.digest = \(manifest.spine.digest) and o.digest = \(second.spine.digest)"
        )
        let faults = try await world.fixture.store.training.verify(manifest.id).faults.map(\.description)
        #expect(faults.contains("the kept spine isn't what its digest says"))
        // Neither a bundle nor the record of an erasure vouches for it.
        let bundled = await #expect(throws: StoreError.self) {
            try await world.fixture.store.training.bundleSnapshot(
                manifest.id, to: world.fixture.directory + "/bundle.tar")
        }
        let erased = await #expect(throws: StoreError.self) {
            try await world.fixture.store.provenance.erase("customer", ["customer_id": .init(1)], reason: "asked")
        }
        #expect(bundled?.code == .damaged && erased?.code == .damaged)
    }

    @Test func `diff says what differs: definitions, cuts, rows, values`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let first = try await world.create(SnapshotRequest(set: "all.v1"))
        #expect(try await world.fixture.store.training.compareSnapshots(first.id, first.id).isSame)
        try await world.more()
        let second = try await world.create(
            SnapshotRequest(set: "all.v1", knownBy: Instant(text: "2024-01-20T00:00:00Z")))
        var found = try await world.fixture.store.training.compareSnapshots(first.id, second.id)
        #expect(
            found.settings == ["known by: any time and 2024-01-20T00:00:00Z"] && found.outputs.isEmpty
                && found.common == 3000 && found.onlyLeft == 0)
        #expect(found.cuts.map(\.source) == ["payments"] && found.cuts[0].left == 400 && found.cuts[0].right == 450)
        let spend = try #require(found.values.first { $0.output == "spend" })
        #expect(spend.rows > 0 && spend.firstRow >= 1 && spend.left != spend.right)

        let divided = try await world.create(
            SnapshotRequest(set: "all.v1", split: Split("a=0.5,b=0.5", by: "customer_id")))
        found = try await world.fixture.store.training.compareSnapshots(second.id, divided.id)
        #expect(found.settings.contains("split: none and a=0.5,b=0.5 by customer_id") && !found.isSame)

        let definitions = """
            features: {spend.v2: {entity: customer, source: payments, expression: sum(amount) over last_3d}}
            sets: {all.v2: {features: [spend.v2, payments.v1, clicks.v1, ratio.v1]}}
            """
        _ = try await world.fixture.store.catalog.apply([DefinitionDocument(yaml: definitions, file: "v2.yaml")])
        let spine = try world.fixture.file(
            "fewer.csv",
            "customer_id,event_timestamp,amount\n0,2024-01-10T12:00:00Z,0\n0,2024-01-10T12:00:00Z,0\n99,2024-01-10T12:00:00Z,0\n"
        )
        let third = try await world.create(SnapshotRequest(set: "all.v2"), spine: spine)
        found = try await world.fixture.store.training.compareSnapshots(second.id, third.id)
        #expect(found.outputs.map(\.name) == ["country", "pays", "spend"])
        #expect(found.common == 2 && found.onlyLeft == 2998 && found.onlyRight == 1)
    }

    @Test func `a split is the same whatever the format, and keeps a key together`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let split = try Split("train=0.7,valid=0.2,test=0.1", by: "customer_id")
        _ = try await world.create(SnapshotRequest(set: "all.v1", split: split), "csv.csv")
        let arrow = world.fixture.directory + "/s.arrow"
        try await world.typedSpine(arrow)
        _ = try await world.create(SnapshotRequest(set: "all.v1", split: split), "arrow.csv", spine: arrow)
        func parts(_ name: String) throws -> [String] {
            try world.text(name).split(separator: "\n").map {
                String($0.split(separator: ",", omittingEmptySubsequences: false).last!)
            }
        }
        let first = try parts("csv.csv")
        #expect(try first == parts("arrow.csv"))
        #expect(first[0] == "split" && Set(first.dropFirst()) == ["train", "valid", "test"])
        // The same for ever.
        #expect(
            Array(first[1...12]) == [
                "train", "train", "test", "train", "test", "valid", "train", "train", "train", "train", "train",
                "train",
            ])
        for customer in 0..<40 {
            #expect(Set(stride(from: customer + 1, to: first.count, by: 40).map { first[$0] }).count == 1)
        }
    }

    @Test func `an older snapshot keeps the parts that it has`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        let made = try await world.create(
            SnapshotRequest(set: "all.v1", split: Split("train=0.7,valid=0.2,test=0.1", by: "customer_id")))
        #expect(made.split?.hash == "split 2" && made.json(whole: false)["split"]?["hash"] == "split 2")
        // As manifests were before they said how values are hashed.
        try world.tamper(
            "firn.snapshots", "update firn.snapshots set manifest = replace(manifest, '\"hash\":\"split 2\",', '')")
        let old = try await world.fixture.store.training.snapshot(made.id)
        #expect(old.split?.hash == nil && old.split?.description.hasSuffix("(split 1)") == true)
        try await world.fixture.store.training.fetch(made.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/old.csv"))
        let parts = try world.text("old.csv").split(separator: "\n").dropFirst().map {
            String($0.split(separator: ",", omittingEmptySubsequences: false).last!)
        }
        #expect(
            Array(parts[0..<12]) == [
                "train", "valid", "train", "valid", "valid", "train", "valid", "valid", "train", "valid", "train",
                "valid",
            ])
        #expect(try await world.fixture.store.training.verify(made.id).isIdentical)
        try world.tamper(
            "firn.snapshots",
            "update firn.snapshots set manifest = replace(manifest, '\"by\":[\"customer_id\"]', '\"by\":[\"customer_id\"],\"hash\":\"split 9\"')"
        )
        let error = await #expect(throws: StoreError.self) { try await world.fixture.store.training.fetch(made.id) }
        #expect(error?.message.contains("split 9") == true)
    }

    @Test func `a spine's columns of any type pass through a snapshot, and are erased`() async throws {
        let world = try await World(rows: 10)
        defer { world.fixture.remove() }
        let definitions = """
            entities: {thing: {keys: {k: int64}}}
            sources: {things: {columns: {k: int64, f: real, at: timestamp}, event_time: at}}
            features: {f.v1: {entity: thing, source: things, expression: latest(f)}}
            sets: {things.v1: {features: [f.v1]}}
            """
        let store = world.fixture.store
        _ = try await store.catalog.apply([DefinitionDocument(yaml: definitions, file: "things.yaml")])
        _ = try await store.log.importFile(
            world.fixture.file("f.csv", "k,f,at\n1,2.5,1969-12-30\n2,19.90,1969-12-30\n"), into: "things")
        let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Golden/types.arrows").path
        let refused = await #expect(throws: TableError.self) {
            try await world.create(SnapshotRequest(set: "things.v1"), "out.csv", spine: golden)
        }
        #expect(refused?.column == "d256" && refused?.message.contains("decimal256(70, 0)") == true)
        #expect(try await store.training.snapshots().isEmpty)
        for by in ["uuid", "category", "d128", "numbers", "k", "t64", "views", "runs"] {
            #expect(
                try await world.create(
                    SnapshotRequest(set: "things.v1", split: Split("a=0.5,b=0.5", by: by)), spine: golden
                ).rows == 6)
        }
        let nested = await #expect(throws: TableError.self) {
            try await world.create(
                SnapshotRequest(set: "things.v1", split: Split("a=0.5,b=0.5", by: "list")), spine: golden)
        }
        #expect(nested?.column == "list")
        let made = try await world.create(SnapshotRequest(set: "things.v1", keeps: true), "out.arrows", spine: golden)
        #expect(try await store.training.verify(made.id).isIdentical)
        try await store.training.fetch(made.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/again.arrows"))
        #expect(
            FileManager.default.contents(atPath: world.fixture.directory + "/again.arrows")
                == FileManager.default.contents(atPath: world.fixture.directory + "/out.arrows"))
        _ = try await store.training.bundleSnapshot(made.id, to: world.fixture.directory + "/b.tar")
        #expect(
            try SnapshotBundle(path: world.fixture.directory + "/b.tar", temporaryDirectory: world.fixture.directory)
                .evaluate(threads: 1).1.isIdentical)
        _ = try await store.provenance.erase("thing", ["k": .json(3)], reason: "asked for")
        #expect(try await store.training.verify(made.id).isIdentical)
        try await store.training.fetch(made.id).rows.write(
            to: TableWriter(path: world.fixture.directory + "/erased.arrows"))
        let erased = try #require(FileManager.default.contents(atPath: world.fixture.directory + "/erased.arrows"))
        let whole = try #require(FileManager.default.contents(atPath: world.fixture.directory + "/out.arrows"))
        // A text of 12 bytes stands in its view, behind its length.
        let text = Data("\u{c}\u{0}\u{0}\u{0}twelve bytes".utf8)
        #expect(
            whole.range(of: text) != nil && erased.range(of: text) == nil
                && erased.range(of: Data("more than twelve bytes".utf8)) != nil)
    }

    @Test(arguments: ["", "train", "train=0.5", "train=0.5,train=0.5", "a=0.6,b=0.6", "a=x,b=0.5", "a=1,b=0"])
    func `a split whose shares make no sense is refused`(text: String) {
        #expect(throws: StoreError.self) { try Split(text, by: "k") }
    }

    @Test func `a spine whose other columns are no text is refused`() async throws {
        let world = try await World(rows: 10)
        defer { world.fixture.remove() }
        let path = world.fixture.directory + "/latin.csv"
        let bytes =
            Array("customer_id,event_timestamp,amount,name\n1,2024-01-12,1,caf\u{e9}\n2,2024-01-12,1,caf".utf8) + [
                0xE9, 0x0A,
            ]
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let fault = await #expect(throws: TableError.self) {
            try await world.create(SnapshotRequest(set: "all.v1"), spine: path)
        }
        #expect(fault?.column == "name" && fault?.message.contains("row 2") == true)
        #expect(try await world.fixture.store.training.snapshots().isEmpty)
    }
}
