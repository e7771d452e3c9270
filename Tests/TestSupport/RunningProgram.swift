public import Foundation

/// A program under test: its output, its end, and the ways to end it.
public final class RunningProgram {
    public let process = Process()
    private let output = Pipe()

    /// - Parameters:
    ///   - environment: added to this process's own.
    public init(_ path: String, _ arguments: [String], in directory: String, environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
    }

    /// Waits for the end; gives the exit code and everything it printed.
    public func finish() -> (status: Int32, text: String) {
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    /// Reads on until `text` was printed or the program ended; gives what was printed so far.
    public func wait(for text: String) -> String {
        var seen = ""
        while !seen.contains(text) {
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { break }
            seen += String(decoding: data, as: UTF8.self)
        }
        return seen
    }

    /// SIGKILL: nothing of it is left to tidy up.
    public func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// The firn binary that was built with these tests.
public let firnBinary: String = {
    // Beside the test bundle: .build/<triple>/debug.
    var directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    while directory.path != "/", !FileManager.default.isExecutableFile(atPath: directory.appendingPathComponent("firn").path) { directory.deleteLastPathComponent() }
    return directory.appendingPathComponent("firn").path
}()

/// Runs firn to its end.
public func firn(_ arguments: [String], in directory: String, environment: [String: String] = [:]) throws -> (status: Int32, text: String) {
    try RunningProgram(firnBinary, arguments, in: directory, environment: environment).finish()
}
