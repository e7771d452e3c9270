package import FeatureLanguage

/// Rows that were just committed, all first versions of their facts: batch after batch, beginning right after an
/// offset.
package struct CommittedRows: Sendable {
    package var source: Source
    package var after: Int64
    package var rows: [Table]
    package var knownAt: Int64

    package init(source: Source, after: Int64, rows: [Table], knownAt: Int64) {
        (self.source, self.after, self.rows, self.knownAt) = (source, after, rows, knownAt)
    }

    /// The offset of the last row.
    package var end: Int64 { rows.reduce(after) { $0 + Int64($1.rowCount) } }
}
