import FeatureLanguage
import FeatureStore
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Postgres
import Tables

/// RFC 9457 problem details: the one form of every refusal.
struct Problem: Error {
    var status: HTTPResponse.Status
    /// Stays the same from release to release.
    var code: String
    var detail: String
    /// The original error, before it was put into these words, for the log.
    var cause: (any Error)?
    var headers: HTTPFields = [.contentType: "application/problem+json"]

    init(_ status: HTTPResponse.Status, _ code: String, _ detail: String) {
        self.status = status
        self.code = code
        self.detail = detail
        if status == .unauthorized { headers[.wwwAuthenticate] = "Bearer" }
        if status == .serviceUnavailable { headers[.retryAfter] = "1" }
    }

    var body: [UInt8] {
        let body: JSON = .object([
            "type": "about:blank", "title": .string(status.reasonPhrase), "status": JSON(status.code),
            "code": .string(code), "detail": .string(detail),
        ])
        var bytes: [UInt8] = []
        body.write(to: &bytes)
        return bytes
    }

    var response: Response {
        Response(status: status, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
    }

    /// What an error is called over HTTP. Nothing from the database or of people's data gets through: anything unknown
    /// here is `internal`.
    init(_ error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as StoreError: self.init(Problem.status(error.code), error.code.rawValue, error.description)
        case let error as UnknownName: self.init(.notFound, "not_found", error.description)
        case let error as DefinitionError: self.init(.unprocessableContent, "invalid_definition", error.description)
        case let error as TableError where error.isTooMuch:
            self.init(.contentTooLarge, "body_too_large", error.description)
        case let error as TableError: self.init(.badRequest, "invalid_rows", error.description)
        case let error as JSON.Fault: self.init(.badRequest, "invalid_json", error.description)
        case let error as PostgresError: self.init(error)
        case is CancellationError: self = .clientLeft
        case let error as HTTPError:
            self.init(
                error.status, error.status == .notFound ? "not_found" : "http_error",
                error.body ?? error.status.reasonPhrase)
        default: self.init(.internalServerError, "internal", "the server failed; its log says more")
        }
    }

    /// Classifies by SQLSTATE: errors of the classes 08, 53, 55 and 57, and some others, are nobody's fault, and a
    /// repeat may succeed in a moment.
    private init(_ error: PostgresError) {
        switch error.code {
        case _ where error.isTimeout: self.init(.serviceUnavailable, "timed_out", "the database took too long over it")
        case "53100":
            self.init(
                .serviceUnavailable, "database_full",
                "the database's disk is full: nothing can be written until there is room")
        case "25006": self.init(.serviceUnavailable, "database_read_only", "the database takes no writes just now")
        case _ where error.isConnectionLost:
            self.init(.serviceUnavailable, "database_unavailable", "the database can't be reached")
        case _ where error.isTransient:
            self.init(
                .serviceUnavailable, "database_busy", "the database couldn't do it just now; nothing of it was done")
        case _ where error.isDamagedValue: self.init(.internalServerError, "damaged", error.description)
        case "XX001", "XX002":
            self.init(
                .internalServerError, "damaged",
                "the database finds its own files damaged [\(error.code)]: firn verify says what of the store is")
        default: self.init(.internalServerError, "internal", "the server failed; its log says more")
        }
    }

    /// The client went away before its request was complete or answered: this is sent to nobody, but counted.
    static let clientLeft = Problem(
        HTTPResponse.Status(code: 499, reasonPhrase: "Client Closed Request"), "client_closed", "the client went away")

    private static func status(_ code: StoreError.Code) -> HTTPResponse.Status {
        switch code {
        case .invalidRequest, .asOfInFuture: .badRequest
        case .notFound: .notFound
        case .definitionRefused, .migrationChanged, .duplicateFile, .conflictingRow, .idempotencyConflict, .retired,
            .inUse:
            .conflict
        case .notMigrated, .behind, .overloaded, .unsupported: .serviceUnavailable
        case .tooMuch: .contentTooLarge
        case .damaged: .internalServerError
        }
    }
}

/// Turns whatever a route throws into a problem, and logs what is our fault.
struct ProblemMiddleware<Context: RequestContext>: RouterMiddleware {
    func handle(_ request: Request, context: Context, next: (Request, Context) async throws -> Response) async throws
        -> Response
    {
        do {
            return try await next(request, context)
        } catch {
            var problem = Problem(error)
            if error is HTTPError, problem.status == .notFound {
                // The path may exist for another method.
                let methods = DescribedPaths.methods(request.uri.path)
                if !methods.isEmpty {
                    problem = Problem(
                        .methodNotAllowed, "method_not_allowed", "this path takes \(methods.joined(separator: ", "))")
                    problem.headers[.allow] = methods.joined(separator: ", ")
                }
            }
            // Asking somebody to come back later is no fault.
            if problem.status.kind == .serverError, problem.status != .serviceUnavailable {
                let error = problem.cause ?? error
                // A PostgresError's text holds no values; another error's might.
                context.logger.error(
                    "request failed",
                    metadata: [
                        "route": "\(context.endpointPath ?? "unknown")", "code": "\(problem.code)",
                        "cause": "\((error as? PostgresError)?.description ?? String(describing: type(of: error)))",
                    ])
            }
            return problem.response
        }
    }
}

extension Response {
    static func json(_ value: JSON, status: HTTPResponse.Status = .ok) -> Response {
        var bytes: [UInt8] = []
        value.write(to: &bytes)
        return Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: bytes)))
    }
}
