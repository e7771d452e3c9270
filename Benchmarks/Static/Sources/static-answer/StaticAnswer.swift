import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOPosix

/// Answers `POST /v1/lookup` with a file's bytes, whatever is asked: static-answer hummingbird|handler|nio PORT FILE
@main
struct StaticAnswer {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = Int(arguments[2]), let body = FileManager.default.contents(atPath: arguments[3]) else {
            fatalError("static-answer hummingbird|handler|nio PORT FILE")
        }
        switch arguments[1] {
        case "nio": try await nio(port, ByteBuffer(bytes: body))
        case let kind: try await hummingbird(port, ByteBuffer(bytes: body), ahead: kind == "handler")
        }
    }

    /// A router with this one route, and nothing around it.
    ///
    /// - Parameter ahead: has a handler in the connection's channel answer before the router does.
    private static func hummingbird(_ port: Int, _ body: ByteBuffer, ahead: Bool) async throws {
        let router = Router()
        router.post("/v1/lookup") { _, _ in Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body)) }
        let channel = HTTP1Channel.Configuration(additionalChannelHandlers: ahead ? [AnswerAhead(body)] : [])
        try await Application(
            router: router, server: HTTPServerBuilder { HTTP1Channel(responder: $0, configuration: channel) },
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "static")
        ).runService()
    }

    /// A handler right behind NIO's codec.
    private static func nio(_ port: Int, _ body: ByteBuffer) async throws {
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false, withErrorHandling: false, withOutboundHeaderValidation: false)
                    try channel.pipeline.syncOperations.addHandler(Answer(body))
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        try await channel.closeFuture.get()
    }
}

private final class Answer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let body: ByteBuffer

    init(_ body: ByteBuffer) {
        self.body = body
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let headers: HTTPHeaders = ["content-type": "application/json", "content-length": String(body.readableBytes), "server": "static"]
        context.write(wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}

/// The same between hummingbird's codec and its router.
private final class AnswerAhead: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    private let body: ByteBuffer

    init(_ body: ByteBuffer) {
        self.body = body
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .end = unwrapInboundIn(data) else { return }
        let fields: HTTPFields = [.contentType: "application/json", .contentLength: String(body.readableBytes), .server: "static"]
        context.write(wrapOutboundOut(.head(HTTPResponse(status: .ok, headerFields: fields))), promise: nil)
        context.write(wrapOutboundOut(.body(body)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }
}
