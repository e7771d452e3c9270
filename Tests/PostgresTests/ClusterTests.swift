import Foundation
import Postgres
import TestSupport
import Testing

@Suite struct ClusterTests {
    private let path = ProcessInfo.processInfo.environment["PATH"] ?? ""

    @Test func `it starts, stops and starts again with its data`() throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let cluster = Cluster(directory: directory + "/.firn", path: path, isThrowaway: true)
        try cluster.start()
        // As psql does, without naming a schema.
        try Connection(uri: cluster.uri, Connection.Settings(searches: true)).run(
            script: "create schema firn; create table kept (a bigint)")
        #expect(try cluster.stop())
        #expect(!cluster.isRunning)
        #expect(try !cluster.stop())
        try cluster.start()
        defer { _ = try? cluster.stop(immediately: true) }
        #expect(try Connection(uri: cluster.uri).execute("select count(*) from public.kept").count == 1)
        #expect(Cluster.find(from: directory + "/", path: path)?.uri == cluster.uri)
    }

    @Test func `two starts at once make one cluster`() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<3 {
                group.addTask {
                    try await detached {
                        try Cluster(directory: directory + "/.firn", path: path, isThrowaway: true).start()
                    }
                }
            }
            try await group.waitForAll()
        }
        let cluster = Cluster(directory: directory + "/.firn", path: path, isThrowaway: true)
        defer { _ = try? cluster.stop(immediately: true) }
        #expect(try Connection(uri: cluster.uri).execute("select 1").count == 1)
    }

    @Test(.enabled(if: geteuid() == 0, "only root can make a directory that the server's user can't enter"))
    func `it lives elsewhere where its user can't enter the project`() throws {
        let directory = try temporaryDirectory()
        _ = unsafe chmod(directory, 0o700)
        let cluster = Cluster(directory: directory + "/.firn", path: path, isThrowaway: true)
        try cluster.start()
        let home = try FileManager.default.destinationOfSymbolicLink(atPath: directory + "/.firn/cluster")
        defer {
            _ = try? cluster.stop(immediately: true)
            try? FileManager.default.removeItem(atPath: home)
            try? FileManager.default.removeItem(atPath: directory)
        }
        #expect(home.hasPrefix("/var/lib/firn/"))
        #expect(try Connection(uri: cluster.uri).execute("select 1").count == 1)
    }
}

/// Blocking work off the cooperative threads.
private func detached(_ body: @escaping @Sendable () throws -> Void) async throws {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}
