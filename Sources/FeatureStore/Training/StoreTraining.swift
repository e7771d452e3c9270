/// Training sets and what is known of them.
public struct StoreTraining: StorePart {
    let context: StoreContext
    /// This machine's copies of segments.
    var cache: SegmentCache?
}
