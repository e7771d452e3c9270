import FeatureLanguage
import FeatureStore
import Foundation
import Synchronization
import Tables

/// One line of JSON for each request: when, from where, who, what was asked for, and how it ended. It holds no values,
/// keys or bodies.
///
///     {"at", "address", "token", "actor", "method", "route", "name", "set", "status", "ms"}      null if there is none
///
/// Lines are collected and written a few times a second, so that no answer waits for a disk. If the file was moved
/// away, it is created again.
public final class AccessLog: Sendable {
    private struct State {
        var lines: [UInt8] = []
        /// How many lines there was no room for.
        var dropped = 0
    }

    private let path: String?
    private let state = Mutex(State())
    private let file: Mutex<Int32>

    /// How many bytes may wait to be written.
    private static let mostBytes = 16 << 20

    /// - Parameter path: appended to if it exists; `-` means standard output.
    /// - Throws: if it can't be written.
    public init(path: String) throws {
        self.path = path == "-" ? nil : path
        let opened = self.path == nil ? STDOUT_FILENO : AccessLog.open(path)
        guard opened >= 0 else {
            throw StoreError(
                .invalidRequest, "\(path): can't be written (\(unsafe String(cString: strerror(errno))))",
                advice: "--access-log names a file, or - for standard output")
        }
        file = Mutex(opened)
    }

    private static func open(_ path: String) -> Int32 {
        unsafe Foundation.open(path, O_WRONLY | O_CREAT | O_APPEND, 0o640)
    }

    /// What is noted about a request while it is handled.
    final class Note: Sendable {
        @TaskLocal static var current: Note?

        private let told = Mutex<(token: Token?, set: String?)>((nil, nil))

        var token: Token? { told.withLock { $0.token } }
        var set: String? { told.withLock { $0.set } }
        func tell(token: Token) { told.withLock { $0.token = token } }
        func tell(set: String?) { told.withLock { $0.set = set } }
    }

    func write(
        _ method: String, _ route: String, name: String? = nil, set: String?, by token: Token?, from address: String?,
        status: Int, _ duration: Duration
    ) {
        var line: [UInt8] = []
        line.reserveCapacity(320)
        func add(_ key: StaticString, _ value: String?) {
            line += ",\"\(key)\":".utf8
            if let value { JSON.string(value).write(to: &line) } else { line += "null".utf8 }
        }
        line += "{\"at\":\"".utf8
        Instant.now.append(to: &line)
        line.append(UInt8(ascii: "\""))
        add("address", address)
        add("token", token?.id)
        add("actor", token?.name)
        add("method", method)
        add("route", route)
        add("name", name)
        add("set", set)
        let microseconds = Int(duration / .microseconds(1))
        line +=
            ",\"status\":\(status),\"ms\":\(microseconds / 1000).\(String(1000 + microseconds % 1000).dropFirst())}\n"
            .utf8
        state.withLock { state in
            if state.lines.count + line.count > AccessLog.mostBytes { state.dropped += 1 } else { state.lines += line }
        }
    }

    /// Writes the collected lines until the task is cancelled.
    func keepWriting() async {
        while !Task.isCancelled {
            flush()
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    func flush() {
        var (lines, dropped) = state.withLock { state in
            defer { state = State() }
            return (state.lines, state.dropped)
        }
        if dropped > 0 { lines += "{\"dropped\":\(dropped)}\n".utf8 }
        if lines.isEmpty { return }
        file.withLock { file in
            if let path, !isThere(file, path) {
                let opened = AccessLog.open(path)
                if opened >= 0 {
                    close(file)
                    file = opened
                }
            }
            // If the disk is full, lines are lost, but no requests.
            try? FileHandle(fileDescriptor: file, closeOnDealloc: false).write(contentsOf: Data(lines))
        }
    }

    /// Whether the open file still has its name.
    private func isThere(_ file: Int32, _ path: String) -> Bool {
        var open = stat(), named = stat()
        return unsafe fstat(file, &open) == 0 && stat(path, &named) == 0 && open.st_ino == named.st_ino
            && open.st_dev == named.st_dev
    }
}
