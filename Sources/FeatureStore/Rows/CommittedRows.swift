internal import FeatureLanguage
internal import FeatureEngine

/// Rows that were just committed, the first versions of their facts: batch after batch, from an offset on.
struct CommittedRows: Sendable {
    var source: Source
    var after: Int64
    var rows: [Table]
    var knownAt: Int64
}
