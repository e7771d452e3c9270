public import FeatureLanguage

/// Rows by key, as segments hold them: the rows of one key are complete in themselves.
extension SourceRows {
    /// These rows sorted by key, then by (`event_time`, `known_at`, offset), without those whose key has a NULL.
    ///
    /// - Parameter keys: the columns that make up the key; without any, all rows have one key.
    public func sorted(by keys: [String]) -> SourceRows {
        if isSorted { return self }
        let columns = keys.map { self.columns[$0]! }
        let entities = TupleTable(columns, count: count)
        let parts = columns.map { TupleColumn($0) }
        let byKey = (0..<Int32(entities.count)).sorted {
            TupleColumn.precedes(parts, Int(entities.representatives[Int($0)]), Int(entities.representatives[Int($1)]))
        }
        // A counting sort by entity leaves each entity's rows in the order they come: mostly sorted.
        var sizes = Array(repeating: 0, count: entities.count)
        for number in entities.numbers where number >= 0 { sizes[Int(number)] += 1 }
        var places = Array(repeating: 0, count: entities.count)
        var total = 0
        for entity in byKey {
            places[Int(entity)] = total
            total += sizes[Int(entity)]
        }
        var order = Array(repeating: Int32(0), count: total)
        for (row, number) in entities.numbers.enumerated() where number >= 0 {
            order[places[Int(number)]] = Int32(row)
            places[Int(number)] += 1
        }
        var start = 0
        for entity in byKey {
            let range = start..<start + sizes[Int(entity)]
            start = range.upperBound
            if zip(order[range], order[range].dropFirst()).contains(where: { precedes(Int($1), Int($0)) }) {
                order.replaceSubrange(range, with: order[range].sorted { precedes(Int($0), Int($1)) })
            }
        }
        let isInPlace = total == count && order.indices.allSatisfy { Int(order[$0]) == $0 }
        var sorted = isInPlace ? self : gathered(order)
        sorted.isSorted = true
        return sorted
    }

    /// The order in which `latest` and `earliest` see rows: (`event_time`, `known_at`, offset).
    func precedes(_ a: Int, _ b: Int) -> Bool {
        if !eventTimes.isEmpty, eventTimes[a] != eventTimes[b] { return eventTimes[a] < eventTimes[b] }
        return (knownAt[a], offset(a)) < (knownAt[b], offset(b))
    }

    /// For each version of a fact, a row under its key for every greater version that has another key or a NULL in it.
    ///
    /// Read with the rows of that key alone, they tell when the fact left it: a retraction is admitted whenever the
    /// version it stands for is. Only its id, key, event time, `known_at` and offset mean anything; other columns are
    /// NULL.
    ///
    /// - Parameters:
    ///   - keys: the columns that make up the key.
    ///   - after: leaves out pairs of a key and a version that the rows up to this offset make already.
    public func retractions(of source: Source, keys: [String], after: Int64) -> SourceRows {
        let keyColumns = keys.map { columns[$0]! }
        let facts = TupleTable(source.id.map { columns[$0]! }, count: count)
        let entities = TupleTable(keyColumns, count: count)
        /// The row under whose key a retraction stands, and the version it stands for.
        var pairs: [(row: Int32, version: Int32)] = []
        let order = orderByVersion(Array(0..<count), facts: facts.numbers)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, facts.numbers[order[end]] == facts.numbers[order[start]] { end += 1 }
            // The fact's keys so far, mostly one: a row of each, and the first offset that the fact has under it.
            var known: [(entity: Int32, row: Int32, first: Int64)] = []
            for place in start..<end {
                let version = order[place], entity = entities.numbers[version], offset = offsets[version]
                for key in known where key.entity != entity && max(key.first, offset) > after {
                    pairs.append((key.row, Int32(version)))
                }
                if entity < 0 { continue }
                if let index = known.firstIndex(where: { $0.entity == entity }) {
                    known[index].first = min(known[index].first, offset)
                } else {
                    known.append((entity, Int32(version), offset))
                }
            }
            start = end
        }
        var result = gathered(pairs.map(\.version))
        for (name, column) in result.columns {
            if keys.contains(name) {
                result.columns[name] = columns[name]!.gathered(pairs.map(\.row))
            } else if !source.id.contains(name), name != source.eventTime {
                result.columns[name] = Column(repeating: .null, type: column.type, count: pairs.count)
            }
        }
        result.isRetraction = pairs.isEmpty ? nil : Array(repeating: true, count: pairs.count)
        return result
    }

    /// Whether two of these rows are versions of one fact under one key, or a row stands for a version under another
    /// key.
    public func hasVersions(of source: Source, keys: [String]) -> Bool {
        !source.id.isEmpty && !source.isStatic
            && (isRetraction != nil || TupleTable((source.id + keys).map { columns[$0]! }, count: count).count < count)
    }
}
