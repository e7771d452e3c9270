internal import FeatureLanguage

/// What a plan computes for a spine: one row for each of the spine's, in its order.
public struct Outputs: Sendable {
    /// The plan's outputs, in its order.
    public var columns: [Column]
    /// For each group of the plan and each row, whether the entity has a row known at the instant among those that the
    /// group was given. Empty if the rows came in buckets, since only lookups ask.
    public var isFound: [[Bool]]
    /// For each row, the first instant after its own at which a value may change even if no row arrives; `Int64.max`
    /// for never. Empty unless asked for.
    public var nextChanges: [Int64] = []
    /// The aggregates' values, group after group.
    public private(set) var aggregates: [Column] = []

    /// Values that were computed before and kept.
    public init(kept columns: [Column]) {
        self.columns = columns
        isFound = []
    }

    init(columns: [Column], isFound: [[Bool]], aggregates: [Column]) {
        self.columns = columns
        self.isFound = isFound
        self.aggregates = aggregates
    }
}

extension Plan {
    /// Computes every output for every row of the spine.
    ///
    /// - Parameters:
    ///   - spine: one row for each value that is wanted, in any order; duplicates stay.
    ///   - reading: which rows are seen.
    ///   - rows: the rows of a group's source, without duplicates: at least those of the spine's entities that its
    ///     windows reach, and every version of their facts. Called for one group after another, so that only one
    ///     group's rows are held.
    /// - Complexity: O(R log R + N log N) for R rows and N spine rows.
    public func evaluate(_ spine: Spine, _ reading: Reading, rows: (Group) throws -> SourceRows) rethrows -> Outputs {
        var aggregates: [Column] = []
        var isFound: [[Bool]] = []
        for group in groups {
            let all = try rows(group)
            let swept = Swept(group, count: spine.instants.count, wantsFound: true)
            var given: SourceRows? = all
            GroupSweep(group, spine, group.reading(reading)).sweep(members: nil, into: swept) {
                defer { given = nil }
                return given
            }
            aggregates += swept.columns.map { $0.finish() }
            isFound.append(zip(swept.foundFrom!.finish().integers, spine.instants).map { $0 <= $1 })
        }
        return outputs(spine, reading, aggregates, isFound, threads: 1)
    }

    /// Evaluates the plan over rows in buckets, several of them at once: as many are held as there are threads.
    ///
    /// - Parameters:
    ///   - wantsChanges: whether `nextChanges` is asked for.
    ///   - progress: told which share of the work is done, between 0 and 1; called from several threads.
    public func evaluate(
        _ spine: Spine, _ reading: Reading, from supply: some RowSupply, threads: Int, wantsChanges: Bool = false,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) throws -> Outputs {
        var aggregates: [Column] = []
        // Outputs that read the instant itself may change at the next one.
        let readsInstant = outputs.contains { $0.scalar.reads(input: 0) }
        var nextChanges = wantsChanges ? spine.instants.map { readsInstant ? $0 + 1 : .max } : []
        for (index, group) in groups.enumerated() {
            let count = Double(groups.count), done = Double(index)
            let swept = Swept(group, count: spine.instants.count, threads: threads, wantsChanges: wantsChanges)
            try GroupSweep(group, spine, group.reading(reading)).sweep(
                try supply.buckets(for: group), threads: threads, into: swept
            ) { progress((done + $0) / count) }
            aggregates += swept.columns.map { $0.finish() }
            if let changes = swept.nextChanges { nextChanges = zip(nextChanges, changes.finish().integers).map(min) }
        }
        var outputs = outputs(spine, reading, aggregates, [], threads: threads)
        outputs.nextChanges = nextChanges
        return outputs
    }

    func outputs(_ spine: Spine, _ reading: Reading, _ aggregates: [Column], _ isFound: [[Bool]], threads: Int)
        -> Outputs
    {
        let count = spine.instants.count
        let inputs = [Column(.timestamp, spine.instants)] + requests.map { spine.columns[$0.name]! } + aggregates
        let columns = parallel(outputs.count, threads: threads) { index in
            let output = outputs[index]
            var column = output.scalar.evaluate(inputs, count: count)
            // NULL if any of the feature's keys is, or if a label's future isn't known yet.
            for key in output.keys {
                if let validity = spine.columns[key]!.validity { column.mark(validity) }
            }
            for (source, span) in output.forward {
                let limit = reading.ripeUntil(source)
                column.mark(spine.instants.map { $0.addingClamped(span) <= limit })
            }
            return column
        }
        return Outputs(columns: columns, isFound: isFound, aggregates: aggregates)
    }
}

extension Plan.Group {
    /// How its rows are read for a request; labels in hindsight.
    func reading(_ request: Reading) -> Reading {
        var reading = request
        if hindsight { reading.mode = .hindsight }
        return reading
    }

    /// What each aggregate needs from the rows.
    func inputs(_ rows: SourceRows) -> [(aggregate: Aggregate, input: AggregateInput)] {
        // Without an id, a tombstone takes back no fact: only a plain latest sees it.
        let tombstones =
            source.id.isEmpty ? source.tombstone.map { (rows.columns[$0] ?? rows.deferred[$0]!.whole()).truths } : nil
        var shared = SharedInputs(rows, tombstones: tombstones)
        return aggregates.map { ($0, shared.input($0)) }
    }
}

/// What aggregates of one group have in common: arguments, filters, running sums.
private struct SharedInputs {
    private var columns: [String: Column]
    private let deferred: [String: any DeferredColumn]
    private let count: Int
    private let tombstones: [Bool]?
    private let eventTimes: [Int64]
    private var computed: [Expression: Column] = [:]
    private var selections: [Chosen: Selection] = [:]
    private var sums: [Chosen: RunningSums] = [:]
    private var minima: [Chosen: ExtremeFamily] = [:]
    private var maxima: [Chosen: ExtremeFamily] = [:]

    private struct Chosen: Hashable {
        var argument: Expression?
        var second: Expression?
        var filter: Expression?
        var seesTombstones: Bool
        var skipsNull: Bool
    }

    init(_ rows: SourceRows, tombstones: [Bool]?) {
        self.tombstones = tombstones
        columns = rows.columns
        deferred = rows.deferred
        count = rows.count
        eventTimes = rows.eventTimes
    }

    private mutating func column(_ name: String) -> Column {
        if let column = columns[name] { return column }
        let column = deferred[name]!.whole()
        columns[name] = column
        return column
    }

    private mutating func compute(_ expression: Expression) -> Column {
        if let known = computed[expression] { return known }
        let names = expression.columns.sorted()
        var inputs: [Column] = []
        for name in names { inputs.append(column(name)) }
        let scalar = Scalar(expression) { leaf in
            guard case .column(let name, let type) = leaf else {
                preconditionFailure("only columns stand inside an aggregate")
            }
            return .input(names.firstIndex(of: name)!, type)
        }
        let column = scalar.evaluate(inputs, count: count)
        computed[expression] = column
        return column
    }

    mutating func input(_ aggregate: Aggregate) -> AggregateInput {
        let entry = aggregate.operator.entry, seesTombstones = entry.seesTombstones && aggregate.filter == nil,
            skipsNull = entry.skipsNull
        let chosen = Chosen(
            argument: skipsNull ? aggregate.argument : nil, second: aggregate.second, filter: aggregate.filter,
            seesTombstones: seesTombstones,
            skipsNull: skipsNull)
        // From a column that is stored elsewhere, only the rows that win are needed.
        var elsewhere: (any DeferredColumn)?
        if entry.picksRows, case .column(let name, _)? = aggregate.argument, columns[name] == nil {
            elsewhere = deferred[name]
        }
        let argument = elsewhere == nil ? aggregate.argument.map { compute($0) } : nil
        var mask = aggregate.filter.map { compute($0).truths }
        if let tombstones, !seesTombstones {
            mask = mask.map { zip($0, tombstones).map { $0 && !$1 } } ?? tombstones.map { !$0 }
        }
        let second = aggregate.second.map { compute($0) }
        let selection =
            selections[chosen]
            ?? Selection(skipsNull ? both(both(mask, argument?.validity), second?.validity) : mask)
        selections[chosen] = selection
        var input = AggregateInput(
            argument: argument, second: second, eventTimes: eventTimes, mask: mask,
            tombstones: seesTombstones ? tombstones : nil, selection: selection,
            deferred: elsewhere)
        switch entry.shares {
        case .nothing: break
        case .sums where argument!.type.isPacked: break
        case .sums:
            input.sums = sums[chosen] ?? RunningSums(argument!, selection)
            sums[chosen] = input.sums
        case .minima:
            input.family = minima[chosen] ?? ExtremeFamily(argument!, selection, isMinimum: true)
            minima[chosen] = input.family
        case .maxima:
            input.family = maxima[chosen] ?? ExtremeFamily(argument!, selection, isMinimum: false)
            maxima[chosen] = input.family
        }
        return input
    }

    private func both(_ left: [Bool]?, _ right: [Bool]?) -> [Bool]? {
        guard let left, let right else { return left ?? right }
        return zip(left, right).map { $0 && $1 }
    }
}

extension Column {
    /// True where the value is true, false where it is false or NULL.
    var truths: [Bool] {
        guard let validity else { return bools }
        return zip(bools, validity).map { $0 && $1 }
    }

    /// Makes values NULL where `valid` is false.
    mutating func mark(_ valid: [Bool]) {
        validity = validity.map { zip($0, valid).map { $0 && $1 } } ?? valid
    }
}
