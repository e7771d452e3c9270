package import HTTPTypes
package import NIOCore
package import NIOHTTPTypes

/// Decides what happens to the parts of one connection's requests: which are held until they are whole, which go on to
/// the routes, and which wait behind a push. It is a state machine without a channel: its caller reports what happened,
/// and it says what to do, which `ShortCut` then does.
///
/// Answers keep the order of their requests. While a request that went on is still being answered, all others go on
/// too; while a push waits for its commit, what follows it waits here and nothing more is read.
package struct FastLane<Request> {
    /// A request that is being held, with what was made of its head.
    package struct Held {
        package let head: HTTPRequest
        package let request: Request
        package fileprivate(set) var body = ByteBuffer()
    }

    /// What to do with a part that arrived.
    package enum Action {
        /// Nothing: it is held, or waits.
        case keep
        /// Pass it on as it came.
        case pass
        /// Pass on what was held, which includes this part.
        case passHeld(Held)
        /// The request is whole: answer it here (`answered`), begin its push (`pushing`), or give it up (`giveUp`) and
        /// pass on both it and this part.
        case answer(Held)
    }

    /// What to do once everything that arrived has had its turn.
    package struct Settled {
        package var fault: (any Error)?
        package var inputIsClosed = false
        package var reads = false
        package var closes = false
    }

    /// A longer body isn't held.
    private let maximumBytes: Int
    /// Requests that went on and haven't been answered yet.
    private var unanswered = 0
    private var held: Held?
    /// Bytes of the held body that the driver has counted.
    package private(set) var counted = 0
    /// What came after a push that waits for its commit; nil if there is no such push.
    private var following: [HTTPRequestPart]?
    private var wantsRead = false
    private var isQuiescing = false
    private var inputIsClosed = false
    private var fault: (any Error)?

    package init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    package var isPushing: Bool { following != nil }

    /// - Parameter admit: what to hold a head as; nil if its request goes on. Called only if it may be held.
    package mutating func received(_ part: HTTPRequestPart, admit: (HTTPRequest) -> Request?) -> Action {
        if following != nil {
            following?.append(part)
            return .keep
        }
        switch part {
        case .head(let head):
            if unanswered == 0, let request = admit(head) {
                held = Held(head: head, request: request)
                return .keep
            }
            unanswered += 1
            return .pass
        case .body(var piece):
            guard held != nil else { return .pass }
            if held!.body.readableBytes == 0 { held!.body = piece } else { held!.body.writeBuffer(&piece) }
            return held!.body.readableBytes > maximumBytes ? giveUp().map(Action.passHeld) ?? .keep : .keep
        case .end: return held.map(Action.answer) ?? .pass
        }
    }

    /// A body that comes in several parts takes up memory meanwhile: this is how many bytes have arrived but not been
    /// counted.
    package var uncounted: Int { held.map { $0.body.readableBytes - counted } ?? 0 }

    package mutating func count(_ bytes: Int) { counted += bytes }

    /// The held request was answered.
    package mutating func answered() {
        held = nil
        counted = 0
    }

    /// The held request is a push, which has begun.
    package mutating func pushing() {
        answered()
        following = []
    }

    /// - Returns: the held request, which goes on instead and counts as unanswered again.
    package mutating func giveUp() -> Held? {
        guard let request = held else { return nil }
        answered()
        unanswered += 1
        return request
    }

    /// The push was committed or refused, and answered.
    ///
    /// - Returns: what came after it, to be received again in this order; then call `settle`.
    package mutating func pushed() -> [HTTPRequestPart] {
        defer { following = nil }
        return following ?? []
    }

    /// What waited has had its turn. Nothing happens if another push is waiting by now.
    package mutating func settle() -> Settled {
        guard following == nil else { return Settled() }
        let settled = Settled(
            fault: fault, inputIsClosed: inputIsClosed, reads: wantsRead,
            closes: isQuiescing && held == nil && unanswered == 0)
        (fault, inputIsClosed, wantsRead) = (nil, false, false)
        return settled
    }

    /// A route has answered a request that went on.
    package mutating func routeAnswered() { unanswered -= 1 }

    /// Whether more may be read now; if not, `settle` says when.
    package mutating func mayRead() -> Bool {
        if following != nil { wantsRead = true }
        return following == nil
    }

    /// The server is shutting down. Returns whether to tell the others now: a push is committed and answered first.
    package mutating func quiesces() -> Bool {
        if following != nil { isQuiescing = true }
        return following == nil
    }

    /// The client has sent everything. Returns whether to tell the others now.
    package mutating func inputCloses() -> Bool {
        if following != nil { inputIsClosed = true }
        return following == nil
    }

    /// What arrived wasn't HTTP. Returns whether to tell the others now: earlier answers come first.
    package mutating func failed(_ error: any Error) -> Bool {
        if following != nil { fault = fault ?? error }
        return following == nil
    }
}
