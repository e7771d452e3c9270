import FeatureLanguage
import Testing

/// A document around some features, for the faults and fingerprints of expressions.
func document(_ features: String, sets: String = "") -> String {
    """
    entities:
      customer:
        keys: {customer_id: int64}
      pair:
        keys: {customer_id: int64, merchant: string}
    sources:
      transactions:
        columns: {id: string, customer_id: int64, merchant: string, amount: float64, cents: int64, status: string, ok: bool, "Odd Name": string, at: timestamp}
        event_time: at
        id: [id]
    features:
    \(features)
    \(sets)
    """
}

private func feature(_ expression: String, name: String = "f.v1", extra: String = "") -> String {
    "  \(name):\n    entity: customer\n    source: transactions\n\(extra)    expression: |\n      \(expression)\n"
}

func catalog(_ yaml: String) throws -> Catalog {
    try Catalog(documents: [DefinitionDocument(yaml: yaml, file: "test.yaml")])
}

@Suite struct ExpressionTests {
    private func fault(_ expression: String) -> Diagnostic? {
        do {
            _ = try catalog(document(feature(expression, extra: "    request: {r: float64}\n")))
            return nil
        } catch let error as DefinitionError {
            return error.diagnostics.first
        } catch {
            return nil
        }
    }

    @Test(arguments: [
        "count(*)", "sum(amount) over last_7d",
        "count(distinct merchant) filter (where status = 'ok' and amount > 1) over last_1w", "latest(\"Odd Name\")",
        "sum(cents) / 2",
        "avg(case when ok then 1.0 else 0 end)", "coalesce(max(amount), 0) + request.r",
        "sum(amount * cents) over (range between interval '14 days' preceding and interval '7 days' preceding)",
        "as_of - latest(at)", "extract(hour from as_of) in (1, 2, 3)", "latest(status) is not distinct from null",
        "case latest(status) when 'a' then 1 when 'b' then 2 end",
        "count(*) filter (where status like 'a\\_%' and at > '2024-01-01')", "cast(count(*) as double precision)",
        "latest(at) + interval '1 day'", "not bool_and(ok)",
        "-9223372036854775808 + count(*)", "1 is null = true", "true = not false", "latest(ok) is not unknown",
        "substring(latest(status) for 2)", "1.e2 + 1",
        "1 /* a /* b */ c */ + 1", "true between 1 < 2 and true", "interval '00:00:01.5' + as_of",
        "greatest(min(amount), 1)", "latest(status) || 'x'",
        "upper(substring(latest(status) from 1 for 2))",
    ])
    func `it is accepted`(expression: String) {
        #expect(fault(expression)?.description == nil)
    }

    @Test(arguments: [
        ("product(amount) over last_7d", "unknown function 'product'"), ("product(*)", "unknown function 'product'"),
        ("product(distinct amount) filter (where ok)", "docs/language.md lists them all"),
        ("sin(amount)", "advice: docs/language.md lists them all"),
        ("round(sum(amount)) over last_7d", "round is no aggregate"), ("sum(amonut)", "did you mean amount?"),
        ("amount", "outside an aggregate"),
        ("sum(sum(amount))", "aggregate inside"),
        ("sum(status)", "takes int64 or float64 or decimal, not string"),
        ("count(*) over next_7d", "can't look forward"), ("sum(amount) over last_0d", "is not a window"),
        ("now()", "pure function"), ("sum(amount", "expected ')'"),
        ("", "expected a value"),
        ("1 +", "expected a value"), ("null", "no type"), ("request.x", "unknown request input"),
        ("sum(request.r)", "can't stand inside"),
        ("latest(ok) + 1", "mixes bool and int64"),
        ("percentile(amount, 2)", "from 0 to 1"), ("percentile(amount, cents)", "from 0 to 1"),
        ("median(status)", "takes int64 or float64"), ("log(2, 8)", "ln(x) / ln(b)"),
        ("summ(amount)", "did you mean sum?"), ("latest(at) + 1", "mixes timestamp and int64"),
        ("99999999999999999999", "doesn't fit"),
        ("'a", "doesn't end"), ("latest(at) > 'never'", "is not a timestamp"), ("other.v1", "unknown feature"),
        ("f.v1", "circle"), ("1 < 2 < 3", "chained"),
        ("case when 1 then 2 end", "when takes bool"),
        ("latest(Odd)", "no column"), ("latest(at)::int64", "extract(epoch"),
        ("interval '1 month' + as_of", "no fixed time"), ("count(distinct amount, cents)", "one argument"),
        ("sum(*)", "only count takes *"),
        ("count(*) over (range between interval '1 day' preceding and interval '2 days' preceding)", "empty"),
        ("sum(amount) ; drop", "unexpected character"),
        ("+'abc'", "is not a float64"), ("+true", "takes a number"), ("1 == 2", "equality is one ="),
        ("5 ^ 2", "power(x, y)"), ("if(true, 1, 2)", "case when"),
        ("last(amount)", "latest(x)"), ("mod(5, 3)", "x % y"), ("concat()", "at least 1"),
        ("count(*) over last_1d filter (where ok)", "filter stands before over"),
        ("interval '02:90:00' + as_of", "can't be read"), ("date_trunc('fortnight', as_of)", "unknown unit"),
        ("latest(at) = 5", "goes with timestamps"),
        ("latest(ok) = 1.5", "case when"),
        ("nullif(latest(cents), 0.5) % 2", "takes int64s"),
        ("extract(hour from date '2024-05-01')", "a date has no hour"), ("date '2024-05-01' + 1.5", "mixes date and"),
        ("1::decimal", "decimal(12, 2)"), ("1::decimal(39, 2)", "up to 38 digits"), ("1::decimal(2, 3)", "38 digits"),
        ("1::decimal(38, 30) * 1::decimal(38, 30)", "60 digits after its point"),
        ("round(1::decimal(3, 1), latest(cents))", "as a literal"), ("'NaN'::decimal(3, 1)", "write digits"),
        ("'2024-13-01'::date", "is not a date"), ("as_of::int64", "can't be cast"),
        ("latest(ok) = 1::decimal(3, 1)", "case when"), ("date '2024-05-01' = 5", "goes with dates"),
    ])
    func `it is refused with its reason`(expression: String, reason: String) {
        let fault = fault(expression)
        #expect(fault?.description.contains(reason) == true, "\(fault?.description ?? "accepted")")
        #expect(fault?.place != nil)
    }

    @Test func `a fault names the line, the column and the text`() throws {
        let yaml = document(
            "  f.v1:\n    entity: customer\n    source: transactions\n    expression: sum(amount) +\n      sum(oops)\n")
        let error = #expect(throws: DefinitionError.self) { try catalog(yaml) }
        let diagnostic = try #require(error?.diagnostics.first)
        #expect(diagnostic.file == "test.yaml")
        let line =
            yaml.split(separator: "\n", omittingEmptySubsequences: false).firstIndex { $0.contains("sum(oops)") }! + 1
        #expect(diagnostic.place == Place(line: line, column: 11))
        #expect(diagnostic.description.contains("          sum(oops)\n              ^"), "\(diagnostic)")
    }

    @Test func `depth and length are bounded`() {
        #expect(
            fault(String(repeating: "(", count: 5000) + "1" + String(repeating: ")", count: 5000))?.message.contains(
                "deeper") == true)
        #expect(fault("1" + String(repeating: " + 1", count: 5000))?.message.contains("deeper") == true)
        #expect(fault(String(repeating: "not ", count: 5000) + "true")?.message.contains("deeper") == true)
        #expect(fault(String(repeating: "- ", count: 5000) + "1")?.message.contains("deeper") == true)
        // What one spelling stands for twice counts twice, however it nests.
        func nested(_ open: String, _ close: String) -> Diagnostic? {
            fault(String(repeating: open, count: 60) + "1" + String(repeating: close, count: 60))
        }
        #expect(nested("case (", ") when 1 then 1 when 2 then 2 else 3 end")?.message.contains("20000 parts") == true)
        for (open, close) in [
            ("nullif(", ", 1.5)"), ("(concat(", ") = 't')::int64"), ("case when 1 between (", ") and 2.5 then 1 end"),
        ] { #expect(nested(open, close) == nil) }
        #expect(fault("'" + String(repeating: "x", count: 70_000) + "'")?.message.contains("longer") == true)
    }
}

@Suite struct DocumentTests {
    private func faults(_ yaml: String) -> String {
        do {
            _ = try catalog(yaml)
            return ""
        } catch { return "\(error)" }
    }

    @Test(arguments: [
        ("a: [", "not YAML"), ("entities: {a: {keys: {x: int64}}, a: {keys: {}}}", "duplicate name: a"),
        ("entitys: {}", "did you mean entities?"),
        ("entities: {A: {keys: {}}}", "can't name an entity"),
        ("entities: {a: {keys: {x: int46}}}", "did you mean int64?"), ("entities: {a: {}}", "has no keys"),
        ("sources: {s: {columns: {a: int64}}}", "no event_time"),
        ("sources: {s: {columns: {a: int64}, event_time: a}}", "must be a timestamp"),
        ("sources: {s: {columns: {firn_x: int64, t: timestamp}, event_time: t}}", "belong to the store"),
        ("sources: {s: {columns: {t: timestamp}, event_time: t, id: [x]}}", "not a column"),
        ("sources: {s: {columns: {a: int64}, event_time: none}}", "needs an id"),
        ("features: {f: {entity: e, expression: '1'}}", "add a version: f.v1"),
        ("features: {f.v1: {entity: e, expression: '1'}}", "unknown entity"), ("- 1", "not a mapping"),
        ("features: {f.v1: {entitty: e, expression: '1'}}", "did you mean entity?"),
        ("sets: {s.v1: {features: [f.v1]}}", "unknown feature"),
        ("sets: {s.v1: {features: []}}", "is empty"),
    ])
    func `a wrong document is refused with advice`(yaml: String, reason: String) {
        #expect(faults(yaml).contains(reason), "\(faults(yaml))")
    }

    @Test func `a cycle is named whole`() {
        let text = faults(
            document(
                "  a.v1: {entity: customer, expression: b.v1 + 1}\n  b.v1: {entity: customer, expression: c.v1}\n  c.v1: {entity: customer, expression: a.v1}\n"
            ))
        #expect(text.contains("a.v1 → b.v1 → c.v1 → a.v1"), "\(text)")
    }

    @Test func `names that YAML tells apart and we don't are refused`() {
        #expect(
            faults(#"sources: {s: {columns: {t: timestamp, 1: int64, "1": int64}, event_time: t}}"#).contains(
                "duplicate name: 1"))
    }

    @Test func `features that grow beyond all bounds are refused`() {
        var doubling = "  f0.v1: {entity: customer, source: transactions, expression: count(*)}\n"
        for level in 1...40 {
            doubling += "  f\(level).v1: {entity: customer, expression: f\(level - 1).v1 + f\(level - 1).v1}\n"
        }
        #expect(faults(document(doubling)).contains("parts in all"))
        var chain = "  f0.v1: {entity: customer, source: transactions, expression: count(*)}\n"
        for level in (1...3000).reversed() {
            chain = "  f\(level).v1: {entity: customer, expression: f\(level - 1).v1 + 1}\n" + chain
        }
        #expect(!faults(document(chain)).isEmpty)
    }

    @Test func `names of a set that clash are refused`() {
        let f = feature("sum(amount)", name: "spend.v1") + feature("sum(amount) over last_7d", name: "spend.v2")
        #expect(
            faults(document(f, sets: "sets: {s.v1: {features: [spend.v1, spend.v2]}}")).contains(
                "two outputs of set s.v1 are named 'spend'"))
        #expect(
            faults(document(f, sets: "sets: {s.v1: {features: [{feature: spend.v1, as: customer_id}]}}")).contains(
                "names a key and an output"))
        #expect(
            faults(document(f, sets: "sets: {s.v1: {features: [{feature: spend.v1, as: event_timestamp}]}}")).contains(
                "names the instant"))
    }

    @Test func `what is registered never changes`() throws {
        let registered = try catalog(document(feature("sum(amount)")))
        let plan = try RegistrationPlan(
            documents: [DefinitionDocument(yaml: document(feature("avg(amount)")), file: "t")], registered: registered)
        #expect(plan.isRefused)
        guard
            case .refused(let reason, let advice)? = plan.steps.first(where: { $0.definition.kind == .feature })?.change
        else {
            Issue.record("not refused")
            return
        }
        #expect(reason.contains("sum(amount)") && reason.contains("avg(amount)"))
        #expect(advice.contains("f.v2:"))
        let same = try RegistrationPlan(
            documents: [DefinitionDocument(yaml: document(feature("SUM(amount)")), file: "t")], registered: registered)
        #expect(same.isEmpty)
    }

    @Test func `a source gains columns and loses none`() throws {
        let base = document(feature("sum(amount)"))
        let registered = try catalog(base)
        func change(_ yaml: String) throws -> RegistrationPlan.Change? {
            try RegistrationPlan(documents: [DefinitionDocument(yaml: yaml, file: "t")], registered: registered).steps
                .first { $0.definition.kind == .source }?.change
        }
        #expect(try change(base.replacing("ok: bool", with: "ok: bool, more: int64")) == .extended(columns: ["more"]))
        #expect(try change(base.replacing("cents: int64, ", with: "")) == .unchanged)
        guard case .refused? = try change(base.replacing("cents: int64", with: "cents: float64")) else {
            Issue.record("a column changed its type")
            return
        }
        guard case .refused? = try change(base.replacing("id: [id]", with: "id: [merchant]")) else {
            Issue.record("the id changed")
            return
        }
    }
}
