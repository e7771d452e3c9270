import FeatureStore
import Hummingbird
import Tables

/// Models, pointers, life cycle, the ledger, and what is kept of lookups.
extension Routes {
    func governance(_ routes: RouteGroups) {
        routes(.read).get("/v1/models") { _, _ in Response.json(.array(try await store.models().map(\.json))) }
        routes(.read).get("/v1/models/:name") { _, context in Response.json(try await store.model(context.parameter("name")).json) }
        routes(.write).post("/v1/models") { request, _ in
            Response.json(try await store.recordModel(ModelRequest(request.json(atMost: Routes.lookupLimit))).json, status: .created)
        }
        routes(.read).get("/v1/pointers") { request, _ in
            let asOf = try Parameters(request, known: ["as_of"]).instant("as_of")
            return Response.json(.array(try await store.governance(asOf: asOf).pointers.values.sorted { $0.name < $1.name }.map(\.json)))
        }
        routes(.read).get("/v1/pointers/:name") { _, context in
            let name = try context.parameter("name"), moves = try await store.governance().moves.filter { $0.name == name }
            guard let pointer = moves.last, case .object(let members) = pointer.json else { throw Problem(.notFound, "not_found", "unknown pointer '\(name.prefix(130))'") }
            return Response.json(.object(members + [JSON.Member("moves", .array(moves.reversed().map(\.json)))]))
        }
        routes(.admin).post("/v1/pointers") { request, _ in
            let body = try await Body(request.json(atMost: Routes.lookupLimit), known: ["name", "target"])
            return Response.json(try await store.point(body.text("name"), to: body.text("target")).json)
        }
        routes(.admin).post("/v1/stages") { request, _ in
            let body = try await Body(request.json(atMost: Routes.lookupLimit), known: ["name", "stage", "reason", "successor", "force"])
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
        routes(.read).get("/v1/lineage/:name") { request, context in
            let parameters = try Parameters(request, known: ["direction", "as_of"])
            let asOf = try parameters.instant("as_of")
            let directions = try parameters["direction"].map { text in
                guard let direction = Lineage.Direction(rawValue: text) else { throw Problem.shape("direction is up or down") }
                return [direction]
            }
            return Response.json(try await store.lineage(context.parameter("name"), asOf: asOf).json(directions ?? Lineage.Direction.allCases))
        }
        routes(.read).get("/v1/ledger") { request, _ in
            let parameters = try Parameters(request, known: ["subject", "kind", "before", "count"])
            let count = try parameters.number("count") ?? 100
            guard (1...10_000).contains(count) else { throw Problem.shape("count is a number from 1 to 10000") }
            return Response.json(
                .array(
                    try await store.ledger(subject: parameters["subject"], kind: parameters["kind"], before: parameters.number("before"), count: Int(count)).map(\.json)))
        }
        routes(.read, .job).post("/v1/lookups/verify") { request, _ in
            let parameters = try Parameters(request, known: ["since", "receipt"])
            return Response.json(try await store.replayLookups(since: parameters.instant("since"), receipt: parameters["receipt"]).json)
        }
    }
}
