import Foundation
import Synchronization

/// A bar on a terminal, a line every few seconds elsewhere: rows so far, rate, and how much of the file is read.
final class Progress: Sendable {
    private let what: String
    private let start = ContinuousClock.now
    private let last = Mutex(ContinuousClock.now)

    init(_ what: String) {
        self.what = what
    }

    func show(_ rows: Int, _ bytes: Int, _ size: Int?) {
        let now = ContinuousClock.now
        let due = last.withLock { last in
            guard now - last >= (Terminal.isInteractive ? .milliseconds(100) : .seconds(5)) else { return false }
            last = now
            return true
        }
        guard due else { return }
        let seconds = Double((now - start).components.seconds) + Double((now - start).components.attoseconds) / 1e18
        var text = "\(what): \(rows) rows, \(Int(Double(rows) / max(seconds, 0.001))) rows/s"
        if let size, size > 0 {
            let share = min(1, Double(bytes) / Double(size))
            let filled = Int(share * 24)
            text +=
                Terminal.isInteractive
                ? "  [\(String(repeating: "█", count: filled))\(String(repeating: "·", count: 24 - filled))] \(Int(share * 100)) %" : ", \(Int(share * 100)) %"
            if share > 0.02 { text += ", \(Int((seconds / share - seconds).rounded(.up))) s left" }
        }
        if Terminal.isInteractive { FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8)) } else { Terminal.note(text) }
    }

    func end() {
        if Terminal.isInteractive { FileHandle.standardError.write(Data("\r\u{1B}[2K".utf8)) }
    }
}
