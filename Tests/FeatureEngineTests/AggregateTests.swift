import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

@Suite struct ExactSumTests {
    private func sum(_ values: [Double]) -> Double {
        var sum = ExactSum()
        for value in values { sum.add(value) }
        return sum.value
    }

    @Test func `what cancels leaves no trace`() {
        #expect(sum([1e16, 1, -1e16]) == 1)
        #expect(sum([1e308, 1e308, -1e308]) == 1e308)
        #expect(sum([1e300, -1e300, -1]) == -1)
        #expect(sum([1e300, .leastNonzeroMagnitude, -1e300]) == .leastNonzeroMagnitude)
        #expect(sum([1e300, -.leastNonzeroMagnitude, -1e300]) == -.leastNonzeroMagnitude)
    }

    @Test func `nothing and nothing but zeros is positive zero`() {
        #expect(sum([]).bitPattern == 0)
        #expect(sum([-0.0, -0.0]).bitPattern == 0)
        #expect(sum([1, -1]).bitPattern == 0)
    }

    @Test func `past the range it is infinite, and comes back`() {
        var sum = ExactSum()
        sum.add(.greatestFiniteMagnitude)
        sum.add(.greatestFiniteMagnitude)
        #expect(sum.value == .infinity)
        sum.remove(.greatestFiniteMagnitude)
        #expect(sum.value == .greatestFiniteMagnitude)
    }

    @Test func `infinities and NaN leave again`() {
        var sum = ExactSum()
        sum.add(2.5)
        sum.add(.infinity)
        #expect(sum.value == .infinity)
        sum.add(-.infinity)
        #expect(sum.value.isNaN)
        sum.remove(.infinity)
        #expect(sum.value == -.infinity)
        sum.add(.nan)
        sum.remove(-.infinity)
        #expect(sum.value.isNaN)
        sum.remove(.nan)
        #expect(sum.value == 2.5)
    }

    @Test func `a sliding window equals Shewchuk's sum of its content`() {
        for seed in 0..<UInt64(300) {
            var random = Randomness(seed: seed)
            var sum = ExactSum()
            var window: [Double] = []
            for step in 0..<200 {
                let value = value(&random)
                sum.add(value)
                window.append(value)
                if window.count > 12 { sum.remove(window.remove(at: Int.random(in: 0..<window.count, using: &random))) }
                let expected = NaiveStore.exactSum(window), got = sum.value
                guard got.bitPattern == expected.bitPattern else {
                    Issue.record("seed \(seed), step \(step): \(got) instead of \(expected) for \(window)")
                    return
                }
            }
        }
    }

    /// Any exponent, or close ones, so that both cancellation and carries happen. The naive sum overflows on the way,
    /// so not the largest.
    private func value(_ random: inout Randomness) -> Double {
        let exponent: UInt64 =
            random.chance(50)
            ? UInt64.random(in: 1015...1035, using: &random) : UInt64.random(in: 0..<2030, using: &random)
        let sparse = random.chance(30)
        let mantissa =
            sparse ? UInt64(1) << UInt64.random(in: 0..<52, using: &random) : random.next() & 0xF_FFFF_FFFF_FFFF
        return Double(bitPattern: (random.chance(50) ? 1 << 63 : 0) | exponent << 52 | mantissa)
    }

    @Test func `ten million values in any order give the bits of Shewchuk's sum`() {
        var random = Randomness(seed: 1)
        var forward = ExactSum(), backward = ExactSum()
        let values = (0..<10_000_000).map { _ in Double.random(in: -1e6...1e6, using: &random) }
        for value in values { forward.add(value) }
        for value in values.reversed() { backward.add(value) }
        #expect(forward.value.bitPattern == backward.value.bitPattern)
        #expect(forward.value.bitPattern == NaiveStore.exactSum(values).bitPattern)
    }
}

@Suite struct ExactMomentsTests {
    private func variance(_ values: [Double], ofSample: Bool = true) -> Double? {
        var moments = ExactMoments(of: .float64)
        for value in values { moments.change(value, 1) }
        return moments.variance(ofSample: ofSample)
    }

    @Test func `values far from zero lose nothing`() {
        #expect(variance([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16]) == 30)
        #expect(variance([1e300, 1e300, 1e300]) == 0)
        #expect(variance([0.1, 0.1, 0.1], ofSample: false) == 0)
    }

    @Test func `subnormals round once, and what is too small is 0`() {
        let least = Double.leastNonzeroMagnitude
        #expect(variance([0, least]) == 0)
        // (1.5 · 2^−537)² / 2 is 1.125 units of 2^−1074.
        #expect(variance([0, 0x1.8p-537]) == least)
        #expect(variance([0, 0x1p-536]) == 2 * least)
    }

    @Test func `beyond the range it is infinite, with an infinity or NaN it is NaN until that leaves`() {
        #expect(variance([-1e200, 1e200]) == .infinity)
        var moments = ExactMoments(of: .float64)
        for value in [1, 2, .infinity, .nan] as [Double] { moments.change(value, 1) }
        #expect(moments.variance(ofSample: true)?.isNaN == true)
        moments.change(.nan, -1)
        #expect(moments.variance(ofSample: true)?.isNaN == true)
        moments.change(.infinity, -1)
        #expect(moments.variance(ofSample: true) == 0.5)
    }

    @Test func `one value has a variance of 0, but none of a sample`() {
        #expect(variance([7], ofSample: false) == 0)
        #expect(variance([7]) == nil)
        #expect(variance([], ofSample: false) == nil)
    }

    @Test func `int64s are exact to the ends of their range`() {
        var moments = ExactMoments(of: .int64)
        for value in [Int64.min, .max, .min, .max] { moments.change(value, 1) }
        // Half the distance, squared: ((2^64 − 1) / 2)².
        #expect(moments.variance(ofSample: false) == 0x1p126)
        moments.change(Int64.min, -1)
        moments.change(Int64.min, -1)
        #expect(moments.variance(ofSample: false) == 0)
    }
}

@Suite struct StaircaseTests {
    @Test func `the best present element equals that of a plain scan`() {
        for seed in 0..<UInt64(2000) {
            var random = Randomness(seed: seed)
            var staircase = Staircase()
            var present: [(key: Int64, end: Int64, row: Int32)] = []
            for now in 0..<Int64(30) {
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    let element = (
                        key: Int64.random(in: 0...9, using: &random),
                        end: now + Int64.random(in: 1...12, using: &random), row: Int32(present.count)
                    )
                    staircase.insert(key: element.key, end: element.end, row: element.row)
                    present.append(element)
                }
                let best = present.filter { $0.end > now }.map(\.key).max()
                let row = staircase.best(at: now)
                let key = row < 0 ? nil : present[Int(row)].key
                guard key == best, row < 0 || present[Int(row)].end > now else {
                    Issue.record("seed \(seed) at \(now): \(key.debugDescription) instead of \(best.debugDescription)")
                    return
                }
            }
        }
    }
}
