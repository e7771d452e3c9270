internal import Crypto
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Synchronization
internal import Tables

/// What a token allows: each role may also do what those before it may.
public enum TokenRole: String, Sendable, Comparable, CaseIterable {
    /// Ledger, lineage, definitions, digests: everything but values.
    case audit
    /// Look up, browse, compute, fetch.
    case read
    /// Push, import, make snapshots.
    case write
    /// Register definitions, move pointers, deprecate and retire.
    case admin

    public static func < (left: TokenRole, right: TokenRole) -> Bool {
        allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!
    }
}

/// A bearer token without its secret.
public struct Token: Sendable {
    /// Identifies the token: 16 hexadecimal digits.
    public var id: String
    /// The bearer's name: whatever it does is recorded under this name.
    public var name: String
    /// What the bearer may do.
    public var role: TokenRole
    /// When it was created, by the database's clock.
    public var createdAt: Instant
    /// When it was revoked; nil if it never was.
    public var revokedAt: Instant?
    /// The instant from which it is refused; nil if it never ends.
    public var endsAt: Instant?
    /// What the role's rights are limited to.
    public var bounds: TokenBounds
    fileprivate var hash: [UInt8]

    /// Whether servers accept it at an instant.
    public func isInForce(at now: Instant) -> Bool { revokedAt == nil && endsAt.map { now < $0 } ?? true }
}

extension StoreCatalog {
    /// Creates a token and returns it, once: `firn_<id>_<secret>`. Only the SHA-256 of its secret, 32 random bytes, is
    /// kept.
    ///
    /// - Parameters:
    ///   - name: 1 to 100 bytes without control characters; several tokens may share one.
    ///   - bounds: what it is limited to; `.none` allows everything that its role may do.
    ///   - end: the instant from which it is refused.
    /// - Throws: `invalidRequest` for an invalid name or pattern, or an end in the past.
    public func createToken(name: String, role: TokenRole, bounds: TokenBounds = .none, until end: Instant? = nil)
        async throws -> String
    {
        try bounds.check(role)
        if let end, end <= .now {
            throw StoreError(
                .invalidRequest, "a token that ends at \(end) is of no use", advice: "--until is a time to come")
        }
        guard !name.isEmpty, name.utf8.count <= 100, !name.utf8.contains(where: { $0 < 0x20 }) else {
            throw StoreError(.invalidRequest, "a token's name has 1 to 100 bytes", advice: "such as fraud-service")
        }
        var generator = SystemRandomNumberGenerator()
        let id = (0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) }.hexadecimal,
            secret = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }.hexadecimal
        let actor = actor
        try await withCatalog { connection, _ in
            try connection.transaction {
                let hash = Array(SHA256.hash(data: Array(secret.utf8)))
                var members = bounds.isBounded ? [JSON.Member("bounds", bounds.json)] : []
                if let end { members.append(JSON.Member("ends_at", .string(end.description))) }
                // Many people read the ledger: it holds only a digest of the hash that secrets are checked against.
                members += [
                    JSON.Member("hash_digest", .string(Token.digest(hash))), JSON.Member("name", .string(name)),
                    JSON.Member("role", .string(role.rawValue)),
                ]
                let entry = try Ledger(connection: connection, actor: actor).append(
                    kind: "token", subject: "token \(id)", body: JSON.object(members).description
                ).number
                let ends: Parameter = end.map { .timestamp($0.microseconds) } ?? .null(.timestamp)
                try connection.execute(
                    """
                    insert into firn.tokens (id, name, role, hash, created_at, actor, entry, bounds, ends_at)
                    values (\(id), \(name), \(role.rawValue), \(hash), clock_timestamp(), \(actor), \(entry), \(bounds.json.description), \(ends))
                    """)
            }
        }
        return "firn_\(id)_\(secret)"
    }

    /// Every token that was ever created, newest first.
    public func tokens() async throws -> [Token] {
        try await withCatalog { connection, _ in try Token.all(connection) }
    }

    /// Ends a token: servers refuse it within a second.
    ///
    /// - Throws: `notFound`; `invalidRequest` if it is revoked already.
    public func revokeToken(_ id: String) async throws {
        let actor = actor
        try await withCatalog { connection, _ in
            try connection.transaction {
                guard let token = try Token.all(connection).first(where: { $0.id == id }) else {
                    throw StoreError(
                        .notFound, "unknown token '\(id.prefix(40))'", advice: "firn token list shows their ids")
                }
                guard token.revokedAt == nil else {
                    throw StoreError(.invalidRequest, "token \(id) is revoked already")
                }
                let entry = try Ledger(connection: connection, actor: actor).append(
                    kind: "revoke", subject: "token \(id)", body: "{}"
                ).number
                try connection.execute(
                    "insert into firn.token_revocations values (\(id), clock_timestamp(), \(actor), \(entry))")
            }
        }
    }
}

extension Token {
    fileprivate static func all(_ connection: Connection) throws -> [Token] {
        let rows = try connection.execute(
            """
            select t.id, t.name, t.role, t.created_at, r.revoked_at, t.hash, t.bounds, t.ends_at from firn.tokens t left join firn.token_revocations r using (id)
            order by t.created_at desc, t.id
            """)
        return try rows.map { row in
            guard let role = try TokenRole(rawValue: row.text(2)),
                let bounds = TokenBounds(try? JSON(parsing: row.bytes(6)))
            else {
                throw try StoreError(.damaged, "token \(row.text(0)) can't be read")
            }
            return try Token(
                id: row.text(0), name: row.text(1), role: role, createdAt: Instant(microseconds: row.timestamp(3)),
                revokedAt: row.optionalTimestamp(4).map { Instant(microseconds: $0) },
                endsAt: row.optionalTimestamp(7).map { Instant(microseconds: $0) }, bounds: bounds,
                hash: row.bytes(5))
        }
    }

    /// The form of a token's hash that the ledger holds.
    package static func digest(_ hash: [UInt8]) -> String { SHA256.hash(data: hash).hexadecimal }
}

extension Instant {
    /// The current instant by this machine's clock.
    public static var now: Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) }
}

/// The tokens in force, as a server knows them. They are read again every second, so that a token can be checked
/// without asking the database.
public final class Gatekeeper: Sendable {
    private struct State {
        var tokens: [String: Token] = [:]
        /// Those that own names.
        var owners: [Token] = []
        var isRead = false
        var current: Task<Void, any Error>?
        var next: Task<Void, any Error>?
    }

    private let catalog: StoreCatalog
    private let state = Mutex(State())

    /// Knows no tokens until the first `refresh`.
    public init(_ catalog: StoreCatalog) {
        self.catalog = catalog
    }

    /// The token in a request's `Authorization` header, if it is known and in force. The comparison takes the same time
    /// wherever the secrets differ.
    public func token(_ authorization: String?) -> Token? {
        guard let (id, secret) = Gatekeeper.parts(authorization), let token = state.withLock({ $0.tokens[id] }) else {
            return nil
        }
        let hash = Array(SHA256.hash(data: Array(secret.utf8)))
        guard zip(hash, token.hash).reduce(UInt8(0), { $0 | $1.0 ^ $1.1 }) == 0, hash.count == token.hash.count else {
            return nil
        }
        return token.endsAt == nil || token.isInForce(at: .now) ? token : nil
    }

    /// The token in a request's header, if it is in force. Before refusing an unknown one, the tokens are read again,
    /// since it may have been created a moment ago.
    ///
    /// - Throws: if the tokens were never read and can't be read now.
    public func findToken(_ authorization: String?) async throws -> Token? {
        if let token = token(authorization) { return token }
        guard let (id, _) = Gatekeeper.parts(authorization) else { return nil }
        let (isKnown, isRead) = state.withLock { ($0.tokens[id] != nil, $0.isRead) }
        if isKnown { return nil }
        do {
            try await refresh()
        } catch {
            if !isRead { throw error }
            return nil
        }
        return token(authorization)
    }

    private static func parts(_ authorization: String?) -> (id: String, secret: Substring)? {
        guard let authorization, authorization.utf8.count < 200, authorization.lowercased().hasPrefix("bearer ") else {
            return nil
        }
        let parts = authorization.dropFirst(7).split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0] == "firn" ? (String(parts[1]), parts[2]) : nil
    }

    /// The tokens in force that own a name.
    public func owners(of name: String) -> [Token] {
        state.withLock { $0.owners }.filter { $0.bounds.owns(name) && $0.isInForce(at: .now) }
    }

    /// Reads the tokens again. While the database is away, those read last stay in force.
    public func refresh() async throws {
        let reading = state.withLock { state -> Task<Void, any Error> in
            // A reading under way may have missed the token in question: everyone who asks meanwhile shares the next
            // one.
            if let next = state.next { return next }
            let before = state.current
            let reading = Task { [self] in
                _ = await before?.result
                self.state.withLock { ($0.current, $0.next) = ($0.next, nil) }
                try await read()
            }
            state.next = reading
            return reading
        }
        try await reading.value
    }

    private func read() async throws {
        let now = Instant.now, inForce = try await catalog.tokens().filter { $0.isInForce(at: now) }
        state.withLock { state in
            state.tokens = Dictionary(inForce.map { ($0.id, $0) }) { first, _ in first }
            state.owners = inForce.filter { !$0.bounds.names.isEmpty }
            state.isRead = true
        }
    }

    /// Refreshes the tokens every second until the task is cancelled.
    public func keepFresh() async {
        while !Task.isCancelled {
            try? await refresh()
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
