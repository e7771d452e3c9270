/// A seeded generator (splitmix64), so that a failure can be run again: print the seed with it.
///
/// What is drawn from it is a function of the words that it gave. So it can note them, and give noted words again: what
/// fails is made smaller by making its words fewer and lower, whatever is drawn from them.
public struct Randomness: RandomNumberGenerator {
    private var state: UInt64
    /// The words to give again; nil draws fresh ones.
    private var given: [UInt64]?
    private var place = 0
    /// The words given since `note()`; nil where it wasn't called.
    public private(set) var noted: [UInt64]?

    /// The word of whoever draws the first or least of several. Not 0, which the library refuses to scale to a range.
    static let least: UInt64 = 1 << 32

    public init(seed: UInt64) {
        state = seed
    }

    /// Gives these words, and then the least one for ever.
    public init(again words: [UInt64]) {
        state = 0
        given = words
    }

    /// Begins to note the words that it gives.
    public mutating func note() { noted = [] }

    public mutating func next() -> UInt64 {
        let word: UInt64
        if let given {
            word = place < given.count ? given[place] : Randomness.least
            place += 1
        } else {
            word = fresh()
        }
        noted?.append(word)
        return word
    }

    private mutating func fresh() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    public mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }

    public mutating func pick<T>(_ values: [T]) -> T { values.randomElement(using: &self)! }

    /// The fewest and lowest words, of those tried, that still fail: runs of words are left out, then each is lowered.
    ///
    /// Generators that put the simple first, and end where a word is low, so give the smallest thing that fails.
    ///
    /// - Parameter fails: whether what is drawn from the words fails as the whole did.
    public static func smallest(of words: [UInt64], attempts: Int = 20_000, where fails: (inout Randomness) -> Bool)
        -> [UInt64]
    {
        var best = words, left = attempts
        func tries(_ words: [UInt64]) -> Bool {
            guard left > 0 else { return false }
            left -= 1
            var random = Randomness(again: words)
            guard fails(&random) else { return false }
            best = Array(words.prefix(random.place))
            return true
        }
        var before: [UInt64]
        repeat {
            before = best
            for length in [128, 64, 32] + (1...20).reversed() {
                var start = best.count - length
                while start >= 0 {
                    var fewer = best
                    fewer.removeSubrange(start..<start + length)
                    _ = tries(fewer)
                    start = min(start - 1, best.count - length)
                }
            }
            var place = 0
            while place < best.count {
                var lower = best
                lower[place] = least
                if best[place] > least, !tries(lower) {
                    repeat { lower[place] = max(best[place] / 2, least) } while tries(lower) && place < best.count
                }
                place += 1
            }
        } while best != before && left > 0
        return best
    }

    /// Draws values and compares them all. Of the first that differs, tells the smallest that still does.
    ///
    /// - Parameters:
    ///   - draw: also given the value's place, from 0.
    ///   - mismatch: the first that differs, and how.
    /// - Returns: what to report, with the seed; nil where none differs.
    public static func fault<Value>(
        seed: UInt64, count: Int, _ draw: (inout Randomness, Int) -> Value,
        mismatch: ([Value]) throws -> (index: Int, text: String)?
    ) -> String? {
        var random = Randomness(seed: seed), values: [Value] = [], words: [[UInt64]] = []
        for index in 0..<count {
            random.note()
            values.append(draw(&random, index))
            words.append(random.noted!)
        }
        do {
            guard let first = try mismatch(values) else { return nil }
            var text = first.text
            _ = smallest(of: words[first.index]) { random in
                guard let found = try? mismatch([draw(&random, first.index)]) else { return false }
                text = found.text
                return true
            }
            return "seed \(seed): \(text)\n  first seen in \(first.text)"
        } catch {
            return "seed \(seed): \(error)"
        }
    }
}
