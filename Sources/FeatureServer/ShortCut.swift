import FeatureStore
import FeatureLanguage
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers requests where they come in, on the connection's own thread: lookups that memory can answer, and small JSON
/// pushes once they are committed. Everything else goes on to the routes: requests that aren't plain, and lookups for
/// which memory lacks something. `FastLane` decides what waits for what.
final class ShortCut: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    /// A request that may be answered here.
    private struct Plain {
        var route: FastRoute
        /// The source of a push.
        var name = ""
        var idempotencyKey: String?
        /// Who asks; nil if no tokens are required.
        var token: Token?
    }

    private let pushes: StoreLog
    private let lookups: StoreServing
    private let gatekeeper: Gatekeeper?
    private let metrics: ServerMetrics
    /// Nil if requests bear tokens, or anybody may ask.
    private let foreign: ForeignRequests?
    /// The name by which this connection's client addresses the server, once it was found to be valid.
    private var knownAuthority: String?
    /// The memory for bodies that haven't arrived whole.
    private let memory: Budget
    private let accessLog: AccessLog?
    /// The client's address, once it was asked for.
    private var address: String?
    private var lane = FastLane<Plain>(maximumBytes: ShortCut.maximumBytes)

    /// A longer body is not for this thread.
    fileprivate static let maximumBytes = 1 << 18

    /// - Parameters:
    ///   - gatekeeper: knows the token that a request must bear; the routes refuse those without one.
    ///   - foreign: detects requests that aren't answered at all; the routes refuse them.
    init(
        _ store: Store, _ gatekeeper: Gatekeeper?, _ metrics: ServerMetrics, _ foreign: ForeignRequests?,
        _ memory: Budget, _ accessLog: AccessLog?
    ) {
        (pushes, lookups) = (store.log, store.serving)
        self.gatekeeper = gatekeeper
        self.metrics = metrics
        self.foreign = foreign
        self.memory = memory
        self.accessLog = accessLog
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        let more = lane.uncounted
        if more > 0 {
            if memory.takeNow(more, for: "") { lane.count(more) } else { goOn(context) }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        give(back: lane.counted)
        lane.count(-lane.counted)
        context.fireChannelInactive()
    }

    private func give(back bytes: Int) { if bytes > 0 { memory.give(bytes, from: "") } }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { receive(unwrapInboundIn(data), context) }

    private func receive(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        let counted = lane.counted
        switch lane.received(part, admit: plain) {
        case .keep: break
        case .pass: context.fireChannelRead(wrapInboundOut(part))
        case .passHeld(let held):
            give(back: counted)
            pass(held, context)
        case .answer(let held):
            if !answer(held, context) {
                goOn(context)
                context.fireChannelRead(wrapInboundOut(part))
            }
        }
    }

    func read(context: ChannelHandlerContext) { if lane.mayRead() { context.read() } }

    /// What to hold a request as; nil if it goes on, as it also does if its token isn't sufficient.
    private func plain(_ head: HTTPRequest) -> Plain? {
        guard head.method == .post, let path = head.path, isKnown(head.authority),
            let (route, name) = FastRoute.of(path), let fields = PlainFields(head.headerFields),
            fields.key.map({ (1...255).contains($0.utf8.count) }) ?? true
        else { return nil }
        var request = Plain(route: route, name: name, idempotencyKey: fields.key)
        guard let gatekeeper else { return request }
        guard let token = gatekeeper.token(fields.authorization), token.role >= route.role,
            route != .push || token.bounds.includes(source: name)
        else { return nil }
        request.token = token
        return request
    }

    private func isKnown(_ authority: String?) -> Bool {
        guard let foreign, authority != knownAuthority else { return true }
        guard foreign.knows(authority) else { return false }
        knownAuthority = authority
        return true
    }

    /// False if it can't be answered here.
    private func answer(_ held: FastLane<Plain>.Held, _ context: ChannelHandlerContext) -> Bool {
        let began = ContinuousClock.now, body = Array(held.body.readableBytesView), request = held.request
        switch request.route {
        case .lookup:
            var set: String?
            guard
                let answer = lookups.answerFromMemory(
                    body, actor: request.token?.name, bounds: request.token?.bounds ?? .none, tell: { set = $0 })
            else { return false }
            give(back: lane.counted)
            lane.answered()
            metrics.count(.lookup, .now - began)
            log(.lookup, set: set, by: request.token, since: began, context)
            respond(.ok, answer, in: context)
        case .push:
            let (loop, bound) = (
                context.eventLoop, NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            )
            let isTaken = pushes.pushAhead(
                body, into: request.name, idempotencyKey: request.idempotencyKey, actor: request.token?.name
            ) { result in
                loop.execute { bound.value.handler.finish(result, of: request, since: began, bound.value.context) }
            }
            guard isTaken else { return false }
            give(back: lane.counted)
            lane.pushing()
        }
        return true
    }

    /// A push was committed or refused: what came after it gets its turn.
    private func finish(
        _ result: Result<StoreLog.Pushed, any Error>, of request: Plain, since began: ContinuousClock.Instant,
        _ context: ChannelHandlerContext
    ) {
        switch result {
        case .success(let pushed):
            metrics.count(.push, .now - began)
            log(.push, name: request.name, by: request.token, since: began, context)
            respond(.ok, pushed.json, in: context)
        case .failure(let error):
            let problem = Problem(error)
            metrics.count(FastRoute.push.path, "POST", status: problem.status.code, .now - began)
            log(.push, name: request.name, by: request.token, status: problem.status.code, since: began, context)
            respond(problem.status, problem.body, problem.headers, in: context)
        }
        for part in lane.pushed() { receive(part, context) }
        let settled = lane.settle()
        if let fault = settled.fault { context.fireErrorCaught(fault) }
        if settled.inputIsClosed { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        if settled.reads { context.read() }
        if settled.closes { context.close(promise: nil) }
    }

    private func log(
        _ route: FastRoute, name: String? = nil, set: String? = nil, by token: Token?, status: Int = 200,
        since began: ContinuousClock.Instant, _ context: ChannelHandlerContext
    ) {
        guard let accessLog else { return }
        if address == nil { address = context.remoteAddress?.ipAddress }
        accessLog.write(
            "POST", route.path, name: name, set: set, by: token, from: address, status: status, .now - began)
    }

    private func respond(
        _ status: HTTPResponse.Status, _ body: [UInt8], _ headers: HTTPFields = [.contentType: "application/json"],
        in context: ChannelHandlerContext
    ) {
        guard context.channel.isActive else { return }
        var fields = headers
        fields[.contentLength] = String(body.count)
        fields[.server] = "firn"
        context.write(wrapOutboundOut(.head(HTTPResponse(status: status, headerFields: fields))), promise: nil)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    /// Passes on what is held.
    private func goOn(_ context: ChannelHandlerContext) {
        give(back: lane.counted)
        if let held = lane.giveUp() { pass(held, context) }
    }

    private func pass(_ held: FastLane<Plain>.Held, _ context: ChannelHandlerContext) {
        context.fireChannelRead(wrapInboundOut(.head(held.head)))
        if held.body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(held.body))) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        let isForOthers =
            if event is ChannelShouldQuiesceEvent {
                lane.quiesces()
            } else if case ChannelEvent.inputClosed? = event as? ChannelEvent {
                lane.inputCloses()
            } else {
                true
            }
        if isForOthers { context.fireUserInboundEventTriggered(event) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if lane.failed(error) { context.fireErrorCaught(error) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { lane.routeAnswered() }
        context.write(data, promise: promise)
    }
}

/// A route that `ShortCut` may answer where it comes in: what it and the router have to agree on.
enum FastRoute: Int, CaseIterable {
    case lookup, push

    /// The path as the API's description writes it.
    var path: String {
        switch self {
        case .lookup: "/v1/lookup"
        case .push: "/v1/sources/{name}/rows"
        }
    }

    var role: TokenRole {
        switch self {
        case .lookup: .read
        case .push: .write
        }
    }

    /// The route that a path belongs to, and the name in the path.
    static func of(_ path: String) -> (FastRoute, name: String)? {
        if path == "/v1/lookup" { return (.lookup, "") }
        guard path.hasPrefix("/v1/sources/"), path.hasSuffix("/rows") else { return nil }
        return (.push, String(path.dropFirst(12).dropLast(5)))
    }
}

/// What a plain request's head says besides its path, read in one pass. Nil if something needs a closer look, which the
/// routes take.
private struct PlainFields {
    var authorization: String?
    var key: String?

    init?(_ fields: HTTPFields) {
        var isJSON = false
        for field in fields {
            let name = field.name.canonicalName
            // Most fields can be told apart by their length.
            switch name.utf8.count {
            case 6 where name == "expect" || name == "origin", 14 where name == "sec-fetch-site",
                16 where name == "content-encoding":
                return nil
            case 10 where name == "connection": guard field.value.lowercased() == "keep-alive" else { return nil }
            // A client that announces too much is answered before it sends it.
            case 14 where name == "content-length":
                guard Int(field.value).map({ $0 <= ShortCut.maximumBytes }) ?? false else { return nil }
            case 12 where name == "content-type":
                guard !isJSON, field.value == "application/json" || field.value.hasPrefix("application/json;") else {
                    return nil
                }
                isJSON = true
            case 13 where name == "authorization":
                guard authorization == nil else { return nil }
                authorization = field.value
            case 15 where name == "idempotency-key":
                guard key == nil else { return nil }
                key = field.value
            default: break
            }
        }
        guard isJSON else { return nil }
    }
}

extension HTTPField.Name {
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}
