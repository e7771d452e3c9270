internal import Dispatch
internal import Synchronization

/// The results of `body` for 0 ..< `count`, computed by several threads, each taking the next index that is free.
///
/// - Throws: the first error; no index is begun after it.
package func parallel<T: Sendable, E: Error>(_ count: Int, threads: Int, _ body: @Sendable (Int) throws(E) -> T)
    throws(E) -> [T]
{
    guard threads > 1, count > 1 else {
        var results: [T] = []
        for index in 0..<count { results.append(try body(index)) }
        return results
    }
    let state = Mutex((next: 0, results: [T?](repeating: nil, count: count), fault: E?.none))
    DispatchQueue.concurrentPerform(iterations: min(threads, count)) { _ in
        while true {
            let index = state.withLock { state -> Int? in
                guard state.fault == nil, state.next < count else { return nil }
                defer { state.next += 1 }
                return state.next
            }
            guard let index else { return }
            do throws(E) {
                let result = try body(index)
                state.withLock { $0.results[index] = result }
            } catch {
                state.withLock { $0.fault = $0.fault ?? error }
            }
        }
    }
    let (results, fault) = state.withLock { ($0.results, $0.fault) }
    if let fault { throw fault }
    return results.map { $0! }
}
