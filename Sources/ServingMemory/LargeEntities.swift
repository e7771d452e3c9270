internal import FeatureEngine
internal import Synchronization

/// Entities with too many rows for one answer, so that memory isn't asked to take them again and again.
package final class LargeEntities: Sendable {
    private struct Name: Hashable {
        var generation: Int
        var key: EntityKey
    }

    private let names = Mutex<Set<Name>>([])
    private static let most = 10_000

    package init() {}

    package func contains(_ missing: MissingEntities) -> Bool {
        names.withLock { names in
            !names.isEmpty
                && missing.wanted.keys.contains { names.contains(Name(generation: missing.generation, key: $0)) }
        }
    }

    /// Remembers the entity if there is just one; of several, nobody knows which one it is.
    package func insert(_ missing: MissingEntities) {
        guard missing.wanted.keys.count == 1 else { return }
        names.withLock { names in
            if names.count >= LargeEntities.most { names.removeAll() }
            names.insert(Name(generation: missing.generation, key: missing.wanted.keys[0]))
        }
    }
}
