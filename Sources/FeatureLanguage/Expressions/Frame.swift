/// Which event times an aggregate sees at an instant `t`: those in `(t − older, t − newer]`.
public struct Frame: Sendable, Hashable {
    /// Nil: all history.
    public var older: TimeSpan?
    /// Zero up to `t` itself; negative for a label, which looks forward.
    public var newer: TimeSpan

    public init(older: TimeSpan?, newer: TimeSpan) {
        self.older = older
        self.newer = newer
    }

    public static let allHistory = Frame(older: nil, newer: .zero)

    public static func last(_ span: TimeSpan) -> Frame { Frame(older: span, newer: .zero) }

    /// `(t, t + span]`.
    public static func next(_ span: TimeSpan) -> Frame {
        Frame(older: .zero, newer: TimeSpan(microseconds: -span.microseconds))
    }

    public var looksForward: Bool { newer < .zero }

    private var upper: String {
        newer == .zero ? "t" : newer < .zero ? "t + \(TimeSpan(microseconds: -newer.microseconds))" : "t − \(newer)"
    }
    private var lower: String? { older.map { $0 == .zero ? "t" : "t − \($0)" } }

    /// The edges as mathematicians write them: `(t − 7d, t]`.
    public var edges: String { "(\(lower ?? "beginning"), \(upper)]" }

    /// The edges, and in words: `(t − 7d, t]: after t − 7d, up to and including t`.
    public var description: String { "\(edges): \(lower.map { "after \($0)," } ?? "all") up to and including \(upper)" }
}
