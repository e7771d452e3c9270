public import FeatureLanguage

/// Rows of one source as the engine reads them: the declared columns asked for, and what the store knows of each row.
public struct SourceRows: Sendable {
    /// Declared columns by name; those that no plan reads may be left out.
    public var columns: [String: Column]
    /// Microseconds since 1970; empty for a static source.
    public var eventTimes: [Int64]
    /// When each row became known, microseconds since 1970; `unknown` where it never was.
    public var knownAt: [Int64]
    /// Positions in the source's log, ascending in commit order.
    public var offsets: [Int64]

    /// A `known_at` of NULL: before every time there is.
    public static let unknown = Int64.min

    public var count: Int { offsets.count }

    public init(columns: [String: Column], eventTimes: [Int64], knownAt: [Int64], offsets: [Int64]) {
        self.columns = columns
        self.eventTimes = eventTimes
        self.knownAt = knownAt
        self.offsets = offsets
    }

    /// Rows as an import reads them: event time and `known_at` by the source's settings, offsets from 1.
    ///
    /// - Parameter table: every declared column; event times without NULL.
    public init(importing table: Table, into source: Source) {
        columns = Dictionary(uniqueKeysWithValues: zip(table.names, table.columns))
        offsets = (0..<Int64(table.rowCount)).map { $0 + 1 }
        guard let eventTime = source.eventTime, let times = columns[eventTime] else {
            eventTimes = []
            knownAt = Array(repeating: SourceRows.unknown, count: table.rowCount)
            return
        }
        eventTimes = times.integers
        knownAt = source.knownAt(eventTimes: times.integers, columns: columns)
    }

    /// The same rows by offset.
    public func inCommitOrder() -> SourceRows {
        guard zip(offsets, offsets.dropFirst()).contains(where: { $0 > $1 }) else { return self }
        let order = offsets.indices.sorted { offsets[$0] < offsets[$1] }
        return gathered(order.map { Int32($0) }, columns: Set(columns.keys))
    }

    /// These rows and then others with the same columns.
    public func followed(by others: SourceRows) -> SourceRows {
        SourceRows(
            columns: Dictionary(uniqueKeysWithValues: columns.map { ($0.key, $0.value.followed(by: others.columns[$0.key]!)) }), eventTimes: eventTimes + others.eventTimes,
            knownAt: knownAt + others.knownAt, offsets: offsets + others.offsets)
    }

    /// The rows at `rows`, in that order.
    func gathered(_ rows: [Int32], columns names: Set<String>) -> SourceRows {
        func pick(_ values: [Int64]) -> [Int64] { values.isEmpty ? [] : rows.map { values[Int($0)] } }
        return SourceRows(
            columns: columns.filter { names.contains($0.key) }.mapValues { $0.gathered(rows) }, eventTimes: pick(eventTimes), knownAt: pick(knownAt),
            offsets: pick(offsets))
    }
}

extension Source {
    /// When imported rows count as known.
    public func knownAt(eventTimes: [Int64], columns: [String: Column]) -> [Int64] {
        switch knownAt {
        case .eventTime: eventTimes
        case .after(let delay): eventTimes.map { $0.addingClamped(delay) }
        case .column(let name):
            columns[name].map { column in
                zip(column.integers, (0..<column.count).map(column.isNull)).map { $1 ? SourceRows.unknown : $0 }
            } ?? Array(repeating: SourceRows.unknown, count: eventTimes.count)
        }
    }
}

extension Int64 {
    /// The sum, or the end of the range it would pass.
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }
}
