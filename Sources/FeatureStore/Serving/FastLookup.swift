internal import FeatureEngine
internal import FeatureLanguage
internal import ServingMemory
public import StoreRecord

extension StoreServing {
    /// Answers a lookup's body at once if it is plain and memory has everything, with the same bytes that the long way
    /// gives. Nil means that it has to go the long way.
    ///
    /// - Parameters:
    ///   - body: the request's JSON.
    ///   - actor: who asks, for the lookup log; nil for the store's own.
    ///   - bounds: a request beyond them goes the long way, where it is refused.
    ///   - tell: called with the set that was asked for.
    public func answerFromMemory(
        _ body: [UInt8], actor: String? = nil, bounds: TokenBounds = .none, tell: (String?) -> Void = { _ in }
    ) -> [UInt8]? {
        guard let memory = online?.memory, let asked = PlainLookup(body, plan: { memory.plan(.set($0)) }),
            memory.isFresh
        else { return nil }
        if bounds.isBounded, !(asked.prepared.asked.target.set.map(bounds.includes(set:)) ?? false) { return nil }
        tell(asked.prepared.asked.target.set)
        let isLogged = receipts.isSampled()
        if !isLogged, let bytes = memory.write(asked.prepared, asked) { return bytes }
        guard memory.owed(to: asked.prepared.plan.sources).isEmpty else { return nil }
        let spine = asked.spine
        guard case .answer(var answer) = memory.answer(asked.prepared, spine, .ahead) else { return nil }
        if isLogged {
            answer.receipt = receipts.keep(
                asked.prepared.asked, asked.prepared.functions, spine, answer, actor: actor ?? self.actor)
        }
        var bytes: [UInt8] = []
        answer.write(to: &bytes)
        return bytes
    }
}
