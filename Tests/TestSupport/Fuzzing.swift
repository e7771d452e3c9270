import Foundation

/// Breaks inputs in the ways that parsers break on: bits, bytes, lines and tokens changed, cut, repeated and mixed with
/// other inputs.
///
/// A run is the same each time; `FIRN_FUZZ=100` makes it a hundred times as long. An input that crashes the process is
/// found by its number, which stands in the file `firn-fuzz-<name>` of the temporary directory while it is tried.
public struct Fuzzer: Sequence {
    private let name: String
    private let inputs: [[UInt8]]
    private let tokens: [[UInt8]]
    private let count: Int

    /// How many times as long as usual.
    public static let length = Int(ProcessInfo.processInfo.environment["FIRN_FUZZ"] ?? "") ?? 1

    /// What a run may take: far more than it does.
    public static let minutes = 5 * length

    public init(_ name: String, inputs: [String], tokens: [String], count: Int) {
        self.name = name
        self.inputs = inputs.map { Array($0.utf8) }
        self.tokens = tokens.map { Array($0.utf8) }
        self.count = count * Fuzzer.length
    }

    public func makeIterator() -> AnyIterator<(number: Int, bytes: [UInt8])> {
        var number = 0
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("firn-fuzz-\(name)").path
        return AnyIterator {
            guard number < count else {
                try? FileManager.default.removeItem(atPath: path)
                return nil
            }
            defer { number += 1 }
            if number % 100 == 0 {
                _ = FileManager.default.createFile(atPath: path, contents: Data("\(number) and the 99 after it\n".utf8))
            }
            return (number, input(number))
        }
    }

    /// The input of a number.
    public func input(_ number: Int) -> [UInt8] {
        var random = Randomness(seed: UInt64(number))
        var bytes = random.pick(inputs)
        for _ in 0..<random.pick([1, 1, 1, 2, 4]) { mutate(&bytes, &random) }
        return bytes
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout Randomness) {
        func place() -> Int { Int.random(in: 0...bytes.count, using: &random) }
        func range(_ length: Int) -> Range<Int> {
            let start = place()
            return start..<Swift.min(bytes.count, start + Int.random(in: 0...length, using: &random))
        }
        switch Int.random(in: 0..<16, using: &random) {
        case 0 where !bytes.isEmpty:
            bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1 where !bytes.isEmpty:
            bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
        case 2: bytes.removeSubrange(range(20))
        case 3: bytes.insert(contentsOf: bytes[range(40)], at: place())
        case 4: bytes.insert(contentsOf: random.pick(tokens), at: place())
        case 5: bytes.replaceSubrange(range(12), with: random.pick(tokens))
        case 6:
            let token = random.pick(tokens)
            bytes.insert(
                contentsOf: Array(repeating: token, count: Int.random(in: 1...400, using: &random)).joined(),
                at: place())
        case 7:
            let other = random.pick(inputs), cut = Int.random(in: 0...other.count, using: &random)
            bytes = Array(bytes[..<place()]) + other[cut...]
        case 8: bytes.removeSubrange(place()...)
        case 9:
            bytes.replaceSubrange(
                range(8),
                with: (0..<Int.random(in: 0...8, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
            )
        default:
            // A letter or digit for another: often still what can be read.
            let places = bytes.indices.filter {
                bytes[$0] >= UInt8(ascii: "0") && bytes[$0] <= UInt8(ascii: "9")
                    || bytes[$0] >= UInt8(ascii: "a") && bytes[$0] <= UInt8(ascii: "z")
            }
            if let place = places.randomElement(using: &random) {
                bytes[place] = random.pick(Array("0123456789abfist".utf8))
            }
        }
    }
}
