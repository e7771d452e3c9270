import FeatureStore
import Hummingbird
import HummingbirdCore

/// A router's routes, each added with the role it requires and the lane it runs in: `routes(.write,
/// .job).post("/v1/sources/:name/import")`.
struct RouteGroups {
    let router: Router<ServerContext>
    let shared: Routes

    /// - Parameters:
    ///   - role: nil for what anybody may ask.
    ///   - bounded: whether the handler checks the request against the bearer's bounds (`Bearer.permit`); if not, no
    ///     token with bounds gets there.
    func callAsFunction(_ role: TokenRole?, _ lane: Admission.Lane = .request, bounded: Bool = false) -> RouterGroup<
        ServerContext
    > {
        guard let role else { return admitted(router.group(), lane) }
        return self({ _ in role }, lane, bounded: bounded)
    }

    func callAsFunction(
        _ role: @escaping @Sendable (Request) -> TokenRole, _ lane: Admission.Lane = .request, bounded: Bool = false
    ) -> RouterGroup<ServerContext> {
        admitted(
            router.group().add(
                middleware: AccessMiddleware(
                    store: shared.store, gatekeeper: shared.gatekeeper, needed: role, heedsBounds: bounded)), lane)
    }

    private func admitted(_ group: RouterGroup<ServerContext>, _ lane: Admission.Lane) -> RouterGroup<ServerContext> {
        group.add(middleware: BodyTypeMiddleware()).add(
            middleware: AdmissionMiddleware(
                store: shared.store, admission: shared.admission, metrics: shared.metrics, lane: lane,
                hasTokens: shared.gatekeeper != nil))
    }
}
