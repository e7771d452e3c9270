import FeatureLanguage
import FeatureStore
import Tables
import Testing

/// The catalog as people see it is a value: it is described from definitions and notes, without a database.
@Suite struct CatalogBrowserTests {
    private static func browser() throws -> CatalogBrowser {
        let document = try DefinitionDocument(
            yaml: """
                entities:
                  customer: {keys: {customer_id: int64}}
                  shop: {keys: {shop_id: int64}}
                sources:
                  payments:
                    columns: {payment_id: string, customer_id: int64, amount: float64, at: timestamp}
                    event_time: at
                    id: [payment_id]
                features:
                  spend_7d.v1: {entity: customer, source: payments, expression: sum(amount) over last_7d}
                  mean_amount.v1: {entity: customer, source: payments, expression: avg(amount)}
                  share.v1: {entity: customer, expression: spend_7d.v1 / mean_amount.v1}
                labels:
                  pays.v1: {entity: customer, source: payments, expression: count(*) over next_7d > 0}
                sets:
                  fraud.v1: {features: [share.v1], labels: [pays.v1]}
                """, file: "definitions.yaml")
        let spend = Notes(description: "What they paid.", owner: "risk", tags: ["money", "weekly"])
        return CatalogBrowser(
            CatalogContent(
                catalog: try Catalog(documents: [document]), notes: ["feature spend_7d.v1": spend],
                newestRows: ["payments": Instant(microseconds: 1_700_000_000_000_000)],
                snapshots: ["fraud.v1": ["d", "c", "b", "a"]]))
    }

    @Test func `lists go by kind and name, and each condition of a filter holds`() throws {
        let browser = try CatalogBrowserTests.browser()
        func names(_ change: (inout CatalogFilter) -> Void) -> [String] {
            var filter = CatalogFilter()
            change(&filter)
            return browser.entries(filter).map(\.name)
        }
        #expect(
            names { _ in } == [
                "customer", "shop", "payments", "mean_amount.v1", "share.v1", "spend_7d.v1", "pays.v1", "fraud.v1",
            ])
        #expect(names { $0.kind = .label } == ["pays.v1"])
        #expect(names { ($0.owner, $0.tags) = ("risk", ["weekly", "money"]) } == ["spend_7d.v1"])
        #expect(names { $0.tags = ["weekly", "other"] } == [])
        #expect(names { ($0.kind, $0.entity) = (.feature, "shop") } == [])
        #expect(names { $0.isUnused = true } == ["shop"])
        let rows = Instant(microseconds: 1_700_000_000_000_000), later = Instant(microseconds: rows.microseconds + 1)
        #expect(names { $0.staleSince = rows } == [])
        #expect(
            names { $0.staleSince = later } == [
                "payments", "mean_amount.v1", "share.v1", "spend_7d.v1", "pays.v1", "fraud.v1",
            ])
    }

    @Test func `a search finds names before notes and notes before expressions`() throws {
        let browser = try CatalogBrowserTests.browser()
        #expect(browser.search("amount").map(\.name) == ["mean_amount.v1", "payments", "share.v1", "spend_7d.v1"])
        #expect(browser.search("PAID what").map(\.name) == ["spend_7d.v1"])
        #expect(browser.search("  ").isEmpty && browser.search("amount nothing").isEmpty)
        #expect(browser.nearest("spent_7d.v1") == "spend_7d.v1")
    }

    @Test func `a noun says who uses it, and its words and its JSON say it alike`() throws {
        let browser = try CatalogBrowserTests.browser()
        let set = try #require(browser.named("fraud.v1").first),
            spend = try #require(browser.named("spend_7d.v1").first)
        #expect(set.users == ["snapshot d", "snapshot c", "snapshot b", "1 older snapshots"])
        #expect(spend.users == ["share.v1"] && spend.sources == ["payments"] && spend.entities == ["customer"])
        for entry in browser.entries {
            let details = Dictionary(entry.details) { first, _ in first }
            #expect(entry.json["kind"] == .string(entry.kind.rawValue) && entry.json["name"] == .string(entry.name))
            #expect(entry.json["used_by"] == .array(entry.users.map { .string($0) }))
            #expect(details["used by"] == (entry.users.isEmpty ? "nothing yet" : entry.users.joined(separator: ", ")))
            #expect(entry.json["fingerprint"] == details["fingerprint"].map { .string($0) })
        }
        #expect(spend.json["description"] == .string("What they paid.") && set.json["owner"] == .null)
    }
}
