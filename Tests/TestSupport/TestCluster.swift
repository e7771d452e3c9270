import Foundation
import Postgres
import Synchronization

/// One temporary PostgreSQL for the whole run of tests, with a database for each test that asks for one.
///
/// A small shell waits for this process to end, however it does, and then stops the server and removes its files.
public enum TestCluster {
    private static let state = Mutex<(uri: String, databases: Int)?>(nil)

    /// The address of a new, empty database.
    public static func newDatabase() throws -> String {
        let (uri, number) = try state.withLock { state throws in
            let uri = try state?.uri ?? start()
            let number = (state?.databases ?? 0) + 1
            state = (uri, number)
            return (uri, number)
        }
        let name = "test_\(number)"
        try Connection(uri: uri).run(script: "create database \(name)")
        return uri.replacing("@/firn?", with: "@/\(name)?")
    }

    /// The address of a cluster of its own, for tests that stop its processes: dropping a database waits for every
    /// process of a cluster.
    public static func newCluster() throws -> String { try start() }

    private static func start() throws -> String {
        let directory = try temporaryDirectory()
        let cluster = Cluster(
            directory: directory + "/.firn", path: ProcessInfo.processInfo.environment["PATH"] ?? "", isThrowaway: true)
        try cluster.start()
        try watch(directory)
        return cluster.uri
    }

    private static func watch(_ directory: String) throws {
        let script = """
            while kill -0 "$1" 2>/dev/null; do sleep 0.2; done
            pid=$(head -n 1 "$2/.firn/cluster/data/postmaster.pid" 2>/dev/null)
            [ -z "$pid" ] || kill -QUIT "$pid"
            sleep 0.5
            rm -rf "$2"
            """
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/sh")
        shell.arguments = ["-c", script, "sh", String(ProcessInfo.processInfo.processIdentifier), directory]
        shell.standardInput = FileHandle.nullDevice
        shell.standardOutput = FileHandle.nullDevice
        shell.standardError = FileHandle.nullDevice
        try shell.run()
    }
}

/// A new directory that everybody can enter; who makes it removes it.
public func temporaryDirectory() throws -> String {
    var template = Array("/tmp/firn-test-XXXXXX".utf8CString)
    guard unsafe mkdtemp(&template) != nil else { throw CocoaError(.fileWriteUnknown) }
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    _ = unsafe chmod(path, 0o755)
    return path
}

/// The shared data beside the project, which users don't have; nil where it is missing. With FIRN_SHARED=required its
/// absence is a failure.
public let sharedDirectory: String? = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    let shared = root.deletingLastPathComponent().appendingPathComponent("shared").path
    if FileManager.default.fileExists(atPath: shared + "/cases/run.py") { return shared }
    precondition(
        ProcessInfo.processInfo.environment["FIRN_SHARED"] != "required",
        "FIRN_SHARED=required, and the shared data isn't there")
    return nil
}()

/// The project's own directory.
public let projectDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
