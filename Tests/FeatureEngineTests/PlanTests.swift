import FeatureEngine
import FeatureLanguage
import Testing

/// One plan for a set: equal aggregates once, references inlined, keys mapped; and the values that follow.
@Suite struct PlanTests {
    private static let yaml = """
        entities:
          customer: {keys: {customer_id: int64}}
          merchant: {keys: {merchant: string}}
          pair: {keys: {customer_id: int64, merchant: string}}
          all: {keys: {}}
        sources:
          payments:
            columns: {customer_id: int64, payer: int64, merchant: string, amount: float64, at: timestamp}
            event_time: at
          shops:
            columns: {merchant: string, country: string}
            event_time: none
            id: [merchant]
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount) over last_7us}
          doubled.v1: {entity: customer, source: payments, expression: spend.v1 + SUM( amount )  over (range between interval '7 us' preceding and current row)}
          paid.v1: {entity: customer, source: payments, join: {customer_id: payer}, expression: sum(amount) over last_7us}
          pair_share.v1: {entity: pair, source: payments, expression: "sum(amount) / nullif(spend.v1, 0)"}
          country.v1: {entity: merchant, source: shops, expression: latest(country)}
          abroad.v1: {entity: pair, expression: country.v1 <> 'DE'}
          everything.v1: {entity: all, source: payments, expression: count(*)}
        labels:
          soon.v1: {entity: customer, source: payments, expression: sum(amount) over next_2us > spend.v1}
        sets:
          all.v1:
            features:
              [spend.v1, doubled.v1, paid.v1, pair_share.v1, abroad.v1, everything.v1, {feature: spend.v1, as: other_spend, keys: {customer_id: other}}]
            labels: [soon.v1]
        """

    private func plan() throws -> Plan {
        let catalog = try Catalog(documents: [DefinitionDocument(yaml: PlanTests.yaml, file: "plan.yaml")])
        return Plan(try catalog.set(named: "all.v1"), in: catalog)
    }

    @Test func `equal aggregates are computed once, by source, keys and mode`() throws {
        let outline = try plan().outline
        let groups = outline.groups.map { group in
            let keys = group.keys.map { "\($0.column)=\($0.spine)" }.joined(separator: ",")
            return "\(group.source) [\(keys)] \(group.mode.rawValue): "
                + group.steps.map { "\($0.id) \($0.text) for \($0.usedBy.joined(separator: ","))" }.joined(
                    separator: "; ")
        }
        #expect(
            groups == [
                "payments [customer_id=customer_id] as_served: a1 sum(amount) over last_7us for spend,doubled,pair_share",
                "payments [payer=customer_id] as_served: a2 sum(amount) over last_7us for paid",
                "payments [customer_id=customer_id,merchant=merchant] as_served: a3 sum(amount) for pair_share",
                "shops [merchant=merchant] as_served: a4 latest(country) for abroad",
                "payments [] as_served: a5 count(*) for everything",
                "payments [customer_id=other] as_served: a6 sum(amount) over last_7us for other_spend",
                "payments [customer_id=customer_id] hindsight: a7 sum(amount) over next_2us for soon; a8 sum(amount) over last_7us for soon",
            ])
        #expect(
            outline.outputs.map(\.text) == [
                "a1", "a1 + a1", "a2", "a3 / nullif(a1, 0::float64)", "a4 <> 'DE'", "a5", "a6", "a7 > a8",
            ])
    }

    @Test func `what grows with history is said`() throws {
        let yaml = """
            entities: {e: {keys: {k: int64}}}
            sources:
              plain: {columns: {k: int64, x: float64, at: timestamp}, event_time: at}
              facts: {columns: {k: int64, id: int64, x: float64, at: timestamp}, event_time: at, id: [id]}
            features:
              sum.v1: {entity: e, source: plain, expression: sum(x)}
              old.v1: {entity: e, source: plain, expression: sum(x) over (range between unbounded preceding and interval '1 d' preceding)}
              distinct.v1: {entity: e, source: plain, expression: count(distinct x)}
              median.v1: {entity: e, source: plain, expression: median(x)}
              week.v1: {entity: e, source: facts, expression: median(x) over last_1w}
              facts.v1: {entity: e, source: facts, expression: "sum(x) + 1"}
            """
        let catalog = try Catalog(documents: [DefinitionDocument(yaml: yaml, file: "plan.yaml")])
        let outline = Plan(
            try catalog.resolve(features: ["sum.v1", "old.v1", "distinct.v1", "median.v1", "week.v1", "facts.v1"]),
            in: catalog
        ).outline
        let states = outline.groups.flatMap(\.steps).map(\.state)
        #expect(
            states == [
                .constant, .waiting, .history("every value is remembered"), .history("every row's value is remembered"),
                .window, .history("a correction may take any row back"),
            ])
        #expect(outline.outputs.map { !$0.growing.isEmpty } == [false, false, true, true, false, true])
    }

    @Test func `each output reads the rows of its own keys`() throws {
        let plan = try plan()
        func column(_ values: [Int64]) -> Column { Column(.int64, values) }
        func texts(_ values: [String]) -> Column {
            var builder = ColumnBuilder(.string)
            for value in values { builder.append(.string(value)) }
            return builder.finish()
        }
        // Customer, payer, merchant, amount at 1, 2, 3, 9.
        let payments = SourceRows(
            columns: [
                "customer_id": column([1, 1, 2, 1]), "payer": column([2, 1, 1, 1]),
                "merchant": texts(["a", "b", "a", "a"]), "amount": Column(.float64, .floats([1, 2, 4, 8])),
            ], eventTimes: [1, 2, 3, 9], knownAt: [1, 2, 3, 9], offsets: [1, 2, 3, 4])
        let shops = SourceRows(
            columns: ["merchant": texts(["a", "b"]), "country": texts(["FR", "DE"])], eventTimes: [],
            knownAt: [.min, .min], offsets: [1, 2])
        let spine = Spine(
            columns: ["customer_id": column([1, 2]), "merchant": texts(["a", "b"]), "other": column([2, 1])],
            instants: [7, 8])
        let outputs = plan.evaluate(spine, Reading()) { $0.source.name == "shops" ? shops : payments }
        let values = zip(plan.outputs, outputs.columns).map { "\($0.name) \($1[0]) \($1[1])" }
        #expect(
            values == [
                "spend float64(bits: \((3.0).bitPattern)) float64(bits: \((4.0).bitPattern))",
                "doubled float64(bits: \((6.0).bitPattern)) float64(bits: \((8.0).bitPattern))",
                "paid float64(bits: \((6.0).bitPattern)) null",
                "pair_share float64(bits: \((1.0 / 3).bitPattern)) null", "abroad bool(true) bool(false)",
                "everything int64(3) int64(3)",
                "other_spend float64(bits: \((4.0).bitPattern)) float64(bits: \((2.0).bitPattern))",
                "soon bool(true) null",
            ])
    }
}
