import FeatureLanguage
import TestSupport
import Testing

/// What fails on random data is shown as small as it can be.
@Suite struct ShrinkingTests {
    @Test(arguments: [
        ("sqrt(", ["sqrt(request.f1)", "sqrt(request.i1)", "sqrt(request.n1)"]), (" like ", ["(request.s1 like '%')"]),
    ])
    func `an expression shrinks to the one call that fails`(call: String, smallest: [String]) {
        var shrunk = 0
        for seed in 0..<UInt64(300) {
            var expressions = RandomExpressions(seed: seed, prefix: "request.", hasInstant: true)
            expressions.random.note()
            guard expressions.draw(.string, depth: 6).firn.contains(call) else { continue }
            shrunk += 1
            var found = ""
            let words = Randomness.smallest(of: expressions.random.noted!) { random in
                var again = RandomExpressions(random, prefix: "request.", hasInstant: true)
                let text = again.draw(.string, depth: 6).firn
                random = again.random
                guard text.contains(call) else { return false }
                found = text
                return true
            }
            // Texts are drawn, so something makes a text of it.
            let isSmall = smallest.contains { found.contains($0) } && found.utf8.count <= 160
            #expect(isSmall, "seed \(seed): \(found)")
            #expect(words.count < expressions.random.noted!.count)
        }
        #expect(shrunk > 5)
    }

    @Test func `words that are given again give the same, and then the least`() {
        var random = Randomness(seed: 5)
        random.note()
        let first = (0..<10).map { _ in Int.random(in: 0..<7, using: &random) }
        var again = Randomness(again: random.noted!)
        #expect((0..<10).map { _ in Int.random(in: 0..<7, using: &again) } == first)
        #expect(Int.random(in: 3..<10, using: &again) == 3 && again.pick(["a", "b"]) == "a" && again.chance(1))
    }
}
