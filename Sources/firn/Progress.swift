import Foundation
import Synchronization

/// A bar on a terminal, or a line every few seconds elsewhere: rows so far, rate, share and time left.
final class Progress: Sendable {
    private let what: String
    private let start = ContinuousClock.now
    private let last = Mutex(ContinuousClock.now)

    init(_ what: String) {
        self.what = what
    }

    /// - Parameters:
    ///   - part: what is being worked on.
    ///   - rows: how many are done so far.
    ///   - share: the share of the work that is done; nil if it is unknown.
    func show(_ part: String? = nil, rows: Int, share: Double?) {
        let now = ContinuousClock.now
        let due = last.withLock { last in
            guard now - last >= (Terminal.isInteractive ? .milliseconds(100) : .seconds(5)) else { return false }
            last = now
            return true
        }
        guard due else { return }
        let seconds = (now - start).seconds
        var text =
            "\(what)\(part.map { " \($0)" } ?? ""): \(rows) rows, \(Int(Double(rows) / max(seconds, 0.001))) rows/s"
        if let share = share.map({ min(1, max(0, $0)) }) {
            let filled = Int(share * 24)
            let bar = "  [\(String(repeating: "█", count: filled))\(String(repeating: "·", count: 24 - filled))]"
            text += "\(Terminal.isInteractive ? bar : ",") \(Int(share * 100)) %"
            if share > 0.02 { text += ", \(Int((seconds / share - seconds).rounded(.up))) s left" }
        }
        if Terminal.isInteractive {
            FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8))
        } else {
            Terminal.note(text)
        }
    }

    func end() {
        if Terminal.isInteractive { FileHandle.standardError.write(Data("\r\u{1B}[2K".utf8)) }
    }
}
