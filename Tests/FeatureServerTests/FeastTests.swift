import FeatureLanguage
import FeatureServer
import Foundation
import Tables
import TestSupport
import Testing

/// Requests that Feast's own clients sent, of several versions: scripts/test-feast records them.
@Suite struct FeastTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}, everywhere: {keys: {}}}
        sources:
          payments: {columns: {customer_id: int64, amount: float64, shop: string, at: timestamp}, event_time: at}
          clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}
        features:
          spend.v1: {entity: customer, source: payments, expression: sum(amount)}
          last_shop.v1: {entity: customer, source: payments, expression: latest(shop)}
          mean.v1: {entity: customer, source: payments, expression: avg(amount)}
          clicks.v1: {entity: customer, source: clicks, expression: count(*)}
          all_clicks.v1: {entity: everywhere, source: clicks, expression: count(*)}
          vs_usual.v1: {entity: customer, source: payments, request: {amount: float64}, expression: request.amount / avg(amount)}
        sets:
          plain.v1: {features: [spend.v1, last_shop.v1, clicks.v1, mean.v1]}
          plain.v2: {features: [clicks.v1]}
          everywhere.v1: {features: [all_clicks.v1]}
          usual.v1: {features: [vs_usual.v1]}
        """
    /// Of each customer, by output.
    private static let values: [String: [String: JSON]] = [
        "5000": ["spend": .null, "last_shop": .null, "clicks": 0, "mean": .null, "vs_usual": .null],
        "7000": ["spend": 3, "last_shop": "north", "clicks": 2, "mean": .number("1.5"), "vs_usual": 2],
        "7001": ["spend": 4, "last_shop": "south", "clicks": 1, "mean": 4, "vs_usual": .number("0.75")],
    ]

    private func filled(_ url: String) async throws {
        #expect(try await http("POST", url + "/v1/definitions/apply", FeastTests.definitions).status == 200)
        let payments = [(7000, 1.0, "east"), (7000, 2.0, "north"), (7001, 4.0, "south")].map {
            #"{"customer_id":\#($0),"amount":\#($1),"shop":"\#($2)","at":"2024-01-01"}"#
        }
        #expect(
            try await http("POST", url + "/v1/sources/payments/rows", "[\(payments.joined(separator: ","))]").status
                == 200)
        let clicks = [7000, 7000, 7001].map { #"{"customer_id":\#($0),"at":"2024-01-01"}"# }
        #expect(
            try await http("POST", url + "/v1/sources/clicks/rows", "[\(clicks.joined(separator: ","))]").status == 200)
        // Without a version the newest is meant that isn't on its way out: plain.v1.
        #expect(
            try await http(
                "POST", url + "/v1/stages", #"{"name":"set:plain.v2","stage":"deprecated","reason":"tried, and left"}"#
            ).status == 200)
    }

    @Test(arguments: ["0.40.0", "0.50.0", "0.63.0", "0.67.0"])
    func `what Feast's clients ask is answered as they mean it`(version: String) async throws {
        guard
            case .array(let requests) = try JSON(
                parsing: Array(
                    Data(contentsOf: URL(fileURLWithPath: "\(projectDirectory)/Tests/Golden/Feast/\(version).json"))))
        else {
            throw CocoaError(.fileReadCorruptFile)
        }
        #expect(requests.count >= 8)
        try await serving { url in
            try await filled(url)
            for request in requests {
                let body = try #require(request["body"]),
                    answer = try await http("POST", url + "/get-online-features", body.description)
                #expect(answer.status == 200, "\(request): \(answer)")
                let json = try JSON(parsing: Array(answer.text.utf8))
                guard case .array(let names)? = json["metadata"]?["feature_names"],
                    case .array(let results)? = json["results"], case .object(let given)? = body["entities"]
                else {
                    throw CocoaError(.fileReadCorruptFile)
                }
                #expect(
                    names.prefix(given.count) == given.map { .string($0.key) }[...] && names.count == results.count
                        && names.count > given.count, "\(answer)")
                // Clients before 0.67 read the time of the second result.
                #expect(results.count > 1 || version == "0.67.0")
                for (name, result) in zip(names, results) {
                    guard case .string(let name) = name, case .array(let values)? = result["values"],
                        case .array(let times)? = result["event_timestamps"]
                    else { continue }
                    let customers: [JSON] =
                        if case .array(let ids)? = body["entities"]?["customer_id"] { ids } else { [.null] }
                    #expect(values.count == customers.count)
                    // What datetime.fromisoformat of Python before 3.11 reads.
                    for case .string(let time) in times {
                        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z/) != nil, "\(time)")
                    }
                    if let given = given.first(where: { $0.key == name }) {
                        #expect(given.value == .array(values))
                        continue
                    }
                    for (customer, value) in zip(customers, values) {
                        let output = name.replacing("plain__", with: "")
                        let right: JSON? = output == "all_clicks" ? 3 : FeastTests.values[customer.description]?[output]
                        #expect(value.number == right?.number, "\(name) of \(customer): \(answer)")
                    }
                }
            }
        }
    }

    @Test
    func
        `a view without a version is the newest that isn't on its way out, and a column that nothing reads is passed over where all is there`()
        async throws
    {
        try await serving { url in
            try await filled(url)
            @Sendable func post(_ body: String) async throws -> (status: Int, text: String) {
                try await http("POST", url + "/get-online-features", body)
            }
            // What is decided is heard of a moment later.
            @Sendable func becomes(_ body: String, _ part: String) async throws {
                var answer = try await post(body)
                for _ in 0..<200 where !answer.text.contains(part) {
                    try await Task.sleep(for: .milliseconds(20))
                    answer = try await post(body)
                }
                #expect(answer.text.contains(part), "\(body): \(answer)")
            }
            let plain = #"{"feature_service":"plain","entities":{"customer_id":[7000]}}"#
            try await becomes(plain, #"["customer_id","spend","last_shop","clicks","mean"]"#)
            _ = try await http(
                "POST", url + "/v1/definitions/apply",
                "sets: {plain.v3: {features: [mean.v1]}, plain_v1.v1: {features: [spend.v1]}}")
            try await becomes(plain, #"["customer_id","mean"]"#)
            #expect(
                try await post(#"{"features":["plain_v1:clicks"],"entities":{"customer_id":[7000]}}"#).text.contains(
                    #""values":[2]"#), "a version is that version")
            _ = try await http("POST", url + "/v1/pointers", #"{"name":"plain@latest","target":"plain.v1"}"#)
            try await becomes(
                #"{"features":["plain@latest:clicks"],"entities":{"customer_id":[7000]}}"#, #""values":[2]"#)
            // All on their way out: still the newest.
            for version in [1, 3] {
                _ = try await http(
                    "POST", url + "/v1/stages",
                    #"{"name":"set:plain.v\#(version)","stage":"deprecated","reason":"old"}"#)
            }
            try await becomes(plain, #"["customer_id","mean"]"#)

            let wrong = [
                #"{"feature_service":"usual","entities":{"customer_id":[7000],"amuont":[3]}}"#:
                    "unknown entity key 'amuont'",
                #"{"feature_service":"usual","entities":{"customer_id":[7000]}}"#: "'amount' is missing",
                #"{"feature_service":"usual","entities":{"__dummy_id":[""]}}"#: "is missing",
                #"{"feature_service":"plan","entities":{}}"#: "unknown set 'plan'",
                #"{"features":["usual:vs_usual"],"entities":{"customer_id":[7000],"amount":[3],"note":["x","y"]}}"#:
                    "different lengths",
            ]
            for (body, words) in wrong {
                let answer = try await post(body)
                #expect((400...404).contains(answer.status) && answer.text.contains(words), "\(body): \(answer)")
            }
            let two = try await post(
                #"{"features":["everywhere:all_clicks"],"entities":{"__dummy_id":[""],"note":["x","y"]}}"#)
            #expect(
                two.text.contains(#"{"values":[3,3],"statuses":["PRESENT","PRESENT"]"#)
                    && two.text.contains(#"{"values":["",""]"#), "\(two)")
            #expect(
                try await post(#"{"features":["everywhere:all_clicks"],"entities":{"note":[]}}"#).text.contains(
                    #""values":[],"#))
        }
    }
}

extension JSON {
    /// Itself, but a number by its value.
    fileprivate var number: String { if case .number(let text) = self { "\(Double(text)!)" } else { description } }
}
