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
    public static func next(_ span: TimeSpan) -> Frame { Frame(older: .zero, newer: TimeSpan(microseconds: -span.microseconds)) }

    public var looksForward: Bool { newer < .zero }

    /// The edges as mathematicians write them and in words: `(t − 7d, t]: after t − 7d, up to and including t`.
    public var description: String {
        let upper = newer == .zero ? "t" : newer < .zero ? "t + \(TimeSpan(microseconds: -newer.microseconds))" : "t − \(newer)"
        guard let older else { return "(beginning, \(upper)]: all up to and including \(upper)" }
        let lower = older == .zero ? "t" : "t − \(older)"
        return "(\(lower), \(upper)]: after \(lower), up to and including \(upper)"
    }
}
