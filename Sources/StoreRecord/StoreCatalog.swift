public import FeatureLanguage

/// What is registered and decided: definitions, models, pointers, life cycles, tokens.
public struct StoreCatalog: StorePart {
    package let context: StoreContext

    package init(context: StoreContext) {
        self.context = context
    }

    /// Everything registered.
    public func read() async throws -> Catalog { try await context.catalog() }
}
