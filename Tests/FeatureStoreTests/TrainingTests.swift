import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import Synchronization
import TestSupport
import Tables
import Testing

@Suite struct TrainingTests {
    private let rows = """
        payment_id,customer_id,amount,gone,at,recorded
        a,1,10,,2024-01-01T00:00:00Z,2024-01-01T06:00:00Z
        b,1,0.1,,2024-01-05T00:00:00Z,2024-01-05T00:00:00Z
        c,2,5,,2024-01-03T00:00:00Z,

        """

    @Test func `one row out for each row in, in its order, columns as they were`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", rows), into: "payments")
        let spine = try fixture.file(
            "s.csv",
            "note,customer_id,event_timestamp,amount\n\"x, y\",1,2024-01-08T00:00:00Z,1\n007,1,2024-01-01T05:59:59.999999Z,1\n,2,2024-01-04,1\n\"\",,2024-01-04,1\n007,1,2024-01-01T05:59:59.999999Z,1\n"
        )
        let out = fixture.directory + "/o.csv"
        let manifest = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1", name: "n"), spine: spine, output: out)
        #expect(
            try String(contentsOfFile: out, encoding: .utf8) == """
                note,customer_id,event_timestamp,amount,spend,payments,clicks,country,ratio,pays
                "x, y",1,2024-01-08T00:00:00Z,1,0.1,2,0,,10.0,false
                007,1,2024-01-01T05:59:59.999999Z,1,,0,0,,,false
                ,2,2024-01-04,1,,0,0,,,false
                "",,2024-01-04,1,,,,,,
                007,1,2024-01-01T05:59:59.999999Z,1,,0,0,,,false

                """)
        #expect(manifest.rows == 5 && manifest.cuts["payments"] == 3 && manifest.cuts["clicks"] == 0)
        #expect(try await fixture.store.training.snapshot("n").id == manifest.id)
        let repeated = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        #expect(
            repeated.digest == manifest.digest && repeated.spine.digest == manifest.spine.digest
                && repeated.id != manifest.id)
    }

    @Test func `rows loaded later change nothing at the same instants`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", rows), into: "payments")
        let spine = try fixture.file("s.csv", "customer_id,event_timestamp,amount\n1,2024-01-08,1\n2,2024-01-08,1\n")
        let before = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        _ = try await fixture.store.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":99,"at":"2024-01-07"}]"#.utf8), layout: .array,
            into: "payments")
        let after = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1"), spine: spine, output: nil)
        // As served, a push alters no instant before it was known; the label, read in hindsight, sees it.
        for output in before.outputs where output.kind == .feature {
            #expect(before.blocks[output.name] == after.blocks[output.name])
        }
        let hindsight = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1", mode: .hindsight), spine: spine, output: nil)
        #expect(hindsight.blocks["spend"] != before.blocks["spend"])
    }

    @Test func `progress counts the rows that aren't sealed, and then the spine's`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let clicks = "customer_id,page,at\n" + (0..<20_000).map { "\($0 % 9),p,2024-01-01\n" }.joined()
        _ = try await fixture.store.log.importFile(fixture.file("c.csv", clicks), into: "clicks")
        let spine = try fixture.file(
            "s.csv", "customer_id,event_timestamp,amount\n" + (0..<2000).map { "\($0 % 9),2024-01-08,1\n" }.joined())
        let told = Mutex<[String]>([])
        _ = try await fixture.store.training.createSnapshot(SnapshotRequest(set: "all.v1"), spine: spine, output: nil) {
            progress in told.withLock { $0.append("\(progress)") }
        }
        let all = told.withLock { $0 }
        #expect(all.contains("reading(source: \"clicks\", rows: 16384)"), "\(all)")
        #expect(all.last?.hasPrefix("computing(rows: ") == true, "\(all)")
    }

    @Test func `a label is NULL until its future is known`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let out = fixture.directory + "/o.csv"
        func labels(_ spine: String, _ request: SnapshotRequest = SnapshotRequest(set: "all.v1")) async throws
            -> [String]
        {
            _ = try await fixture.store.training.createSnapshot(
                request, spine: fixture.file("s.csv", "customer_id,event_timestamp,amount\n" + spine), output: out)
            return try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").dropFirst().map {
                String($0.split(separator: ",", omittingEmptySubsequences: false).last!)
            }
        }
        #expect(try await labels("1,2024-01-04,1\n") == [""], "no batch: never ripe")
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", rows), into: "payments")
        #expect(try await labels("1,2024-01-04,1\n1,2024-01-05,1\n1,2999-01-01,1\n") == ["true", "false", ""])
        #expect(
            try await labels(
                "1,2024-01-04,1\n", SnapshotRequest(set: "all.v1", knownBy: Instant(text: "2024-01-04T23:59:59Z"))) == [
                    ""
                ])
    }

    @Test func `a bad spine is refused by line and column`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        for (text, line, column) in [
            ("customer_id,amount\n1,1\n", 1, "event_timestamp"),
            ("customer_id,event_timestamp\n1,2024-01-01\n", 1, "amount"),
            ("customer_id,event_timestamp,amount\n1,,1\n", 2, "event_timestamp"),
            ("customer_id,event_timestamp,amount\n1,2024-01-01,1\nx,2024-01-01,1\n", 3, "customer_id"),
            ("customer_id,event_timestamp,amount,spend\n1,2024-01-01,1,2\n", 1, "spend"),
        ] {
            let spine = try fixture.file("s.csv", text)
            let error = await #expect(throws: TableError.self, "\(text)") {
                try await fixture.store.training.createSnapshot(
                    SnapshotRequest(set: "all.v1"), spine: spine, output: fixture.directory + "/o.csv")
            }
            #expect(error?.line == line && error?.column == column)
        }
        #expect(!FileManager.default.fileExists(atPath: fixture.directory + "/o.csv"))
        #expect(try await fixture.store.training.snapshots().isEmpty)
    }

    @Test func `a lookup now equals the training row at its instant`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        _ = try await fixture.store.log.importFile(fixture.file("p.csv", rows), into: "payments")
        _ = try await fixture.store.log.push(
            Array(
                #"[{"payment_id":"z","customer_id":1,"amount":0.2,"at":"\#(Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000) - 1_000_000))"}]"#
                    .utf8),
            layout: .array, into: "payments")
        let answer = try await fixture.store.serving.lookup(
            LookupRequest(
                .set("all.v1"), entities: ["customer_id": [.json(1), .json(2), .json(3), .json(.null)]],
                request: ["amount": [.json(7)]]))
        let out = fixture.directory + "/o.csv"
        _ = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1"),
            spine: fixture.file(
                "s.csv",
                "customer_id,event_timestamp,amount\n"
                    + ["1", "2", "3", ""].map { "\($0),\(answer.asOf),7\n" }.joined()),
            output: out)
        let trained = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").dropFirst().map {
            $0.split(separator: ",", omittingEmptySubsequences: false)[3..<8].map(String.init)
        }
        let served = (0..<4).map { row in
            answer.columns.map { $0.isNull(row) ? "" : JSON($0[row]).description.replacing("\"", with: "") }
        }
        #expect(trained == served)
        #expect(served[0][0] == "0.2")
    }

    @Test func `the future is refused, and unknown names too`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let future = await #expect(throws: StoreError.self) {
            try await fixture.lookup(1, asOf: "2999-01-01", "spend.v1")
        }
        #expect(future?.code == .asOfInFuture)
        await #expect(throws: UnknownName.self) { try await fixture.lookup(1, "spent.v1") }
        let label = await #expect(throws: StoreError.self) { try await fixture.lookup(1, "pays.v1") }
        #expect(label?.code == .invalidRequest)
        for request in [
            LookupRequest(.set("all.v1"), entities: ["customer_id": [.json(1)]]),
            LookupRequest(.set("all.v1"), entities: [:], request: ["amount": [.json(1)]]),
            LookupRequest(
                .set("all.v1"), entities: ["customer_id": [.json(1)], "x": [.json(1)]], request: ["amount": [.json(1)]]),
            LookupRequest(.set("all.v1"), entities: ["customer_id": [.json("1")]], request: ["amount": [.json(1)]]),
            LookupRequest(
                .set("all.v1"), entities: ["customer_id": [.json(1), .json(2)]],
                request: ["amount": [.json(1), .json(1), .json(1)]]),
        ] {
            let error = await #expect(throws: StoreError.self) { try await fixture.store.serving.lookup(request) }
            #expect(error?.code == .invalidRequest)
        }
    }
}
