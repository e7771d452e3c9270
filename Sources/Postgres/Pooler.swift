internal import CLibPQ
internal import Foundation

/// What stands between this program and PostgreSQL.
public enum Pooler: Sendable, Hashable {
    case none
    /// Each connection keeps its own session for as long as it is open.
    case session
    /// A connection's statements go to one session now and another later, and so do other clients' settings and roles.
    case transaction
    /// It gave out fewer than three connections at once.
    case tooSmall

    /// Finds out by asking three connections for their sessions, again and again: a pooler that hands out sessions by
    /// transaction gives two of them one session at once, or one of them a different session than before. If there is
    /// no pooler, one connection is enough.
    ///
    /// - Parameter patience: how long the connections may take to answer.
    public static func found(_ uri: String, patience: Duration = .seconds(10)) async throws -> Pooler {
        let (answers, continuation) = AsyncThrowingStream.makeStream(of: Pooler.self)
        // A pooler with no session to give answers late or never, and the thread that asks waits with it.
        Thread.detachNewThread {
            do {
                continuation.yield(try look(uri))
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        let timer = Task {
            try await Task.sleep(for: patience)
            continuation.yield(.tooSmall)
            continuation.finish()
        }
        defer { timer.cancel() }
        for try await answer in answers { return answer }
        return .tooSmall
    }

    private static func look(_ uri: String) throws -> Pooler {
        let first = try Connection(uri: uri)
        // A pooler makes up what it announces as a session's process.
        guard try first.session() != first.announcedSession else { return .none }
        let connections = try [first, Connection(uri: uri), Connection(uri: uri)]
        var known: [Int64?] = [nil, nil, nil]
        for _ in 0..<rounds {
            let found = try connections.map { try $0.session() }
            if Set(found).count < found.count || zip(known, found).contains(where: { $0 != nil && $0 != $1 }) {
                return .transaction
            }
            known = found
            // In step with the pooler's other clients, connections could get the same sessions every time.
            Thread.sleep(forTimeInterval: .random(in: 0...0.005))
        }
        return .session
    }

    private static let rounds = 20
}

extension Connection {
    /// Whether no server can be reached at this address, or it takes no connections yet; false if it is there but
    /// refused the request.
    public static func isAway(_ uri: String) -> Bool {
        unsafe withCStrings(["connect_timeout", "dbname"], ["5", uri]) {
            unsafe [PQPING_REJECT, PQPING_NO_RESPONSE].contains(PQpingParams($0, $1, 1))
        }
    }

    /// The process that, as the server announced at the start, serves this connection.
    fileprivate var announcedSession: Int64 { Int64(unsafe PQbackendPID(handle)) }

    /// The process that actually does.
    fileprivate func session() throws(PostgresError) -> Int64 {
        try execute("select pg_backend_pid()").single().int64(0)
    }
}
