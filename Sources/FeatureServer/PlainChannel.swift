import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// HTTP/1.1 as it has to be: with a Host.
struct PlainChannel: ServerChildChannel {
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let given = try pipeline.context(handlerType: HTTP1ToHTTPServerCodec.self)
            try pipeline.addHandler(StrictCodec(), position: .before(given.handler))
            pipeline.removeHandler(context: given, promise: nil)
            return value
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// Replaces NIO's codec, which doesn't tell HTTP/1.1 from 1.0: the first HTTP/1.1 request with no Host, or with several
/// (RFC 9112), ends its connection with 400.
private final class StrictCodec: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private var isOver = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOver { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            do {
                try requireHost(head)
                context.fireChannelRead(wrapInboundOut(.head(try HTTPRequest(head, secure: false, splitCookie: false))))
            } catch {
                isOver = true
                context.fireErrorCaught(error)
            }
        case .body(let piece): context.fireChannelRead(wrapInboundOut(.body(piece)))
        case .end(let trailers):
            context.fireChannelRead(wrapInboundOut(.end(trailers.map { HTTPFields($0, splitCookie: false) })))
        }
    }

    private func requireHost(_ head: HTTPRequestHead) throws {
        var count = 0
        for (name, _) in head.headers where name.utf8.count == 4 && name.lowercased() == "host" { count += 1 }
        guard count == 1 || count == 0 && head.version == .http1_0 else { throw HTTPParserError.invalidHeaderToken }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head): context.write(wrapOutboundOut(.head(HTTPResponseHead(head))), promise: promise)
        case .body(let piece): context.write(wrapOutboundOut(.body(.byteBuffer(piece))), promise: promise)
        case .end(let trailers): context.write(wrapOutboundOut(.end(trailers.map(HTTPHeaders.init))), promise: promise)
        }
    }
}
