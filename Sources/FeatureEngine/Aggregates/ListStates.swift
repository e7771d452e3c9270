internal import FeatureLanguage

/// The rows whose values a list has, for one output row after another.
struct ListOutput {
    private let gather: ([Int32]) -> Column
    private var rows: [Int32] = []
    private var ends = [0]
    private var validity: [Bool] = []

    /// - Parameter gather: the values of some rows.
    init(_ gather: @escaping ([Int32]) -> Column) {
        self.gather = gather
    }

    mutating func reserve(_ count: Int) { ends.reserveCapacity(count + 1) }

    mutating func append(_ list: some Sequence<Int32>) {
        rows += list
        ends.append(rows.count)
        validity.append(true)
    }

    mutating func appendNull() {
        ends.append(rows.count)
        validity.append(false)
    }

    mutating func finish() -> Column {
        Column(listsOf: gather(rows), ends: ends, validity: validity.contains(false) ? validity : nil)
    }
}

/// `first_k` and `last_k`: the values of the oldest or newest rows, the newest last.
///
/// An entity's rows come in the order of (`event_time`, `known_at`, offset), so a row's index is its rank.
final class EndState: AggregateState {
    private let takes: [Bool]?
    private let selection: Selection
    private let isNewest: Bool
    private let most: Int
    private var base = 0
    private var tree = RankTree()
    private var output: ListOutput

    init(_ input: AggregateInput, _ aggregate: Aggregate) {
        selection = input.selection
        takes = input.selection.takes
        isNewest = aggregate.operator == .lastK
        guard case .int64(let most) = aggregate.parameters[0] else { preconditionFailure("a count is an int64") }
        self.most = Int(most)
        output = ListOutput { input.deferred?.gathered($0) ?? input.argument!.gathered($0) }
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        tree.reset(range.count)
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    private func change(_ rows: [Int32], _ by: Int32) {
        for row in rows where takes?[base + Int(row)] ?? true { tree.change(Int(row), by) }
    }

    func record(at instant: Int64) {
        guard tree.count > 0 else { return output.appendNull() }
        let places = isNewest ? max(0, tree.count - most)..<tree.count : 0..<min(most, tree.count)
        output.append(places.map { Int32(base + tree.rank($0)) })
    }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        // If some aren't taken, they have to be found.
        guard takes == nil else { return false }
        let base = Int32(range.lowerBound)
        for (first, end) in zip(windows.firsts, windows.ends) {
            if first == end {
                output.appendNull()
            } else if isNewest {
                output.append(base + max(first, end - Int32(most))..<base + end)
            } else {
                output.append(base + first..<base + min(end, first + Int32(most)))
            }
        }
        return true
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] {
        let taken = rows.filter { takes?[range.lowerBound + Int($0)] ?? true }.sorted()
        return Array(isNewest ? taken.suffix(most) : taken.prefix(most))
    }

    func finish() -> Column { output.finish() }
}

/// `top_k` and `distinct_values`: the values present, by how frequent they are or by themselves.
final class ValuesState: AggregateState {
    private let keys: [Int64]
    private let takes: [Bool]?
    /// How many of the most frequent; nil for all, in the order of values.
    private let most: Int?
    private var base = 0
    private var values = ValueRanks()
    private var counts: [Int32] = []
    private var distinct = 0
    private var output: ListOutput

    init(_ input: AggregateInput, _ aggregate: Aggregate) {
        let argument = input.argument!.withOneZero()
        keys = argument.sortKeys()
        takes = input.selection.takes
        most = if case .int64(let most)? = aggregate.parameters.first { Int(most) } else { nil }
        output = ListOutput(argument.gathered)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        values = ValueRanks(range, keys, takes)
        counts = Array(repeating: 0, count: values.rows.count)
        distinct = 0
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where values.ranks[Int(row)] >= 0 {
            let rank = Int(values.ranks[Int(row)])
            if counts[rank] == 0 { distinct += 1 }
            counts[rank] += 1
        }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where values.ranks[Int(row)] >= 0 {
            let rank = Int(values.ranks[Int(row)])
            counts[rank] -= 1
            if counts[rank] == 0 { distinct -= 1 }
        }
    }

    func record(at instant: Int64) {
        guard distinct > 0, most != nil || distinct <= ListValue.maximumCount else { return output.appendNull() }
        var present = counts.indices.filter { counts[$0] > 0 }
        if let most {
            present.sort { (counts[$1], $0) < (counts[$0], $1) }
            present = Array(present.prefix(most))
        }
        output.append(present.map { Int32(base) + values.rows[$0] })
    }

    func finish() -> Column { output.finish() }
}
