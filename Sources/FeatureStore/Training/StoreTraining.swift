public import StoreRecord
internal import StoreRows

/// Training sets and what is known of them.
public struct StoreTraining: StorePart {
    package let context: StoreContext
    /// This machine's copies of segments.
    var cache: SegmentCache?
}
