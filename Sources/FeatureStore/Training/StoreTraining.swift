public import StoreRecord
internal import StoreRows

/// Training sets, and what is known about them.
public struct StoreTraining: StorePart {
    package let context: StoreContext
    /// This machine's copies of segments; nil reads segments from the database.
    var cache: SegmentCache?
}
