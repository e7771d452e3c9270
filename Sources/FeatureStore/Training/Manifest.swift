public import FeatureEngine
public import FeatureLanguage
internal import Tables

/// The record of a training set: everything from which the same rows come back.
public struct Manifest: Sendable, Codable {
    public struct Output: Sendable, Codable {
        public var name: String
        public var function: VersionedName
        public var kind: FunctionKind
        public var type: ValueType
        public var fingerprint: Fingerprint
    }

    public struct SpineRecord: Sendable, Codable {
        /// SHA-256 of it as it is kept: CSV, or an Arrow stream.
        public var digest: String
        public var timestamp: String
        public var null: String?
        public var epoch: String?
        /// `arrows` where it is kept as Arrow.
        public var layout: String?

        /// How it is read again.
        var options: ReadOptions { .kept(null: null, epoch: epoch.flatMap { Epoch(rawValue: $0) }) }
    }

    public var id: String
    public var name: String?
    public var set: VersionedName
    public var fingerprint: Fingerprint
    public var outputs: [Output]
    public var mode: Reading.Mode
    public var knownBy: String?
    /// By source: how far its log was read.
    public var cuts: [String: Int64]
    /// By source: when its newest batch at the cut was committed, in microseconds since 1970.
    public var newestCommits: [String: Int64]
    /// The snapshot whose cuts these are, where it wasn't made at the newest.
    public var at: String?
    public var split: Split?
    public var rows: Int
    public var digest: String
    /// The hashes of each output column's blocks of 1,024 rows: 64 hexadecimal digits each, one after the other.
    public var blocks: [String: String]
    public var spine: SpineRecord
    public var createdAt: String
    public var actor: String
    public var engine: String
    /// What was to be said when it was made: not part of the record.
    public var warnings: [String] = []

    private enum CodingKeys: CodingKey {
        case id, name, set, fingerprint, outputs, mode, knownBy, cuts, newestCommits, at, split, rows, digest, blocks,
            spine, createdAt, actor, engine
    }

    /// Which rows there were.
    var reading: Reading {
        Reading(
            mode: mode, knownBy: knownBy.flatMap { Instant(text: $0) }?.microseconds, cuts: cuts,
            newestCommits: newestCommits)
    }
}
