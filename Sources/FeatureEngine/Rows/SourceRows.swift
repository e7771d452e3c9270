public import FeatureLanguage

/// A column that is stored elsewhere, in a form of its own.
public protocol DeferredColumn: Sendable {
    /// The values at `rows`, in that order; NULL where a row is negative.
    func gathered(_ rows: [Int32]) -> Column
    /// All values, in the order of rows.
    func whole() -> Column
}

extension Column: DeferredColumn {
    /// The column itself, which isn't stored elsewhere.
    public func whole() -> Column { self }
}

/// Columns one after another, wherever each is stored.
private struct ChainedColumn: DeferredColumn {
    let parts: [(column: any DeferredColumn, count: Int)]

    func gathered(_ rows: [Int32]) -> Column {
        // Rows mostly come in order, so runs from one part are read together. A negative row can be read from any part.
        var runs: [Column] = []
        var place = 0
        while place < rows.count {
            var part = 0, first = 0
            if let row = rows[place...].first(where: { $0 >= 0 }) {
                while Int(row) - first >= parts[part].count {
                    first += parts[part].count
                    part += 1
                }
            }
            let range = first..<first + parts[part].count
            let start = place
            while place < rows.count, rows[place] < 0 || range.contains(Int(rows[place])) { place += 1 }
            runs.append(
                parts[part].column.gathered(
                    first == 0
                        ? Array(rows[start..<place]) : rows[start..<place].map { $0 < 0 ? $0 : $0 - Int32(first) }))
        }
        return runs.isEmpty ? parts[0].column.gathered([]) : Column(concatenating: runs)
    }

    func whole() -> Column { Column(concatenating: parts.map { $0.column.whole() }) }
}

/// Rows of one source as the engine reads them: the declared columns asked for, and what the store knows about each
/// row.
public struct SourceRows: Sendable {
    /// Declared columns by name; those that no plan reads may be left out.
    public var columns: [String: Column]
    /// Columns that are stored elsewhere, from which single values are read if those are enough.
    public var deferred: [String: any DeferredColumn] = [:]
    /// Microseconds since 1970; empty for a static source.
    public var eventTimes: [Int64]
    /// When each row became known, in microseconds since 1970; `unknown` if it never was.
    public var knownAt: [Int64]
    /// Positions in the source's log. May be left out (empty) if no two rows are versions of one fact and all lie
    /// within the cut.
    public var offsets: [Int64]
    /// The number of rows.
    public let count: Int
    /// Whether each key's rows are contiguous and in the order of (`event_time`, `known_at`, offset).
    public var isSorted = false
    /// Whether no two rows are versions of one fact, so that nothing is corrected.
    public var isOneVersionEach = false
    /// Marks rows that only say that a greater version of a fact has other keys; nil if there are none.
    public var isRetraction: [Bool]?

    /// Stands for a `known_at` of NULL: before every time there is.
    public static let unknown = Int64.min

    /// Rows given as arrays of one length; `eventTimes` and `offsets` may be empty.
    public init(columns: [String: Column], eventTimes: [Int64], knownAt: [Int64], offsets: [Int64]) {
        self.columns = columns
        self.eventTimes = eventTimes
        self.knownAt = knownAt
        self.offsets = offsets
        count = knownAt.count
    }

    /// A column, wherever it is stored.
    func resolvedColumn(_ name: String) -> Column { columns[name] ?? deferred[name]!.whole() }

    func offset(_ row: Int) -> Int64 { offsets.isEmpty ? 0 : offsets[row] }

    /// Rows as an import reads them: event time and `known_at` by the source's settings, offsets counted from 1.
    ///
    /// - Parameter table: has every declared column, and no NULL among the event times.
    public init(importing table: Table, into source: Source) {
        columns = Dictionary(uniqueKeysWithValues: zip(table.names, table.columns))
        offsets = (0..<Int64(table.rowCount)).map { $0 + 1 }
        count = table.rowCount
        guard let eventTime = source.eventTime, let times = columns[eventTime] else {
            eventTimes = []
            knownAt = Array(repeating: SourceRows.unknown, count: table.rowCount)
            return
        }
        eventTimes = times.instants
        knownAt = source.knownAt(eventTimes: eventTimes, columns: columns)
    }

    /// These rows in the order of their offsets.
    public func inCommitOrder() -> SourceRows {
        guard zip(offsets, offsets.dropFirst()).contains(where: { $0 > $1 }) else { return self }
        let order = offsets.indices.sorted { offsets[$0] < offsets[$1] }
        return gathered(order.map { Int32($0) })
    }

    /// These rows, followed by others with the same columns.
    public func followed(by others: SourceRows) -> SourceRows { SourceRows(concatenating: [self, others]) }

    /// The rows of several, one after another, with the columns of the first.
    public init(concatenating parts: [SourceRows]) {
        if parts.count == 1 {
            self = parts[0]
            return
        }
        let names = Set(parts[0].columns.keys).union(parts[0].deferred.keys)
        let elsewhere = Set(parts.flatMap(\.deferred.keys))
        deferred = Dictionary(
            uniqueKeysWithValues: elsewhere.map { name in
                (
                    name,
                    ChainedColumn(parts: parts.map { part in (part.deferred[name] ?? part.columns[name]!, part.count) })
                )
            })
        columns = Dictionary(
            uniqueKeysWithValues: names.subtracting(elsewhere).map { name in
                (name, Column(concatenating: parts.map { $0.columns[name]! }))
            })
        eventTimes = parts.flatMap(\.eventTimes)
        knownAt = parts.flatMap(\.knownAt)
        offsets = parts.flatMap(\.offsets)
        count = knownAt.count
        if parts.contains(where: { $0.isRetraction != nil }) {
            isRetraction = parts.flatMap { $0.isRetraction ?? Array(repeating: false, count: $0.count) }
        }
    }

    /// The rows at `rows`, in that order.
    ///
    /// - Parameter names: the columns to keep; nil for all.
    public func gathered(_ rows: [Int32], columns names: Set<String>? = nil) -> SourceRows {
        func pick(_ values: [Int64]) -> [Int64] { values.isEmpty ? [] : values.picked(rows) }
        var result = SourceRows(
            columns: columns.filter { names?.contains($0.key) ?? true }.mapValues { $0.gathered(rows) },
            eventTimes: pick(eventTimes), knownAt: pick(knownAt),
            offsets: pick(offsets))
        for (name, column) in deferred where names?.contains(name) ?? true {
            result.columns[name] = column.gathered(rows)
        }
        result.isOneVersionEach = isOneVersionEach
        result.isRetraction = isRetraction.map { $0.picked(rows) }
        return result
    }
}

extension Array {
    /// The elements at `places`, in that order.
    func picked(_ places: [Int32]) -> [Element] {
        let elements = span
        var picked: [Element] = []
        picked.reserveCapacity(places.count)
        for place in places { picked.append(elements[Int(place)]) }
        return picked
    }
}

extension Source {
    /// The column of an exported file that says when each row was known, whatever the source's setting.
    public static let knownAtColumn = "firn_known_at"

    /// When each imported row counts as known, in microseconds since 1970; `SourceRows.unknown` for never.
    public func knownAt(eventTimes: [Int64], columns: [String: Column]) -> [Int64] {
        if let said = columns[Source.knownAtColumn] { return said.knownTimes }
        return switch knownAt {
        case .eventTime: eventTimes
        case .after(let delay): eventTimes.map { $0.addingClamped(delay) }
        case .column(let name):
            columns[name]?.knownTimes ?? Array(repeating: SourceRows.unknown, count: eventTimes.count)
        }
    }
}

extension Int64 {
    /// The sum, or the end of the range if it would pass that.
    func addingClamped(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }
}

extension Column {
    /// When each row became known: `SourceRows.unknown` for NULL.
    package var knownTimes: [Int64] {
        guard let validity else { return integers }
        return zip(integers, validity).map { $1 ? $0 : SourceRows.unknown }
    }
}
