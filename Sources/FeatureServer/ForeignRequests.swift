import FeatureStore
import HTTPTypes
import Hummingbird

/// Keeps web pages out of a server on loopback that requires no tokens: a page shown in somebody's browser would act
/// for that person, on this machine.
///
/// A page's requests say where they come from (`Origin`, `Sec-Fetch-Site`) and by what name the page addresses this
/// machine (`Host`), whatever address its own name was made to resolve to.
struct ForeignRequests: Sendable {
    private let names: Set<String>

    /// - Parameter names: what the server is called besides the names of loopback.
    init(names: [String]) {
        self.names = Set(["localhost", "127.0.0.1", "[::1]"] + names.map { $0.lowercased() })
    }

    /// Whether the server has this name, whatever the port. A client that gives no name is no browser.
    func knows(_ authority: String?) -> Bool {
        guard let authority = authority?.lowercased() else { return true }
        let name: Substring =
            authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        return names.contains(String(name))
    }

    /// - Throws: what makes it foreign.
    func refuse(_ head: HTTPRequest) throws(Problem) {
        guard knows(head.authority) else {
            throw ForeignRequests.foreign(
                "this server isn't called what Host says; --host-name names what it is called beside localhost")
        }
        if let site = head.headerFields[.secFetchSite], !["same-origin", "none"].contains(site) {
            throw ForeignRequests.foreign("a page of another site asks for this")
        }
        if let origin = head.headerFields[.origin] {
            let own = head.authority.map { ["http://" + $0.lowercased(), "https://" + $0.lowercased()] } ?? []
            guard own.contains(origin.lowercased()) else {
                throw ForeignRequests.foreign("a page of another origin asks for this")
            }
        }
    }

    private static func foreign(_ why: String) -> Problem {
        Problem(.forbidden, "foreign_origin", "\(why); with --require-tokens a server answers whoever bears one")
    }
}

struct ForeignMiddleware<Context: RequestContext>: RouterMiddleware {
    let foreign: ForeignRequests

    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        try foreign.refuse(request.head)
        return try await next(request, context)
    }
}

/// Refuses a body whose type its route doesn't accept according to openapi.json. None of the types that pages may send
/// anywhere without asking (forms, plain text, no type) is accepted.
struct BodyTypeMiddleware<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        if request.hasBody, let types = DescribedPaths.bodyTypes[context.endpointPath ?? ""] {
            guard types.contains(request.mediaType ?? DescribedPaths.noType) else {
                let known = types.filter { $0 != DescribedPaths.noType }.sorted()
                throw Problem(
                    .unsupportedMediaType, "unsupported_media_type",
                    "\(request.mediaType == nil ? "the body has no Content-Type" : "this Content-Type isn't read here"); this takes \(known.joined(separator: ", "))"
                )
            }
        }
        return try await next(request, context)
    }
}

extension Request {
    fileprivate var hasBody: Bool {
        headers[.transferEncoding] != nil || headers[.contentLength].map { $0 != "0" } ?? false
    }
}

extension HTTPField.Name {
    static let secFetchSite = HTTPField.Name("Sec-Fetch-Site")!
}
