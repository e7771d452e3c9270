/// Which rows there are for a request: the mode, *known by*, and how far each source's log is read.
public struct Reading: Sendable {
    public enum Mode: String, Sendable, Codable {
        /// What the store knew at each instant: as a lookup would have answered.
        case asServed = "as_served"
        /// What is known now, at any instant.
        case hindsight
    }

    public var mode: Mode
    /// Only rows known by then, microseconds since 1970.
    public var knownBy: Int64?
    /// The last offset to read, by source; without one, all that is there.
    public var cuts: [String: Int64]
    /// When the newest batch at each source's cut was committed: a label whose frame reaches beyond isn't ripe. Nil:
    /// only *known by* makes labels unripe; a source without a batch is never ripe.
    public var newestCommits: [String: Int64]?

    public init(
        mode: Mode = .asServed, knownBy: Int64? = nil, cuts: [String: Int64] = [:],
        newestCommits: [String: Int64]? = nil
    ) {
        self.mode = mode
        self.knownBy = knownBy
        self.cuts = cuts
        self.newestCommits = newestCommits
    }

    /// Up to which instant a source's future is known, for labels.
    func ripeUntil(_ source: String) -> Int64 {
        let commit = newestCommits.map { $0[source] ?? .min } ?? .max
        return min(knownBy ?? .max, commit)
    }
}
