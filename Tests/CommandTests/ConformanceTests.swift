import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import TestSupport
import Tables
import Testing

/// Every case of `Tests/Conformance`, by the engine alone, by the store and by the server.
@Suite struct ConformanceTests {
    @Test func `the engine, without a database`() throws {
        let project = try Project()
        #expect(try ConformanceCase.all().count >= 50)
        for one in try ConformanceCase.all() {
            try project.write("\(one.id).yaml", one.definitions)
            var rows: [String] = []
            for (source, text) in one.rows {
                rows += ["--rows", "\(source)=\(try project.write("\(source).ndjson", text))"]
            }
            for (number, query) in one.queries.enumerated() {
                let spine = try project.write("spine.ndjson", one.spine(query))
                var arguments =
                    ["eval", "\(one.id).yaml", "--set", one.set, "--spine", spine, "--out", "out.ndjson"] + rows
                if !query.isAsServed { arguments.append("--hindsight") }
                if let knownBy = query.knownBy { arguments += ["--known-by", knownBy] }
                let run = try firn(arguments, in: project.directory, environment: ["FIRN_DATABASE_URL": ""])
                guard run.status == 0 else {
                    Issue.record("\(one.id), query \(number): \(run.text)")
                    continue
                }
                try check(one, number, query, project.read("out.ndjson"))
            }
        }
    }

    @Test func `the store and the server`() async throws {
        let project = try Project()
        let store = Store(uri: project.environment["FIRN_DATABASE_URL"]!, actor: "tester", connections: 2)
        _ = try await store.migrate()
        let cases = try ConformanceCase.all()
        _ = try await store.catalog.apply(cases.map { try DefinitionDocument(yaml: $0.definitions, file: $0.id) })
        for one in cases {
            for (source, text) in one.rows where !text.isEmpty {
                _ = try await store.log.importFile(
                    project.directory + "/" + project.write("\(source).ndjson", text), into: source)
            }
        }
        for one in cases {
            for (number, query) in one.queries.enumerated() {
                let spine = try project.directory + "/" + project.write("spine.ndjson", one.spine(query))
                let request = SnapshotRequest(
                    set: one.set, mode: query.isAsServed ? .asServed : .hindsight,
                    knownBy: query.knownBy.flatMap { Instant(text: $0) })
                _ = try await store.training.createSnapshot(
                    request, spine: spine, output: project.directory + "/out.ndjson")
                try check(one, number, query, project.read("out.ndjson"))
            }
        }
        let (server, url) = try project.serve()
        defer { server.kill() }
        var asked = 0
        for one in cases {
            for (number, query) in one.queries.enumerated()
            where query.knownBy == nil && (query.isAsServed || one.isAlwaysKnown) {
                for (row, expected) in zip(query.spine, query.expected)
                where Instant(text: row["timestamp"].string)!.microseconds < Int64(Date().timeIntervalSince1970 * 1e6) {
                    let body: JSON = .object([
                        "set": .string(one.set), "entities": row["keys"]!, "as_of": row["timestamp"]!,
                    ])
                    let answer = try JSON(
                        parsing: Array(try await http("POST", url + "/v1/lookup", body.description).text.utf8))
                    asked += 1
                    let values = answer["rows"].items.first?["values"].items ?? []
                    let got = JSON.object(zip(answer["features"].items, values).map { JSON.Member($0.string, $1) })
                    // A lookup leaves labels out.
                    if let fault = one.fault(expected, got, without: one.labels) {
                        Issue.record("\(one.id), query \(number), online: \(fault)")
                    }
                }
            }
        }
        #expect(asked >= 100)
    }

    private func check(_ one: ConformanceCase, _ number: Int, _ query: ConformanceCase.Query, _ output: String) throws {
        let rows = try output.split(separator: "\n").map { try JSON(parsing: Array($0.utf8)) }
        #expect(rows.count == query.expected.count, "\(one.id), query \(number)")
        for (index, (row, expected)) in zip(rows, query.expected).enumerated() {
            if let fault = one.fault(expected, row) {
                Issue.record("\(one.id), query \(number), row \(index): \(fault)")
            }
        }
    }
}
