import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import TestSupport
import Tables
import Testing

/// A snapshot as one file: everything of it comes back without the database.
@Suite struct BundleTests {
    @Test func `a bundle gives the same digest by itself, also of corrections, labels and known-by`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        let store = fixture.store
        let payments = """
            payment_id,customer_id,amount,gone,at,recorded
            a,1,0.1,,2024-01-01,2024-01-01
            b,1,5,,2024-01-02,2024-01-02
            b,2,7,,2024-01-02,2024-01-04
            c,3,9,,2024-01-02,
            d,1,11,true,2024-01-03,2024-01-03
            d,1,11,,2024-01-03,2024-01-02
            e,9,13,,2024-01-03,2024-01-03

            """
        _ = try await store.log.importFile(fixture.file("p.csv", payments), into: "payments")
        _ = try await store.log.importFile(
            fixture.file("k.csv", "customer_id,country\n1,\"f\"\"r\"\n2,\n"), into: "people")
        _ = try await store.log.push(
            Array(#"[{"customer_id":1,"at":"2024-01-01","page":"ä"}]"#.utf8), layout: .array, into: "clicks")
        let spine = try fixture.file(
            "s.csv",
            "who,customer_id,event_timestamp,amount\n\"a,b\",1,2024-01-05,1\nc,2,2024-01-03T12:00:00Z,2\nd,,2024-01-05,3\ne,3,2024-01-05,4\nf,1,2024-01-01,5\n"
        )
        let requests = [
            SnapshotRequest(set: "all.v1"), SnapshotRequest(set: "all.v1", mode: .hindsight),
            SnapshotRequest(set: "all.v1", knownBy: Instant(text: "2024-01-03")!),
        ]
        var manifests: [Manifest] = []
        for request in requests {
            manifests.append(try await store.training.createSnapshot(request, spine: spine, output: nil))
        }
        // Rows that come later aren't in it.
        _ = try await store.log.push(
            Array(#"[{"payment_id":"a","customer_id":1,"amount":100,"at":"2024-01-01"}]"#.utf8), layout: .array,
            into: "payments")
        for (index, manifest) in manifests.enumerated() {
            let path = fixture.directory + "/\(index).tar"
            let rows = try await store.training.bundleSnapshot(manifest.id, to: path)
            // Of fact b both versions, though the second is another's; nothing of customer 9's.
            #expect(rows == ["payments": 6, "clicks": 1, "people": 2], "\(rows)")
            let (set, verification) = try SnapshotBundle(path: path, temporaryDirectory: fixture.directory).evaluate(
                threads: 2)
            #expect(
                verification.isIdentical && verification.manifest.digest == manifest.digest, "\(verification.faults)")
            let out = fixture.directory + "/\(index).csv"
            try set.write(to: TableWriter(path: out))
            try await store.training.fetch(manifest.id).rows.write(
                to: TableWriter(path: fixture.directory + "/fetched.csv"))
            #expect(
                try String(contentsOfFile: out, encoding: .utf8)
                    == String(contentsOfFile: fixture.directory + "/fetched.csv", encoding: .utf8))
        }
        #expect(Set(manifests.map(\.digest)).count == 3)
        // What was changed in it shows.
        let broken = fixture.directory + "/broken"
        try FileManager.default.createDirectory(atPath: broken, withIntermediateDirectories: true)
        func tar(_ arguments: String...) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["tar"] + arguments
            try process.run()
            process.waitUntilExit()
        }
        try tar("-xf", fixture.directory + "/0.tar", "-C", broken)
        let definitions = broken + "/definitions.yaml"
        try String(contentsOfFile: definitions, encoding: .utf8).replacing("last_7d", with: "last_1d").write(
            toFile: definitions, atomically: true, encoding: .utf8)
        try tar("-cf", fixture.directory + "/broken.tar", "-C", broken, ".")
        let (_, verification) = try SnapshotBundle(
            path: fixture.directory + "/broken.tar", temporaryDirectory: fixture.directory
        ).evaluate(threads: 1)
        #expect(
            verification.faults.map(\.description).contains { $0.hasPrefix("set all.v1") }
                && verification.faults.count >= 2, "\(verification.faults)")
        let nothing = try fixture.file("nothing.tar", "abc")
        #expect(throws: StoreError.self) {
            _ = try SnapshotBundle(path: nothing, temporaryDirectory: fixture.directory)
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: fixture.directory).filter {
                $0.hasPrefix("firn-") || $0.hasSuffix(".part")
            }.isEmpty)
    }
}
