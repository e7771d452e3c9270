/// How pushes to one source did since the store was opened.
public struct PushFigures: Sendable {
    public var source: String
    public var requests = 0, rows = 0, commits = 0, waiting = 0
    /// From when they came until they were committed, all together.
    public var waited = Duration.zero
}
