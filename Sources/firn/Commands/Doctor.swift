import ArgumentParser
import FeatureLanguage
import FeatureStore
import Tables

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the installation for problems and say how to fix them.")

    @Flag(help: "Print the findings as JSON.")
    var json = false

    func run() async throws {
        let findings: [Finding]
        do {
            findings = try await Environment.store(connections: 1).examine()
        } catch let failure as Failure where (try? Environment.cacheLimit()) == nil {
            findings = [Finding(what: "settings", fault: "\(failure)", remedy: "unset it, or set it to a number")]
        } catch {
            findings = [Finding(what: "database", fault: "\(error)", remedy: "set FIRN_DATABASE_URL, or run firn init")]
        }
        if json {
            Terminal.out(
                JSON.array(
                    findings.map {
                        .object(["what": .string($0.what), "fault": JSON($0.fault), "remedy": JSON($0.remedy)])
                    }
                ).pretty())
        } else {
            for finding in findings {
                Terminal.out(
                    finding.fault.map { "✗ \(finding.what): \($0)\n    \(finding.remedy ?? "")" } ?? "✓ \(finding.what)"
                )
            }
        }
        if findings.contains(where: { $0.fault != nil }) { throw ExitCode(1) }
    }
}
