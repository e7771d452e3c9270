import FeatureLanguage
import FeatureStore
import Hummingbird
import Tables

/// What is registered.
extension Routes {
    func catalog(_ routes: RouteGroups) {
        for kind in DefinitionKind.allCases {
            routes(.read).get("/v1/\(kind.plural)") { request, _ in
                let parameters = try Parameters(request, known: ["owner", "tag", "entity", "unused", "stale_since"])
                var filter = CatalogFilter(kind: kind)
                (filter.owner, filter.entity, filter.tags) = (parameters["owner"], parameters["entity"], parameters["tag"].map { [$0] } ?? [])
                filter.isUnused = try parameters.flag("unused")
                filter.staleSince = try parameters.instant("stale_since")
                return Response.json(.array(try await CatalogBrowser(store).entries(filter).map(\.json)))
            }
            routes(.read).get("/v1/\(kind.plural)/:name") { _, context in
                let name = try context.parameter("name")
                guard let entry = try await CatalogBrowser(store).named(name).first(where: { $0.kind == kind }) else {
                    let near = try await CatalogBrowser(store).nearest(name).map { " (did you mean \($0)?)" } ?? ""
                    throw Problem(.notFound, "not_found", "unknown \(kind.rawValue) '\(name.prefix(80))'\(near)")
                }
                return Response.json(try await store.history(of: entry))
            }
        }
        routes(.read).get("/v1/sets/:name/plan") { _, context in
            Response.json(try await store.outline(ofSet: context.parameter("name")).json)
        }
        routes(.read, .job).get("/v1/diff") { request, _ in
            let query = try Parameters(request, known: ["left", "right", "sample", "as_of"])
            guard let left = query["left"], let right = query["right"] else { throw Problem.shape("left and right name two features or labels") }
            guard let sample = Int(query["sample"] ?? "1000"), (1...ComparisonSample.maximum).contains(sample) else {
                throw Problem.shape("sample is a number from 1 to \(ComparisonSample.maximum)")
            }
            return Response.json(try await store.compare(left, right, on: .values(sample, asOf: query.instant("as_of"))).json)
        }
        routes(.read).get("/v1/search") { request, _ in
            guard let text = try Parameters(request, known: ["q"])["q"] else { throw Problem.shape("q says what to search for") }
            return Response.json(.array(try await CatalogBrowser(store).search(text).map(\.json)))
        }
    }
}
