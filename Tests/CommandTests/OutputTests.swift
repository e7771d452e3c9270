import Foundation
import TestSupport
import Testing

/// What commands print, word for word: Tests/Golden/Output has a file for each. FIRN_RECORD=1 writes them anew.
@Suite struct OutputTests {
    private static let definitions = """
        entities: {customer: {keys: {customer_id: int64}}}
        sources:
          payments:
            columns: {payment_id: string, customer_id: int64, amount: float64, at: timestamp, recorded: timestamp}
            event_time: at
            known_at: recorded
            id: [payment_id]
        features:
          spend_7d.v1:
            {entity: customer, source: payments, expression: sum(amount) over last_7d, description: Spend of a week., owner: risk, tags: [spend]}
          mean.v1: {entity: customer, source: payments, request: {amount: float64}, expression: request.amount / avg(amount)}
        labels: {pays.v1: {entity: customer, source: payments, expression: count(*) over next_1d > 0}}
        sets:
          fraud.v1: {features: [spend_7d.v1, mean.v1], labels: [pays.v1]}
          fraud.v2: {features: [spend_7d.v1]}
        """

    /// Commands in their order; what a later one shows, an earlier one made. `RECEIPT` stands for the lookup's.
    private static let commands: [[String]] = [
        ["--help"], ["apply", "d.yaml"], ["apply", "d.yaml", "--json"], ["check", "d.yaml"],
        ["check", "d.yaml", "--json"], ["plan", "more.yaml"], ["plan", "more.yaml", "--json"],
        ["plan", "more.yaml", "--markdown"], ["plan", "d.yaml", "--exit-code"], ["import", "payments", "rows.csv"],
        ["import", "payments", "rows.csv"], ["materialize"],
        ["snapshot", "create", "--set", "fraud.v1", "--spine", "spine.csv", "--name", "may", "--out", "out.csv"],
        ["snapshot", "create", "--set", "fraud.v2", "--spine", "small.csv", "--name", "june"], ["snapshot", "list"],
        ["snapshot", "list", "--json"], ["snapshot", "show", "may"],
        ["snapshot", "show", "may", "--json"], ["snapshot", "verify", "may"], ["snapshot", "verify", "may", "--json"],
        ["snapshot", "diff", "may", "june"],
        ["snapshot", "diff", "may", "june", "--json"], ["snapshot", "bundle", "may", "--out", "may.tar"],
        ["eval", "--bundle", "may.tar"],
        ["lookup", "--set", "fraud.v1", "customer_id=1", "amount=5", "--as-of", "2024-01-05"],
        ["lookup", "--set", "fraud.v1", "customer_id=1", "amount=5", "--as-of", "2024-01-05", "--json"],
        ["lookup", "--set", "fraud.v1", "customer_id=1"],
        ["lookup", "--set", "fraud.v2", "customer_id=1", "--log"],
        ["why", "spend_7d.v1", "customer_id=1", "--as-of", "2024-01-05"],
        ["why", "spend_7d.v1", "customer_id=1", "--as-of", "2024-01-05", "--json"], ["diff", "spend_7d.v1", "mean.v1"],
        ["list"], ["list", "features"],
        ["list", "features", "--json"], ["list", "--unused"], ["search", "spend"], ["search", "spend", "--json"],
        ["show", "customer"], ["show", "payments"],
        ["show", "spend_7d.v1"],
        ["show", "spend_7d.v1", "--json"], ["show", "fraud.v1"], ["show", "--plan", "fraud.v1"],
        ["show", "--plan", "fraud.v1", "--json"], ["show", "nothing.v1"],
        ["model", "record", "fraud.v1", "--snapshot", "may", "--metric", "auc=0.5", "--artifact", "small.csv"],
        ["model", "list"], ["model", "list", "--json"],
        ["model", "show", "fraud.v1"], ["model", "show", "fraud.v1", "--json"],
        ["point", "fraud@production", "fraud.v1"], ["point", "fraud@production", "set:fraud.v1"], ["point"],
        ["point", "--json"], ["point", "fraud@production", "--history"], ["lineage", "payments.amount"],
        ["lineage", "RECEIPT", "--up"], ["lineage", "RECEIPT", "--up", "--json"],
        ["lineage", "model:fraud.v1", "--graphviz"], ["drift", "may", "june"], ["drift", "may", "june", "--json"],
        ["deprecate", "mean.v1", "--reason", "noisy"],
        ["retire", "mean.v1", "--reason", "noisy"], ["show", "mean.v1"],
        ["erase", "customer", "customer_id=2", "--reason", "request 17", "--dry-run"],
        ["erase", "customer", "customer_id=2", "--reason", "request 17"],
        ["erase", "customer", "customer_id=2", "--reason", "request 17", "--json"],
        ["ledger", "log", "--count", "3"], ["ledger", "log", "mean.v1", "--json"], ["ledger", "head"],
        ["verify", "--all"], ["verify", "--all", "--json"], ["verify", "lookups"],
        ["verify", "lookups", "--json"], ["token", "list"], ["export", "payments"],
    ]

    private static let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Golden/Output")

    /// Without what differs from run to run and place to place: times of today, hashes that hold such times, ids of
    /// those.
    private func settled(_ text: String, _ directory: String) -> String {
        var text = text.replacing(directory, with: "<directory>")
        for (pattern, what) in [
            (#"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"#, "<receipt>"), (#"snap_[0-9a-f]{16}"#, "<snapshot>"),
            (#"20(2[5-9]|[3-9][0-9])-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|\+00)"#, "<time>"),
            (#"\b[0-9a-f]{64}\b"#, "<hash>"), (#"\b(?=[0-9a-f]*[a-f])[0-9a-f]{12}\b|\b[0-9]{12}\b"#, "<hash>"),
            (#"[0-9]+ rows/s"#, "<rate>"),
            (#"[0-9.]+ [kKM]B with"#, "<size> with"),
            (#"\b\#(NSUserName())\b"#, "<user>"),
        ] { text = text.replacing(try! Regex(pattern), with: what) }
        return text
    }

    @Test func `what commands print`() throws {
        let project = try Project()
        try project.write("d.yaml", OutputTests.definitions)
        try project.write(
            "more.yaml",
            "features: {spend_7d.v1: {entity: customer, source: payments, expression: sum(amount) over last_8d}}\nsets: {fraud.v3: {features: [mean.v1]}}"
        )
        try project.write(
            "rows.csv",
            "payment_id,customer_id,amount,at,recorded\na,1,2.5,2024-01-01,2024-01-01\nb,1,4,2024-01-02,2024-01-02\nb,1,8,2024-01-02,2024-01-04\nc,2,1,2024-01-03,2024-01-03\nd,1,16,2024-01-03,2024-01-09\n"
        )
        try project.write(
            "spine.csv", "customer_id,event_timestamp,amount\n1,2024-01-03,10\n1,2024-01-05,20\n2,2024-01-05,30\n")
        try project.write("small.csv", "customer_id,event_timestamp\n1,2024-01-05\n3,2024-01-05\n")
        let isRecording = ProcessInfo.processInfo.environment["FIRN_RECORD"] == "1"
        if isRecording {
            try FileManager.default.createDirectory(at: OutputTests.directory, withIntermediateDirectories: true)
        }
        var receipt = "", printed: [(command: String, text: String)] = []
        for command in OutputTests.commands {
            let (status, text) = try firn(
                command.map { $0 == "RECEIPT" ? receipt : $0 }, in: project.directory, environment: project.environment)
            if let line = text.split(separator: "\n").last, line.hasPrefix("receipt ") {
                receipt = String(line.dropFirst(8))
            }
            printed.append(
                (
                    command.joined(separator: " "),
                    settled(text, project.directory) + (status == 0 ? "" : "exit code \(status)\n")
                ))
        }
        // A file for each command's first word.
        let files = Dictionary(grouping: printed) { String($0.command.split(separator: " ").first!.drop { $0 == "-" }) }
        for (name, outputs) in files {
            let text = outputs.map { "$ firn \($0.command)\n\($0.text)" }.joined(separator: "\n"),
                url = OutputTests.directory.appendingPathComponent("\(name).txt")
            if isRecording {
                try text.write(to: url, atomically: true, encoding: .utf8)
                continue
            }
            let recorded = try String(contentsOf: url, encoding: .utf8)
            for (now, then) in zip(
                text.split(separator: "\n", omittingEmptySubsequences: false),
                recorded.split(separator: "\n", omittingEmptySubsequences: false))
            {
                if now != then {
                    Issue.record("\(name).txt: printed «\(now)», recorded «\(then)»")
                    break
                }
            }
            #expect(text.count == recorded.count, "\(name).txt has other lines; FIRN_RECORD=1 writes it anew")
        }
        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: OutputTests.directory.path))
                == Set(files.keys.map { $0 + ".txt" }))
    }
}
