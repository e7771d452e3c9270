import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// How slow a client may be before it is cut off.
public struct Patience: Sendable {
    /// How long a request may take to arrive: after this time it must have come at `leastRate`, and no pause may be
    /// longer.
    public var receiving = Duration.seconds(30)
    /// The least average rate at which a request must come, in bytes per second.
    public var leastRate = 1024.0
    /// How long a client may leave an answer that is ready for it untouched.
    public var sending = Duration.seconds(30)
    /// How long the rest of a request is discarded after it was answered early, so that a client that sends everything
    /// before it reads still gets the answer.
    public var lingering = Duration.seconds(30)
    /// How long a connection may be idle between two requests.
    public var idle = Duration.seconds(120)
    /// How long a connection may be idle before its first request.
    public var greeting = Duration.seconds(30)
    /// How often connections are checked.
    public var glance = Duration.seconds(5)

    public init() {}
}

/// Closes a connection whose client sends or takes too slowly, and reads nothing more from a client that doesn't take
/// its answers.
///
/// A server that is slow itself (it doesn't ask for more, or hasn't answered yet) never counts against the client.
final class PatientConnection: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let patience: Patience
    private let metrics: ServerMetrics
    private var glances: RepeatedTask?
    private var isGreeted = false
    private var isReceiving = false
    /// Requests whose answer isn't written yet.
    private var unanswered = 0
    /// Since when nothing has been asked and nothing answered.
    private var idleSince = ContinuousClock.now
    /// Since when more was asked for and nothing came.
    private var waitingSince: ContinuousClock.Instant?
    /// How long the arriving request has been waited for, and how many bytes of it have come.
    private var waited = Duration.zero
    private var received = 0
    private var stuckSince: ContinuousClock.Instant?
    /// A read that has to wait until the client takes its answers.
    private var isReadHeld = false
    /// Since when the rest of an answered request has been discarded.
    private var discardingSince: ContinuousClock.Instant?

    init(_ patience: Patience, _ metrics: ServerMetrics) {
        self.patience = patience
        self.metrics = metrics
    }

    func handlerAdded(context: ChannelHandlerContext) {
        idleSince = .now
        let bound = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        glances = context.eventLoop.scheduleRepeatedTask(
            initialDelay: TimeAmount(patience.glance), delay: TimeAmount(patience.glance)
        ) { _ in
            bound.value.handler.glance(bound.value.context)
        }
    }

    func handlerRemoved(context: ChannelHandlerContext) { glances?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        glances?.cancel()
        context.fireChannelInactive()
    }

    private func glance(_ context: ChannelHandlerContext) {
        let now = ContinuousClock.now
        let waiting = waited + (waitingSince.map { now - $0 } ?? .zero)
        let isSilent = waitingSince.map { now - $0 > patience.receiving } ?? false
        let isSlow =
            isReceiving
            && (isSilent
                || waiting > patience.receiving && Double(received) < patience.leastRate * (waiting / .seconds(1)))
        let isStuck = stuckSince.map { now - $0 > patience.sending } ?? false
        let isIdle =
            !isReceiving && unanswered == 0 && now - idleSince > (isGreeted ? patience.idle : patience.greeting)
        let isLingering = discardingSince.map { now - $0 > patience.lingering } ?? false
        guard isSlow || isStuck || isIdle || isLingering else { return }
        if !isIdle { metrics.countCutOff() }
        glances?.cancel()
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if let since = waitingSince {
            waited += .now - since
            waitingSince = nil
        }
        switch unwrapInboundIn(data) {
        case .head(let head):
            (isGreeted, isReceiving, waited, received) = (true, true, .zero, 0)
            unanswered += 1
            // The client waits for this before it sends its body, in some cases for a second.
            if head.headerFields[.expect]?.lowercased() == "100-continue" {
                context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
            }
        case .body(let piece):
            received += piece.readableBytes
            if discardingSince != nil { return }
        case .end: (isReceiving, discardingSince) = (false, nil)
        }
        context.fireChannelRead(data)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        // Nobody else asks for what is only discarded.
        if discardingSince != nil { read(context: context) }
        context.fireChannelReadComplete()
    }

    func read(context: ChannelHandlerContext) {
        guard context.channel.isWritable else {
            isReadHeld = true
            return
        }
        if waitingSince == nil { waitingSince = .now }
        context.read()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stuckSince = context.channel.isWritable ? nil : .now
        if context.channel.isWritable, isReadHeld {
            isReadHeld = false
            read(context: context)
        }
        context.fireChannelWritabilityChanged()
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            unanswered -= 1
            idleSince = .now
            if isReceiving, unanswered == 0, discardingSince == nil {
                discardingSince = .now
                context.write(data, promise: promise)
                return read(context: context)
            }
        }
        context.write(data, promise: promise)
    }
}
