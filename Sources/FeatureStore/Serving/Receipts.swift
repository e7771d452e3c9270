internal import FeatureEngine
internal import FeatureLanguage
internal import Foundation
internal import Postgres
internal import ServingMemory
internal import StoreRecord
internal import Synchronization
internal import Tables

/// A lookup as it was answered: what is needed to compute it again.
struct Receipt: Sendable {
    var id: String
    var asked: LookupRequest.Resolved
    /// The fingerprint of each output's function.
    var fingerprints: [String]
    var actor: String
    /// The keys and request inputs, a row for each entity asked for.
    var inputs: [String: Column]
    var answer: LookupAnswer
}

/// Lookups on their way into the lookup log, `firn_log.lookups`: written in the background, so that no answer waits for
/// it.
///
/// Bounded: if more come than can be written, or the database is away for long, lookups go without a receipt, and are
/// counted.
public final class Receipts: Sendable {
    private struct State {
        var queue: [Receipt] = []
        var cells = 0
        var isWriting = false
        var nextTidying: ContinuousClock.Instant?
        var retention = 30
        var rate = 0.0
        var counts = Counts()
    }

    /// What became of receipts since the store was opened.
    public struct Counts: Sendable {
        /// Receipts that were written, and those for which there was no room.
        public var written = 0, dropped = 0
    }

    private let pool: Pool
    private let state = Mutex(State())

    private static let mostWaiting = 10_000
    /// The most values in all receipts that wait.
    private static let mostCells = 2_000_000
    /// The most receipts that are written in one transaction.
    private static let together = 500

    init(pool: Pool) {
        self.pool = pool
    }

    /// Sets how many lookups are kept by chance, and for how long.
    ///
    /// - Parameters:
    ///   - rate: the share of lookups that are kept though nobody asked for it, 0 to 1.
    ///   - retention: how many days they stay.
    public func configure(rate: Double, retention: Int) {
        state.withLock { state in
            state.rate = rate
            state.retention = retention
        }
    }

    /// What became of receipts so far.
    public var counts: Counts { state.withLock { $0.counts } }

    /// Whether a lookup is one of those that are kept by chance.
    func isSampled() -> Bool {
        let rate = state.withLock { $0.rate }
        return rate > 0 && Double.random(in: 0..<1) < rate
    }

    /// Keeps a lookup, and returns its receipt; nil where there is no room.
    func keep(
        _ asked: LookupRequest.Resolved, _ functions: [Function], _ spine: Spine, _ answer: LookupAnswer, actor: String
    ) -> String? {
        let receipt = Receipt(
            id: UUID().uuidString.lowercased(), asked: asked, fingerprints: functions.map(\.fingerprint.description),
            actor: actor, inputs: spine.columns, answer: answer)
        let cells = answer.rowCount * max(1, answer.columns.count)
        return state.withLock { state -> String? in
            guard state.queue.count < Receipts.mostWaiting, state.cells + cells <= Receipts.mostCells else {
                state.counts.dropped += 1
                return nil
            }
            state.queue.append(receipt)
            state.cells += cells
            if !state.isWriting {
                state.isWriting = true
                Task.detached { [self] in await write() }
            }
            return receipt.id
        }
    }

    /// Returns once nothing waits any more, or after `bound`.
    public func flush(atMost bound: Duration = .seconds(30)) async {
        let began = ContinuousClock.now
        while state.withLock({ $0.isWriting }), ContinuousClock.now - began < bound {
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    func close() { pool.close() }

    private func write() async {
        var most = Receipts.together
        while true {
            // What comes together is written together.
            try? await Task.sleep(for: .milliseconds(20))
            let (batch, tidying) = state.withLock { state in
                (
                    Array(state.queue.prefix(most)),
                    state.nextTidying.map { $0 <= .now } ?? true ? state.retention : nil
                )
            }
            do {
                try await pool.run { connection in
                    if let days = tidying { try connection.execute("select firn.keep_lookups(\(days)::int)") }
                    try Receipts.insert(batch, connection)
                }
            } catch let error as PostgresError where error.isClosed {
                return state.withLock { $0.isWriting = false }
            } catch let error as PostgresError where error.code.hasPrefix("22") {
                // One of them holds what the database refuses: it is looked for, and dropped, so that the others go on.
                if batch.count == 1, finish(batch, isWritten: false) { return }
                most = max(1, batch.count / 2)
                continue
            } catch {
                // They wait for the database to come back.
                try? await Task.sleep(for: .seconds(1))
                continue
            }
            most = min(Receipts.together, most * 2)
            if tidying != nil { state.withLock { $0.nextTidying = .now + .seconds(3600) } }
            if finish(batch, isWritten: true) { return }
        }
    }

    /// Takes receipts off the queue; returns whether none is left, and then nothing is being written any more.
    private func finish(_ batch: [Receipt], isWritten: Bool) -> Bool {
        state.withLock { state in
            state.queue.removeFirst(batch.count)
            state.cells -= batch.reduce(0) { $0 + $1.answer.rowCount * max(1, $1.answer.columns.count) }
            if isWritten { state.counts.written += batch.count } else { state.counts.dropped += batch.count }
            state.isWriting = !state.queue.isEmpty
            return state.queue.isEmpty
        }
    }

    private static func insert(_ batch: [Receipt], _ connection: Connection) throws {
        let statements = batch.map { receipt -> SQL in
            let features: Parameter =
                if case .features(let names) = receipt.asked.target { .array(.text, names.map { .text($0) }) } else {
                    .array(.text, [])
                }
            let inputs = JSON.object(
                receipt.inputs.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) })
            let cuts = JSON.object(
                receipt.answer.cuts.sorted { $0.key < $1.key }.map { JSON.Member($0.key, JSON($0.value)) })
            return """
                insert into firn_log.lookups (receipt, as_of, set_name, features, outputs, fingerprints, engine, actor, is_stale, cuts, inputs, answers, pointer, model)
                values (\(receipt.id)::text::uuid, \(.timestamp(receipt.answer.asOf.microseconds)), \(receipt.asked.target.set), \(features),
                    \(.array(.text, receipt.answer.features.map { .text($0) })), \(.array(.text, receipt.fingerprints.map { .text($0) })), \(firnBuild), \(receipt.actor),
                    \(receipt.answer.isStale), \(cuts.description), \(inputs.description), \(JSON.array(receipt.answer.columns.map { JSON($0) }).description),
                    \(receipt.asked.pointer), \(receipt.asked.model?.description))
                """
        }
        // All of them in one transaction, and in one round trip.
        try connection.transaction { statements.forEach { connection.later($0) } }
    }
}

extension JSON {
    /// A column's values.
    fileprivate init(_ column: Column) { self = .array((0..<column.count).map { JSON(column[$0]) }) }
}
