import FeatureLanguage
import FeatureStore
import Hummingbird
import Tables

/// The routes for what is registered.
extension Routes {
    func catalog(_ routes: RouteGroups) {
        for kind in DefinitionKind.allCases {
            routes(.audit, .work, bounded: true).get("/v1/\(kind.plural)") { request, _ in
                let parameters = try Parameters(request, known: ["owner", "tag", "entity", "unused", "stale_since"])
                var filter = CatalogFilter(kind: kind)
                (filter.owner, filter.entity, filter.tags) = (
                    parameters["owner"], parameters["entity"], parameters["tag"].map { [$0] } ?? []
                )
                filter.isUnused = try parameters.flag("unused")
                filter.staleSince = try parameters.instant("stale_since")
                return Response.json(.array(try await shown(store.catalog.browser().entries(filter)).map(\.json)))
            }
            routes(.audit, .work, bounded: true).get("/v1/\(kind.plural)/:name") { _, context in
                let name = try context.parameter("name")
                let browser = try await store.catalog.browser()
                guard let entry = browser.named(name).first(where: { $0.kind == kind }) else {
                    let near = browser.nearest(name).map { " (did you mean \($0)?)" } ?? ""
                    throw Problem(.notFound, "not_found", "unknown \(kind.rawValue) '\(name.prefix(80))'\(near)")
                }
                guard try await !shown([entry]).isEmpty else {
                    throw Problem(
                        .forbidden, "forbidden",
                        "this needs a token for \(kind.rawValue) \(name.prefix(80)), and this one's bounds are others")
                }
                // Statistics of an output come from a snapshot, which may be of any set.
                return Response.json(
                    try await store.catalog.history(of: entry, withStatistics: Bearer.seesValues && !Bearer.isBounded))
            }
        }
        routes(.audit, .work, bounded: true).get("/v1/sets/:name/plan") { _, context in
            let name = try context.parameter("name")
            if Bearer.isBounded { try await store.serving.withKnownCatalog { try Bearer.permit(.set(name), $1) } }
            return Response.json(try await store.catalog.outline(ofSet: name).json)
        }
        routes(.read, .job, bounded: true).get("/v1/diff") { request, _ in
            let query = try Parameters(request, known: ["left", "right", "sample", "as_of"])
            guard let left = query["left"], let right = query["right"] else {
                throw Problem.shape("left and right name two features or labels")
            }
            guard let sample = Int(query["sample"] ?? "1000"), (1...ComparisonSample.maximum).contains(sample) else {
                throw Problem.shape("sample is a number from 1 to \(ComparisonSample.maximum)")
            }
            try await store.serving.withKnownCatalog { catalog, _ in
                try Bearer.permit(functions: [left, right], catalog)
            }
            return Response.json(
                try await store.catalog.compare(left, right, on: .values(sample, asOf: query.instant("as_of"))).json)
        }
        routes(.audit, .work, bounded: true).get("/v1/search") { request, _ in
            guard let text = try Parameters(request, known: ["q"])["q"] else {
                throw Problem.shape("q says what to search for")
            }
            return Response.json(.array(try await shown(store.catalog.browser().search(text)).map(\.json)))
        }
    }

    /// The entries that the bearer may see.
    private func shown(_ entries: [CatalogEntry]) async throws -> [CatalogEntry] {
        guard Bearer.isBounded else { return entries }
        let visible = try await store.serving.withKnownCatalog { catalog, _ in Bearer.visible(catalog) }
        return entries.filter { visible.contains("\($0.kind.rawValue) \($0.name)") }
    }
}
