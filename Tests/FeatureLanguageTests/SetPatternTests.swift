import FeatureLanguage
import Testing

@Suite struct SetPatternTests {
    private static let registered = """
        entities: {e: {keys: {k: int64}}}
        sources: {s: {columns: {k: int64, x: float64, at: timestamp}, event_time: at}}
        features:
          spend_7d.v1: {entity: e, source: s, expression: sum(x) over last_7d}
          spend_7d.v2: {entity: e, source: s, expression: avg(x) over last_7d}
          buys.v1: {entity: e, source: s, expression: count(*)}
        labels: {spend_later.v1: {entity: e, source: s, expression: sum(x) over next_7d}}
        """

    /// The first list of a set with these entries, written out.
    private func expanded(_ entries: String, list: String = "features") throws -> String? {
        let registered = try Catalog(documents: [
            DefinitionDocument(yaml: SetPatternTests.registered, file: "registered.yaml")
        ])
        let document = try DefinitionDocument(
            yaml: """
                features: {spend_1d.v1: {entity: e, source: s, expression: sum(x) over last_1d, tags: [money]}}
                sets: {a.v1: {\(list): [\(entries)]}}
                """, file: "new.yaml")
        let notes = [
            "feature spend_7d.v1": Notes(tags: ["money"]), "feature spend_7d.v2": Notes(tags: ["money"]),
            "feature buys.v1": Notes(tags: ["other"]),
        ]
        return registered.expansions(of: [document], notes: notes).first?.yaml
    }

    @Test(arguments: [
        ("spend_*", "spend_1d.v1, spend_7d.v2"), ("spend_*.v1", "spend_1d.v1, spend_7d.v1"),
        ("*", "buys.v1, spend_1d.v1, spend_7d.v2"), ("*d", "spend_1d.v1, spend_7d.v2"), ("s*7*", "spend_7d.v2"),
        ("'tag:money'", "spend_1d.v1, spend_7d.v2"), ("'tag:none'", ""), ("buys*buys", ""),
        ("'spend_7*', buys.v1, '*'", "spend_7d.v2, buys.v1, spend_1d.v1"),
        ("{feature: buys.v1, as: n, keys: {k: other}}, 'b*'", "{feature: buys.v1, as: n, keys: {k: other}}, buys.v1"),
    ])
    func `a pattern stands for the newest versions that it matches, in its place`(entries: String, list: String) throws
    {
        let quoted =
            entries.hasPrefix("*") || entries.contains("*") && !entries.contains("'") ? "'\(entries)'" : entries
        #expect(try expanded(quoted) == "features: [\(list)]")
    }

    @Test func `labels are matched among labels`() throws {
        #expect(try expanded("'*'", list: "labels") == "labels: [spend_later.v1]")
    }

    @Test func `a set without a pattern isn't written out`() throws { #expect(try expanded("buys.v1") == nil) }
}
