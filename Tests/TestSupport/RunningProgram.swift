import Foundation
import Synchronization

/// A program under test: its output, its end, and the ways to end it.
public final class RunningProgram: Sendable {
    private let process = Process()
    private let output: Output

    /// What was printed so far. Read on all the time: a program whose output nobody takes stops at some point.
    private final class Output: Sendable {
        private let state = Mutex<(text: [UInt8], isOver: Bool)>(([], false))

        func take(_ data: Data) { state.withLock { $0.text += data } }
        func end() { state.withLock { $0.isOver = true } }
        var isOver: Bool { state.withLock { $0.isOver } }
        var text: String { String(decoding: state.withLock { $0.text }, as: UTF8.self) }
    }

    /// - Parameters:
    ///   - environment: added to this process's own.
    public init(_ path: String, _ arguments: [String], in directory: String, environment: [String: String] = [:]) throws
    {
        let pipe = Pipe()
        let output = Output()
        self.output = output
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let handle = pipe.fileHandleForReading
        Thread {
            while true {
                let data = handle.availableData
                if data.isEmpty { break }
                output.take(data)
            }
            output.end()
        }.start()
    }

    /// Waits for the end; gives the exit code and everything it printed.
    public func finish() -> (status: Int32, text: String) {
        while !output.isOver { Thread.sleep(forTimeInterval: 0.002) }
        process.waitUntilExit()
        return (process.terminationStatus, output.text)
    }

    /// The same for tests whose server runs in this process: the threads that it shares with them go on meanwhile.
    public func end() async -> (status: Int32, text: String) {
        await withCheckedContinuation { continuation in Thread { continuation.resume(returning: self.finish()) }.start()
        }
    }

    /// Waits until a line with `text` was printed to its end, or the program ended; gives what was printed so far.
    public func wait(for text: String) -> String {
        while true {
            let isOver = output.isOver, printed = output.text
            if isOver || printed.range(of: text).map({ printed[$0.upperBound...].contains("\n") }) ?? false {
                return printed
            }
            Thread.sleep(forTimeInterval: 0.002)
        }
    }

    /// SIGKILL: nothing of it is left to tidy up.
    public func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// SIGTERM: it finishes what it accepted.
    public func terminate() { process.terminate() }
}

/// The firn binary that was built with these tests.
public let firnBinary: String = {
    // Beside the test bundle: .build/<triple>/debug.
    var directory = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    while directory.path != "/",
        !FileManager.default.isExecutableFile(atPath: directory.appendingPathComponent("firn").path)
    { directory.deleteLastPathComponent() }
    return directory.appendingPathComponent("firn").path
}()

/// Runs firn to its end.
public func firn(_ arguments: [String], in directory: String, environment: [String: String] = [:]) throws -> (
    status: Int32, text: String
) {
    try RunningProgram(firnBinary, arguments, in: directory, environment: environment).finish()
}
