import FeatureLanguage
import FeatureStore
import Hummingbird
import Tables

/// The routes for models, pointers, life cycle, the ledger, and what is kept of lookups.
extension Routes {
    func governance(_ routes: RouteGroups) {
        routes(.audit, .work, bounded: true).get("/v1/models") { _, _ in
            Response.json(
                .array(try await store.catalog.models().filter { Bearer.includes(set: $0.set.description) }.map(\.json))
            )
        }
        routes(.audit, .work, bounded: true).get("/v1/models/:name") { _, context in
            let model = try await store.catalog.model(context.parameter("name"))
            try Bearer.permit(set: model.set.description)
            return Response.json(model.json)
        }
        routes(.write, bounded: true).post("/v1/models") { request, _ in
            let asked = try await ModelRequest(request.json(atMost: Routes.lookupLimit))
            if Bearer.isBounded {
                for id in asked.snapshots { try Bearer.permit(set: await store.training.snapshot(id).set.description) }
                if let set = asked.set { try Bearer.permit(set: set) }
            }
            return Response.json(try await store.catalog.recordModel(asked).json, status: .created)
        }
        routes(.audit, .work, bounded: true).get("/v1/pointers") { request, _ in
            let asOf = try Parameters(request, known: ["as_of"]).instant("as_of"),
                governance = try await store.catalog.governance(asOf: asOf)
            let shown = try governance.pointers.values.filter { try Bearer.includes(set: governance.setName($0.name)) }
            return Response.json(.array(shown.sorted { $0.name < $1.name }.map(\.json)))
        }
        routes(.audit, .work, bounded: true).get("/v1/pointers/:name") { _, context in
            let name = try context.parameter("name"), governance = try await store.catalog.governance(),
                moves = governance.moves.filter { $0.name == name }
            if !moves.isEmpty { try Bearer.permit(.set(name), governance) }
            guard let pointer = moves.last, case .object(let members) = pointer.json else {
                throw Problem(.notFound, "not_found", "unknown pointer '\(name.prefix(130))'")
            }
            return Response.json(.object(members + [JSON.Member("moves", .array(moves.reversed().map(\.json)))]))
        }
        routes(.admin, bounded: true).post("/v1/pointers") { request, _ in
            let body = try await Body(request.json(atMost: Routes.lookupLimit), known: ["name", "target"])
            try Bearer.permit(owning: body.text("name"))
            return Response.json(try await store.catalog.point(body.text("name"), to: body.text("target")).json)
        }
        routes(.admin, bounded: true).post("/v1/stages") { request, _ in
            let body = try await Body(
                request.json(atMost: Routes.lookupLimit), known: ["name", "stage", "reason", "successor", "force"])
            let name = try body.text("name"), reason = try body.text("reason"), stage = try body.text("stage")
            // The name may say which kind of thing is meant: `set:fraud.v1`.
            try Bearer.permit(owning: name.split(separator: ":", maxSplits: 1).last.map(String.init) ?? name)
            switch stage {
            case "deprecated":
                guard try !body.flag("force") else { throw Problem.shape("force is for retiring") }
                _ = try await store.catalog.deprecate(name, reason: reason, successor: body.optionalText("successor"))
            case "retired":
                guard try body.optionalText("successor") == nil else {
                    throw Problem.shape("a successor is named when something is deprecated")
                }
                _ = try await store.catalog.retire(name, reason: reason, force: body.flag("force"))
            default: throw Problem.shape("stage is deprecated or retired")
            }
            return Response.json(.object(["name": .string(name), "stage": .string(stage), "reason": .string(reason)]))
        }
        routes(.audit, .work).get("/v1/lineage/:name") { request, context in
            let parameters = try Parameters(request, known: ["direction", "as_of"])
            let asOf = try parameters.instant("as_of")
            let directions = try parameters["direction"].map { text in
                guard let direction = Lineage.Direction(rawValue: text) else {
                    throw Problem.shape("direction is up or down")
                }
                return [direction]
            }
            return Response.json(
                try await store.provenance.lineage(context.parameter("name"), asOf: asOf).json(
                    directions ?? Lineage.Direction.allCases))
        }
        routes(.audit, .work).get("/v1/ledger") { request, _ in
            let parameters = try Parameters(request, known: ["subject", "kind", "before", "count"])
            let count = try parameters.number("count") ?? 100
            guard (1...10_000).contains(count) else { throw Problem.shape("count is a number from 1 to 10000") }
            return Response.json(
                .array(
                    try await store.provenance.ledger(
                        subject: parameters["subject"], kind: parameters["kind"], before: parameters.number("before"),
                        count: Int(count)
                    ).map(\.json))
            )
        }
        routes(.audit, .work).get("/v1/ledger/head") { _, _ in
            guard let head = try await store.provenance.ledgerHead() else {
                throw Problem(.notFound, "not_found", "the ledger has no entry yet")
            }
            return Response.json(head.json)
        }
        routes(.audit, .work).get("/v1/lookups") { request, _ in
            let parameters = try Parameters(request, known: ["actor", "set", "since", "count"])
            let count = try parameters.number("count") ?? 100
            guard (1...10_000).contains(count) else { throw Problem.shape("count is a number from 1 to 10000") }
            let asked = try await store.serving.lookups(
                actor: parameters["actor"], set: parameters["set"], since: parameters.instant("since"),
                count: Int(count))
            return Response.json(.array(asked.map(\.json)))
        }
        routes(.audit, .job, bounded: true).post("/v1/lookups/verify") { request, _ in
            let parameters = try Parameters(request, known: ["since", "receipt"])
            if Bearer.isBounded {
                // Its own receipts, one at a time.
                guard let receipt = parameters["receipt"] else {
                    throw Problem(
                        .forbidden, "forbidden", "a token with bounds verifies one receipt at a time, of its own")
                }
                let asked = try await store.serving.loggedLookup(receipt)
                guard asked.actor == Bearer.current?.token.name else {
                    throw Problem(.forbidden, "forbidden", "the receipt is another's, and this token has bounds")
                }
                try Bearer.permit(asked.target, await store.catalog.governance())
            }
            return Response.json(
                try await store.serving.replayLookups(
                    since: parameters.instant("since"), receipt: parameters["receipt"]
                ).json)
        }
    }
}
