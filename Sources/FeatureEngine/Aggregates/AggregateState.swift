internal import FeatureLanguage

/// What an aggregate needs of the rows it reduces, computed for all of them at once.
struct AggregateInput {
    /// The argument's value for each row; nil for `count(*)`.
    var argument: Column?
    /// Whether each row takes part: the filter holds, and it is no tombstone; nil where all do.
    var mask: [Bool]?
    /// Of a source without `id`: rows where `latest` is NULL until a newer row.
    var tombstones: [Bool]?
    /// The mask, without rows whose argument is NULL where the operator passes over them.
    var selection: Selection
    /// Of the argument's values, where it is a number.
    var sums: RunningSums?
    /// Of `min` and `max`.
    var family: ExtremeFamily?
    /// The argument of `latest` and `earliest` where it lies elsewhere; then `argument` is nil.
    var deferred: (any DeferredColumn)?
}

/// One aggregate's state for one entity: rows enter and leave, and its value can be read at any instant.
///
/// One object serves entity after entity; `begin` forgets the last one. Rows are given by their index in the input's arrays.
protocol AggregateState: AnyObject {
    /// Makes room for so many values.
    func reserve(_ count: Int)
    /// - Parameter range: the indices of the entity's rows.
    func begin(_ range: Range<Int>)
    /// Rows counted from the range's start, with the timeline that says when each leaves.
    func enter(_ rows: [Int32], _ timeline: borrowing Timeline)
    func leave(_ rows: [Int32])
    /// Notes the value at `instant` as that of the next output row.
    func record(at instant: Int64)
    /// Notes the values of an entity whose frames are runs of rows, for all its instants at once, without rows that enter and leave.
    ///
    /// - Returns: false, and nothing is noted, where this state can't.
    func record(_ windows: Windows, in range: Range<Int>) -> Bool
    /// Of an entity's rows that all count from now on, for ever: those that it can't do without.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32]
    /// Takes such rows in for good; they aren't given again.
    func absorb(_ rows: [Int32], in range: Range<Int>)
    /// Goes on with what another state of the same aggregate took in for good, until `forgetCarried`.
    func inherit(_ other: any AggregateState)
    func forgetCarried()
    /// The values recorded, in order.
    func finish() -> Column
}

extension AggregateState {
    // What keeps values, or rows in an order of their own, keeps the rows.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { rows }
    func absorb(_ rows: [Int32], in range: Range<Int>) {}
    func inherit(_ other: any AggregateState) {}
    func forgetCarried() {}
    func record(_ windows: Windows, in range: Range<Int>) -> Bool { false }
}

func makeState(_ aggregate: Aggregate, _ input: AggregateInput) -> any AggregateState {
    switch aggregate.operator {
    case .count: CountState(input)
    case .countDistinct: DistinctState(input)
    case .sum, .avg:
        if case .float64? = input.argument?.type {
            FloatSumState(input, average: aggregate.operator == .avg)
        } else {
            IntegerSumState(input, average: aggregate.operator == .avg)
        }
    case .stddevSamp, .stddevPop, .varSamp, .varPop: MomentsState(input, aggregate.operator)
    case .percentile: PercentileState(input, fraction: aggregate.fraction!)
    case .boolAnd, .boolOr: TruthState(input, and: aggregate.operator == .boolAnd)
    case .min, .max, .latest, .earliest: ExtremeState(input, aggregate.operator)
    }
}

/// `count(*)` and `count(x)`.
private final class CountState: AggregateState {
    private var carried: Int64 = 0
    private let selection: Selection
    private let takes: [Bool]?
    private var base = 0
    private var count: Int64 = 0
    private var output: [Int64] = []

    init(_ input: AggregateInput) {
        selection = input.selection
        takes = selection.takes
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        count = carried
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        base = range.lowerBound
        carried += number(rows)
    }

    func inherit(_ other: any AggregateState) { if let other = other as? CountState { carried = other.carried } }
    func forgetCarried() { carried = 0 }

    private func number(_ rows: [Int32]) -> Int64 {
        guard let takes else { return Int64(rows.count) }
        return rows.reduce(0) { takes[base + Int($1)] ? $0 + 1 : $0 }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { count += number(rows) }
    func leave(_ rows: [Int32]) { count -= number(rows) }
    func record(at instant: Int64) { output.append(count) }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        var output = output
        self.output = []
        windows.forEachCount(selection.counts(range)) { _, _, count in output.append(carried + Int64(count)) }
        self.output = output
        return true
    }

    func finish() -> Column { Column(.int64(output)) }
}

/// `count(distinct x)`: how many of the numbered values are present at least once.
private final class DistinctState: AggregateState {
    private let numbers: [Int32]
    private let takes: [Bool]?
    private var base = 0
    private var occurrences: [Int32]
    private var touched: [Int32] = []
    private var distinct: Int64 = 0
    private var output: [Int64] = []

    init(_ input: AggregateInput) {
        let argument = input.argument!
        let table = TupleTable([argument], count: argument.count)
        numbers = table.numbers
        occurrences = Array(repeating: 0, count: table.count)
        takes = input.selection.takes
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        for number in touched { occurrences[Int(number)] = 0 }
        touched.removeAll(keepingCapacity: true)
        base = range.lowerBound
        distinct = 0
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let number = numbers[base + Int(row)]
            if occurrences[Int(number)] == 0 {
                distinct += 1
                touched.append(number)
            }
            occurrences[Int(number)] += 1
        }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let number = Int(numbers[base + Int(row)])
            occurrences[number] -= 1
            if occurrences[number] == 0 { distinct -= 1 }
        }
    }

    func record(at instant: Int64) { output.append(distinct) }
    func finish() -> Column { Column(.int64(output)) }
}

/// `sum` and `avg` of float64: exact until read, so that neither order nor sliding changes a bit.
private final class FloatSumState: AggregateState {
    private let values: [Double]
    private let selection: Selection
    private let takes: [Bool]?
    private let average: Bool
    private var base = 0
    private var sum = ExactSum()
    private let sums: RunningSums
    private var count = 0
    private var carried: (sum: ExactSum, count: Int)?
    private var output = ColumnBuilder(.float64)

    init(_ input: AggregateInput, average: Bool) {
        values = input.argument!.floats
        sums = input.sums!
        selection = input.selection
        takes = selection.takes
        self.average = average
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        if let carried {
            (sum, count) = carried
        } else {
            count = 0
            sum.reset()
        }
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        var (sum, count) = carried ?? (ExactSum(), 0)
        carried = nil
        for row in rows where takes?[range.lowerBound + Int(row)] ?? true {
            sum.add(values[range.lowerBound + Int(row)])
            count += 1
        }
        carried = (sum, count)
    }

    func inherit(_ other: any AggregateState) { if let other = other as? FloatSumState { carried = other.carried } }
    func forgetCarried() { carried = nil }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            sum.add(values[base + Int(row)])
            count += 1
        }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where takes?[base + Int(row)] ?? true {
            sum.remove(values[base + Int(row)])
            count -= 1
        }
    }

    func record(at instant: Int64) {
        if count == 0 { output.appendNull() } else { output.append(average ? sum.value / Double(count) : sum.value) }
    }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        guard carried == nil, let running = sums.sums(range) else { return false }
        let sums = running.span, exponent = self.sums.exponent
        var output = output
        self.output = ColumnBuilder(.float64)
        windows.forEachCount(selection.counts(range)) { first, end, count in
            if count == 0 {
                output.appendNull()
            } else {
                let sum = Double(sums[end] - sums[first], exponent: exponent)
                output.append(average ? sum / Double(count) : sum)
            }
        }
        self.output = output
        return true
    }

    func finish() -> Column { output.finish() }
}

/// `sum` and `avg` of int64, in 128 bits: a sum beyond an int64 is NULL only where it is read.
private final class IntegerSumState: AggregateState {
    private let values: [Int64]
    private let selection: Selection
    private let takes: [Bool]?
    private let average: Bool
    private var base = 0
    private var sum: Int128 = 0
    private let sums: RunningSums
    private var count = 0
    private var carried: (sum: Int128, count: Int) = (0, 0)
    private var output: ColumnBuilder

    init(_ input: AggregateInput, average: Bool) {
        values = input.argument!.integers
        sums = input.sums!
        selection = input.selection
        takes = selection.takes
        self.average = average
        output = ColumnBuilder(average ? .float64 : .int64)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        (sum, count) = carried
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        for row in rows where takes?[range.lowerBound + Int(row)] ?? true {
            carried.sum += Int128(values[range.lowerBound + Int(row)])
            carried.count += 1
        }
    }

    func inherit(_ other: any AggregateState) { if let other = other as? IntegerSumState { carried = other.carried } }
    func forgetCarried() { carried = (0, 0) }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            sum += Int128(values[base + Int(row)])
            count += 1
        }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where takes?[base + Int(row)] ?? true {
            sum -= Int128(values[base + Int(row)])
            count -= 1
        }
    }

    func record(at instant: Int64) { record(sum, count) }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        guard let sums = sums.sums(range) else { return false }
        windows.forEachCount(selection.counts(range)) { first, end, count in record(carried.sum + sums[end] - sums[first], carried.count + count) }
        return true
    }

    private func record(_ sum: Int128, _ count: Int) {
        if count == 0 {
            output.appendNull()
        } else if average {
            output.append(Double(sum) / Double(count))
        } else if let exact = Int64(exactly: sum) {
            output.append(exact)
        } else {
            output.appendNull()
        }
    }

    func finish() -> Column { output.finish() }
}

/// Variances and standard deviations: exact until read.
private final class MomentsState: AggregateState {
    private let argument: Column
    private let takes: [Bool]?
    private let ofSample: Bool
    private let isDeviation: Bool
    private var base = 0
    private var moments: ExactMoments
    private var carried: ExactMoments?
    private var output = ColumnBuilder(.float64)

    init(_ input: AggregateInput, _ operator: AggregateOperator) {
        argument = input.argument!
        moments = ExactMoments(ofFloats: input.argument!.type == .float64)
        takes = input.selection.takes
        ofSample = `operator` == .stddevSamp || `operator` == .varSamp
        isDeviation = `operator` == .stddevSamp || `operator` == .stddevPop
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        if let carried { moments = carried } else { moments.reset() }
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        base = range.lowerBound
        if let carried { moments = carried } else { moments.reset() }
        change(rows, 1)
        carried = moments
    }

    func inherit(_ other: any AggregateState) { if let other = other as? MomentsState { carried = other.carried } }
    func forgetCarried() { carried = nil }

    private func change(_ rows: [Int32], _ sign: Int) {
        switch argument.values {
        case .int64(let values): for row in rows where takes?[base + Int(row)] ?? true { moments.change(values[base + Int(row)], sign) }
        case .float64(let values): for row in rows where takes?[base + Int(row)] ?? true { moments.change(values[base + Int(row)], sign) }
        default: preconditionFailure("a variance of \(argument.type.rawValue)")
        }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    func record(at instant: Int64) {
        guard let variance = moments.variance(ofSample: ofSample) else { return output.appendNull() }
        output.append(isDeviation ? variance.squareRoot() : variance)
    }

    func finish() -> Column { output.finish() }
}

/// `percentile` and `median`: between the two values nearest to the place asked for, as PostgreSQL's `percentile_cont`.
///
/// The entity's values are ranked once, all there are however short the window; a Fenwick tree over the ranks counts those present, so
/// that a row enters or leaves and a place is found in O(log n).
private final class PercentileState: AggregateState {
    private let values: [Double]
    private let keys: [Int64]
    private let takes: [Bool]?
    private let fraction: Double
    private var base = 0
    /// The entity's rows by value, and each row's place among them.
    private var byRank: [Int32] = []
    private var ranks: [Int32] = []
    private var tree: [Int32] = []
    private var count = 0
    private var output = ColumnBuilder(.float64)

    init(_ input: AggregateInput, fraction: Double) {
        values = input.argument!.floats
        keys = input.argument!.sortKeys()
        takes = input.selection.takes
        self.fraction = fraction
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        count = 0
        byRank = (0..<Int32(range.count)).filter { takes?[base + Int($0)] ?? true }
        byRank.sort { (keys[base + Int($0)], $0) < (keys[base + Int($1)], $1) }
        ranks = Array(repeating: -1, count: range.count)
        for (rank, row) in byRank.enumerated() { ranks[Int(row)] = Int32(rank) }
        tree = Array(repeating: 0, count: byRank.count + 1)
    }

    private func change(_ rows: [Int32], _ by: Int32) {
        for row in rows where ranks[Int(row)] >= 0 {
            count += Int(by)
            var node = Int(ranks[Int(row)]) + 1
            while node < tree.count {
                tree[node] += by
                node += node & -node
            }
        }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    /// The value with `place` smaller ones present.
    private func value(_ place: Int) -> Double {
        var node = 0, left = Int32(place)
        var step = 1
        while step * 2 < tree.count { step *= 2 }
        while step > 0 {
            if node + step < tree.count, tree[node + step] <= left {
                node += step
                left -= tree[node]
            }
            step /= 2
        }
        return values[base + Int(byRank[node])]
    }

    func record(at instant: Int64) {
        guard count > 0 else { return output.appendNull() }
        let place = fraction * Double(count - 1)
        let below = place.rounded(.down), above = place.rounded(.up)
        let low = value(Int(below))
        if below == above { return output.append(low) }
        output.append(low + (place - below) * (value(Int(above)) - low))
    }

    func finish() -> Column { output.finish() }
}

/// `bool_and` and `bool_or`.
private final class TruthState: AggregateState {
    private let values: [Bool]
    private let takes: [Bool]?
    private let and: Bool
    private var base = 0
    private var trues = 0
    private var falses = 0
    private var carried: (trues: Int, falses: Int) = (0, 0)
    private var output = ColumnBuilder(.bool)

    init(_ input: AggregateInput, and: Bool) {
        values = input.argument!.bools
        takes = input.selection.takes
        self.and = and
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        (trues, falses) = carried
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        for row in rows where takes?[range.lowerBound + Int(row)] ?? true {
            if values[range.lowerBound + Int(row)] { carried.trues += 1 } else { carried.falses += 1 }
        }
    }

    func inherit(_ other: any AggregateState) { if let other = other as? TruthState { carried = other.carried } }
    func forgetCarried() { carried = (0, 0) }

    private func change(_ rows: [Int32], _ by: Int) {
        for row in rows where takes?[base + Int(row)] ?? true {
            if values[base + Int(row)] { trues += by } else { falses += by }
        }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) { change(rows, 1) }
    func leave(_ rows: [Int32]) { change(rows, -1) }

    func record(at instant: Int64) {
        if trues + falses == 0 { output.appendNull() } else { output.append(and ? falses == 0 : trues > 0) }
    }

    func finish() -> Column { output.finish() }
}

/// `min`, `max`, `latest` and `earliest`: the row that is best by some order, and its argument's value.
///
/// An entity's rows come in the order of (`event_time`, `known_at`, offset), so the newest is the one with the greatest index.
final class ExtremeState: AggregateState {
    private let gather: ([Int32]) -> Column
    private let selection: Selection
    private let takes: [Bool]?
    private let tombstones: [Bool]?
    /// Of `min` and `max`: those over the same values.
    let family: ExtremeFamily?
    /// The greater, the better; nil for `latest` and `earliest`, which go by the row's index.
    private let keys: [Int64]?
    private let newest: Bool
    private var base = 0
    private var staircase = Staircase()
    private var output: [Int32] = []

    init(_ input: AggregateInput, _ operator: AggregateOperator) {
        if let deferred = input.deferred { gather = deferred.gathered } else { gather = input.argument!.gathered }
        selection = input.selection
        takes = selection.takes
        tombstones = input.tombstones
        newest = `operator` == .latest
        family = input.family
        keys = family?.keys
    }

    func reserve(_ count: Int) { output.reserveCapacity(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        staircase.reset()
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true {
            let key = keys?[base + Int(row)] ?? (newest ? Int64(row) : ~Int64(row))
            staircase.insert(key: key, end: timeline.ends[Int(row)], row: row)
        }
    }

    // The staircase knows when its elements leave.
    func leave(_ rows: [Int32]) {}

    func record(at instant: Int64) {
        let row = staircase.best(at: instant)
        let isTombstone = row >= 0 && tombstones?[base + Int(row)] ?? false
        output.append(row < 0 || isTombstone ? -1 : Int32(base) + row)
    }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        if keys != nil { return false }
        if takes == nil {
            for (first, end) in zip(windows.firsts, windows.ends) { append(first == end ? -1 : newest ? end - 1 : first, range) }
        } else {
            // The last taken row before the end, or the first from the beginning on: where the count changes.
            let counts = selection.counts(range)
            for (first, end) in zip(windows.firsts, windows.ends) {
                let taken = newest ? counts[Int(end)] : counts[Int(first)] + 1
                if counts[Int(first)] == counts[Int(end)] { append(-1, range) } else { append(Int32(counts.firstIndex(reaching: taken, in: Int(first)...Int(end))) - 1, range) }
            }
        }
        return true
    }

    private func append(_ row: Int32, _ range: Range<Int>) {
        let isTombstone = row >= 0 && tombstones?[range.lowerBound + Int(row)] ?? false
        output.append(row < 0 || isTombstone ? -1 : Int32(range.lowerBound) + row)
    }

    /// The one that is best of them: no later row makes another of them better.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] {
        var best: Int32?
        for row in rows where takes?[range.lowerBound + Int(row)] ?? true {
            let key = { (row: Int32) in self.keys?[range.lowerBound + Int(row)] ?? (self.newest ? Int64(row) : ~Int64(row)) }
            if let known = best, key(known) > key(row) { continue }
            best = row
        }
        return best.map { [$0] } ?? []
    }

    /// Takes what its family found.
    func append(_ rows: [Int32]) { output += rows }

    func finish() -> Column { gather(output) }
}

extension [Int32] {
    /// The first index in a range of an ascending array whose element is `value` or more; there is one.
    fileprivate func firstIndex(reaching value: Int32, in range: ClosedRange<Int>) -> Int {
        var low = range.lowerBound, high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if self[middle] >= value { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
