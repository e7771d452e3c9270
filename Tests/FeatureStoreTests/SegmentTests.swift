import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import Postgres
import TestSupport
import Tables
import Testing

@Suite struct SegmentTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}, everything: {keys: {}}}
        sources:
          payments: {columns: {customer_id: int64, amount: float64, shop: string, at: timestamp}, event_time: at}
          visits: {columns: {visit: string, customer_id: int64, page: string, at: timestamp}, event_time: at, id: [visit]}
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount) over last_7d}
          last_amount.v1: {entity: customer, source: payments, expression: latest(amount)}
          visits.v1: {entity: customer, source: visits, expression: count(distinct page)}
          all_spend.v1: {entity: everything, source: payments, expression: sum(amount)}
        sets:
          all.v1: {features: [spend.v1, last_amount.v1, visits.v1, all_spend.v1]}
        """

    private struct World: Sendable {
        let fixture: Fixture
        let spine: String

        init() async throws {
            fixture = try await Fixture(applying: SegmentTests.definitions)
            var spine = "customer_id,event_timestamp\n"
            for row in 0..<1500 { spine += "\(row % 40),2024-01-\(10 + row % 20)T00:00:00Z\n" }
            self.spine = try fixture.file("spine.csv", spine)
        }

        func load(_ seed: UInt64, rows: Int = 200) async throws {
            var random = Randomness(seed: seed)
            var payments = "customer_id,amount,shop,at\n", visits = "visit,customer_id,page,at\n"
            for _ in 0..<rows {
                let day = Int.random(in: 10...29, using: &random), customer = Int.random(in: 0..<50, using: &random)
                payments +=
                    "\(customer),\(Int.random(in: 0..<1000, using: &random)).25,s\(Int.random(in: 0..<5, using: &random)),2024-01-\(day)T00:00:00Z\n"
                visits +=
                    "v\(Int.random(in: 0..<150, using: &random)),\(customer),p\(Int.random(in: 0..<9, using: &random)),2024-01-\(day)T00:00:00Z\n"
            }
            _ = try await fixture.store.log.importFile(fixture.file("p\(seed).csv", payments), into: "payments")
            _ = try await fixture.store.log.importFile(fixture.file("v\(seed).csv", visits), into: "visits")
        }

        func digest(_ store: Store? = nil) async throws -> String {
            try await (store ?? fixture.store).training.createSnapshot(
                SnapshotRequest(set: "all.v1"), spine: spine, output: nil
            ).digest
        }

        /// Another process, say: with files of its own, or none.
        func store(cache: SegmentCache? = nil) -> Store {
            Store(uri: fixture.uri, actor: "other", cache: cache, temporaryDirectory: fixture.directory)
        }

        func values(_ sql: SQL) throws -> [[UInt8]] { try fixture.connection().execute(sql).map { try $0.bytes(0) } }

        var addresses: [[UInt8]] {
            get throws {
                try values(
                    "select address from firn_cache.blocks b join firn_cache.runs r using (run) order by r.source, r.keys, r.after_offset, segment, column_name"
                )
            }
        }
        var files: [String] {
            ((FileManager.default.enumerator(atPath: fixture.directory + "/cache")?.allObjects as? [String]) ?? [])
                .filter { $0.hasSuffix(".arrow") }
        }
    }

    @Test func `what is sealed changes no value, whatever is sealed`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        let before = try await world.digest()
        let done = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        #expect(
            done.map(\.source) == ["payments", "payments", "visits"]
                && done.allSatisfy { $0.upTo > 0 && $0.segments > 0 })
        #expect(try await world.digest() == before)
        #expect(try await world.digest(world.store()) == before, "from the database")
        #expect(try await world.digest() == before, "from files")
        #expect(try await world.fixture.store.log.materialize().isEmpty, "nothing is left to seal")
    }

    @Test func `segments that were dropped come back with the same addresses`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        for seed in 1...3 as ClosedRange<UInt64> {
            try await world.load(seed)
            _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        }
        let addresses = try world.addresses,
            bodies = try world.values("select body from firn_cache.bodies order by address"),
            digest = try await world.digest()
        try await world.fixture.store.log.dropSegments()
        #expect(try await world.digest(world.store()) == digest, "without segments")
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 99))
        #expect(try world.addresses == addresses)
        #expect(try world.values("select body from firn_cache.bodies order by address") == bodies)
        _ = try await world.fixture.store.log.materialize(.init(rebuilds: true))
        #expect(try world.addresses == addresses)
    }

    @Test(arguments: [
        "delete from firn_cache.bodies where address in (select address from firn_cache.blocks where column_name = 'firn_retraction')",
        "truncate firn_cache.segments cascade", "truncate firn_cache.blocks",
        "delete from firn_cache.segments where segment = 1", "truncate firn_cache.bodies",
    ])
    func `what was dropped in part is not taken for the whole, and comes back`(drop: String) async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        for seed in 1...2 as ClosedRange<UInt64> {
            try await world.load(seed)
            _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        }
        let addresses = try world.addresses, digest = try await world.digest()
        try world.fixture.connection().run(script: drop)
        #expect(try await world.digest(world.store()) == digest)
        #expect(try await !world.fixture.store.log.materialize(.init(segmentRows: 16)).isEmpty)
        #expect(try world.addresses == addresses)
        #expect(
            try world.fixture.connection().execute(
                "select from firn_cache.blocks b where not exists (select from firn_cache.bodies o where o.address = b.address)"
            ).count == 0)
        #expect(try await world.digest(world.store()) == digest)
        #expect(try await world.fixture.store.log.materialize(.init(segmentRows: 16)).isEmpty)
    }

    @Test func `long texts make short segments`() async throws {
        let fixture = try await Fixture(
            applying: """
                entities: {customer: {keys: {customer_id: int64}}}
                sources: {notes: {columns: {customer_id: int64, note: string, at: timestamp}, event_time: at}}
                features: {note.v1: {entity: customer, source: notes, expression: latest(note)}}
                sets: {notes.v1: {features: [note.v1]}}
                """)
        defer { fixture.remove() }
        try fixture.connection().run(
            script:
                "create table public.texts as select n as customer_id, pg_catalog.repeat('x', 400000) || n as note, '2024-01-01Z'::timestamptz as at from pg_catalog.generate_series(1, 900) n"
        )
        _ = try await fixture.store.log.importQuery(ImportQuery(sql: "select * from texts"), into: "notes")
        _ = try await fixture.store.log.materialize()
        let segments = try fixture.connection().execute("select max(rows), count(*) from firn_cache.segments").first!
        #expect(try segments.int64(0) < 400 && segments.int64(1) > 2)
    }

    @Test func `a column whose rows are told by latest alone may be the id`() async throws {
        let more =
            "features: {fact.v1: {entity: customer, source: visits, expression: latest(number)}}\nsets: {facts.v1: {features: [fact.v1]}}"
        let fixture = try await Fixture(
            applying: """
                entities: {customer: {keys: {customer_id: int64}}}
                sources: {visits: {columns: {number: int64, customer_id: int64, at: timestamp}, event_time: at, id: [number]}}
                \(more)
                """)
        defer { fixture.remove() }
        var rows = "number,customer_id,at\n", spine = "customer_id,event_timestamp\n"
        for row in 0..<1500 {
            rows += "\(row % 1400),\(row % 7),2024-01-01T00:\(row % 50 + 10):00Z\n"
            spine += "\(row % 7),2024-01-01T00:\(row % 50 + 10):30Z\n"
        }
        _ = try await fixture.store.log.importFile(fixture.file("visits.csv", rows), into: "visits")
        let path = try fixture.file("spine.csv", spine)
        let before = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "facts.v1"), spine: path, output: nil
        ).digest
        _ = try await fixture.store.log.materialize()
        for _ in 0..<2 {
            #expect(
                try await fixture.store.training.createSnapshot(
                    SnapshotRequest(set: "facts.v1"), spine: path, output: nil
                ).digest == before)
        }
    }

    @Test func `small runs are merged, and what they held is deleted`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        for seed in 1...12 as ClosedRange<UInt64> {
            try await world.load(seed, rows: 20)
            _ = try await world.fixture.store.log.materialize()
        }
        let runs = try world.fixture.connection().execute(
            "select count(*) from firn_cache.runs where source = 'payments' and keys = array['customer_id']"
        ).first!.int64(0)
        #expect(runs <= 4)
        #expect(
            try world.fixture.connection().execute(
                "select from firn_cache.bodies o where not exists (select from firn_cache.blocks b where b.address = o.address)"
            ).count == 0)
        // Copies of blocks that aren't listed any more go before the next use.
        _ = try await world.digest()
        let listed = Set(try world.addresses.map { $0.map { String(format: "%02x", $0) }.joined() })
        #expect(
            !world.files.isEmpty
                && world.files.allSatisfy { listed.contains(String($0.split(separator: "/").last!.dropLast(6))) })
    }

    @Test func `a feature that reads another column adds its blocks and leaves the others`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 32))
        let before = Set(try world.addresses)
        let more = """
            features: {shop.v1: {entity: customer, source: payments, expression: latest(shop)}}
            sets: {more.v1: {features: [shop.v1, spend.v1]}}
            """
        _ = try await world.fixture.store.catalog.apply([DefinitionDocument(yaml: more, file: "more.yaml")])
        func digest() async throws -> String {
            try await world.fixture.store.training.createSnapshot(
                SnapshotRequest(set: "more.v1"), spine: world.spine, output: nil
            ).digest
        }
        let unsealed = try await digest()
        _ = try await world.fixture.store.log.materialize()
        #expect(before.isStrictSubset(of: Set(try world.addresses)))
        #expect(try await digest() == unsealed)
    }

    @Test func `a copy that was flipped, cut or deleted is replaced`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 64))
        let digest = try await world.digest()
        let root = world.fixture.directory + "/cache/"
        for (number, name) in world.files.enumerated() {
            var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: root + name)))
            switch number % 3 {
            case 0: bytes[bytes.count / 2] ^= 1
            case 1: bytes.removeLast()
            default:
                try FileManager.default.removeItem(atPath: root + name)
                continue
            }
            // As a crash leaves a file, not as somebody who writes into one that is being read.
            try Data(bytes).write(to: URL(fileURLWithPath: root + name), options: .atomic)
        }
        #expect(try await world.digest() == digest)
        #expect(try await world.digest() == digest)
    }

    /// What may happen to what is sealed, and what of it is found where it is read.
    private static let damages = [
        "update firn_cache.segments set first_known = 0",
        "update firn_cache.segments set first_known = 9223372036854775807",
        "update firn_cache.segments set last_time = 1",
        "update firn_cache.segments set first_time = last_time", "update firn_cache.segments set first_time = null",
        "update firn_cache.segments set bucket = 1000000",
        "update firn_cache.segments set bucket = -1", "update firn_cache.segments set bucket = 0",
        "update firn_cache.segments set one_version = not one_version",
        "update firn_cache.segments set rows = rows + 1", "update firn_cache.segments set rows = -1",
        "set session_replication_role = replica; update firn_cache.segments set segment = segment - 1",
        "update firn_cache.runs set up_to = up_to - 1",
        "update firn_cache.runs set after_offset = -1 where after_offset = 0", "update firn_cache.runs set buckets = 0",
        "update firn_cache.runs set buckets = 2 * buckets", "update firn_cache.runs set segments = segments - 1",
        "update firn_cache.runs set segment_rows = 0",
        "update firn_cache.runs set checksum = checksum + 1", "delete from firn_cache.segments where segment = 0",
        "delete from firn_cache.blocks where column_name = 'firn_retraction'",
        "update firn_cache.blocks set bytes = -1", "update firn_cache.blocks set checksum = 0",
        // Another block's line, whole.
        """
        update firn_cache.blocks b set (address, bytes, checksum) = (select o.address, o.bytes, o.checksum from firn_cache.blocks o
            where o.run = b.run and o.column_name = b.column_name order by o.segment desc limit 1)
        """,
        "update firn_cache.bodies set body = substr(body, 1, length(body) / 2)",
        "update firn_cache.bodies set body = ''", "update firn_cache.bodies set body = '\\x00112233'",
        "update firn_cache.bodies set body = set_byte(body, length(body) / 2, (get_byte(body, length(body) / 2) + 1) % 256)",
        // Another block's content, whole and readable.
        """
        update firn_cache.bodies set body = (select o.body from firn_cache.bodies o join firn_cache.blocks b using (address) join firn_cache.runs r using (run)
            where b.column_name = 'firn_offset' and r.source = 'payments' limit 1)
        where address in (select b.address from firn_cache.blocks b join firn_cache.runs r using (run) where b.column_name = 'amount')
        """,
    ]

    @Test(arguments: SegmentTests.damages)
    func `what isn't what it was when it was sealed is said, its rows are read, and it is sealed again`(damage: String)
        async throws
    {
        let world = try await World()
        defer { world.fixture.remove() }
        for seed in 1...2 as ClosedRange<UInt64> {
            try await world.load(seed)
            _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        }
        let addresses = try world.addresses, digest = try await world.digest(world.store())
        try world.fixture.connection().run(script: damage)
        let store = world.store(), request = SnapshotRequest(set: "all.v1")
        let manifest = try await store.training.createSnapshot(request, spine: world.spine, output: nil)
        #expect(manifest.digest == digest)
        #expect(
            manifest.warnings.contains {
                $0.contains("isn't what it was when it was sealed: its rows were read instead")
            }, "\(manifest.warnings)")
        // What was come upon is gone; what wasn't is found as it is sealed or read.
        for _ in 0..<3 {
            _ = try await store.log.materialize(.init(segmentRows: 16))
            #expect(try await store.training.createSnapshot(request, spine: world.spine, output: nil).digest == digest)
        }
        #expect(try await store.training.createSnapshot(request, spine: world.spine, output: nil).warnings.isEmpty)
        #expect(try await store.provenance.checkHistory(all: true).faults.isEmpty)
        #expect(try world.addresses == addresses)
    }

    @Test func `sealing finds a damaged list by itself, and says so`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        let addresses = try world.addresses
        try world.fixture.connection().run(script: "update firn_cache.segments set one_version = not one_version")
        let reports = Reports(),
            store = Store(
                uri: world.fixture.uri, actor: "other", temporaryDirectory: world.fixture.directory,
                reportDamage: reports.add)
        #expect(try await store.log.materialize(.init(segmentRows: 16)).count == 3)
        #expect(
            reports.all.count == 3
                && reports.all.allSatisfy { $0.contains("the list of segments of") && $0.contains("sealed again") },
            "\(reports.all)")
        #expect(try world.addresses == addresses)
        #expect(try await store.provenance.checkHistory(all: true).faults.isEmpty)
    }

    @Test func `files stay within their bound`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 8))
        let digest = try await world.digest(world.store())
        let cache = SegmentCache(directory: world.fixture.directory + "/small", maximumBytes: 20_000)
        let store = world.store(cache: cache)
        for _ in 0..<3 {
            #expect(try await world.digest(store) == digest)
            #expect(cache.contents().bytes <= 20_000)
        }
        cache.clear()
        #expect(cache.contents().files == 0)
    }

    @Test func `files that aren't copies of blocks are let be`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 8))
        let root = world.fixture.directory + "/shared", other = root + "/\(UUID().uuidString.lowercased())"
        try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
        let own = [root + "/thesis.arrow", other + "/notes.arrow", other + "/photo.jpg"]
        for path in own { try Data(count: 100_000).write(to: URL(fileURLWithPath: path)) }
        let cache = SegmentCache(directory: root, maximumBytes: 20_000)
        _ = try await world.digest(world.store(cache: cache))
        #expect(cache.contents().bytes <= 20_000 && cache.contents().files > 0)
        cache.clear()
        #expect(cache.contents().files == 0)
        for path in own { #expect(FileManager.default.fileExists(atPath: path)) }
    }

    @Test func `several readers and a sealer at once get the same`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1)
        let cuts = try await world.fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1", name: "first"), spine: world.spine, output: nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for seed in 2...8 as ClosedRange<UInt64> {
                    try await world.load(seed, rows: 40)
                    _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
                }
            }
            for _ in 0..<2 {
                let store = world.store(
                    cache: SegmentCache(directory: world.fixture.directory + "/cache", maximumBytes: 1 << 20))
                group.addTask {
                    for _ in 0..<8 {
                        let isIdentical = try await store.training.verify(cuts.id).isIdentical
                        #expect(isIdentical)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `a sealing that is cancelled leaves nothing half done`() async throws {
        let world = try await World()
        defer { world.fixture.remove() }
        try await world.load(1, rows: 3000)
        for delay in [1, 5, 20, 60] {
            let task = Task { try await world.fixture.store.log.materialize(.init(segmentRows: 16)) }
            try await Task.sleep(for: .milliseconds(delay))
            task.cancel()
            _ = try? await task.value
            let half = try world.fixture.connection().execute(
                "select from firn_cache.runs r where (select coalesce(sum(rows), 0) from firn_cache.segments s where s.run = r.run) < r.up_to - r.after_offset and r.source = 'payments'"
            )
            #expect(half.count == 0)
        }
        _ = try await world.fixture.store.log.materialize(.init(segmentRows: 16))
        let digest = try await world.digest()
        try await world.fixture.store.log.dropSegments()
        #expect(try await world.digest(world.store()) == digest)
    }
}
