import FeatureStore
import HTTPTypes
import Hummingbird
import Logging

/// Lets a request through whose token allows what it asks for, and has it act in its bearer's name. What governs the store is logged.
struct AccessMiddleware<Context: RequestContext>: RouterMiddleware {
    let store: Store
    /// Nil where no tokens are asked for.
    let gatekeeper: Gatekeeper?

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws -> Response {
        guard let needed = TokenRole.needed(request.method, request.uri.path, request.uri.queryParameters.get("record")) else { return try await next(request, context) }
        let route: Logger.MetadataValue = "\(context.endpointPath ?? "unknown")"
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

extension TokenRole {
    /// What a request needs; nil for what anybody may ask. By the segments of its path, as the router has them: `//v1/lookup/` is `/v1/lookup`.
    fileprivate static func needed(_ method: HTTPRequest.Method, _ path: String, _ record: String?) -> TokenRole? {
        let segments = Operation.segments(path)
        if Operation.isAboutServer(path) { return segments == ["metrics"] ? .read : nil }
        if segments == ["v1", "definitions", "apply"] { return .admin }
        if method == .post, segments == ["v1", "pointers"] || segments == ["v1", "stages"] { return .admin }
        let readings: [[Substring]] = [["v1", "lookup"], ["v1", "why"], ["get-online-features"], ["v1", "definitions", "plan"]]
        if method == .get || method == .head || readings.contains(segments) || segments.last == "verify" { return .read }
        return segments == ["v1", "snapshots"] && record == "false" ? .read : .write
    }
}
