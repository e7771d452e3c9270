/// Rows on their way in and out, and the segments that they are sealed into.
public struct StoreLog: StorePart {
    let context: StoreContext
    let pushes: PushQueues
}
