/// Which rows a request sees: the mode, *known by*, and how far each source's log is read.
public struct Reading: Sendable {
    /// From when on a row counts: from when it was known, or always.
    public enum Mode: String, Sendable, Codable {
        /// What the store knew at each instant, as a lookup would have answered then.
        case asServed = "as_served"
        /// What is known now, at any instant.
        case hindsight
    }

    /// The mode of features; labels are read in hindsight, whatever it says.
    public var mode: Mode
    /// Only rows known by this time, inclusive, count; in microseconds since 1970. Nil for no limit.
    public var knownBy: Int64?
    /// The last offset to read, by source; a source that is missing is read to its end.
    public var cuts: [String: Int64]
    /// When the newest batch at each source's cut was committed: a label whose frame reaches beyond that isn't ripe,
    /// and one over a source without a batch never is. If nil, only *known by* makes labels unripe.
    public var newestCommits: [String: Int64]?

    /// By default, everything there is, as served.
    public init(
        mode: Mode = .asServed, knownBy: Int64? = nil, cuts: [String: Int64] = [:],
        newestCommits: [String: Int64]? = nil
    ) {
        self.mode = mode
        self.knownBy = knownBy
        self.cuts = cuts
        self.newestCommits = newestCommits
    }

    /// The instant up to which a source's future is known, for labels.
    func ripeUntil(_ source: String) -> Int64 {
        let commit = newestCommits.map { $0[source] ?? .min } ?? .max
        return min(knownBy ?? .max, commit)
    }
}
