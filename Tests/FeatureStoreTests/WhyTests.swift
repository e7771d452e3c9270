import FeatureEngine
import FeatureLanguage
import FeatureStore
import TestSupport
import Tables
import Testing

/// `why` and `diff` over a real store.
@Suite struct WhyTests {
    private static let rows = """
        payment_id,customer_id,amount,gone,at,recorded
        a,1,10,f,2024-05-01T00:00:00Z,2024-05-01T01:00:00Z
        b,1,20,f,2024-05-02T00:00:00Z,2024-05-02T01:00:00Z
        b,1,25,f,2024-05-02T00:00:00Z,2024-05-03T01:00:00Z
        d,1,7,f,2024-05-04T00:00:00Z,2024-05-04T01:00:00Z
        d,1,7,t,2024-05-04T00:00:00Z,2024-05-05T01:00:00Z
        e,1,3,f,2024-05-05T00:00:00Z,2024-05-05T01:00:00Z
        e,2,3,f,2024-05-05T00:00:00Z,2024-05-06T01:00:00Z
        f,1,9,f,2024-05-06T00:00:00Z,2024-05-20T01:00:00Z
        g,1,,f,2024-05-06T00:00:00Z,2024-05-06T01:00:00Z
        h,1,8,f,2024-05-07T00:00:00Z,
        i,1,11,f,2024-05-09T00:00:00Z,2024-05-09T00:00:00Z

        """

    private func fixture() async throws -> Fixture {
        let fixture = try await Fixture()
        _ = try await fixture.store.log.importFile(fixture.file("rows.csv", WhyTests.rows), into: "payments")
        return fixture
    }

    private func request(_ feature: String, _ customer: Int, asOf: String?, amount: Double? = nil, rows: Int = 20)
        -> WhyRequest
    {
        var why = WhyRequest(feature)
        why.lookup.entities["customer_id"] = [.json(JSON(customer))]
        if let amount { why.lookup.request["amount"] = [.json(JSON(.float64(amount)))] }
        why.lookup.asOf = asOf.map { Instant(text: $0)! }
        why.rows = rows
        return why
    }

    @Test func `each row is named with what became of it`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let answer = try await fixture.store.serving.why(request("spend.v1", 1, asOf: "2024-05-08"))
        #expect(answer.value == .float64(25))
        let explanation = try #require(answer.explanations.first)
        #expect(explanation.counted.map(\.offset) == [9, 3])
        #expect(explanation.counted.map(\.verdict) == [.skipped, .counted])
        let missed = Dictionary(uniqueKeysWithValues: explanation.missed.map { ($0.offset, $0.verdict) })
        #expect(
            missed == [
                1: .tooOld, 2: .replaced(offset: 3, isTombstone: false), 4: .replaced(offset: 5, isTombstone: true),
                5: .isTombstone, 6: .replaced(offset: 7, isTombstone: false),
                7: .otherEntity, 8: .notYetKnown, 10: .neverKnown, 11: .notYetKnown,
            ])
        #expect(explanation.missed.last?.offset == 11, "those nearest to the window come first")
        let lookup = try await fixture.lookup(1, asOf: "2024-05-08", "spend.v1")
        #expect(lookup.columns[0][0] == answer.value)
    }

    @Test func `request inputs, referred features, NULL keys and labels are explained`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let ratio = try await fixture.store.serving.why(request("ratio.v1", 1, asOf: "2024-05-08", amount: 50))
        #expect(ratio.value == .float64(2))
        #expect(ratio.plan.outputs[0].text == "request.amount / a1")
        var null = WhyRequest("spend.v1")
        null.lookup.entities["customer_id"] = [.json(.null)]
        #expect(
            try await fixture.store.serving.why(null).overrides == [
                "the key customer_id is NULL, which makes every value NULL"
            ])
        let label = try await fixture.store.serving.why(request("pays.v1", 1, asOf: "2024-05-08"))
        #expect(label.value == .bool(true) && label.overrides.isEmpty && label.explanations[0].mode == .hindsight)
        let unripe = try await fixture.store.serving.why(request("pays.v1", 1, asOf: nil))
        #expect(unripe.value == .null && unripe.overrides.count == 1)
        await #expect(throws: StoreError.self) {
            try await fixture.store.serving.why(self.request("spend.v1", 1, asOf: "2090-01-01"))
        }
        await #expect(throws: StoreError.self) {
            try await fixture.store.serving.why(self.request("spend.v1", 1, asOf: nil, rows: 0))
        }
        var two = WhyRequest("spend.v1")
        two.lookup.entities["customer_id"] = [.json(1), .json(2)]
        let ofTwo = two
        await #expect(throws: StoreError.self) { try await fixture.store.serving.why(ofTwo) }
    }

    @Test func `of many rows the nearest are read`() async throws {
        let fixture = try await Fixture()
        defer { fixture.remove() }
        var text = "customer_id,page,at\n"
        for day in 1...28 {
            for hour in 0..<20 {
                text += "1,p,2024-02-\(day < 10 ? "0" : "")\(day)T\(hour < 10 ? "0" : "")\(hour):00:00Z\n"
            }
        }
        _ = try await fixture.store.log.importFile(fixture.file("clicks.csv", text), into: "clicks")
        _ = try await fixture.store.catalog.apply([
            DefinitionDocument(
                yaml: "features: {day.v1: {entity: customer, source: clicks, expression: count(*) over last_1d}}",
                file: "more.yaml")
        ])
        let answer = try await fixture.store.serving.why(request("day.v1", 1, asOf: "2024-02-10T05:30:00Z", rows: 3))
        let explanation = answer.explanations[0]
        #expect(answer.value == .int64(20) && explanation.countedTotal == 20 && explanation.counted.count == 3)
        #expect(
            explanation.missed.map(\.eventTime?.description) == [
                "2024-02-10T06:00:00Z", "2024-02-09T05:00:00Z", "2024-02-10T07:00:00Z",
            ])
    }

    @Test func `two versions are held against each other on rows there are`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let yaml = "features: {spend.v2: {entity: customer, source: payments, expression: sum(amount) over last_2d}}"
        let document = try DefinitionDocument(yaml: yaml, file: "new.yaml")
        // Before it is registered, as a plan shows it.
        let planned = try #require(
            try await fixture.store.catalog.comparisons(fixture.store.catalog.plan([document])).first)
        #expect(planned.left.name == VersionedName("spend.v1") && planned.right.name == VersionedName("spend.v2"))
        _ = try await fixture.store.catalog.apply([document])
        let comparison = try await fixture.store.catalog.compare("spend.v1", "spend.v2", on: .values(1000, asOf: nil))
        #expect(comparison.different == planned.different && comparison.rows == planned.rows)
        #expect(comparison.rows == 10 && comparison.different > 0)
        #expect(comparison.parts.filter { $0.left != $0.right }.map(\.name) == ["expression", "fingerprint"])
        let at = try await fixture.store.catalog.compare(
            "spend.v1", "spend.v2", on: .values(10, asOf: Instant(text: "2024-05-03T12:00:00Z")))
        // By then: 10 and 25 against 25 alone, and nothing of customer 2.
        #expect(at.rows == 2 && at.different == 1 && at.greatest == 10 && at.onlyLeftNull == 0)
        #expect(at.examples.map(\.left) == [.float64(35)] && at.examples.map(\.right) == [.float64(25)])
        let same = try await fixture.store.catalog.compare("spend.v1", "spend.v1", on: .values(10, asOf: nil))
        #expect(same.different == 0 && same.median == nil)
        let spine = try fixture.file("spine.csv", "customer_id,event_timestamp,amount\n1,2024-05-03T12:00:00Z,70\n")
        let ratio = try await fixture.store.catalog.compare(
            "ratio.v1", "spend.v1", on: .file(spine, timestamp: "event_timestamp", options: ReadOptions()))
        #expect(ratio.rows == 1 && ratio.examples.map(\.left) == [.float64(2)])
        await #expect(throws: UnknownName.self) {
            try await fixture.store.catalog.compare("spend.v1", "spend.v9", on: .values(10, asOf: nil))
        }
    }

    @Test func `labels, large integers, far futures and empty sources are compared as what they are`() async throws {
        let yaml = """
            entities: {e: {keys: {k: int64}}}
            sources:
              s: {columns: {k: int64, x: int64, at: timestamp}, event_time: at}
              none: {columns: {k: int64, at: timestamp}, event_time: at}
            features:
              count.v1: {entity: e, source: s, expression: count(*)}
              max.v1: {entity: e, source: s, expression: max(x)}
              more.v1: {entity: e, source: s, expression: max(x) + 1}
              none.v1: {entity: e, source: none, expression: count(*)}
            labels:
              ahead.v1: {entity: e, source: s, expression: count(*) over next_1d}
              far.v1: {entity: e, source: s, expression: count(*) over next_9223372036854775807us}
            """
        let fixture = try await Fixture(applying: yaml)
        defer { fixture.remove() }
        let rows = "k,x,at\n1,9007199254740992,1950-01-01\n1,9007199254740992,1950-01-03\n"
        _ = try await fixture.store.log.importFile(fixture.file("rows.csv", rows), into: "s")
        let kinds = try await fixture.store.catalog.compare(
            "ahead.v1", "count.v1", on: .values(10, asOf: Instant(text: "1950-01-02")))
        #expect(kinds.examples.map(\.left) == [] && kinds.different == 0)
        let later = try await fixture.store.catalog.compare(
            "ahead.v1", "count.v1", on: .values(10, asOf: Instant(text: "1950-01-03")))
        #expect(later.examples.map(\.left) == [.int64(0)] && later.examples.map(\.right) == [.int64(2)])
        let large = try await fixture.store.catalog.compare("max.v1", "more.v1", on: .values(10, asOf: nil))
        #expect(large.rows == 2 && large.different == 2 && large.greatest == 1)
        let far = try await fixture.store.catalog.compare("far.v1", "far.v1", on: .values(10, asOf: nil))
        #expect(far.rows == 2 && far.different == 0)
        let empty = try await fixture.store.catalog.compare("none.v1", "count.v1", on: .values(10, asOf: nil))
        #expect(empty.sample == nil && empty.obstacle == "none has no rows")
    }

    @Test func `a version that reads what isn't there yet is not compared`() async throws {
        let fixture = try await fixture()
        defer { fixture.remove() }
        let yaml = """
            sources:
              payments:
                columns: {payment_id: string, customer_id: int64, amount: float64, gone: bool, at: timestamp, recorded: timestamp, fee: float64}
                event_time: at
                known_at: recorded
                id: [payment_id]
                tombstone: gone
            features: {spend.v2: {entity: customer, source: payments, expression: sum(fee)}}
            """
        let plan = try await fixture.store.catalog.plan([DefinitionDocument(yaml: yaml, file: "new.yaml")])
        let comparison = try #require(try await fixture.store.catalog.comparisons(plan).first)
        #expect(comparison.sample == nil && comparison.obstacle == "source payments has no column fee yet")
    }
}
