import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Postgres
import Tables

/// The routes that docs/http.md describes, over one store.
struct Routes {
    let store: Store
    /// Nil if no tokens are required.
    var gatekeeper: Gatekeeper?
    let metrics: ServerMetrics
    let accessLog: AccessLog?
    let isWarm: Warmth
    let admission: Admission
    /// Nil if requests bear tokens, or anybody may ask.
    let foreign: ForeignRequests?

    /// The most bytes of a body, by what it contains. Spines and files are put aside on disk.
    static let spineLimit = 1 << 30
    /// The most rows of a spine.
    static let spineRows = 10_000_000
    private static let importLimit = 16 << 30
    static let lookupLimit = 4 << 20
    private static let pushLimit = 16 << 20
    static let arrow = "application/vnd.apache.arrow.stream"

    /// The API's description, with this build's version filled in.
    private static let description = Array(
        String(decoding: PackageResources.openapi_json, as: UTF8.self).replacing(
            "\"VERSION\"", with: "\"\(firnBuild)\"", maxReplacements: 1
        ).utf8)

    func router() -> Router<ServerContext> {
        let router = Router(context: ServerContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: MetricsMiddleware(metrics: metrics, accessLog: accessLog))
        router.add(middleware: ProblemMiddleware())
        if let foreign { router.add(middleware: ForeignMiddleware(foreign: foreign)) }
        let routes = RouteGroups(router: router, shared: self)
        routes(nil, .free).get("/healthz") { _, _ in Response.json(.object(["status": "ok"])) }
        routes(nil, .free).get("/readyz") { [isWarm] _, _ in
            guard isWarm.isWarm else {
                throw Problem(.serviceUnavailable, "warming", "memory isn't warm yet: what is looked up is read first")
            }
            switch try store.serving.readiness() {
            case .ready: return Response.json(.object(["status": "ready"]))
            case .unknown: throw Problem(.serviceUnavailable, "warming", "the database wasn't heard of yet")
            // Lookups go on: clients that went elsewhere would find the same database there.
            case .readOnly(let code):
                return Response.json(
                    .object([
                        "status": "read_only", "code": .string(Problem(PostgresError(code: code, message: "")).code),
                    ]))
            case .stale(let age):
                return Response.json(.object(["status": "stale", "age_ms": JSON(age.wholeMilliseconds)]))
            case .disagrees(let difference):
                throw Problem(
                    .serviceUnavailable, "clocks_disagree",
                    "this machine's clock and the database's are \(difference.wholeMilliseconds) ms apart")
            }
        }
        routes(.audit, .free).get("/metrics") { [metrics] _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text(await store.serving.figures()))))
        }
        routes(nil, .free).get("/openapi.json") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: Routes.description)))
        }
        routes(FastRoute.lookup.role, bounded: true).post("\(FastRoute.lookup.path)") { request, _ in
            let body = try await request.json(atMost: Routes.lookupLimit), asked = try LookupRequest(body)
            AccessLog.Note.current?.tell(set: asked.target.boundingSet)
            if Bearer.isBounded { try await store.serving.withKnownCatalog { try Bearer.permit(asked.target, $1) } }
            let answer = try await store.serving.lookup(asked)
            var text: [UInt8] = []
            answer.write(to: &text, cuts: body["cuts"] == .bool(true), types: body["types"] == .bool(true))
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
        }
        routes(.read, bounded: true).post("/get-online-features") { request, _ in
            let body = try await request.json(atMost: Routes.lookupLimit)
            let asked = try await store.serving.withKnownCatalog { catalog, governance in
                let asked = try FeastRequest(body, in: catalog, governance)
                AccessLog.Note.current?.tell(set: asked.target.boundingSet)
                try Bearer.permit(asked.target, governance)
                return asked
            }
            return Response.json(try await asked.answer(store))
        }
        routes(.read, .work, bounded: true).post("/v1/why") { request, _ in
            let body = try await request.json(atMost: Routes.lookupLimit), asked = try WhyRequest(body)
            if case .features(let names) = asked.lookup.target {
                try await store.serving.withKnownCatalog { catalog, _ in try Bearer.permit(functions: names, catalog) }
            }
            return Response.json(try await store.serving.why(asked).json)
        }
        routes(FastRoute.push.role, bounded: true).post("\(FastRoute.push.path)") { request, context in
            let name = try context.parameter("name")
            try Bearer.permit(source: name)
            let key = try idempotencyKey(request)
            let layout = try pushLayout(request)
            let body = try await request.bytes(atMost: Routes.pushLimit)
            let read = try await RequestMemory.holding(layout.factor * body.count) {
                try await store.log.readPush(body, layout: layout, into: name)
            }
            _ = try await RequestMemory.current?.take(read.bytes)
            let pushed = try await store.log.push(read, idempotencyKey: key)
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: pushed.json)))
        }
        routes(.write, .upload, bounded: true).post("/v1/sources/:name/import") { request, context in
            try Bearer.permit(source: context.parameter("name"))
            let given = try Parameters(request, known: StoreLog.ImportOptions.parameters),
                options = try StoreLog.ImportOptions(given)
            let layout = try fileLayout(request), name = try context.parameter("name"), file = given["file"] ?? "body",
                batch = admission.jobQuarter
            return try await spooled(request, Routes.importLimit) { body in
                let imported = try await store.log.importRows(
                    into: name, file: file, digest: body.digest, options: options
                ) { schema in
                    try TableReader(
                        body.reader(batch: batch), layout: layout, name: file, schema: schema, options: options.reading)
                }
                return Response.json(imported.json)
            }
        }
        routes(.read, .job, bounded: true).post("/v1/definitions/plan") { request, _ in
            let plan = try await store.catalog.plan([request.document()])
            if Bearer.isBounded { try Bearer.permit(plan) }
            return Response.json(plan.json(try await store.catalog.comparisons(plan)))
        }
        routes(.admin, .registration, bounded: true).post("/v1/definitions/apply") { request, _ in
            let commit = try Parameters(request, known: ["commit"])["commit"], document = try await request.document()
            return Response.json(
                try await store.catalog.apply([document], commit: commit) { try Bearer.permit($0) }.json())
        }
        catalog(routes)
        snapshots(routes)
        governance(routes)
        return router
    }

    /// Puts a request's body aside and answers it when its turn comes. Long work is abandoned if the client goes away,
    /// and for that the connection has to end with the answer.
    func spooled(_ request: Request, _ limit: Int, _ answer: (SpooledBody) async throws -> Response) async throws
        -> Response
    {
        let compression = try request.compression
        try request.requireLength(atMost: limit)
        do {
            // Before anything is read: pieces that nobody takes would be waited for.
            let body = try SpooledBody(
                directory: store.temporaryDirectory, maximumBytes: limit, compression: compression)
            var response = try await request.body.consumeWithCancellationOnInboundClose { pieces in
                try await request.taking(pieces) { try body.append($0) }
                try body.finish()
                return try await admission.job { try await answer(body) }
            }
            response.headers[.connection] = "close"
            return response
        } catch {
            var problem = Problem(error)
            problem.cause = error
            problem.headers[.connection] = "close"
            throw problem
        }
    }

    func fileLayout(_ request: Request) throws -> FileFormat.Layout {
        guard let layout = request.mediaType.flatMap(FileFormat.Layout.init(mediaType:)) else {
            throw Problem(
                .unsupportedMediaType, "unsupported_media_type", "a file of rows travels as \(FileFormat.mediaTypes)")
        }
        return layout
    }

    private func idempotencyKey(_ request: Request) throws -> String? {
        guard let key = request.headers[.idempotencyKey] else { return nil }
        guard !key.isEmpty, key.utf8.count <= 255 else { throw Problem.shape("an Idempotency-Key has 1 to 255 bytes") }
        return key
    }

    private func pushLayout(_ request: Request) throws -> PushLayout {
        let type = request.mediaType ?? "application/json"
        if type == "application/json" { return .array }
        guard let layout = FileFormat.Layout(mediaType: type), layout.isPushed else {
            throw Problem(
                .unsupportedMediaType, "unsupported_media_type",
                "rows travel as application/json (an array), application/x-ndjson or \(Routes.arrow)")
        }
        return .file(layout)
    }
}

extension PushLayout {
    /// How many times its size a body takes up in memory while it is read.
    fileprivate var factor: Int {
        switch self {
        case .array: Request.jsonFactor
        case .file: 8
        }
    }
}
