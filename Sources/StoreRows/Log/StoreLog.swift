public import StoreRecord

/// Rows on their way in and out, and the segments that they are sealed into.
public struct StoreLog: StorePart {
    package let context: StoreContext
    /// The queues of pushed rows, created with the first push.
    let pushes: @Sendable () -> PushQueues

    package init(context: StoreContext, pushes: @escaping @Sendable () -> PushQueues) {
        self.context = context
        self.pushes = pushes
    }
}
