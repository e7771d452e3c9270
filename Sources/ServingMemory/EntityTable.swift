package import FeatureEngine
internal import FeatureLanguage

/// The entities of one source by one choice of its columns as key, as far as lookups have asked for them: their rows,
/// and what every aggregate over them comes to until something changes.
package final class EntityTable {
    /// Its keys go by the source's columns.
    let group: Plan.Group
    private let form: RowForm
    /// Told from the tables that it replaced: what was loaded for those isn't taken.
    let generation: Int
    let keyTypes: [ValueType]
    private var places: [EntityKey: Int] = [:]
    private var states: [State] = []
    private var values: ValueTable
    private var free: [Int] = []
    /// What an entity without rows has: of a NULL key, too.
    private let nothing: [Column]
    /// Rows applied lately, for entities that are loaded meanwhile.
    private var lately: [Delta] = []
    private(set) var bytes = 0
    private(set) var recomputed = 0

    /// Entities that have more rows than memory holds for one.
    var oversized: Int { places.values.reduce(0) { $0 + (states[$1].isTooLarge ? 1 : 0) } }

    private struct State {
        var key: EntityKey
        var rows: EntityRows
        /// The values hold before this instant; `.min` where they aren't computed.
        var until: Int64
        var foundFrom: Int64
        var used: Int
        /// It has more rows than memory holds for one.
        var isTooLarge: Bool
        /// With more rows than this it is read again, without those that no window reaches any more.
        var mostRows: Int
    }

    /// A stretch of the log: its rows and, by this table's key, what they say of facts under other keys.
    package struct Delta {
        package var after: Int64
        package var upTo: Int64
        package var rows: SourceRows
        /// Entities whose rows can't be told from these alone: they are read again.
        package var evicts: Bool

        package init(after: Int64, upTo: Int64, rows: SourceRows, evicts: Bool) {
            (self.after, self.upTo, self.rows, self.evicts) = (after, upTo, rows, evicts)
        }

        /// What of it lies behind an offset. What a row retracts came before it.
        func rest(after offset: Int64) -> Delta {
            let wanted = rows.offsets.indices.filter { rows.offsets[$0] > offset }.map { Int32($0) }
            return Delta(after: offset, upTo: upTo, rows: evicts ? rows : rows.gathered(wanted), evicts: evicts)
        }
    }

    /// The most bytes that one entity's rows may have.
    package static let maximumEntityBytes = 16 << 20
    /// Rows that `lately` holds.
    static let mostLately = 200_000
    private static let fewRows = 256
    /// What a state costs beside its rows.
    private static let overhead = 240

    init(_ group: Plan.Group, generation: Int) {
        self.group = group
        self.generation = generation
        form = RowForm(group.source, columns: group.columns)
        keyTypes = group.keyTypes
        values = ValueTable(group.aggregates.map(\.type))
        let none = keyTypes.map { Column(repeating: .null, type: $0, count: 1) }
        nothing = group.values(of: none, count: 1, at: 0, rows: form.rows(of: [])).columns
    }

    // MARK: Reading

    /// Where an entity is; nil where it isn't in memory.
    func place(of key: EntityKey) -> Int? { places[key] }

    func isTooLarge(_ place: Int) -> Bool { states[place].isTooLarge }

    /// Computes what has changed of some entities by now.
    func advance(_ wanted: [Int], to now: Int64, tick: Int) {
        var due: [Int] = []
        for place in wanted {
            states[place].used = tick
            if states[place].until <= now { due.append(place) }
        }
        guard !due.isEmpty else { return }
        if due.count > 1 { due = Array(Set(due)) }
        recomputed += due.count
        let computed = group.values(
            of: EntityKey.columns(due.map { states[$0].key }, keyTypes), count: due.count, at: now,
            rows: form.rows(of: due.map { states[$0].rows }))
        for (row, place) in due.enumerated() {
            states[place].until = computed.until[row]
            states[place].foundFrom = min(states[place].foundFrom, computed.foundFrom[row])
            for (index, column) in computed.columns.enumerated() { values.set(place, index, column, row) }
        }
    }

    /// An aggregate's values of some entities, nil standing for one without rows.
    func column(_ aggregate: Int, of wanted: [Int?]) -> Column {
        var builder = ColumnBuilder(group.aggregates[aggregate].type)
        builder.reserve(wanted.count)
        for place in wanted {
            if let place {
                values.append(place, aggregate, to: &builder)
            } else {
                builder.append(nothing[aggregate][0])
            }
        }
        return builder.finish()
    }

    /// Copies the values of entities that are here and hold at now, for an answer that is written at once; false where
    /// one isn't or doesn't.
    ///
    /// - Parameters:
    ///   - keys: a row's each.
    ///   - part: where in each of the answer's rows an aggregate goes.
    func copy(_ keys: [EntityKey], at now: Int64, tick: Int, _ part: ServingPlan.Part, to cells: inout Cells) -> Bool {
        var found: [Int] = []
        found.reserveCapacity(keys.count)
        for key in keys {
            guard let place = places[key], states[place].until > now, !states[place].isTooLarge else { return false }
            states[place].used = tick
            found.append(place)
        }
        for (row, place) in found.enumerated() {
            let isFound = states[place].foundFrom <= now,
                isStale = isFound && part.fresh.map { values.isZero(place, $0) } ?? false
            values.copy(place, isFound: isFound, isStale: isStale, part.fields, row, to: &cells)
        }
        return true
    }

    func isFound(_ place: Int?, at now: Int64) -> Bool { place.map { states[$0].foundFrom <= now } ?? false }

    // MARK: Loading

    /// Takes entities that were read up to a cut, with what was applied since; nothing where too much was. Those that
    /// are here already, since another lookup missed them too, stay as they are.
    ///
    /// - Parameters:
    ///   - foundFrom: of each, the first instant at which a row of it is known.
    ///   - rows: of all of them.
    func insert(
        _ keys: [EntityKey], foundFrom: [Int64], rows: SourceRows, readUpTo cut: Int64, now upTo: Int64, tick: Int
    ) {
        guard remembers(since: cut, upTo: upTo) else { return }
        let since = lately.filter { $0.upTo > cut }
        var taken: Set<EntityKey> = []
        for (key, from) in zip(keys, foundFrom) where places[key] == nil {
            taken.insert(key)
            let state = State(
                key: key, rows: EntityRows(), until: .min, foundFrom: from, used: tick, isTooLarge: false,
                mostRows: .max)
            if let place = free.popLast() {
                states[place] = state
                places[key] = place
            } else {
                places[key] = states.count
                states.append(state)
                values.grow()
            }
            bytes += EntityTable.overhead + group.aggregates.count * 9
        }
        append(rows, only: taken)
        for delta in since { append(delta.after < cut ? delta.rest(after: cut).rows : delta.rows, only: taken) }
        for key in taken { if let place = places[key] { states[place].mostRows = 2 * states[place].rows.count + 256 } }
    }

    /// Whether what came since an offset is remembered, and tells all there is to tell of an entity that was kept as it
    /// was then.
    func remembers(since cut: Int64, upTo end: Int64) -> Bool {
        let since = lately.filter { $0.upTo > cut }
        return (cut == end || since.first.map { $0.after <= cut } ?? false) && !since.contains(where: \.evicts)
    }

    /// Takes what came before what is remembered, for entities that were kept as they were then.
    func remember(_ delta: Delta, now upTo: Int64) {
        if delta.upTo == lately.first?.after ?? upTo { lately.insert(delta, at: 0) }
    }

    /// Few rows are put with those before them: each by itself would take up far more than its bytes.
    private func remember(_ delta: Delta) {
        guard let last = lately.last, last.upTo == delta.after, !last.evicts, !delta.evicts,
            last.rows.count + delta.rows.count <= EntityTable.fewRows
        else {
            return lately.append(delta)
        }
        lately[lately.count - 1] = Delta(
            after: last.after, upTo: delta.upTo, rows: last.rows.followed(by: delta.rows), evicts: false)
    }

    /// Takes news of the log.
    func apply(_ delta: Delta) {
        remember(delta)
        var held = lately.reduce(0) { $0 + $1.rows.count + 1 }
        while held > EntityTable.mostLately, lately.count > 1 { held -= lately.removeFirst().rows.count + 1 }
        if delta.evicts { evict(delta.rows) } else { append(delta.rows) }
    }

    /// Rows, each to its entity where that is in memory.
    private func append(_ rows: SourceRows, only wanted: Set<EntityKey>? = nil) {
        let keys = group.keys.map { rows.columns[$0.column]! }
        for row in 0..<rows.count {
            guard let key = EntityKey(keys, row), wanted?.contains(key) ?? true, let place = places[key],
                !states[place].isTooLarge
            else { continue }
            bytes -= states[place].rows.bytes.count
            form.append(rows, row, to: &states[place].rows)
            if states[place].rows.bytes.count > EntityTable.maximumEntityBytes {
                states[place].isTooLarge = true
                states[place].rows = EntityRows()
            }
            bytes += states[place].rows.bytes.count
            states[place].until = .min
            if states[place].rows.count > states[place].mostRows { forget(place) }
        }
    }

    // MARK: Forgetting

    /// Forgets every entity, and what was applied.
    func clear() {
        (places, states, free, lately, bytes) = ([:], [], [], [], 0)
        values = ValueTable(group.aggregates.map(\.type))
    }

    private func evict(_ rows: SourceRows) {
        let keys = group.keys.map { rows.columns[$0.column]! }
        for row in 0..<rows.count { if let key = EntityKey(keys, row), let place = places[key] { forget(place) } }
    }

    private func forget(_ place: Int) {
        bytes -= EntityTable.overhead + group.aggregates.count * 9 + states[place].rows.bytes.count
        places[states[place].key] = nil
        states[place].rows = EntityRows()
        states[place].used = .max
        free.append(place)
    }

    /// Forgets entities until memory has come down to a bound: of each few, taken at random, the one that was asked for
    /// longest ago.
    func shrink(to bound: Int) {
        while bytes > bound, places.count > 0 {
            let candidates = (0..<8).map { _ in Int.random(in: states.indices) }
            let oldest = candidates.min { states[$0].used < states[$1].used }!
            if states[oldest].used < .max { forget(oldest) }
        }
    }

    var count: Int { places.count }
}
