internal import FeatureLanguage

/// What a set of rows adds up to, such as a count, a sum or moments. One row at a time can be added or removed, exactly
/// and in any order.
protocol Accumulation {
    associatedtype Total
    /// The type of its values.
    var type: ValueType { get }
    /// The total of no rows.
    var zero: Total { get }
    func reset(_ total: inout Total)
    func add(_ row: Int, to total: inout Total)
    func remove(_ row: Int, from total: inout Total)
    func record(_ total: inout Total, in output: inout ColumnBuilder)
    /// Records the values of windows that are runs of an entity's rows, each on top of what was absorbed before them.
    /// Returns false and records nothing if it can't.
    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Total?, in output: inout ColumnBuilder)
        -> Bool
}

extension Accumulation {
    func reset(_ total: inout Total) { total = zero }
    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Total?, in output: inout ColumnBuilder)
        -> Bool
    { false }
}

/// An aggregate whose value is what its rows add up to.
final class AccumulatingState<A: Accumulation>: AggregateState {
    private let accumulation: A
    private let takes: [Bool]?
    private var base = 0
    private var total: A.Total
    private var carried: A.Total?
    private var output: ColumnBuilder

    init(_ accumulation: A, _ input: AggregateInput) {
        self.accumulation = accumulation
        takes = input.selection.takes
        total = accumulation.zero
        output = ColumnBuilder(accumulation.type)
    }

    func reserve(_ count: Int) { output.reserve(count) }

    func begin(_ range: Range<Int>) {
        base = range.lowerBound
        if let carried { total = carried } else { accumulation.reset(&total) }
    }

    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { [] }

    func absorb(_ rows: [Int32], in range: Range<Int>) {
        var total = carried ?? accumulation.zero
        carried = nil
        for row in rows where takes?[range.lowerBound + Int(row)] ?? true {
            accumulation.add(range.lowerBound + Int(row), to: &total)
        }
        carried = total
    }

    var absorbed: Any? {
        get { carried }
        set { carried = newValue as? A.Total }
    }

    func enter(_ rows: [Int32], _ timeline: borrowing Timeline) {
        for row in rows where takes?[base + Int(row)] ?? true { accumulation.add(base + Int(row), to: &total) }
    }

    func leave(_ rows: [Int32]) {
        for row in rows where takes?[base + Int(row)] ?? true { accumulation.remove(base + Int(row), from: &total) }
    }

    func record(at instant: Int64) { accumulation.record(&total, in: &output) }

    func record(_ windows: Windows, in range: Range<Int>) -> Bool {
        accumulation.record(windows, in: range, after: carried, in: &output)
    }

    func finish() -> Column { output.finish() }
}

/// `count(*)` and `count(x)`.
struct Counts: Accumulation {
    let selection: Selection

    var type: ValueType { .int64 }
    var zero: Int64 { 0 }
    func add(_ row: Int, to count: inout Int64) { count += 1 }
    func remove(_ row: Int, from count: inout Int64) { count -= 1 }
    func record(_ count: inout Int64, in output: inout ColumnBuilder) { output.append(count) }

    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Int64?, in output: inout ColumnBuilder)
        -> Bool
    {
        windows.forEachCount(selection.counts(range)) { _, _, count in output.append((absorbed ?? 0) + Int64(count)) }
        return true
    }
}

/// `sum` and `avg` of float64: exact until read, so neither the order of rows nor a sliding window changes a bit.
struct FloatSums: Accumulation {
    struct Total {
        var sum = ExactSum()
        var count = 0
    }

    let values: [Double]
    let sums: RunningSums
    let selection: Selection
    let isAverage: Bool

    var type: ValueType { .float64 }
    var zero: Total { Total() }

    func reset(_ total: inout Total) {
        total.sum.reset()
        total.count = 0
    }

    func add(_ row: Int, to total: inout Total) {
        total.sum.add(values[row])
        total.count += 1
    }

    func remove(_ row: Int, from total: inout Total) {
        total.sum.remove(values[row])
        total.count -= 1
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) {
        if total.count == 0 {
            output.appendNull()
        } else {
            output.append(isAverage ? total.sum.value / Double(total.count) : total.sum.value)
        }
    }

    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Total?, in output: inout ColumnBuilder)
        -> Bool
    {
        guard absorbed == nil, let running = sums.sums(range) else { return false }
        let sums = running.span, exponent = self.sums.exponent
        windows.forEachCount(selection.counts(range)) { first, end, count in
            if count == 0 {
                output.appendNull()
            } else {
                let sum = Double(sums[end] - sums[first], exponent: exponent)
                output.append(isAverage ? sum / Double(count) : sum)
            }
        }
        return true
    }
}

/// `sum` and `avg` of int64, in 128 bits: a sum beyond int64 becomes NULL only when it is read.
struct IntegerSums: Accumulation {
    struct Total {
        var sum: Int128 = 0
        var count = 0
    }

    let values: [Int64]
    let sums: RunningSums
    let selection: Selection
    let isAverage: Bool

    var type: ValueType { isAverage ? .float64 : .int64 }
    var zero: Total { Total() }

    func add(_ row: Int, to total: inout Total) {
        total.sum += Int128(values[row])
        total.count += 1
    }

    func remove(_ row: Int, from total: inout Total) {
        total.sum -= Int128(values[row])
        total.count -= 1
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) { record(total.sum, total.count, in: &output) }

    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Total?, in output: inout ColumnBuilder)
        -> Bool
    {
        guard let sums = sums.sums(range) else { return false }
        let before = absorbed ?? zero
        windows.forEachCount(selection.counts(range)) { first, end, count in
            record(before.sum + sums[end] - sums[first], before.count + count, in: &output)
        }
        return true
    }

    private func record(_ sum: Int128, _ count: Int, in output: inout ColumnBuilder) {
        if count == 0 {
            output.appendNull()
        } else if isAverage {
            output.append(Double(sum) / Double(count))
        } else if let exact = Int64(exactly: sum) {
            output.append(exact)
        } else {
            output.appendNull()
        }
    }
}

/// `sum` and `avg` of decimals, in 192 bits: a sum of more than 38 digits becomes NULL only when it is read, and an
/// average is rounded once, to float64.
struct DecimalSums: Accumulation {
    struct Total {
        /// The sum is `high`·2^128 + `low`.
        var low: UInt128 = 0
        var high: Int64 = 0
        var count = 0

        mutating func add(_ value: Int128) {
            let (sum, carry) = low.addingReportingOverflow(UInt128(truncatingIfNeeded: value))
            low = sum
            high += (carry ? 1 : 0) - (value < 0 ? 1 : 0)
        }
    }

    let values: [Int128]
    let sums: RunningSums
    let selection: Selection
    let scale: Int
    let isAverage: Bool

    var type: ValueType {
        isAverage ? .float64 : .decimal(precision: DecimalValue.maximumPrecision, scale: scale)
    }
    var zero: Total { Total() }

    func add(_ row: Int, to total: inout Total) {
        total.add(values[row])
        total.count += 1
    }

    func remove(_ row: Int, from total: inout Total) {
        total.add(-values[row])
        total.count -= 1
    }

    func record(_ total: inout Total, in output: inout ColumnBuilder) { record(total, in: &output) }

    func record(_ windows: Windows, in range: Range<Int>, after absorbed: Total?, in output: inout ColumnBuilder)
        -> Bool
    {
        guard let sums = sums.sums(range) else { return false }
        windows.forEachCount(selection.counts(range)) { first, end, count in
            var total = absorbed ?? zero
            total.add(sums[end] - sums[first])
            total.count += count
            record(total, in: &output)
        }
        return true
    }

    private func record(_ total: Total, in output: inout ColumnBuilder) {
        if total.count == 0 { return output.appendNull() }
        let isNegative = total.high < 0
        let low = isNegative ? 0 &- total.low : total.low
        let high = isNegative ? UInt64(-(total.high + (total.low == 0 ? 0 : 1))) : UInt64(total.high)
        if isAverage {
            let average = Natural.nearest(
                Natural(low, high), over: Natural(UInt128(total.count)) * Natural(DecimalValue.powers[scale].magnitude))
            output.append(isNegative ? -average : average)
        } else if high == 0, low < DecimalValue.powers[DecimalValue.maximumPrecision].magnitude {
            output.append(isNegative ? -Int128(low) : Int128(low))
        } else {
            output.appendNull()
        }
    }
}

/// Variances and standard deviations: exact until read.
struct Moments: Accumulation {
    private let argument: Column
    private let ofSample: Bool
    private let isDeviation: Bool

    init(_ input: AggregateInput, _ operator: AggregateOperator) {
        argument = input.argument!
        ofSample = `operator` == .stddevSamp || `operator` == .varSamp
        isDeviation = `operator` == .stddevSamp || `operator` == .stddevPop
    }

    var type: ValueType { .float64 }
    var zero: ExactMoments { ExactMoments(of: argument.type) }
    func reset(_ moments: inout ExactMoments) { moments.reset() }
    func add(_ row: Int, to moments: inout ExactMoments) { change(&moments, row, 1) }
    func remove(_ row: Int, from moments: inout ExactMoments) { change(&moments, row, -1) }

    private func change(_ moments: inout ExactMoments, _ row: Int, _ sign: Int) {
        switch argument.values {
        case .words(let values): moments.change(values[row], sign)
        case .floats(let values): moments.change(values[row], sign)
        case .wides(let values): moments.change(values[row], sign)
        case .bits, .bytes, .packed: preconditionFailure("a variance of \(argument.type.rawValue)")
        }
    }

    func record(_ moments: inout ExactMoments, in output: inout ColumnBuilder) {
        guard let variance = moments.variance(ofSample: ofSample) else { return output.appendNull() }
        output.append(isDeviation ? variance.squareRoot() : variance)
    }
}

/// `bool_and` and `bool_or`.
struct Truths: Accumulation {
    struct Total {
        var trues = 0
        var falses = 0
    }

    let values: [Bool]
    let isAnd: Bool

    var type: ValueType { .bool }
    var zero: Total { Total() }
    func add(_ row: Int, to total: inout Total) { if values[row] { total.trues += 1 } else { total.falses += 1 } }
    func remove(_ row: Int, from total: inout Total) { if values[row] { total.trues -= 1 } else { total.falses -= 1 } }

    func record(_ total: inout Total, in output: inout ColumnBuilder) {
        if total.trues + total.falses == 0 {
            output.appendNull()
        } else {
            output.append(isAnd ? total.falses == 0 : total.trues > 0)
        }
    }
}
