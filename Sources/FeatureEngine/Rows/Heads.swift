/// How far the logs go and what time it is: the cuts of an answer or snapshot.
package struct Heads: Sendable {
    /// The last offset of each source's log; 0 if nothing has been loaded yet.
    package var cuts: [String: Int64] = [:]
    /// When the newest batch at the cut was committed, microseconds since 1970.
    package var newestCommits: [String: Int64] = [:]
    /// The database's clock, never behind a push that the cuts include.
    package var now: Int64 = .min
    /// The database's clock as it is.
    package var clock: Int64 = .min
    /// On a standby, how long ago the newest commit that it has was made; 0 on a primary.
    package var lag = Duration.zero
    /// The newest ledger entry that changed what is registered or served, and the newest that erased something.
    package var governed: Int64 = 0
    package var erased: Int64 = 0

    package init() {}

    /// An offset that no log reaches.
    package static let lastOffset: Int64 = 1 << 62
}
