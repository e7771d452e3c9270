import FeatureServer
import HTTPTypes
import NIOCore
import NIOHTTPTypes
import TestSupport
import Testing

/// The state machine of a connection's requests, without a connection: 3,000 random dialogues of ten requests, each
/// held against what HTTP asks of a server.
@Suite struct FastLaneTests {
    @Test func `every request is answered once, in its order, and what goes on goes on as it came`() throws {
        for seed in 0..<UInt64(3000) {
            var dialogue = Dialogue(seed: seed)
            let fault = dialogue.run()
            #expect(fault == nil, "seed \(seed): \(fault ?? "")")
            if fault != nil { return }
        }
    }

    @Test func `what ends a connection waits for the push before it`() {
        var lane = FastLane<Int>(maximumBytes: 10)
        #expect(lane.mayRead() && lane.quiesces() && lane.inputCloses() && lane.failed(CancellationError()))
        _ = lane.received(.head(Dialogue.head(0))) { _ in 0 }
        guard case .answer = lane.received(.end(nil), admit: { _ in nil }) else {
            Issue.record("a whole request is answered")
            return
        }
        lane.pushing()
        #expect(!lane.mayRead() && !lane.quiesces() && !lane.inputCloses() && !lane.failed(CancellationError()))
        #expect(lane.pushed().isEmpty)
        let settled = lane.settle()
        #expect(settled.reads && settled.closes && settled.inputIsClosed && settled.fault is CancellationError)
        #expect(lane.mayRead() && lane.inputCloses() && !lane.settle().inputIsClosed)
    }
}

/// A client, the routes and a log of pushes around a lane, all by chance.
private struct Dialogue {
    /// What a request is, by its number.
    private enum Kind { case routed, answerable, unanswerable, push, refusedPush }

    private var random: Randomness
    private var lane = FastLane<Int>(maximumBytes: 8)
    private let kinds: [Kind]
    private var coming: [HTTPRequestPart] = []
    /// What the routes got, and what was sent.
    private var passed: [HTTPRequestPart] = []
    private var sent: [HTTPRequestPart] = []
    /// Requests that the routes have whole and haven't answered, and all that were answered.
    private var waiting: [Int] = []
    private var answers: [Int] = []
    private var pushing: Int?
    /// Bytes that are counted somewhere else.
    private var counted = 0

    static func head(_ number: Int) -> HTTPRequest {
        HTTPRequest(method: .post, scheme: nil, authority: nil, path: "/\(number)")
    }

    init(seed: UInt64) {
        random = Randomness(seed: seed)
        var random = random
        kinds = (0..<10).map { _ in
            random.pick([.routed, .answerable, .answerable, .unanswerable, .push, .refusedPush])
        }
        for number in kinds.indices {
            coming.append(.head(Dialogue.head(number)))
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                coming.append(
                    .body(ByteBuffer(bytes: [UInt8](repeating: UInt8(number), count: random.pick([0, 1, 5])))))
            }
            coming.append(.end(nil))
        }
        sent = coming
    }

    /// - Returns: what is wrong.
    mutating func run() -> String? {
        var steps = 0
        while answers.count < kinds.count {
            steps += 1
            if steps > 2000 { return "it stands still: \(answers) of \(kinds)" }
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                // Several parts may be on their way when reading stops.
                guard !coming.isEmpty, lane.mayRead() || random.chance(20) else { continue }
                receive(coming.removeFirst())
                if random.chance(50), lane.uncounted > 0 {
                    if random.chance(80) {
                        counted += lane.uncounted
                        lane.count(lane.uncounted)
                    } else {
                        giveUp()
                    }
                }
            case 2:
                if !waiting.isEmpty {
                    answers.append(waiting.removeFirst())
                    lane.routeAnswered()
                }
            default:
                if let number = pushing {
                    answers.append(number)
                    pushing = nil
                    for part in lane.pushed() { receive(part) }
                    _ = lane.settle()
                }
            }
            if counted != lane.counted { return "\(counted) bytes are counted, and \(lane.counted) held" }
            if lane.isPushing != (pushing != nil) { return "a push is forgotten" }
        }
        if answers != Array(kinds.indices) { return "answered in the order \(answers)" }
        return Dialogue.bodies(passed).allSatisfy { Dialogue.bodies(sent)[$0.key] == $0.value }
            ? nil : "a body went on as another"
    }

    private mutating func receive(_ part: HTTPRequestPart) {
        let before = lane.counted, kinds = kinds
        switch lane.received(
            part, admit: { head in Int(head.path!.dropFirst()).flatMap { kinds[$0] == .routed ? nil : $0 } })
        {
        case .keep: break
        case .pass: pass(part)
        case .passHeld(let held):
            counted -= before
            pass(held)
        case .answer(let held):
            switch kinds[held.request] {
            case .answerable:
                counted -= lane.counted
                lane.answered()
                answers.append(held.request)
            case .push:
                counted -= lane.counted
                lane.pushing()
                pushing = held.request
            case .routed, .unanswerable, .refusedPush:
                giveUp()
                pass(part)
            }
        }
    }

    private mutating func giveUp() {
        counted -= lane.counted
        if let held = lane.giveUp() { pass(held) }
    }

    private mutating func pass(_ held: FastLane<Int>.Held) {
        pass(.head(held.head))
        if held.body.readableBytes > 0 { pass(.body(held.body)) }
    }

    private mutating func pass(_ part: HTTPRequestPart) {
        passed.append(part)
        guard case .end = part else { return }
        let last = passed.last { if case .head = $0 { true } else { false } }
        if case .head(let head)? = last, let number = Int(head.path!.dropFirst()) { waiting.append(number) }
    }

    /// Each request's body.
    private static func bodies(_ parts: [HTTPRequestPart]) -> [String: [UInt8]] {
        var bodies: [String: [UInt8]] = [:], path = ""
        for part in parts {
            switch part {
            case .head(let head): path = head.path!
            case .body(let piece): bodies[path, default: []] += Array(piece.readableBytesView)
            case .end: bodies[path, default: []] += []
            }
        }
        return bodies
    }
}
