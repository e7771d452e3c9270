public import FeatureLanguage

/// What is registered and decided: definitions, models, pointers, life cycles, tokens.
public struct StoreCatalog: StorePart {
    let context: StoreContext

    /// Everything registered.
    public func read() async throws -> Catalog { try await context.catalog() }
}
