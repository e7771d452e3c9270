public import FeatureEngine
public import FeatureLanguage
internal import Tables

/// The record of a training set: everything needed to get the same rows back.
public struct Manifest: Sendable, Codable {
    /// A column of the training set, and the function that computes it.
    public struct Output: Sendable, Codable {
        /// The column's name.
        public var name: String
        /// The feature or label, with its version.
        public var function: VersionedName
        /// Whether it is a feature or a label.
        public var kind: FunctionKind
        /// The type of its values.
        public var type: ValueType
        /// The function's fingerprint when the snapshot was made.
        public var fingerprint: Fingerprint
    }

    /// How the spine is kept, and what it takes to read it again.
    public struct SpineRecord: Sendable, Codable {
        /// SHA-256 of the spine as it is kept (CSV, or an Arrow stream), before compression.
        public var digest: String
        /// The name of the column that holds the instants.
        public var timestamp: String
        /// One more word that means NULL; nil for none.
        public var null: String?
        /// The unit of times that are integers: `s`, `ms` or `us`; nil where times aren't integers.
        public var epoch: String?
        /// `arrows` where it is kept as Arrow; nil for CSV.
        public var layout: String?

        /// How it is read again.
        var options: ReadOptions { .kept(null: null, epoch: epoch.flatMap { Epoch(rawValue: $0) }) }
    }

    /// `snap_` and 16 hexadecimal digits, which follow from the rest of the manifest.
    public var id: String
    /// The name it was given, which later snapshots may have too; nil for none.
    public var name: String?
    /// The set that was computed.
    public var set: VersionedName
    /// The set's fingerprint when the snapshot was made.
    public var fingerprint: Fingerprint
    /// The set's features, then its labels, each in the set's order.
    public var outputs: [Output]
    /// Whether rows count as served or in hindsight.
    public var mode: Reading.Mode
    /// Rows that became known after this instant (RFC 3339) don't count; nil for no such bound.
    public var knownBy: String?
    /// By source: the last offset that was read of its log.
    public var cuts: [String: Int64]
    /// By source: when its newest batch at the cut was committed, in microseconds since 1970.
    public var newestCommits: [String: Int64]
    /// The id of the snapshot whose cuts were taken; nil where it was made at the newest.
    public var at: String?
    /// How the rows are divided into parts; nil where they aren't.
    public var split: Split?
    /// How many rows the spine has.
    public var rows: Int
    /// The digest over keys, instants, request inputs and outputs: 64 hexadecimal digits.
    public var digest: String
    /// By output: the hashes of its blocks of 1,024 rows, 64 hexadecimal digits each, one after the other.
    public var blocks: [String: String]
    /// The spine that the rows were computed for.
    public var spine: SpineRecord
    /// The database's *now* when it was computed, in RFC 3339.
    public var createdAt: String
    /// Who made the snapshot.
    public var actor: String
    /// The engine that computed it: `firn 1`.
    public var engine: String
    /// Warnings from when it was made. They aren't recorded, so a manifest that is read back has none.
    public var warnings: [String] = []

    private enum CodingKeys: CodingKey {
        case id, name, set, fingerprint, outputs, mode, knownBy, cuts, newestCommits, at, split, rows, digest, blocks,
            spine, createdAt, actor, engine
    }

    /// Which rows counted.
    var reading: Reading {
        Reading(
            mode: mode, knownBy: knownBy.flatMap { Instant(text: $0) }?.microseconds, cuts: cuts,
            newestCommits: newestCommits)
    }
}
