/// The event times an aggregate sees at an instant `t`: those in `(t − older, t − newer]`.
public struct Frame: Sendable, Hashable {
    /// How far before `t` it begins, exclusively; nil for all history.
    public var older: TimeSpan?
    /// How far before `t` it ends, inclusively: zero for `t` itself, negative for a label that looks forward.
    public var newer: TimeSpan

    /// The frame `(t − older, t − newer]`, unchecked: `older` should be greater than `newer`.
    public init(older: TimeSpan?, newer: TimeSpan) {
        self.older = older
        self.newer = newer
    }

    /// Everything up to and including `t`.
    public static let allHistory = Frame(older: nil, newer: .zero)

    /// `(t − span, t]`.
    public static func last(_ span: TimeSpan) -> Frame { Frame(older: span, newer: .zero) }

    /// `(t, t + span]`.
    public static func next(_ span: TimeSpan) -> Frame {
        Frame(older: .zero, newer: TimeSpan(microseconds: -span.microseconds))
    }

    /// Whether it ends after `t`, as only a label's frame may.
    public var looksForward: Bool { newer < .zero }

    private var upper: String {
        newer == .zero ? "t" : newer < .zero ? "t + \(TimeSpan(microseconds: -newer.microseconds))" : "t − \(newer)"
    }
    private var lower: String? { older.map { $0 == .zero ? "t" : "t − \($0)" } }

    /// The edges in mathematical notation: `(t − 7d, t]`.
    public var edges: String { "(\(lower ?? "beginning"), \(upper)]" }

    /// The edges, then in words: `(t − 7d, t]: after t − 7d, up to and including t`.
    public var description: String { "\(edges): \(lower.map { "after \($0)," } ?? "all") up to and including \(upper)" }
}
