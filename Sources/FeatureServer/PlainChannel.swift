import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// HTTP/1.1 that is what it has to be: with a Host.
struct PlainChannel: ServerChildChannel {
    let base: HTTP1Channel

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(HostRequired(), position: .after(pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)))
            return value
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}

/// Ends a connection with 400 at the first request of HTTP/1.1 that has no Host, or several (RFC 9112).
private final class HostRequired: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    private var isOver = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isOver { return }
        if case .head(let head) = unwrapInboundIn(data) {
            var count = 0
            for (name, _) in head.headers where name.utf8.count == 4 && name.lowercased() == "host" { count += 1 }
            guard count == 1 || count == 0 && head.version == .http1_0 else {
                isOver = true
                return context.fireErrorCaught(HTTPParserError.invalidHeaderToken)
            }
        }
        context.fireChannelRead(data)
    }
}
