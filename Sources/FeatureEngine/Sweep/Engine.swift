internal import FeatureLanguage

/// The rows to get features for: keys, instants, request inputs.
public struct Spine: Sendable {
    /// Key columns and request inputs, under the names that the plan gives them.
    public var columns: [String: Column]
    /// Microseconds since 1970, one per row.
    public var instants: [Int64]

    public init(columns: [String: Column], instants: [Int64]) {
        self.columns = columns
        self.instants = instants
    }
}

/// What a plan gives for a spine: one row for each of the spine's, in its order.
public struct Outputs: Sendable {
    /// The plan's outputs, in its order.
    public var columns: [Column]
    /// For each group of the plan and row, whether its entity has a row known at the instant among those the group was given.
    public var isFound: [[Bool]]
    /// The aggregates' values, group after group.
    var aggregates: [Column] = []
}

extension Plan {
    /// Computes every output for every row of the spine.
    ///
    /// - Parameters:
    ///   - spine: one row a value is wanted for, in any order; duplicates stay.
    ///   - reading: which rows there are.
    ///   - rows: the rows of a group's source, in commit order and without duplicates: at least those of the spine's entities that its
    ///     windows reach, and every version of their facts. Asked for group after group, so that only one group's rows are held.
    /// - Complexity: O(R log R + N log N) for R rows and N spine rows.
    public func evaluate(_ spine: Spine, _ reading: Reading, rows: (Group) throws -> SourceRows) rethrows -> Outputs {
        let count = spine.instants.count
        var inputs = [Column(.timestamp(spine.instants))] + requests.map { spine.columns[$0.name]! }
        var outputs = Outputs(columns: [], isFound: [])
        for group in groups {
            let (columns, isFound) = group.evaluate(try rows(group), spine, reading)
            inputs += columns
            outputs.isFound.append(isFound)
        }
        outputs.aggregates = Array(inputs.dropFirst(1 + requests.count))
        for output in self.outputs {
            var column = output.scalar.evaluate(inputs, count: count)
            // A NULL in any of the feature's keys, and a label whose future isn't known yet.
            for key in output.keys {
                if let validity = spine.columns[key]!.validity { column.mark(validity) }
            }
            for (source, span) in output.forward {
                let limit = reading.ripeUntil(source)
                column.mark(spine.instants.map { $0.addingClamped(span) <= limit })
            }
            outputs.columns.append(column)
        }
        return outputs
    }
}

extension Plan.Group {
    /// The aggregates' values for every spine row, and whether its entity has a row known then.
    fileprivate func evaluate(_ rows: SourceRows, _ spine: Spine, _ reading: Reading) -> (columns: [Column], isFound: [Bool]) {
        let reading = self.reading(reading)
        let count = spine.instants.count
        let entities = TupleTable(keys.map { spine.columns[$0.spine]! }, count: count)
        let wanted = entities.find(keys.map { rows.columns[$0.column]! }, count: rows.count)
        let lifetimes = Lifetimes(rows, of: source, reading: reading)

        // Rows of the spine's entities, each entity's in the order that latest and earliest go by.
        let kept = (0..<rows.count).filter { wanted[$0] >= 0 && lifetimes.admittedFrom[$0] != .max }
        let order = sorted(kept, entity: wanted, rows)
        let sortedRows = rows.gathered(order, columns: columns)
        let sortedLifetimes = lifetimes.gathered(order)
        var ranges = Array(repeating: 0..<0, count: entities.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, wanted[Int(order[end])] == wanted[Int(order[start])] { end += 1 }
            ranges[Int(wanted[Int(order[start])])] = start..<end
            start = end
        }

        // The spine by entity and instant. Rows with a NULL key belong to none: an entity without rows.
        let visits = (0..<Int32(count)).sorted {
            (entities.numbers[Int($0)], spine.instants[Int($0)], $0) < (entities.numbers[Int($1)], spine.instants[Int($1)], $1)
        }
        var cursor = Cursor(sortedRows, sortedLifetimes, inputs(sortedRows))
        var isFound = Array(repeating: false, count: count)
        var entity: Int32 = -2
        var firstKnown = Int64.max
        for visit in visits {
            let row = Int(visit)
            if entities.numbers[row] != entity {
                entity = entities.numbers[row]
                let range = entity < 0 ? 0..<0 : ranges[Int(entity)]
                cursor.begin(range)
                firstKnown = range.reduce(Int64.max) { min($0, sortedLifetimes.admittedFrom[$1]) }
            }
            cursor.record(at: spine.instants[row])
            isFound[row] = firstKnown <= spine.instants[row]
        }
        var places = Array(repeating: Int32(0), count: count)
        for (place, visit) in visits.enumerated() { places[Int(visit)] = Int32(place) }
        return (cursor.finish().map { $0.gathered(places) }, isFound)
    }

    private func sorted(_ kept: [Int], entity: [Int32], _ rows: SourceRows) -> [Int32] {
        kept.map { Int32($0) }.sorted { left, right in
            let a = Int(left), b = Int(right)
            return entity[a] != entity[b] ? entity[a] < entity[b] : precedes(a, b, rows)
        }
    }

    /// The order of latest and earliest: (`event_time`, `known_at`, offset).
    func precedes(_ a: Int, _ b: Int, _ rows: SourceRows) -> Bool {
        if !rows.eventTimes.isEmpty, rows.eventTimes[a] != rows.eventTimes[b] { return rows.eventTimes[a] < rows.eventTimes[b] }
        return (rows.knownAt[a], rows.offsets[a]) < (rows.knownAt[b], rows.offsets[b])
    }

    /// How its rows are read for a request: labels in hindsight.
    func reading(_ request: Reading) -> Reading {
        var reading = request
        if hindsight { reading.mode = .hindsight }
        return reading
    }

    /// What each aggregate needs of the rows.
    func inputs(_ rows: SourceRows) -> [(aggregate: Aggregate, input: AggregateInput)] {
        let names = columns.sorted()
        let inputs = names.map { rows.columns[$0]! }
        // Aggregates of one set often have arguments and filters in common.
        var computed: [Expression: Column] = [:]
        func compute(_ expression: Expression) -> Column {
            if let known = computed[expression] { return known }
            let scalar = Scalar(expression) { leaf in
                guard case .column(let name, let type) = leaf else { preconditionFailure("only columns stand inside an aggregate") }
                return .input(names.firstIndex(of: name)!, type)
            }
            let column = scalar.evaluate(inputs, count: rows.count)
            computed[expression] = column
            return column
        }
        // Without an id a tombstone takes back no fact: only a plain latest sees it.
        let tombstones = source.id.isEmpty ? source.tombstone.map { rows.columns[$0]!.truths } : nil
        return aggregates.map { aggregate in
            var input = AggregateInput(argument: aggregate.argument.map(compute))
            input.mask = aggregate.filter.map { compute($0).truths }
            if let tombstones {
                if aggregate.operator == .latest, aggregate.filter == nil {
                    input.tombstones = tombstones
                } else {
                    input.mask = input.mask.map { zip($0, tombstones).map { $0 && !$1 } } ?? tombstones.map { !$0 }
                }
            }
            return (aggregate, input)
        }
    }
}

extension Lifetimes {
    fileprivate func gathered(_ rows: [Int32]) -> Lifetimes {
        var lifetimes = self
        lifetimes.from = rows.map { from[Int($0)] }
        lifetimes.until = rows.map { until[Int($0)] }
        lifetimes.admittedFrom = rows.map { admittedFrom[Int($0)] }
        return lifetimes
    }
}

extension Column {
    /// True where it is true; NULL and false are not.
    var truths: [Bool] {
        guard let validity else { return bools }
        return zip(bools, validity).map { $0 && $1 }
    }

    /// Makes NULL what isn't valid here.
    mutating func mark(_ valid: [Bool]) {
        validity = validity.map { zip($0, valid).map { $0 && $1 } } ?? valid
    }
}
