import FeatureStore
import HTTPTypes
import Hummingbird
import Logging

/// Lets a request through whose token allows what its route asks for, and has it act in its bearer's name. What governs the store is logged.
struct AccessMiddleware<Context: RequestContext>: RouterMiddleware {
    let store: Store
    /// Nil where no tokens are asked for.
    let gatekeeper: Gatekeeper?
    /// What a request of the route needs.
    let needed: @Sendable (Request) -> TokenRole

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        let needed = needed(request), route: Logger.MetadataValue = "\(context.endpointPath ?? "unknown")"
        guard let gatekeeper else {
            if needed == .admin { context.logger.notice("administration", metadata: ["route": route]) }
            return try await next(request, context)
        }
        guard let token = gatekeeper.token(request.headers[.authorization]) else {
            context.logger.notice("denied", metadata: ["route": route, "why": "no token"])
            throw Problem(.unauthorized, "unauthorized", "a bearer token is needed; firn token create makes one")
        }
        guard token.role >= needed else {
            context.logger.notice("denied", metadata: ["route": route, "why": "role", "token": "\(token.id)"])
            throw Problem(.forbidden, "forbidden", "this needs a token of role \(needed.rawValue), and this one's is \(token.role.rawValue)")
        }
        if needed == .admin { context.logger.notice("administration", metadata: ["route": route, "token": "\(token.id)"]) }
        return try await store.acting(as: token.name) { try await next(request, context) }
    }
}
