import FeatureStore
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Answers the lookups that memory can answer where they come in, on the connection's own thread; everything else goes on to the routes.
///
/// A request is held until its body is whole. If it isn't a plain lookup, or memory lacks something, it goes on as it came. While another of the
/// same connection is still being answered by a route, all go on, so that answers keep their order.
final class FastLookup: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let store: Store
    private let gatekeeper: Gatekeeper?
    private let metrics: ServerMetrics
    /// Requests that went on and aren't answered yet.
    private var unanswered = 0
    /// A lookup whose body is still coming.
    private var held: (head: HTTPRequest, body: ByteBuffer, actor: String?)?

    /// A longer body is no ordinary lookup.
    private static let maximumBytes = 1 << 18

    /// - Parameter gatekeeper: whose token a request must bear; the routes refuse it.
    init(_ store: Store, _ gatekeeper: Gatekeeper?, _ metrics: ServerMetrics) {
        self.store = store
        self.gatekeeper = gatekeeper
        self.metrics = metrics
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if unanswered == 0, head.method == .post, head.path == "/v1/lookup", head.headerFields[.connection] == nil, head.headerFields[.expect] == nil, let bearer = bearer(head) {
                held = (head, ByteBuffer(), bearer.name)
            } else {
                unanswered += 1
                context.fireChannelRead(data)
            }
        case .body(var piece):
            guard held != nil else { return context.fireChannelRead(data) }
            if held!.body.readableBytes == 0 { held!.body = piece } else { held!.body.writeBuffer(&piece) }
            if held!.body.readableBytes > FastLookup.maximumBytes { goOn(context) }
        case .end:
            guard let (_, body, actor) = held else { return context.fireChannelRead(data) }
            let began = ContinuousClock.now
            if let answer = store.answerFromMemory(Array(body.readableBytesView), actor: actor) {
                held = nil
                metrics.countFast(.now - began)
                let fields: HTTPFields = [.contentType: "application/json", .contentLength: String(answer.count), .server: "firn"]
                context.write(wrapOutboundOut(.head(HTTPResponse(status: .ok, headerFields: fields))), promise: nil)
                context.write(wrapOutboundOut(.body(ByteBuffer(bytes: answer))), promise: nil)
                context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
            } else {
                goOn(context)
                context.fireChannelRead(data)
            }
        }
    }

    private struct Bearer {
        /// Nil where no tokens are asked for.
        var name: String?
    }

    /// Nil where a token is asked for and isn't there.
    private func bearer(_ head: HTTPRequest) -> Bearer? {
        guard let gatekeeper else { return Bearer() }
        return gatekeeper.token(head.headerFields[.authorization]).map { Bearer(name: $0.name) }
    }

    /// Sends on what was held.
    private func goOn(_ context: ChannelHandlerContext) {
        guard let (head, body, _) = held else { return }
        held = nil
        unanswered += 1
        context.fireChannelRead(wrapInboundOut(.head(head)))
        if body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(body))) }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { unanswered -= 1 }
        context.write(data, promise: promise)
    }
}
