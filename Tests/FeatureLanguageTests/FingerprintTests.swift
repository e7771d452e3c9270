import FeatureLanguage
import Testing

/// A fingerprint changes with everything that can change a value, through references too, and with nothing else.
@Suite struct FingerprintTests {
    /// `base` feeds `f`, which feeds `g`; `looks` is a label; `s` takes them in.
    private static let definitions = """
        entities:
          customer:
            keys: {customer_id: int64, region: string}
        sources:
          payments:
            columns: {pid: string, payer: int64, region: string, amount: float64, cents: int64, status: string, gone: bool, at: timestamp, known: timestamp, spare: int64}
            event_time: at
            known_at: known
            id: [pid, region]
            tombstone: gone
        features:
          base.v1:
            entity: customer
            source: payments
            join: {customer_id: payer}
            expression: sum(amount) filter (where status = 'ok') over last_7d
            description: A note.
            owner: me
            tags: [one]
          f.v1:
            entity: customer
            source: payments
            join: {customer_id: payer}
            request: {limit: float64, other: int64}
            expression: case when request.limit > 1 then base.v1 / count(*) else percentile(cents, 0.9) end
          g.v1:
            entity: customer
            expression: f.v1 * 2
        labels:
          looks.v1:
            entity: customer
            source: payments
            join: {customer_id: payer}
            expression: count(*) over next_3d
        sets:
          s.v1:
            features: [base.v1, {feature: g.v1, as: out, keys: {region: place}}]
            labels: [{feature: looks.v1, keys: {region: place}}]
        """

    private static let names = ["base.v1", "f.v1", "g.v1", "looks.v1", "s.v1", "customer", "payments"]

    private func fingerprints(_ yaml: String) throws -> [String: Fingerprint] {
        let catalog = try catalog(yaml)
        var all: [String: Fingerprint] = [:]
        for function in catalog.functions.values { all[function.name.description] = function.fingerprint }
        for set in catalog.sets.values { all[set.definition.name.description] = set.fingerprint }
        for entity in catalog.entities.values { all[entity.name] = entity.fingerprint }
        for source in catalog.sources.values { all[source.name] = source.fingerprint }
        return all
    }

    /// What is written otherwise, and whose fingerprints that changes.
    @Test(arguments: [
        // Values can change.
        ("sum(amount)", "avg(amount)", "base f g s"), ("sum(amount)", "sum(amount + 0)", "base f g s"),
        ("status = 'ok'", "status = 'OK'", "base f g s"),
        ("status = 'ok'", "status <> 'ok'", "base f g s"), ("filter (where status = 'ok') ", "", "base f g s"),
        ("last_7d", "last_8d", "base f g s"),
        ("over last_7d", "", "base f g s"),
        (
            "over last_7d", "over (range between interval '7 days' preceding and interval '1 us' preceding)",
            "base f g s"
        ),
        ("request.limit > 1", "request.limit >= 1", "f g s"), ("request.limit > 1", "request.limit > 2", "f g s"),
        ("request.limit > 1", "1 < request.limit", "f g s"),
        ("percentile(cents, 0.9)", "percentile(cents, 0.95)", "f g s"),
        ("percentile(cents, 0.9)", "max(cents)", "f g s"), ("count(*) else", "count(cents) else", "f g s"),
        ("limit: float64", "limit: int64", "f g s"), ("f.v1 * 2", "f.v1 * 2.0", "g s"), ("f.v1 * 2", "2 * f.v1", "g s"),
        ("next_3d", "next_4d", "looks s"),
        ("{customer_id: payer}", "{customer_id: cents}", "base f g looks s"),
        ("event_time: at", "event_time: known", "base f g looks s payments"),
        ("known_at: known", "known_at: {after: 2h}", "base f g looks s payments"),
        ("    known_at: known\n", "", "base f g looks s payments"),
        ("id: [pid, region]", "id: [pid]", "base f g looks s payments"),
        ("    id: [pid, region]\n", "", "base f g looks s payments"),
        ("    tombstone: gone\n", "", "base f g looks s payments"), ("payments", "transfers", "base f g looks s"),
        ("amount: float64", "amount: int64", "base f g s payments"),
        ("cents: int64", "cents: float64", "f g s payments"),
        ("pid: string", "pid: int64", "base f g looks s payments"),
        // What a spine or an output is called.
        ("as: out", "as: result", "s"),
        ("{feature: g.v1, as: out, keys: {region: place}}", "{feature: g.v1, as: out}", "s"),
        (
            "[base.v1, {feature: g.v1, as: out, keys: {region: place}}]",
            "[{feature: g.v1, as: out, keys: {region: place}}, base.v1]", "s"
        ),
        // No value can change.
        ("A note.", "Another.", ""), ("owner: me", "owner: you", ""), ("tags: [one]", "tags: [one, two]", ""),
        ("spare: int64", "spare: float64", "payments"),
        ("spare: int64", "spare: int64, more: bool", "payments"), (", other: int64", "", ""),
        ("pid: string, payer: int64", "payer: int64, pid: string", ""),
        ("{customer_id: int64, region: string}", "{region: string, customer_id: int64}", ""),
        ("customer:", "client:", "entity"),
        (
            "sum(amount) filter (where status = 'ok') over last_7d",
            "SUM( (\"amount\") )  FILTER (WHERE (status) = ('ok')) OVER last_1w", ""
        ),
        ("over last_7d", "over (range between interval '168 hours' preceding and current row)", ""),
        ("count(*) else percentile(cents, 0.9) end", "count(*) ELSE Percentile(cents, .90) END", ""),
    ])
    func `it changes with values, and with nothing else`(old: String, new: String, changed: String) throws {
        let before = try fingerprints(FingerprintTests.definitions)
        #expect(FingerprintTests.definitions.contains(old))
        var yaml = FingerprintTests.definitions.replacing(old, with: new)
        // The entity's name stands in every feature; its own fingerprint goes with it.
        if changed == "entity" { yaml = yaml.replacing("entity: customer", with: "entity: client") }
        let after = try fingerprints(yaml)
        let expected = Set(
            changed.split(separator: " ").map { ["customer", "payments"].contains($0) ? String($0) : "\($0).v1" })
        for name in FingerprintTests.names {
            guard let left = before[name], let right = after[name] else { continue }
            #expect((left != right) == expected.contains(name), "\(name) after \(old) became \(new)")
        }
    }

    @Test(arguments: ["float32", "real", "REAL", "float4"])
    func `a narrow float is a float64 in columns, keys and request inputs`(spelling: String) throws {
        let narrow = FingerprintTests.definitions.replacing("float64", with: spelling)
        #expect(narrow != FingerprintTests.definitions)
        #expect(try fingerprints(narrow) == fingerprints(FingerprintTests.definitions))
        let cast = FingerprintTests.definitions.replacing("f.v1 * 2", with: "f.v1::\(spelling)")
        let error = #expect(throws: DefinitionError.self) { try fingerprints(cast) }
        #expect(error?.diagnostics.first?.message.contains("would round to 32 bits") == true)
    }

    @Test func `a label and a feature of one text are two functions`() throws {
        let yaml = FingerprintTests.definitions.replacing("count(*) over next_3d", with: "count(*) over last_3d")
        let label = try fingerprints(yaml)["looks.v1"]
        let block =
            "  looks.v1:\n    entity: customer\n    source: payments\n    join: {customer_id: payer}\n    expression: count(*) over last_3d\n"
        let feature = try fingerprints(
            yaml.replacing("labels:\n" + block, with: block).replacing(
                "    labels: [{feature: looks.v1, keys: {region: place}}]", with: ""))["looks.v1"]
        #expect(feature != nil)
        #expect(label != feature)
    }

    private func fingerprint(_ expression: String) throws -> String {
        let yaml = document(
            "  f.v1:\n    entity: customer\n    source: transactions\n    expression: |\n      \(expression)\n")
        return try catalog(yaml).functions[VersionedName("f.v1")!]!.fingerprint.description
    }

    @Test(arguments: [
        ("latest(cents)::float64", "cast(latest(cents) as DOUBLE PRECISION)"),
        ("latest(ok) <> true", "latest(ok) != true"),
        ("latest(at) > '2024-01-01'", "latest(at) > timestamp '2024-01-01T00:00:00Z'"),
        ("stddev(amount)", "stddev_samp(amount)"), ("variance(cents)", "var_samp(cents)"),
        ("median(cents)", "percentile(cents, 0.5)"), ("ceiling(sum(amount))", "ceil(sum(amount))"),
        ("bool_and(ok)", "every(ok)"), ("power(2, 3)", "pow(2, 3)"),
        ("log(sum(amount))", "log10(sum(amount))"), ("count(*) > 1 and true", "((count(*)) > (1)) AND TRUE"),
        ("latest(ok) is not true", "not (latest(ok) is true)"),
    ])
    func `spellings of one function have one fingerprint`(one: String, other: String) throws {
        #expect(try fingerprint(one) == fingerprint(other))
    }

    @Test func `texts that look alike are two`() throws {
        #expect(try fingerprint("latest(status) = 'é'") != fingerprint("latest(status) = 'e\u{301}'"))
        #expect(try fingerprint("latest(status) = '1'") != fingerprint("latest(cents) = '1'"))
    }

    /// A fingerprint is for ever: what is registered under one is found under it by every release, on every platform.
    @Test func `golden values stay from release to release`() throws {
        #expect(
            try fingerprint("sum(amount) filter (where status = 'settled') over last_7d")
                == "ddb4d12153b23790c9cf78dfa20a83503249994f2729a12c4802e0df950a0afe")
        #expect(
            try fingerprint("coalesce(latest(amount), 0) + count(distinct merchant) / 2")
                == "5b61b0757f98b082faa5063a1460b119ef2d8e3f1396dce8a202c2dd62c01aa2")
        let all = try fingerprints(FingerprintTests.definitions)
        #expect(
            all.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" } == [
                "base.v1 6dc39f534afe1977fb7bb97331ce061e984e7cef898cfd0db147f3a2c0c108c0",
                "customer bdbd676bed44d9e1fe9448c73c6a1d71b01f67d2a2c34e2b87276dd5633b346b",
                "f.v1 18c0f8f7142f5fb917924cc73f7d8fa35a512ba4f3cf18b6c0fdc43d0b9d31c6",
                "g.v1 61bf540508bc2340ed12e975ff0757d9fb6feab668880236d655dc7788b7e10d",
                "looks.v1 4747a47231ec04993d1dd7d0a8e60d29120f239c573b3c1c1e1a6d22cc5ed2ef",
                "payments b51772d8cea5406d106840fe49a7f9bc66b67e74d88e6587af7b1264eae0e8c6",
                "s.v1 8acffdb1880ee30c4a78e45a9c26bc3d262b311d9f725c41f01ff9948156d2c1",
            ])
    }
}
