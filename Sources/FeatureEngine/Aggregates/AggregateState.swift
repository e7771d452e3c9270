internal import FeatureLanguage

/// What an aggregate needs of the rows it reduces, computed for all of them at once.
struct AggregateInput {
    /// The argument's value for each row; nil for `count(*)`.
    var argument: Column?
    /// Whether each row takes part: the filter holds, and it is no tombstone; nil where all do.
    var mask: [Bool]?
    /// Rows of a source without `id` where `latest` is NULL until a newer row.
    var tombstones: [Bool]?
    /// The mask, without rows whose argument is NULL where the operator passes over them.
    var selection: Selection
    /// Running sums of the argument's values, where it is a number.
    var sums: RunningSums?
    /// What `min` or `max` share with others over the same values.
    var family: ExtremeFamily?
    /// The argument of `latest` and `earliest` where it lies elsewhere; then `argument` is nil.
    var deferred: (any DeferredColumn)?
}

/// One aggregate's state for one entity: rows enter and leave, and its value can be read at any instant.
///
/// One object serves entity after entity; `begin` forgets the last one. Rows are given by their index in the input's
/// arrays.
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
    /// Notes the values of an entity whose frames are runs of rows, for all its instants at once, without rows that
    /// enter and leave.
    ///
    /// - Returns: false, and nothing is noted, where this state can't.
    func record(_ windows: Windows, in range: Range<Int>) -> Bool
    /// Those of an entity's rows, which all count from now on, for ever, that it can't do without.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32]
    /// Takes such rows in for good; they aren't given again.
    func absorb(_ rows: [Int32], in range: Range<Int>)
    /// What such rows came to, with which a state of the same aggregate goes on; nil for nothing.
    var absorbed: Any? { get set }
    /// The values recorded, in order.
    func finish() -> Column
}

extension AggregateState {
    // What keeps values, or rows in an order of their own, keeps the rows.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32] { rows }
    func absorb(_ rows: [Int32], in range: Range<Int>) {}
    var absorbed: Any? {
        get { nil }
        set {}
    }
    func record(_ windows: Windows, in range: Range<Int>) -> Bool { false }
}

func makeState(_ aggregate: Aggregate, _ input: AggregateInput) -> any AggregateState {
    switch aggregate.operator {
    case .count: AccumulatingState(Counts(selection: input.selection), input)
    case .countDistinct: DistinctState(input)
    case .sum, .avg:
        switch input.argument!.values {
        case .floats(let values):
            AccumulatingState(
                FloatSums(
                    values: values, sums: input.sums!, selection: input.selection, isAverage: aggregate.operator == .avg
                ), input)
        case .words(let values):
            AccumulatingState(
                IntegerSums(
                    values: values, sums: input.sums!, selection: input.selection, isAverage: aggregate.operator == .avg
                ), input)
        case .bits, .bytes: preconditionFailure("a sum is of numbers")
        }
    case .stddevSamp, .stddevPop, .varSamp, .varPop: AccumulatingState(Moments(input, aggregate.operator), input)
    case .mode: ModeState(input)
    case .percentile: PercentileState(input, aggregate.parameters[0])
    case .boolAnd, .boolOr:
        AccumulatingState(Truths(values: input.argument!.bools, isAnd: aggregate.operator == .boolAnd), input)
    case .min, .max, .latest, .earliest: ExtremeState(input, aggregate.operator)
    }
}
