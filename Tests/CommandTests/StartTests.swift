import Foundation
import Postgres
import TestSupport
import Testing

/// How a server begins: it waits for a database that is away, and ends where waiting helps nobody.
@Suite struct StartTests {
    @Test func `a server waits for its database, not ready, and says so`() async throws {
        let directory = try temporaryDirectory()
        let cluster = Cluster(
            directory: directory + "/.firn", path: ProcessInfo.processInfo.environment["PATH"] ?? "", isThrowaway: true)
        try cluster.start()
        defer {
            _ = try? cluster.stop(immediately: true)
            try? FileManager.default.removeItem(atPath: directory)
        }
        let environment = ["FIRN_DATABASE_URL": cluster.uri, "FIRN_CACHE_DIR": directory + "/cache"]
        #expect(try firn(["migrate"], in: directory, environment: environment).status == 0)
        let token = try firn(["token", "create", "x"], in: directory, environment: environment).text.trimmingCharacters(
            in: .whitespacesAndNewlines)
        _ = try cluster.stop()
        let server = try RunningProgram(
            firnBinary, ["serve", "--port", "0", "--require-tokens"], in: directory, environment: environment)
        defer { server.kill() }
        let text = server.wait(for: "listening on ")
        #expect(text.contains("can't reach PostgreSQL") && text.contains("waited for"), "\(text)")
        let line = text.split(separator: "\n").last { $0.contains("listening on ") }
        let url = String(line?.split(separator: " ").last ?? "")
        #expect(try await http("GET", url + "/healthz").status == 200)
        let early = try await http("GET", url + "/readyz")
        #expect(early.status == 503, "\(early.text)")
        // Nobody knows yet which tokens there are.
        let refused = try await http(
            "GET", url + "/v1/sets",
            headers: ["Authorization": "Bearer firn_0123456789abcdef_\(String(repeating: "0", count: 64))"])
        #expect(refused.status == 503 && refused.text.contains("database_unavailable"), "\(refused.text)")

        try cluster.start()
        for _ in 0..<400 where try await http("GET", url + "/readyz").status != 200 {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try await http("GET", url + "/readyz").status == 200)
        #expect(try await http("GET", url + "/v1/sets", headers: ["Authorization": "Bearer " + token]).status == 200)
    }

    @Test func `what waiting doesn't mend ends a server at once`() throws {
        let project = try Project(), uri = try #require(project.environment["FIRN_DATABASE_URL"])
        for wrong in [
            uri.replacing(try Regex("test_[0-9]+"), with: "no_such_database"),
            uri.replacing("//firn@", with: "//nobody@"),
        ] {
            let answer = try firn(
                ["serve", "--port", "0"], in: project.directory,
                environment: ["FIRN_DATABASE_URL": wrong, "FIRN_CACHE_DIR": project.directory + "/cache"])
            #expect(answer.status == 1 && !answer.text.contains("listening"), "\(answer.text)")
        }
    }
}
