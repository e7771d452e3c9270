import FeatureEngine
import FeatureLanguage
import FeatureStore
import TestSupport
import Tables
import Testing

/// What the store reads for a snapshot (by key, by time, over several batches) gives the digest that the engine gives
/// over all rows at once.
@Suite struct StoreEqualsEngineTests {
    /// A spine of a few rows reads rows by key, a long one what is sealed of them.
    private static let rounds =
        (UInt64(0)..<12).map { (seed: $0, rows: 30) } + (UInt64(100)..<124).map { (seed: $0, rows: 1100) }

    @Test(arguments: rounds)
    func `a snapshot of random rows equals their evaluation without a database`(round: (seed: UInt64, rows: Int))
        async throws
    {
        let seed = round.seed
        var random = Randomness(seed: seed)
        let yaml = StoreEqualsEngineTests.definitions(&random)
        let rows = StoreEqualsEngineTests.rows(&random)
        var spine = "k,l,event_timestamp\n"
        for _ in 0..<round.rows {
            spine +=
                "\(random.pick(["0", "1", "2", ""])),\(random.pick(["a", "b", ""])),\(StoreEqualsEngineTests.time(0...45, &random))\n"
        }
        let mode: Reading.Mode = random.chance(50) ? .asServed : .hindsight
        let knownBy = random.chance(40) ? Instant(text: StoreEqualsEngineTests.time(5...40, &random)) : nil

        let fixture = try await Fixture(applying: yaml)
        defer { fixture.remove() }
        let seals = round.rows > 1000
        for start in stride(from: 0, to: rows.count, by: 20) {
            let file = try fixture.file(
                "rows\(start).csv", StoreEqualsEngineTests.header + rows[start..<min(start + 20, rows.count)].joined())
            _ = try await fixture.store.log.importFile(file, into: "s", options: .init(again: true))
            if seals, random.chance(70) {
                _ = try await fixture.store.log.materialize(.init(segmentRows: random.pick([4, 8, 1000])))
            }
        }
        let path = try fixture.file("spine.csv", spine)
        let manifest = try await fixture.store.training.createSnapshot(
            SnapshotRequest(set: "all.v1", mode: mode, knownBy: knownBy), spine: path, output: nil)

        let catalog = try await fixture.store.catalog.read()
        let plan = try Plan(catalog.set(named: "all.v1"), in: catalog)
        let source = try catalog.source(named: "s")
        var reader = try TableReader(
            path: fixture.file("all.csv", StoreEqualsEngineTests.header + rows.joined()), schema: .init(source.columns),
            options: ReadOptions())
        let all = try SourceRows(importing: reader.all(), into: source).withoutDuplicates(of: source)
        let file = try SpineFile(path: path, plan: plan, timestamp: FeatureSet.instantColumn, options: ReadOptions())
        let outputs = plan.evaluate(file.spine, Reading(mode: mode, knownBy: knownBy?.microseconds)) { _ in all }
        let digest = Digest(plan.result(file.spine, outputs))
        #expect(
            manifest.digest == digest.description, "\(yaml)\n\(mode) \(String(describing: knownBy))\n\(rows.joined())")

        // The same again after more rows, sealed beyond the cuts, and read from files.
        let more = StoreEqualsEngineTests.rows(&random)
        _ = try await fixture.store.log.importFile(
            fixture.file("more.csv", StoreEqualsEngineTests.header + more.joined()), into: "s",
            options: .init(again: true))
        if seals { _ = try await fixture.store.log.materialize(.init(segmentRows: 8)) }
        for _ in 0..<2 {
            let again = try await fixture.store.training.verify(manifest.id)
            #expect(
                again.isIdentical,
                "\(again.faults) \(yaml)\n\(mode) \(String(describing: knownBy))\n\(rows.joined())\n\(more.joined())")
        }
    }

    private static let header = "k,l,fact,t,known,gone,x,s,d,n\n"

    private static func time(_ seconds: ClosedRange<Int>, _ random: inout Randomness) -> String {
        let second = Int.random(in: seconds, using: &random)
        return "2024-01-01T00:00:\(second < 10 ? "0" : "")\(second)Z"
    }

    private static func rows(_ random: inout Randomness) -> [String] {
        var rows: [String] = []
        for _ in 0..<Int.random(in: 5...60, using: &random) {
            if let last = rows.last, random.chance(15) {
                rows.append(last)
                continue
            }
            let known = random.chance(80) ? time(0...40, &random) : ""
            let fields = [
                random.pick(["0", "1", "2", ""]), random.pick(["a", "b", ""]),
                String(Int.random(in: 0...8, using: &random)), time(0...30, &random), known,
                random.pick(["true", "false", "false", ""]), random.pick(["1.5", "-2", "0.1", ""]),
                random.pick(["p", "q", ""]), random.pick(["2024-02-29", "1969-12-31", ""]),
                random.pick(["19.90", "-0.05", "9999999999.99", ""]),
            ]
            rows.append(fields.joined(separator: ",") + "\n")
        }
        return rows
    }

    private static func definitions(_ random: inout Randomness) -> String {
        let key = random.chance(70) ? "int64" : "\"decimal(20, 0)\""
        var settings = random.chance(70) ? ", id: [fact]" : ""
        if random.chance(50) { settings += ", tombstone: gone" }
        settings += random.pick(["", ", known_at: {after: 3s}", ", known_at: known", ", known_at: known"])
        var features = ""
        for index in 0..<6 {
            let span = Int.random(in: 1...12, using: &random)
            let window = random.pick([
                "", " over last_\(span)s", " over last_\(span)s",
                " over (range between interval '\(span) s' preceding and interval '\(Int.random(in: 0..<span, using: &random)) s' preceding)",
            ])
            let call = random.pick([
                "count(*)", "sum(x)", "avg(x)", "latest(s)", "earliest(x)", "max(x)", "count(distinct s)", "stddev(x)",
                "median(x)", "latest(d)", "min(d)", "count(distinct d)", "sum(n)", "avg(n)", "latest(n)", "max(n)",
                "median(n)",
                "mode(n)",
            ])
            let filter = random.chance(30) ? " filter (where x > 0)" : ""
            features +=
                "  f\(index).v1: {entity: \(random.pick(["pair", "one"])), source: s, expression: \"\(call)\(filter)\(window)\"}\n"
        }
        return """
            entities: {pair: {keys: {k: \(key), l: string}}, one: {keys: {k: \(key)}}}
            sources:
              s: {columns: {k: \(key), l: string, fact: int64, t: timestamp, known: timestamp, gone: bool, x: float64, s: string, d: date, n: "decimal(12, 2)"}, event_time: t\(settings)}
            features:
            \(features)
              pair.v1: {entity: pair, source: s, expression: count(x)}
            sets:
              all.v1: {features: [f0.v1, f1.v1, f2.v1, f3.v1, f4.v1, f5.v1, pair.v1]}
            """
    }
}
