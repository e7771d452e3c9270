import FeatureEngine
import TestSupport
import Testing

@Suite struct BitTests {
    @Test func `bits are those that one after the other gives, and come back`() {
        var random = Randomness(seed: 11)
        for count in 0...130 {
            let flags = (0..<count).map { _ in Bool.random(using: &random) }
            let from = Int.random(in: 0...count, using: &random), to = Int.random(in: from...count, using: &random)
            var naive = [UInt8](repeating: 0, count: (to - from + 7) / 8)
            for (place, flag) in flags[from..<to].enumerated() where flag { naive[place / 8] |= 1 << UInt8(place % 8) }
            #expect(flags.packed(from..<to) == naive)
            #expect([Bool](bits: flags.packed(0..<count), count: count) == flags)
        }
    }

    @Test func `bits beyond the count are no flags`() {
        #expect([Bool](bits: [0xFF, 0xFF], count: 9) == Array(repeating: true, count: 9))
    }
}
