import Foundation
import TestSupport
import Testing

/// The acceptance cases that lie beside the project, where they do.
@Suite struct SharedCaseTests {
    @Test(
        .enabled(if: sharedDirectory != nil, "the shared cases are not here"), arguments: ["eval", "store", "online"])
    func `all cases pass`(mode: String) async throws {
        let cases = sharedDirectory! + "/cases"
        let files = try FileManager.default.contentsOfDirectory(atPath: cases).filter { $0.hasSuffix(".json") }.sorted()
            .map { cases + "/" + $0 }
        let admin = mode == "eval" ? [] : ["--admin-url", try TestCluster.newDatabase()]
        let run = try await RunningProgram(
            "/usr/bin/env", ["python3", cases + "/run.py", "--firn", firnBinary, "--mode", mode] + admin + files,
            in: projectDirectory
        ).end()
        #expect(run.status == 0, "\(run.text)")
        #expect(run.text.contains(" 0 failed"))
    }
}
