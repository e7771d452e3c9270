import FeatureLanguage
import Foundation
import Postgres
import Tables
import TestSupport
import Testing

/// Two servers on a primary and its hot standby: what is served is never older than it says, and nothing that was
/// acknowledged is lost, whichever process dies.
@Suite(.serialized) struct StandbyTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {events: {columns: {customer_id: int64, number: int64, at: timestamp}, event_time: at}}
        features: {events.v1: {entity: customer, source: events, expression: count(*)}, last.v1: {entity: customer, source: events, expression: latest(number)}}
        sets: {all.v1: {features: [events.v1, last.v1]}}
        """

    private final class Server {
        let program: RunningProgram
        let url: String

        init(_ directory: String, _ environment: [String: String]) {
            program = try! RunningProgram(
                firnBinary, ["serve", "--port", "0"], in: directory, environment: environment)
            let line =
                program.wait(for: "listening on ").split(separator: "\n").last { $0.contains("listening on ") } ?? ""
            url = String(line.split(separator: " ").last ?? "")
        }
    }

    private struct Looked {
        var count: Int
        /// Microseconds since 1970: what the answer claims to know everything of.
        var knows: Int64
        var isStale: Bool
    }

    private func look(_ url: String, _ extra: String = "") async throws -> Looked? {
        let answer = try await http(
            "POST", url + "/v1/lookup", "{\"set\":\"all.v1\",\"entities\":{\"customer_id\":[1]}\(extra)}")
        guard answer.status == 200 else { return nil }
        let body = try JSON(parsing: Array(answer.text.utf8))
        guard case .array(let rows)? = body["rows"], case .array(let values)? = rows[0]["values"],
            case .int64(let count)? = values[0].literal(as: .int64),
            case .timestamp(let asOf)? = body["as_of"]?.literal(as: .timestamp)
        else { return nil }
        var age: Int64 = 0
        if case .int64(let milliseconds)? = body["age_ms"]?.literal(as: .int64) { age = milliseconds + 1 }
        return Looked(
            count: Int(count), knows: asOf.microseconds - age * 1000, isStale: answer.text.contains("\"stale\""))
    }

    private func push(_ url: String, _ number: Int) async throws -> Bool {
        try await http(
            "POST", url + "/v1/sources/events/rows", "[{\"customer_id\":1,\"number\":\(number),\"at\":\"2024-01-01\"}]"
        ).status == 200
    }

    private func eventually(_ what: Comment, _ condition: () async throws -> Bool) async throws {
        for _ in 0..<1500 {
            if (try? await condition()) ?? false { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        Issue.record(what)
    }

    @Test func `nothing served is older than it says, and nothing acknowledged is lost, whichever process dies`()
        async throws
    {
        let pair = try ReplicatedPair(), project = try Project()
        defer { pair.remove() }
        let atPrimary = ["FIRN_DATABASE_URL": pair.primary.uri],
            atStandby = ["FIRN_DATABASE_URL": pair.primary.uri, "FIRN_REPLICA_URL": pair.standby.uri]
        try project.write("d.yaml", StandbyTests.definitions)
        #expect(try firn(["migrate"], in: project.directory, environment: atPrimary).status == 0)
        #expect(try firn(["apply", "d.yaml"], in: project.directory, environment: atPrimary).status == 0)
        let first = Server(project.directory, atPrimary)
        var second = Server(project.directory, atStandby)
        defer { for server in [first, second] { server.program.terminate() } }
        var number = 0
        /// When each push was acknowledged; known before that.
        var acknowledged: [Int64] = []
        func pushOne(_ url: String) async throws {
            number += 1
            guard try await push(url, number) else { return }
            acknowledged.append(Int64(Date().timeIntervalSince1970 * 1e6))
        }
        func check(_ looked: Looked?, _ comment: Comment) {
            guard let looked else { return }
            let owed = acknowledged.count { $0 <= looked.knows }
            #expect(looked.count >= owed, comment)
        }

        // Pushed to one, looked up at the other.
        for round in 0..<60 {
            try await pushOne(first.url)
            check(try await look(second.url), "round \(round)")
            if round % 10 == 0 {
                let seen = try #require(try await look(second.url, ",\"min_offsets\":{\"events\":\(number)}"))
                #expect(seen.count == number)
            }
        }
        // A server sees its own pushes, though it looks at the standby.
        for _ in 0..<20 {
            try await pushOne(second.url)
            let seen = try await look(second.url)
            #expect(try #require(seen).count == number && !seen!.isStale)
        }

        #expect(try #require(try await look(first.url)).count == number)

        // The primary is gone: the standby says how old it is, and pushes are refused.
        try pair.primary.stop(immediately: true)
        for server in [first, second] { #expect(try await !push(server.url, -1)) }
        check(try await look(second.url), "just after the primary's end")
        try await eventually("what the standby says becomes stale") { try await look(second.url)?.isStale ?? false }
        for _ in 0..<5 { check(try await look(second.url), "without a primary") }
        #expect(try await http("GET", second.url + "/readyz").text.contains("stale"))
        #expect(try #require(try await look(first.url)).isStale, "the other server has memory alone")
        try pair.primary.start()
        try await eventually("pushes are taken again") { try await push(second.url, number + 1) }
        number += 1
        acknowledged.append(Int64(Date().timeIntervalSince1970 * 1e6))
        try await eventually("the standby has caught up") {
            let seen = try await look(second.url)
            return seen.map { $0.count == number && !$0.isStale } ?? false
        }

        // The standby is gone: memory alone.
        try pair.standby.stop(immediately: true)
        try await eventually("what memory says is stale") { try await look(second.url)?.isStale ?? false }
        try await pushOne(first.url)
        check(try await look(second.url), "without a standby")
        try pair.standby.start()
        try await eventually("the standby is back") {
            let seen = try await look(second.url)
            return seen.map { $0.count == number && !$0.isStale } ?? false
        }

        // The server itself.
        second.program.kill()
        try await pushOne(first.url)
        second = Server(project.directory, atStandby)
        try await eventually("a new server has everything") { try await look(second.url)?.count == number }

        let rows = try Connection(uri: pair.primary.uri).execute(
            "select count(*), count(distinct number) from firn_source.events where number > 0"
        ).first!
        #expect(try rows.int64(0) == Int64(number) && rows.int64(1) == Int64(number) && acknowledged.count == number)
        #expect(try firn(["verify"], in: project.directory, environment: atPrimary).status == 0)
    }
}
