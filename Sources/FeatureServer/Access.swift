import FeatureLanguage
import FeatureStore
import HTTPTypes
import Hummingbird
import Logging

/// Admits a request if its token allows what its route requires, and lets it act in its bearer's name. Administration
/// and refusals are logged.
struct AccessMiddleware<Context: RequestContext>: RouterMiddleware {
    let store: Store
    /// Nil if no tokens are required.
    let gatekeeper: Gatekeeper?
    /// The role that a request of the route needs.
    let needed: @Sendable (Request) -> TokenRole
    /// Whether the handler checks the request against a token's bounds; if not, a token with bounds is refused.
    let heedsBounds: Bool

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        let needed = needed(request), route: Logger.MetadataValue = "\(context.endpointPath ?? "unknown")"
        guard let gatekeeper else {
            if needed == .admin { context.logger.notice("administration", metadata: ["route": route]) }
            return try await next(request, context)
        }
        guard let token = try await gatekeeper.findToken(request.headers[.authorization]) else {
            context.logger.notice("denied", metadata: ["route": route, "why": "no token"])
            throw Problem(.unauthorized, "unauthorized", "a bearer token is needed; firn token create makes one")
        }
        AccessLog.Note.current?.tell(token: token)
        guard token.role >= needed else {
            context.logger.notice("denied", metadata: ["route": route, "why": "role", "token": "\(token.id)"])
            throw Problem(
                .forbidden, "forbidden",
                "this needs a token of role \(needed.rawValue), and this one's is \(token.role.rawValue)")
        }
        guard heedsBounds || !token.bounds.isBounded else {
            context.logger.notice("denied", metadata: ["route": route, "why": "bounds", "token": "\(token.id)"])
            throw Problem(
                .forbidden, "forbidden", "this needs a token without bounds, and this one's are: \(token.bounds)")
        }
        if needed == .admin {
            context.logger.notice("administration", metadata: ["route": route, "token": "\(token.id)"])
        }
        return try await Bearer.$current.withValue(Bearer(token: token, gatekeeper: gatekeeper)) {
            try await store.acting(as: token.name) { try await next(request, context) }
        }
    }
}

/// Who is asking. If no tokens are required there is no bearer, and everything is allowed.
struct Bearer: Sendable {
    @TaskLocal static var current: Bearer?

    let token: Token
    let gatekeeper: Gatekeeper

    private static var bounds: TokenBounds { current?.token.bounds ?? .none }

    static var isBounded: Bool { bounds.isBounded }

    /// Auditors are shown no values.
    static var seesValues: Bool { current?.token.role != .audit }

    static func includes(set name: String) -> Bool { bounds.includes(set: name) }

    private static func refusal(_ what: String) -> Problem {
        Problem(.forbidden, "forbidden", "this needs a token for \(what), and this one's bounds are: \(bounds)")
    }

    /// - Parameter name: a set itself, such as the one that a pointer stands for.
    static func permit(set name: String) throws {
        guard bounds.includes(set: name) else { throw refusal("set \(name.prefix(130))") }
    }

    static func permit(source name: String) throws {
        guard bounds.includes(source: name) else { throw refusal("source \(name.prefix(130))") }
    }

    /// Permits what a lookup asks for: a set, a pointer to one, or features as outputs of sets. No bounds include
    /// features by themselves.
    static func permit(_ target: LookupRequest.Target, _ governance: Governance) throws {
        guard isBounded else { return }
        switch target {
        case .set(let name): try permit(set: governance.setName(name))
        case .features(let names):
            for name in names {
                let parts = name.split(separator: ":", maxSplits: 1)
                guard parts.count == 2 else { throw refusal("features by themselves, without bounds") }
                try permit(set: governance.setName(String(parts[0])))
            }
        }
    }

    /// Permits registering, moving or ending something under a name: one of the bearer's team or, without bounds, one
    /// that no team owns.
    static func permit(owning name: String) throws {
        guard let bearer = current else { return }
        if bearer.token.bounds.owns(name) { return }
        guard !isBounded else { throw refusal("the name \(name.prefix(130))") }
        guard let owner = bearer.gatekeeper.owners(of: name).first else { return }
        throw Problem(
            .forbidden, "forbidden",
            "\(name.prefix(130)) is one of the names of \(owner.name) (\(owner.bounds)): it takes a token of theirs")
    }

    static func permit(_ plan: RegistrationPlan) throws {
        for step in plan.steps where step.change != .unchanged { try permit(owning: step.definition.name) }
    }

    /// Permits values of a feature or label and the rows behind them: every source that it reads has to be within the
    /// bounds.
    static func permit(functions names: [String], _ catalog: Catalog) throws {
        guard isBounded else { return }
        for name in names where !bounds.owns(name) {
            let sources = catalog.sources(readBy: try catalog.resolve(features: [name]))
            if sources.isEmpty { throw refusal("\(name.prefix(130)), without bounds") }
            for source in sources.sorted() { try permit(source: source) }
        }
    }

    /// What a bearer with bounds is shown of the catalog, each as `set fraud.v1`.
    static func visible(_ catalog: Catalog) -> Set<String> { catalog.visible(bounds) }
}
