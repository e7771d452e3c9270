import Foundation
import TestSupport
import Testing

/// A server by itself, with much to do: how fast its threads are isn't told from within a process that has tests to
/// run.
@Suite struct LoadTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources: {clicks: {columns: {customer_id: int64, at: timestamp}, event_time: at}}
        features: {clicks.v1: {entity: customer, source: clicks, expression: count(*)}}
        sets: {web.v1: {features: [clicks.v1]}}
        """

    /// Asks several times in one connection; gives the answers and how long each took, in seconds.
    private func ask(_ project: Project, _ url: String, _ type: String, _ body: String, times: Int = 1) async throws
        -> (text: String, seconds: [Double])
    {
        let arguments =
            ["-sS", "-H", "Content-Type: \(type)", "--data-binary", body, "-w", "\nTIME %{time_total}\n"]
            + Array(repeating: url, count: times)
        let text = try await RunningProgram("/usr/bin/curl", arguments, in: project.directory).end().text
        return (text, text.matches(of: /\nTIME (\d+\.\d+)\n/).compactMap { Double($0.1) })
    }

    @Test func `lookups of known keys go on while others have the server compute`() async throws {
        let project = try Project()
        try project.write("d.yaml", LoadTests.definitions)
        #expect(try project.run("apply", "d.yaml").status == 0)
        try project.write(
            "large.yaml",
            "features:\n"
                + (0..<20_000).map {
                    "  f\($0).v1: {entity: customer, source: clicks, expression: count(*) over last_\($0 + 1)m}\n"
                }.joined())
        let (server, url) = try project.serve("--jobs", "4")
        defer { server.terminate() }
        let lookup = #"{"set":"web.v1","entities":{"customer_id":[1]}}"#
        #expect(
            try await ask(project, url + "/v1/lookup", "application/json", lookup, times: 3).text.contains(
                #""values":[0]"#))
        let planning = (0..<4).map { _ in
            Task { try await ask(project, url + "/v1/definitions/plan", "application/yaml", "@large.yaml") }
        }
        try await Task.sleep(for: .seconds(1))
        let looked = try await ask(project, url + "/v1/lookup", "application/json", lookup, times: 101)
        #expect(looked.text.matches(of: /"values":\[0\],"statuses":\["not_found"\]/).count == 101, "none is stale")
        var quickest = 1000.0
        for plan in planning {
            let answer = try await plan.value
            #expect(answer.text.contains("\"steps\""))
            quickest = min(quickest, try #require(answer.seconds.first))
        }
        // However fast the machine is, and whatever else it does.
        #expect(looked.seconds.sorted()[50] < quickest / 20, "\(looked.seconds.sorted()[50]) s, \(quickest) s")
    }
}
