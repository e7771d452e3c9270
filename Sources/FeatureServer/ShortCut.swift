import FeatureStore
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers where they come in, on the connection's own thread: the lookups that memory can answer, and small pushes of JSON, once they are committed. Everything
/// else goes on to the routes.
///
/// A request is held until its body is whole. If it isn't a plain one, or memory lacks something, it goes on as it came. Answers keep their order: while
/// another of the same connection is still being answered by a route, all go on, and while a push waits for its commit, what follows it waits here.
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

    private let store: Store
    private let gatekeeper: Gatekeeper?
    private let metrics: ServerMetrics
    /// Requests that went on and aren't answered yet.
    private var unanswered = 0
    /// One whose body is still coming.
    private var held: Held?
    /// What came after a push that waits for its commit; nil where none does. No more is read then.
    private var following: [NIOAny]?
    private var isReadHeld = false
    private var isQuiescing = false

    /// A longer body is nothing for this thread.
    private static let maximumBytes = 1 << 18

    /// - Parameter gatekeeper: whose token a request must bear; the routes refuse it.
    init(_ store: Store, _ gatekeeper: Gatekeeper?, _ metrics: ServerMetrics) {
        self.store = store
        self.gatekeeper = gatekeeper
        self.metrics = metrics
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
        guard head.method == .post, let path = head.path, head.headerFields[.expect] == nil, head.headerFields[.contentEncoding] == nil,
            head.headerFields[.connection].map({ $0.lowercased() == "keep-alive" }) ?? true
        else { return nil }
        let kind: Kind, needed: TokenRole
        if path == "/v1/lookup" {
            (kind, needed) = (.lookup, .read)
        } else if path.hasPrefix("/v1/sources/"), path.hasSuffix("/rows"), head.headerFields[.contentType] == "application/json" {
            let source = path.dropFirst(12).dropLast(5), key = head.headerFields[.idempotencyKey]
            guard key.map({ (1...255).contains($0.utf8.count) }) ?? true else { return nil }
            (kind, needed) = (.push(source: String(source), idempotencyKey: key), .write)
        } else {
            return nil
        }
        guard let gatekeeper else { return Held(head: head, kind: kind) }
        guard let token = gatekeeper.token(head.headerFields[.authorization]), token.role >= needed else { return nil }
        if case .push(let source, _) = kind, !token.bounds.includes(source: source) { return nil }
        return Held(head: head, kind: kind, token: token)
    }

    /// False where it can't be answered here.
    private func answer(_ request: Held, _ context: ChannelHandlerContext) -> Bool {
        let began = ContinuousClock.now, body = Array(request.body.readableBytesView)
        switch request.kind {
        case .lookup:
            guard let answer = store.answerFromMemory(body, actor: request.token?.name, bounds: request.token?.bounds ?? .none) else { return false }
            held = nil
            metrics.count(.lookup, .now - began)
            respond(.ok, answer, in: context)
        case .push(let source, let key):
            let (loop, bound) = (context.eventLoop, NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop))
            let isTaken = store.pushAhead(body, into: source, idempotencyKey: key, actor: request.token?.name) { result in
                loop.execute { bound.value.handler.finish(result, since: began, bound.value.context) }
            }
            guard isTaken else { return false }
            held = nil
            following = []
        }
        return true
    }

    /// A push was committed or refused: what came after it has its turn.
    private func finish(_ result: Result<Store.Pushed, any Error>, since began: ContinuousClock.Instant, _ context: ChannelHandlerContext) {
        switch result {
        case .success(let pushed):
            metrics.count(.push, .now - began)
            respond(.ok, pushed.json, in: context)
        case .failure(let error):
            let problem = Problem(error)
            metrics.count(ServerMetrics.Route.push.path, "POST", status: problem.status.code, .now - began)
            respond(problem.status, problem.body, problem.headers, in: context)
        }
        let parts = following ?? []
        following = nil
        for part in parts { channelRead(context: context, data: part) }
        if isReadHeld, following == nil {
            isReadHeld = false
            context.read()
        }
        if isQuiescing, held == nil, following == nil, unanswered == 0 { context.close(promise: nil) }
    }

    private func respond(_ status: HTTPResponse.Status, _ body: [UInt8], _ headers: HTTPFields = [.contentType: "application/json"], in context: ChannelHandlerContext) {
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
        unanswered += 1
        context.fireChannelRead(wrapInboundOut(.head(request.head)))
        if request.body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(request.body))) }
    }

    /// A server that ends lets a push be committed and answered before its connection closes.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is ChannelShouldQuiesceEvent, following != nil else { return context.fireUserInboundEventTriggered(event) }
        isQuiescing = true
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }
}

extension HTTPField.Name {
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}
