import FeatureLanguage
import FeatureServer
import FeatureStore
import Foundation
import Logging
import Tables
import TestSupport
import Testing

/// What holds for every route that openapi.json describes: a new one is asked, too.
@Suite struct DescriptionTests {
    private static let odd = "a b+c%d"
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}, owner: a b+c%d, tags: [a b+c%d]}}
        sources: {clicks: {columns: {customer_id: int64, seconds: float64, at: timestamp}, event_time: at, owner: a b+c%d, tags: [a b+c%d]}}
        features:
          clicks.v1: {entity: customer, source: clicks, expression: count(*), owner: a b+c%d, tags: [a b+c%d]}
          longest.v1: {entity: customer, source: clicks, expression: max(seconds), description: The a b+c%d.}
          shortest.v1: {entity: customer, source: clicks, expression: min(seconds)}
        labels: {more.v1: {entity: customer, source: clicks, expression: count(*) over next_7d, owner: a b+c%d, tags: [a b+c%d]}}
        sets: {web.v1: {features: [clicks.v1, longest.v1], owner: a b+c%d, tags: [a b+c%d]}}
        """
    private static let spine = "customer_id,event_timestamp\n1,2024-05-08\n"

    /// The operations, `POST /v1/lookup`, with what is said of each.
    private func operations(_ document: JSON) throws -> [String: JSON] {
        guard case .object(let paths)? = document["paths"] else { throw CocoaError(.fileReadCorruptFile) }
        var operations: [String: JSON] = [:]
        for path in paths {
            guard case .object(let methods) = path.value else { continue }
            for method in methods { operations["\(method.key.uppercased()) \(path.key)"] = method.value }
        }
        return operations
    }

    private func resolve(_ json: JSON, in document: JSON) -> JSON {
        guard case .string(let reference)? = json["$ref"] else { return json }
        return reference.dropFirst(2).split(separator: "/").reduce(document) { $0[String($1)] ?? .null }
    }

    private func described(_ url: String) async throws -> JSON {
        try JSON(parsing: Array(try await http("GET", url + "/openapi.json").text.utf8))
    }

    @Test func `every route is described, and every description is a route`() async throws {
        let server = FeatureServer(
            Store(uri: "postgresql://nowhere", actor: "nobody"),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
        try await serving { url in
            let described = try operations(try await described(url))
            #expect(Set(server.endpoints) == Set(described.keys))
        }
    }

    /// How a parameter that takes a text is asked, and what the answer then says: `*` stands for the text.
    private struct Asked {
        var query: String
        var type = "text/csv"
        var body = DescriptionTests.spine
        var text = DescriptionTests.odd
        var says = DescriptionTests.odd
    }

    private static let texts: [String: Asked] = {
        var texts: [String: Asked] = [
            "POST /v1/sources/{name}/import file": Asked(
                query: "/v1/sources/clicks/import?file=*", body: "customer_id,at,other\n1,2024-01-01,1\n"),
            "POST /v1/sources/{name}/import null": Asked(
                query: "/v1/sources/clicks/import?again=true&null=*",
                body: "customer_id,at,seconds\n1,2024-01-01,a b+c%d\n", says: #""rows":1"#),
            // A plus is a delimiter like any other, and a space alone would be one too.
            "POST /v1/sources/{name}/import delimiter": Asked(
                query: "/v1/sources/clicks/import?again=true&delimiter=*",
                body: "customer_id+at+seconds\n1+2024-01-01+1\n", text: "+", says: #""rows":1"#),
            "POST /v1/snapshots delimiter": Asked(
                query: "/v1/snapshots?set=web.v1&delimiter=*", body: "customer_id+event_timestamp\n1+2024-05-08\n",
                text: "+", says: #""id":"snap_"#),
            "GET /v1/diff left": Asked(query: "/v1/diff?left=*&right=clicks.v1"),
            "GET /v1/diff right": Asked(query: "/v1/diff?left=clicks.v1&right=*"),
            "GET /v1/search q": Asked(query: "/v1/search?q=*"),
            "POST /v1/snapshots set": Asked(query: "/v1/snapshots?set=*"),
            "POST /v1/snapshots timestamp": Asked(query: "/v1/snapshots?set=web.v1&timestamp=*"),
            "POST /v1/snapshots name": Asked(query: "/v1/snapshots?set=web.v1&name=*"),
            "POST /v1/snapshots at": Asked(query: "/v1/snapshots?set=web.v1&at=*", says: #""at":"snap_"#),
            "POST /v1/snapshots split": Asked(
                query: "/v1/snapshots?set=web.v1&by=customer_id&split=*", text: odd + "=1"),
            "POST /v1/snapshots by": Asked(query: "/v1/snapshots?set=web.v1&split=all=1&by=*"),
            "POST /v1/snapshots null": Asked(
                query: "/v1/snapshots?set=web.v1&null=*", body: "customer_id,event_timestamp\na b+c%d,2024-05-08\n",
                says: #""id":"snap_"#),
            "GET /v1/snapshots/{id}/drift other": Asked(
                query: "/v1/snapshots/may/drift?other=*", says: #""right":"snap_"#),
            "GET /v1/snapshots/{id}/drift set": Asked(query: "/v1/snapshots/may/drift?live=true&set=*"),
            // No subject or kind has more of them than a space.
            "GET /v1/ledger subject": Asked(
                query: "/v1/ledger?subject=*", text: "feature clicks.v1", says: #""subject":"feature clicks.v1""#),
            "GET /v1/ledger kind": Asked(query: "/v1/ledger?kind=*", says: "[]"),
            "POST /v1/lookups/verify receipt": Asked(query: "/v1/lookups/verify?receipt=*"),
            "GET /v1/lookups actor": Asked(query: "/v1/lookups?actor=*", says: "[]"),
            "GET /v1/lookups set": Asked(query: "/v1/lookups?set=*", says: "[]"),
            "POST /v1/definitions/apply commit": Asked(
                query: "/v1/definitions/apply?commit=*", type: "application/yaml",
                body: "entities: {shop: {keys: {shop_id: int64}}}", text: "a+b%c", says: #""change":"#),
        ]
        for kind in ["entities", "sources", "features", "labels", "sets"] {
            for name in ["owner", "tag"] { texts["GET /v1/\(kind) \(name)"] = Asked(query: "/v1/\(kind)?\(name)=*") }
            texts["GET /v1/\(kind) entity"] = Asked(query: "/v1/\(kind)?entity=*", says: "[]")
        }
        return texts
    }()

    /// Where other parameters are asked.
    private static let others = [
        "POST /v1/sources/{name}/import": "/v1/sources/clicks/import?again=true",
        "GET /v1/diff": "/v1/diff?left=clicks.v1&right=clicks.v1",
        "POST /v1/snapshots": "/v1/snapshots?set=web.v1",
        "GET /v1/snapshots/{id}/drift": "/v1/snapshots/may/drift?live=true",
        "GET /v1/lineage/{name}": "/v1/lineage/clicks.v1?",
    ]

    @Test func `a space, a plus and a percent sign come through every parameter of every route`() async throws {
        try await serving { url in
            #expect(try await http("POST", url + "/v1/definitions/apply", DescriptionTests.definitions).status == 200)
            #expect(
                try await http(
                    "POST", url + "/v1/snapshots?set=web.v1&name=may", DescriptionTests.spine,
                    headers: ["Content-Type": "text/csv"]
                ).status == 201)
            #expect(
                try await http(
                    "POST", url + "/v1/snapshots?set=web.v1&name=a%20b%2Bc%25d", DescriptionTests.spine,
                    headers: ["Content-Type": "text/csv"]
                ).status == 201)
            let document = try await described(url)
            var count = 0
            for (operation, description) in try operations(document) {
                guard case .array(let parameters)? = description["parameters"] else { continue }
                for parameter in parameters.map({ resolve($0, in: document) }) where parameter["in"] == .string("query")
                {
                    guard case .string(let name)? = parameter["name"],
                        let schema = parameter["schema"].map({ resolve($0, in: document) })
                    else { continue }
                    count += 1
                    let parts = operation.split(separator: " "), isInstant = schema["format"] == .string("date-time"),
                        isText = schema["type"] == .string("string") && !isInstant
                    let base = DescriptionTests.others[operation] ?? "\(parts[1])?"
                    let asked =
                        isText
                        ? DescriptionTests.texts["\(operation) \(name)"]
                        : Asked(
                            query: "\(base)&\(name)=*",
                            text: isInstant ? "2024-05-08 10:00:00+02" : DescriptionTests.odd)
                    guard let asked else {
                        Issue.record("nothing asks \(operation) with a \(name)")
                        continue
                    }
                    // As forms encode it, as paths do, and every byte of it.
                    let quoted = asked.text.replacing("%", with: "%25").replacing("+", with: "%2B"),
                        bytes = asked.text.utf8.map { "%" + String($0, radix: 16) }.joined()
                    for encoded in [quoted.replacing(" ", with: "+"), quoted.replacing(" ", with: "%20"), bytes] {
                        let answer = try await http(
                            String(parts[0]), url + asked.query.replacing("*", with: encoded), asked.body,
                            headers: ["Content-Type": asked.type])
                        if isText {
                            #expect(answer.text.contains(asked.says), "\(operation) \(name)=\(encoded): \(answer)")
                        } else if isInstant {
                            #expect(
                                !answer.text.contains("is a time such as"), "\(operation) \(name)=\(encoded): \(answer)"
                            )
                        } else {
                            #expect(
                                answer.status == 400 && answer.text.contains(name),
                                "\(operation) \(name)=\(encoded): \(answer)")
                        }
                    }
                }
            }
            #expect(count > 60)
            // In a path a plus is one.
            #expect(try await http("GET", url + "/v1/snapshots/a%20b+c%25d").text.contains(#""name":"a b+c%d""#))
            #expect(try await http("GET", url + "/v1/snapshots/a+b+c%25d").status == 404)
            // A name is encoded as its value is, and what isn't UTF-8 is nothing.
            #expect(try await http("GET", url + "/v1/search?%71=the").text.contains("longest.v1"))
            #expect(try await http("GET", url + "/v1/search?q=%ff").text.contains("UTF-8"))
        }
    }

    /// A body for each route that takes one; `#` is another number each time.
    private static let bodies: [String: (path: String, type: String, body: String)] = [
        "POST /v1/lookup": ("/v1/lookup", "application/json", #"{"set":"web.v1","entities":{"customer_id":[1]}}"#),
        "POST /get-online-features": (
            "/get-online-features", "application/json", #"{"features":["web:clicks"],"entities":{"customer_id":[1]}}"#
        ),
        "POST /v1/why": ("/v1/why", "application/json", #"{"feature":"clicks.v1","entities":{"customer_id":1}}"#),
        "POST /v1/sources/{name}/rows": (
            "/v1/sources/clicks/rows", "application/json", #"[{"customer_id":1,"at":"2024-01-01"}]"#
        ),
        "POST /v1/sources/{name}/import": (
            "/v1/sources/clicks/import", "text/csv", "customer_id,seconds,at\n1,#,2024-01-01\n"
        ),
        "POST /v1/definitions/plan": ("/v1/definitions/plan", "application/yaml", definitions),
        "POST /v1/definitions/apply": ("/v1/definitions/apply", "application/yaml", definitions),
        "POST /v1/snapshots": ("/v1/snapshots?set=web.v1&name=may", "text/csv", spine),
        "POST /v1/models": ("/v1/models", "application/json", #"{"name":"churn.v#","snapshots":["may"]}"#),
        "POST /v1/pointers": ("/v1/pointers", "application/json", #"{"name":"web@production","target":"web.v1"}"#),
        "POST /v1/stages": (
            "/v1/stages", "application/json", #"{"name":"shortest.v1","stage":"deprecated","reason":"for # reasons"}"#
        ),
    ]

    private func packed(_ bytes: [UInt8], times: Int = 1, _ compression: FileFormat.Compression) throws -> [UInt8] {
        var packed: [UInt8] = []
        let writer = try ByteWriter(compression, name: "body") { piece throws(TableError) in packed += piece }
        for _ in 0..<times { try writer.write(bytes) }
        try writer.finish()
        return packed
    }

    @Test func `every body may come compressed, and none holds more than it may for that`() async throws {
        try await serving { url in
            #expect(try await http("POST", url + "/v1/definitions/apply", DescriptionTests.definitions).status == 200)
            #expect(
                try await http(
                    "POST", url + "/v1/snapshots?set=web.v1&name=may", DescriptionTests.spine,
                    headers: ["Content-Type": "text/csv"]
                ).status == 201)
            for (operation, description) in try operations(try await described(url))
            where description["requestBody"] != nil {
                let (path, type, body) = try #require(DescriptionTests.bodies[operation], "\(operation) is asked")
                func post(_ body: [UInt8], _ encoding: String) async throws -> (status: Int, head: String, text: String)
                {
                    try await http(
                        "POST", url + path, bytes: body, headers: ["Content-Type": type, "Content-Encoding": encoding])
                }
                for (number, (encoding, compression)) in [
                    ("identity", FileFormat.Compression.none), ("gzip", .gzip), ("X-GZIP", .gzip), ("zstd", .zstd),
                ].enumerated() {
                    let answer = try await post(
                        packed(Array(body.replacing("#", with: "\(number + 1)").utf8), compression), encoding)
                    #expect((200...201).contains(answer.status), "\(operation) as \(encoding): \(answer)")
                }
                for encoding in ["br", "deflate", "gzip, zstd"] {
                    let answer = try await post(Array(body.utf8), encoding)
                    #expect(
                        answer.status == 415 && answer.text.contains("unsupported_media_type"),
                        "\(operation) as \(encoding): \(answer)")
                    #expect(
                        answer.head.lowercased().contains("accept-encoding: gzip, zstd"),
                        "\(operation) as \(encoding): \(answer)")
                }
                for wrong in try [Array(body.utf8), packed(Array(body.utf8), .gzip).dropLast(5)] {
                    let answer = try await post(Array(wrong), "gzip")
                    #expect(answer.status == 400 && answer.text.contains("gzip data"), "\(operation): \(answer)")
                }
                // The import's bound is beyond what a test may take.
                guard operation != "POST /v1/sources/{name}/import" else { continue }
                let (limit, times) =
                    operation == "POST /v1/snapshots"
                    ? ("1 GiB", 1025) : operation == "POST /v1/sources/{name}/rows" ? ("16 MiB", 17) : ("4 MiB", 5)
                let bomb = try await post(
                    packed(Array(repeating: UInt8(ascii: " "), count: 1 << 20), times: times, .zstd), "zstd")
                #expect(
                    bomb.status == 413 && bomb.text.contains("more than the \(limit) that"), "\(operation): \(bomb)")
            }
            #expect(
                try await http("POST", url + "/v1/lookup", String(repeating: " ", count: 5 << 20)).text.contains(
                    "larger than the 4 MiB that"))
        }
    }

    @Test func `the same rows are the same body, however they are compressed`() async throws {
        try await serving { url in
            _ = try await http("POST", url + "/v1/definitions/apply", DescriptionTests.definitions)
            let csv = Array("customer_id,at\n1,2024-01-01\n".utf8),
                rows = Array(#"[{"customer_id":1,"at":"2024-01-01"}]"#.utf8)
            @Sendable func post(_ path: String, _ type: String, _ body: [UInt8], _ compression: FileFormat.Compression)
                async throws -> (status: Int, head: String, text: String)
            {
                let encoding = [FileFormat.Compression.none: "identity", .gzip: "gzip", .zstd: "zstd"][compression]!
                return try await http(
                    "POST", url + path, bytes: packed(body, compression),
                    headers: ["Content-Type": type, "Content-Encoding": encoding, "Idempotency-Key": "one"])
            }
            #expect(try await post("/v1/sources/clicks/import", "text/csv", csv, .gzip).text.contains(#""rows":1"#))
            for compression in [FileFormat.Compression.none, .gzip, .zstd] {
                #expect(
                    try await post("/v1/sources/clicks/import", "text/csv", csv, compression).text.contains(
                        "duplicate_file"))
                #expect(
                    try await post("/v1/sources/clicks/rows", "application/json", rows, compression).text
                        == #"{"accepted":1,"duplicates":0,"last_offset":2}"#)
            }
        }
    }
}
