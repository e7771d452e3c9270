internal import Crypto
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import Synchronization
internal import Tables

/// What a token lets its bearer do: each role may do what those before it may.
public enum TokenRole: String, Sendable, Comparable, CaseIterable {
    /// Look up, browse, compute, fetch.
    case read
    /// Push, import, make snapshots.
    case write
    /// Register definitions.
    case admin

    public static func < (left: TokenRole, right: TokenRole) -> Bool { allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)! }
}

/// A bearer token as it is known: never its secret.
public struct Token: Sendable {
    public var id: String
    /// Whoever has it: what its bearer does is written down under this name.
    public var name: String
    public var role: TokenRole
    public var createdAt: Instant
    public var revokedAt: Instant?
    fileprivate var hash: [UInt8]
}

extension Store {
    /// Makes a token and gives it, once: `firn_<id>_<secret>`. Only the SHA-256 of its secret, 32 random bytes, is kept.
    public func createToken(name: String, role: TokenRole) async throws -> String {
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
                let body: JSON = .object(["hash": .string(hash.hexadecimal), "name": .string(name), "role": .string(role.rawValue)])
                let entry = try Ledger(connection: connection, actor: actor).append(kind: "token", subject: "token \(id)", body: body.description).number
                try connection.execute(
                    """
                    insert into firn.tokens (id, name, role, hash, created_at, actor, entry)
                    values (\(id), \(name), \(role.rawValue), \(hash), clock_timestamp(), \(actor), \(entry))
                    """)
            }
        }
        return "firn_\(id)_\(secret)"
    }

    /// Every token there was, the newest first.
    public func tokens() async throws -> [Token] {
        try await withCatalog { connection, _ in try Token.all(connection) }
    }

    /// Ends a token: servers refuse it within a second.
    public func revokeToken(_ id: String) async throws {
        let actor = actor
        try await withCatalog { connection, _ in
            try connection.transaction {
                guard let token = try Token.all(connection).first(where: { $0.id == id }) else {
                    throw StoreError(.notFound, "unknown token '\(id.prefix(40))'", advice: "firn token list shows their ids")
                }
                guard token.revokedAt == nil else { throw StoreError(.invalidRequest, "token \(id) is revoked already") }
                let entry = try Ledger(connection: connection, actor: actor).append(kind: "revoke", subject: "token \(id)", body: "{}").number
                try connection.execute("insert into firn.token_revocations values (\(id), clock_timestamp(), \(actor), \(entry))")
            }
        }
    }

    /// Runs `body` for somebody else: what it writes down is theirs.
    public func acting<T>(as actor: String, _ body: () async throws -> T) async rethrows -> T { try await Store.$caller.withValue(actor, operation: body) }
}

extension Token {
    fileprivate static func all(_ connection: Connection) throws -> [Token] {
        let rows = try connection.execute(
            """
            select t.id, t.name, t.role, t.created_at, r.revoked_at, t.hash from firn.tokens t left join firn.token_revocations r using (id)
            order by t.created_at desc, t.id
            """)
        return rows.map { row in
            Token(
                id: row.text(0), name: row.text(1), role: TokenRole(rawValue: row.text(2)) ?? .read, createdAt: Instant(microseconds: row.timestamp(3)),
                revokedAt: row.optionalTimestamp(4).map { Instant(microseconds: $0) }, hash: row.bytes(5))
        }
    }
}

/// The tokens that are in force, as a server knows them: read again every second, so that it can check one without asking.
public final class Gatekeeper: Sendable {
    private let store: Store
    private let tokens = Mutex<[String: Token]>([:])

    public init(_ store: Store) {
        self.store = store
    }

    /// The token that a request bears in its `Authorization`, if it is one in force; it is compared in the same time wherever it differs.
    public func token(_ authorization: String?) -> Token? {
        guard let authorization, authorization.utf8.count < 200, authorization.lowercased().hasPrefix("bearer ") else { return nil }
        let parts = authorization.dropFirst(7).split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "firn", let token = tokens.withLock({ $0[String(parts[1])] }) else { return nil }
        let hash = Array(SHA256.hash(data: Array(parts[2].utf8)))
        return zip(hash, token.hash).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0 && hash.count == token.hash.count ? token : nil
    }

    /// Reads the tokens. What was known last holds while the database is away.
    public func refresh() async throws {
        let inForce = try await store.tokens().filter { $0.revokedAt == nil }
        tokens.withLock { $0 = Dictionary(uniqueKeysWithValues: inForce.map { ($0.id, $0) }) }
    }

    /// Keeps them fresh until it is cancelled.
    public func keepFresh() async {
        while !Task.isCancelled {
            try? await refresh()
            try? await Task.sleep(for: .seconds(1))
        }
    }
}
