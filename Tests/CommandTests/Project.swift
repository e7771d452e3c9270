import Foundation
import TestSupport

/// A directory with a project of its own, and the commands run in it.
final class Project: Sendable {
    let directory: String
    let environment: [String: String]

    /// - Parameter embedded: whether it has a PostgreSQL of its own; else a database of the run's cluster.
    init(embedded: Bool = false) throws {
        directory = try temporaryDirectory()
        environment = [
            "FIRN_DATABASE_URL": embedded ? "" : try TestCluster.newDatabase(), "FIRN_CACHE_DIR": directory + "/cache",
        ]
    }

    deinit {
        if environment["FIRN_DATABASE_URL"] == "" { _ = try? firn(["stop"], in: directory, environment: environment) }
        try? FileManager.default.removeItem(atPath: directory)
    }

    func run(_ arguments: String...) throws -> (status: Int32, text: String) {
        try firn(arguments, in: directory, environment: environment)
    }

    func start(_ arguments: String...) throws -> RunningProgram {
        try RunningProgram(firnBinary, arguments, in: directory, environment: environment)
    }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try text.write(toFile: directory + "/" + name, atomically: true, encoding: .utf8)
        return name
    }

    func read(_ name: String) throws -> String { try String(contentsOfFile: directory + "/" + name, encoding: .utf8) }

    /// A server and its address.
    func serve(_ options: String...) throws -> (server: RunningProgram, url: String) {
        let server = try RunningProgram(
            firnBinary, ["serve", "--port", "0"] + options, in: directory, environment: environment)
        let text = server.wait(for: "listening on ")
        let line = text.split(separator: "\n").last { $0.contains("listening on ") } ?? ""
        return (server, String(line.split(separator: " ").last ?? ""))
    }
}
