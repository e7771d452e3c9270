public import StoreRecord

/// Rows on their way in and out, and the segments that they are sealed into.
public struct StoreLog: StorePart {
    package let context: StoreContext
    let pushes: PushQueues

    package init(context: StoreContext, pushes: PushQueues) {
        self.context = context
        self.pushes = pushes
    }
}
