import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Tables

/// The routes of section "HTTP" in docs/http.md, over one store.
struct Routes {
    let store: Store
    /// Nil where no tokens are asked for.
    var gatekeeper: Gatekeeper?
    let metrics: ServerMetrics
    let isWarm: Warmth
    let admission: Admission

    /// Bytes of a body, by what travels in it. Spines and files are put aside on disk.
    private static let spineLimit = 1 << 30
    private static let importLimit = 16 << 30
    private static let lookupLimit = 4 << 20
    private static let pushLimit = 16 << 20
    private static let arrow = "application/vnd.apache.arrow.stream"
    /// Of a body that is too large, so much is read and thrown away.
    private static let drained = 64 << 20

    func router() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: MetricsMiddleware(metrics: metrics))
        router.add(middleware: ProblemMiddleware())
        router.add(middleware: AccessMiddleware(store: store, gatekeeper: gatekeeper))
        router.add(middleware: AdmissionMiddleware(admission: admission, metrics: metrics))
        router.get("/healthz") { _, _ in Response.json(.object(["status": "ok"])) }
        router.get("/readyz") { [isWarm] _, _ in
            guard isWarm.isWarm else { throw Problem(.serviceUnavailable, "warming", "memory isn't warm yet: what is looked up is read first") }
            switch try await store.readiness() {
            case .ready: return Response.json(.object(["status": "ready"]))
            case .stale(let age): return Response.json(.object(["status": "stale", "age_ms": JSON(Int(age / .milliseconds(1)))]))
            case .disagrees(let difference):
                throw Problem(.serviceUnavailable, "clocks_disagree", "this machine's clock and the database's are \(Int(difference / .milliseconds(1))) ms apart")
            }
        }
        router.get("/metrics") { [metrics] _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text(await store.figures()))))
        }
        router.get("/openapi.json") { _, _ in
            Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.openapi_json)))
        }
        router.post("/v1/lookup") { request, _ in
            let body = try await JSON(parsing: bytes(request, Routes.lookupLimit))
            let answer = try await store.lookup(LookupRequest(body))
            var text: [UInt8] = []
            answer.write(to: &text, cuts: body["cuts"] == .bool(true), types: body["types"] == .bool(true))
            return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: text)))
        }
        router.post("/get-online-features") { request, _ in
            let body = try await JSON(parsing: bytes(request, Routes.lookupLimit))
            return Response.json(try await store.withKnownCatalog { try FeastRequest(body, in: $0, $1) }.answer(store))
        }
        router.post("/v1/why") { request, _ in
            let body = try await JSON(parsing: bytes(request, Routes.lookupLimit))
            return Response.json(try await store.why(WhyRequest(body)).json)
        }
        router.post("/v1/sources/:name/rows") { request, context in
            let name = try context.parameter("name")
            let key = try idempotencyKey(request)
            let layout = try pushLayout(request)
            let pushed = try await store.push(bytes(request, Routes.pushLimit), layout: layout, into: name, idempotencyKey: key)
            return Response(status: .ok, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: ByteBuffer(bytes: pushed.json)))
        }
        router.post("/v1/sources/:name/import") { request, context in
            let options = try Store.ImportOptions(request.uri.queryParameters)
            let layout = try fileLayout(request), name = try context.parameter("name"), file = request.uri.queryParameters.get("file") ?? "body"
            return try await spooled(request, Routes.importLimit) { body in
                let imported = try await store.importRows(into: name, file: file, digest: body.digest, options: options) { schema in
                    try TableReader(body.reader(), layout: layout, name: file, schema: schema, options: options.reading)
                }
                return Response.json(
                    .object([
                        "rows": JSON(imported.rows), "duplicates": JSON(imported.duplicates), "last_offset": JSON(imported.lastOffset),
                        "warnings": .array(imported.warnings.map { .string($0) }),
                    ]))
            }
        }
        router.post("/v1/definitions/plan") { request, _ in
            let plan = try await store.plan([document(request)])
            return Response.json(plan.json(try await store.comparisons(plan)))
        }
        router.post("/v1/definitions/apply") { request, _ in Response.json(try await store.apply([document(request)]).json()) }
        catalog(router)
        governance(router)
        return router
    }

    /// Models, pointers, life cycle, the ledger.
    private func governance(_ router: Router<BasicRequestContext>) {
        router.get("/v1/models") { _, _ in Response.json(.array(try await store.models().map(\.json))) }
        router.get("/v1/models/:name") { _, context in Response.json(try await store.model(context.parameter("name")).json) }
        router.post("/v1/models") { request, _ in
            let body = try await JSON(parsing: bytes(request, Routes.lookupLimit))
            return Response.json(try await store.recordModel(ModelRequest(body)).json, status: .created)
        }
        router.get("/v1/pointers") { request, _ in
            let parameters = try Parameters(request.uri.queryParameters, known: ["as_of"])
            let asOf = try LookupRequest.instant(parameters["as_of"].map { .string($0) }, "as_of")
            return Response.json(.array(try await store.governance(asOf: asOf).pointers.values.sorted { $0.name < $1.name }.map(\.json)))
        }
        router.get("/v1/pointers/:name") { _, context in
            let name = try context.parameter("name"), moves = try await store.governance().moves.filter { $0.name == name }
            guard let pointer = moves.last, case .object(let members) = pointer.json else { throw Problem(.notFound, "not_found", "unknown pointer '\(name.prefix(130))'") }
            return Response.json(.object(members + [JSON.Member("moves", .array(moves.reversed().map(\.json)))]))
        }
        router.post("/v1/pointers") { request, _ in
            let body = try await Body(JSON(parsing: bytes(request, Routes.lookupLimit)), known: ["name", "target"])
            return Response.json(try await store.point(body.text("name"), to: body.text("target")).json)
        }
        router.post("/v1/stages") { request, _ in
            let body = try await Body(JSON(parsing: bytes(request, Routes.lookupLimit)), known: ["name", "stage", "reason", "successor", "force"])
            let name = try body.text("name"), reason = try body.text("reason"), stage = try body.text("stage")
            switch stage {
            case "deprecated":
                guard try !body.flag("force") else { throw Problem.shape("force is for retiring") }
                _ = try await store.deprecate(name, reason: reason, successor: body.optionalText("successor"))
            case "retired":
                guard try body.optionalText("successor") == nil else { throw Problem.shape("a successor is named when something is deprecated") }
                _ = try await store.retire(name, reason: reason, force: body.flag("force"))
            default: throw Problem.shape("stage is deprecated or retired")
            }
            return Response.json(.object(["name": .string(name), "stage": .string(stage), "reason": .string(reason)]))
        }
        router.get("/v1/lineage/:name") { request, context in
            let parameters = try Parameters(request.uri.queryParameters, known: ["direction", "as_of"])
            let asOf = try LookupRequest.instant(parameters["as_of"].map { .string($0) }, "as_of")
            let directions = try parameters["direction"].map { text in
                guard let direction = Lineage.Direction(rawValue: text) else { throw Problem.shape("direction is up or down") }
                return [direction]
            }
            return Response.json(try await store.lineage(context.parameter("name"), asOf: asOf).json(directions ?? Lineage.Direction.allCases))
        }
        router.get("/v1/ledger") { request, _ in
            let parameters = try Parameters(request.uri.queryParameters, known: ["subject", "kind", "before", "count"])
            let count = try parameters.number("count") ?? 100
            guard (1...10_000).contains(count) else { throw Problem.shape("count is a number from 1 to 10000") }
            return Response.json(
                .array(
                    try await store.ledger(subject: parameters["subject"], kind: parameters["kind"], before: parameters.number("before"), count: Int(count)).map(\.json)))
        }
    }

    private func catalog(_ router: Router<BasicRequestContext>) {
        for kind in DefinitionKind.allCases {
            router.get("/v1/\(kind.plural)") { request, _ in
                let parameters = try Parameters(request.uri.queryParameters, known: ["owner", "tag", "entity", "unused", "stale_since"])
                var filter = CatalogFilter(kind: kind)
                (filter.owner, filter.entity, filter.tags) = (parameters["owner"], parameters["entity"], parameters["tag"].map { [$0] } ?? [])
                filter.isUnused = try parameters.flag("unused")
                filter.staleSince = try LookupRequest.instant(parameters["stale_since"].map { .string($0) }, "stale_since")
                return Response.json(.array(try await CatalogBrowser(store).entries(filter).map(\.json)))
            }
            router.get("/v1/\(kind.plural)/:name") { _, context in
                let name = try context.parameter("name")
                guard let entry = try await CatalogBrowser(store).named(name).first(where: { $0.kind == kind }) else {
                    let near = try await CatalogBrowser(store).nearest(name).map { " (did you mean \($0)?)" } ?? ""
                    throw Problem(.notFound, "not_found", "unknown \(kind.rawValue) '\(name.prefix(80))'\(near)")
                }
                return Response.json(try await store.history(of: entry))
            }
        }
        router.get("/v1/sets/:name/plan") { _, context in
            Response.json(try await store.outline(ofSet: context.parameter("name")).json)
        }
        router.get("/v1/diff") { request, _ in
            let query = try Parameters(request.uri.queryParameters, known: ["left", "right", "sample", "as_of"])
            guard let left = query["left"], let right = query["right"] else { throw Problem.shape("left and right name two features or labels") }
            guard let sample = Int(query["sample"] ?? "1000"), (1...ComparisonSample.maximum).contains(sample) else {
                throw Problem.shape("sample is a number from 1 to \(ComparisonSample.maximum)")
            }
            let asOf = try LookupRequest.instant(query["as_of"].map { .string($0) }, "as_of")
            return Response.json(try await store.compare(left, right, on: .values(sample, asOf: asOf)).json)
        }
        router.get("/v1/search") { request, _ in
            guard let text = request.uri.queryParameters.get("q") else { throw Problem.shape("q says what to search for") }
            return Response.json(.array(try await CatalogBrowser(store).search(text).map(\.json)))
        }
        router.get("/v1/snapshots") { _, _ in Response.json(.array(try await store.snapshots().map { $0.json(whole: false) })) }
        snapshots(router)
        router.get("/v1/snapshots/:id") { _, context in Response.json(.object(try await store.manifest(context.parameter("id")))) }
    }

    /// Training sets. The spine's body is put aside on disk, and the rows' is written as it goes: neither is held beside the columns.
    private func snapshots(_ router: Router<BasicRequestContext>) {
        router.post("/v1/snapshots") { request, _ in
            let asked = try SnapshotParameters(request.uri.queryParameters)
            let layout = try fileLayout(request)
            return try await spooled(request, Routes.spineLimit) { body in
                let spine = { @Sendable (plan: Plan) in
                    try SpineFile(body.reader(), layout: layout, name: "body", plan: plan, timestamp: asked.request.timestamp, options: asked.request.options)
                }
                guard asked.isRecorded else { return rows(try await store.trainingSet(asked.request, name: "body", spine: spine)) }
                let manifest = try await store.createSnapshot(asked.request, name: "body", spine: spine), warnings = try await store.set(named: manifest.set.description).warnings
                return try await Response.json(
                    .object(store.manifest(manifest.id) + (warnings.isEmpty ? [] : [JSON.Member("warnings", .array(warnings.map { .string($0) }))])), status: .created)
            }
        }
        router.get("/v1/snapshots/:id/data") { _, context in rows(try await store.fetch(context.parameter("id")).rows) }
        router.post("/v1/snapshots/:id/verify") { _, context in Response.json(try await store.verify(context.parameter("id")).json) }
        router.get("/v1/snapshots/:id/diff/:other") { _, context in
            Response.json(try await store.compareSnapshots(context.parameter("id"), context.parameter("other")).json)
        }
    }

    private func rows(_ set: TrainingSet) -> Response {
        Response(
            status: .ok, headers: [.contentType: Routes.arrow],
            body: ResponseBody { writer in
                for piece in set.arrowStream() { try await writer.write(ByteBuffer(bytes: piece)) }
                try await writer.finish(nil)
            })
    }

    /// Puts a request's body aside and answers it. What takes long is given up where the client goes away, and so the connection ends with the answer.
    private func spooled(_ request: Request, _ limit: Int, _ answer: (SpooledBody) async throws -> Response) async throws -> Response {
        do {
            var response = try await request.body.consumeWithCancellationOnInboundClose { pieces in
                let body = try SpooledBody(directory: store.temporaryDirectory, maximumBytes: limit)
                for try await piece in pieces { try body.append(piece) }
                return try await answer(body)
            }
            response.headers[.connection] = "close"
            return response
        } catch {
            var problem = Problem(error)
            (problem.cause, problem.closes) = (error, true)
            throw problem
        }
    }

    private func fileLayout(_ request: Request) throws -> FileFormat.Layout {
        switch mediaType(request) {
        case Routes.arrow: return .arrows
        case "text/csv": return .csv
        default: throw Problem(.unsupportedMediaType, "unsupported_media_type", "a file of rows travels as \(Routes.arrow) or text/csv")
        }
    }

    private func mediaType(_ request: Request) -> String? {
        guard let given = request.headers[.contentType] else { return nil }
        return given == "application/json" ? given : given.prefix { $0 != ";" && $0 != " " }.lowercased()
    }

    // MARK: Requests

    private func bytes(_ request: Request, _ limit: Int) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        var count = 0
        for try await piece in request.body {
            count += piece.readableBytes
            if count <= limit { bytes += piece.readableBytesView }
            // A sender that writes all before it reads wants its answer too; but not for ever.
            if count > limit + Routes.drained { throw HTTPError(.contentTooLarge) }
        }
        guard count <= limit else { throw HTTPError(.contentTooLarge) }
        return bytes
    }

    private func document(_ request: Request) async throws -> DefinitionDocument {
        let body = try await bytes(request, DefinitionDocument.maximumBytes)
        guard let text = String(validating: body, as: UTF8.self) else { throw Problem(.badRequest, "invalid_request", "the body is not UTF-8 text") }
        return try DefinitionDocument(yaml: text, file: "body")
    }

    private func idempotencyKey(_ request: Request) throws -> String? {
        guard let key = request.headers[.idempotencyKey] else { return nil }
        guard !key.isEmpty, key.utf8.count <= 255 else { throw Problem.shape("an Idempotency-Key has 1 to 255 bytes") }
        return key
    }

    private func pushLayout(_ request: Request) throws -> PushLayout {
        switch mediaType(request) ?? "application/json" {
        case "application/json": return .array
        case "application/x-ndjson", "application/ndjson", "application/jsonl": return .lines
        case Routes.arrow: return .arrow
        default: throw Problem(.unsupportedMediaType, "unsupported_media_type", "rows travel as application/json (an array), application/x-ndjson or \(Routes.arrow)")
        }
    }
}

extension RequestContext {
    /// A part of the path, as it was meant: `a%20b` is `a b`.
    fileprivate func parameter(_ name: String) throws -> String {
        let text = try parameters.require(name)
        return text.removingPercentEncoding ?? text
    }
}
