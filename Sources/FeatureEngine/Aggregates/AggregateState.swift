internal import FeatureLanguage

/// One aggregate's state for one entity: rows enter and leave, and its value can be read at any instant.
///
/// One object serves entity after entity; `begin` forgets the previous one. An entity's rows are a range of the input's
/// arrays.
protocol AggregateState: AnyObject {
    /// Makes room for this many values.
    func reserve(_ count: Int)
    /// - Parameter range: the indices of the entity's rows.
    func begin(_ range: Range<Int>)
    /// Takes in rows, numbered from the range's start; the timeline says when each leaves.
    func enter(_ rows: [Int32], _ timeline: borrowing Timeline)
    func leave(_ rows: [Int32])
    /// Records the value at `instant` for the next output row.
    func record(at instant: Int64)
    /// Records the values of an entity whose frames are runs of rows, for all its instants at once, without rows
    /// entering and leaving.
    ///
    /// - Returns: false, having recorded nothing, if this state can't.
    func record(_ windows: Windows, in range: Range<Int>) -> Bool
    /// The ones that it still needs among these rows of an entity, which all count from now on, forever.
    func pins(_ rows: [Int32], in range: Range<Int>) -> [Int32]
    /// Takes such rows in for good; they aren't given again.
    func absorb(_ rows: [Int32], in range: Range<Int>)
    /// What the absorbed rows came to, from which a state of the same aggregate can continue; nil for none.
    var absorbed: Any? { get set }
    /// The values recorded, in order.
    func finish() -> Column
}

extension AggregateState {
    // By default all rows are pinned: a state that keeps values, or rows in an order of its own, needs them.
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
        case .wides(let values):
            AccumulatingState(
                DecimalSums(
                    values: values, sums: input.sums!, selection: input.selection, scale: input.argument!.type.scale,
                    isAverage: aggregate.operator == .avg), input)
        case .packed: AccumulatingState(VectorAverages(input.argument!), input)
        case .bits, .bytes: preconditionFailure("a sum is of numbers")
        }
    case .stddevSamp, .stddevPop, .varSamp, .varPop: AccumulatingState(Moments(input, aggregate.operator), input)
    case .mode: ModeState(input)
    case .percentile: PercentileState(input, aggregate.parameters[0])
    case .boolAnd, .boolOr:
        AccumulatingState(Truths(values: input.argument!.bools, isAnd: aggregate.operator == .boolAnd), input)
    case .min, .max, .latest, .earliest: ExtremeState(input, aggregate.operator)
    case .firstK, .lastK: EndState(input, aggregate)
    case .topK, .distinctValues: ValuesState(input, aggregate)
    case .corr, .covarPop, .covarSamp, .regrSlope, .regrIntercept, .regrR2, .regrCount, .regrAvgx, .regrAvgy, .regrSxx,
        .regrSyy, .regrSxy:
        AccumulatingState(PairStatistics(input, aggregate.operator), input)
    case .decayedSum, .decayedCount: DecayedState(input, aggregate.parameters[0])
    case .approxCountDistinct: AccumulatingState(DistinctSketch(input.argument!), input)
    case .approxPercentile: AccumulatingState(PercentileSketch(input.argument!, aggregate.parameters[0]), input)
    }
}
