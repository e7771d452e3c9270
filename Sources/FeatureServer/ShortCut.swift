import FeatureStore
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers where they come in, on the connection's own thread: the lookups that memory can answer, and small pushes of
/// JSON, once they are committed. Everything else goes on to the routes.
///
/// A request is held until its body is whole. If it isn't a plain one, or memory lacks something, it goes on as it
/// came. Answers keep their order: while another of the same connection is still being answered by a route, all go on,
/// and while a push waits for its commit, what follows it waits here.
final class ShortCut: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private enum Kind {
        case lookup
        case push(source: String, idempotencyKey: String?)
    }

    private struct Held {
        var head: HTTPRequest
        var kind: Kind
        /// Who asks; nil where no tokens are asked for.
        var token: Token?
        var body = ByteBuffer()
    }

    private let pushes: StoreLog
    private let lookups: StoreServing
    private let gatekeeper: Gatekeeper?
    private let metrics: ServerMetrics
    /// Nil where requests bear tokens, or anybody may ask.
    private let foreign: ForeignRequests?
    /// The name under which this connection's client knows the server, once it was found to be one.
    private var knownAuthority: String?
    /// What bodies may take up that haven't come whole, and how much of that is held here.
    private let memory: Budget
    private var counted = 0
    private let accessLog: AccessLog?
    /// Where the client is, once it was asked.
    private var address: String?
    /// Requests that went on and aren't answered yet.
    private var unanswered = 0
    /// One whose body is still coming.
    private var held: Held?
    /// What came after a push that waits for its commit; nil where none does. No more is read then.
    private var following: [NIOAny]?
    private var isReadHeld = false
    private var isQuiescing = false
    /// Events of the connection that came after what waits.
    private var isInputClosed = false
    private var fault: (any Error)?

    /// A longer body is nothing for this thread.
    fileprivate static let maximumBytes = 1 << 18

    /// - Parameters:
    ///   - gatekeeper: whose token a request must bear; the routes refuse it.
    ///   - foreign: what isn't answered at all; the routes refuse it.
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

    /// Bodies that come in several parts take up memory meanwhile.
    func channelReadComplete(context: ChannelHandlerContext) {
        if let more = held.map({ $0.body.readableBytes - counted }), more > 0 {
            if memory.takeNow(more, for: "") { counted += more } else { goOn(context) }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        uncount()
        context.fireChannelInactive()
    }

    private func uncount() {
        if counted > 0 { memory.give(counted, from: "") }
        counted = 0
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if following != nil {
            following?.append(data)
            return
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            if unanswered == 0, let request = plain(head) {
                held = request
            } else {
                unanswered += 1
                context.fireChannelRead(data)
            }
        case .body(var piece):
            guard held != nil else { return context.fireChannelRead(data) }
            if held!.body.readableBytes == 0 { held!.body = piece } else { held!.body.writeBuffer(&piece) }
            if held!.body.readableBytes > ShortCut.maximumBytes { goOn(context) }
        case .end:
            guard let request = held else { return context.fireChannelRead(data) }
            if !answer(request, context) {
                goOn(context)
                context.fireChannelRead(data)
            }
        }
    }

    func read(context: ChannelHandlerContext) {
        if following == nil { context.read() } else { isReadHeld = true }
    }

    /// What a request is to be held as; nil where it goes on: also where its token doesn't do.
    private func plain(_ head: HTTPRequest) -> Held? {
        guard head.method == .post, let path = head.path, isKnown(head.authority),
            let fields = PlainFields(head.headerFields)
        else { return nil }
        let kind: Kind, needed: TokenRole
        if path == "/v1/lookup" {
            (kind, needed) = (.lookup, .read)
        } else if path.hasPrefix("/v1/sources/"), path.hasSuffix("/rows") {
            guard fields.key.map({ (1...255).contains($0.utf8.count) }) ?? true else { return nil }
            (kind, needed) = (.push(source: String(path.dropFirst(12).dropLast(5)), idempotencyKey: fields.key), .write)
        } else {
            return nil
        }
        guard let gatekeeper else { return Held(head: head, kind: kind) }
        guard let token = gatekeeper.token(fields.authorization), token.role >= needed else { return nil }
        if case .push(let source, _) = kind, !token.bounds.includes(source: source) { return nil }
        return Held(head: head, kind: kind, token: token)
    }

    private func isKnown(_ authority: String?) -> Bool {
        guard let foreign, authority != knownAuthority else { return true }
        guard foreign.knows(authority) else { return false }
        knownAuthority = authority
        return true
    }

    /// False where it can't be answered here.
    private func answer(_ request: Held, _ context: ChannelHandlerContext) -> Bool {
        let began = ContinuousClock.now, body = Array(request.body.readableBytesView)
        switch request.kind {
        case .lookup:
            var set: String?
            guard
                let answer = lookups.answerFromMemory(
                    body, actor: request.token?.name, bounds: request.token?.bounds ?? .none, tell: { set = $0 })
            else { return false }
            held = nil
            uncount()
            metrics.count(.lookup, .now - began)
            log(.lookup, set: set, by: request.token, since: began, context)
            respond(.ok, answer, in: context)
        case .push(let source, let key):
            let (loop, bound) = (
                context.eventLoop, NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
            )
            let isTaken = pushes.pushAhead(body, into: source, idempotencyKey: key, actor: request.token?.name) {
                result in
                loop.execute {
                    bound.value.handler.finish(result, of: request, into: source, since: began, bound.value.context)
                }
            }
            guard isTaken else { return false }
            held = nil
            uncount()
            following = []
        }
        return true
    }

    /// A push was committed or refused: what came after it has its turn.
    private func finish(
        _ result: Result<StoreLog.Pushed, any Error>, of request: Held, into source: String,
        since began: ContinuousClock.Instant, _ context: ChannelHandlerContext
    ) {
        switch result {
        case .success(let pushed):
            metrics.count(.push, .now - began)
            log(.push, name: source, by: request.token, since: began, context)
            respond(.ok, pushed.json, in: context)
        case .failure(let error):
            let problem = Problem(error)
            metrics.count(ServerMetrics.Route.push.path, "POST", status: problem.status.code, .now - began)
            log(.push, name: source, by: request.token, status: problem.status.code, since: began, context)
            respond(problem.status, problem.body, problem.headers, in: context)
        }
        let parts = following ?? []
        following = nil
        for part in parts { channelRead(context: context, data: part) }
        if following == nil { tellEnd(context) }
        if isReadHeld, following == nil {
            isReadHeld = false
            context.read()
        }
        if isQuiescing, held == nil, following == nil, unanswered == 0 { context.close(promise: nil) }
    }

    private func log(
        _ route: ServerMetrics.Route, name: String? = nil, set: String? = nil, by token: Token?, status: Int = 200,
        since began: ContinuousClock.Instant,
        _ context: ChannelHandlerContext
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

    /// Sends on what was held.
    private func goOn(_ context: ChannelHandlerContext) {
        guard let request = held else { return }
        held = nil
        // Who answers it counts it again.
        uncount()
        unanswered += 1
        context.fireChannelRead(wrapInboundOut(.head(request.head)))
        if request.body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(request.body))) }
    }

    /// A server that ends, or a client that has said all, lets a push be committed and answered before its connection
    /// closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard following != nil else { return context.fireUserInboundEventTriggered(event) }
        if event is ChannelShouldQuiesceEvent {
            isQuiescing = true
        } else if case ChannelEvent.inputClosed? = event as? ChannelEvent {
            isInputClosed = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    /// What follows a push and isn't HTTP is refused after it was answered.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard following != nil else { return context.fireErrorCaught(error) }
        fault = fault ?? error
    }

    /// Says that nothing more comes, once all that came has had its turn.
    private func tellEnd(_ context: ChannelHandlerContext) {
        if let fault { context.fireErrorCaught(fault) }
        if isInputClosed { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        (fault, isInputClosed) = (nil, false)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }
}

/// What a plain request's head says beside its path, in one pass. Nil where something needs a closer look, which the
/// routes take.
private struct PlainFields {
    var authorization: String?
    var key: String?

    init?(_ fields: HTTPFields) {
        var isJSON = false
        for field in fields {
            let name = field.name.canonicalName
            // Most fields are told by their length.
            switch name.utf8.count {
            case 6 where name == "expect" || name == "origin", 14 where name == "sec-fetch-site",
                16 where name == "content-encoding":
                return nil
            case 10 where name == "connection": guard field.value.lowercased() == "keep-alive" else { return nil }
            // Who says that too much comes is answered before it does.
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
