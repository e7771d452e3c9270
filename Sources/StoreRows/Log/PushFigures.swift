/// What became of the pushes to one source since the store was opened.
public struct PushFigures: Sendable {
    /// The source's name.
    public var source: String
    /// Committed requests, their rows (duplicates too), the commits that they shared, and requests that wait right now.
    public var requests = 0, rows = 0, commits = 0, waiting = 0
    /// The time from their arrival to their commit, summed over all requests.
    public var waited = Duration.zero
}
