internal import Synchronization

/// Entities that have too many rows for one answer: memory isn't asked to take them again and again.
final class LargeEntities: Sendable {
    private struct Name: Hashable {
        var generation: Int
        var key: EntityKey
    }

    private let names = Mutex<Set<Name>>([])
    private static let most = 10_000

    func contains(_ missing: OnlineMemory.Missing) -> Bool {
        names.withLock { names in !names.isEmpty && missing.keys.contains { names.contains(Name(generation: missing.generation, key: $0)) } }
    }

    /// Remembers the entity, where there is one: of several nobody knows which it is.
    func insert(_ missing: OnlineMemory.Missing) {
        guard missing.keys.count == 1 else { return }
        names.withLock { names in
            if names.count >= LargeEntities.most { names.removeAll() }
            names.insert(Name(generation: missing.generation, key: missing.keys[0]))
        }
    }
}
