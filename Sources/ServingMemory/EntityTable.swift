package import FeatureEngine
internal import FeatureLanguage

/// The entities of one source, by one choice of its columns as key, that lookups have asked for: their rows, and every
/// aggregate's value until something changes.
package final class EntityTable {
    /// Its keys are named after the source's columns.
    let group: Plan.Group
    private let form: RowForm
    /// Distinguishes it from the tables that it replaced: what was loaded for those isn't taken.
    let generation: Int
    let keyTypes: [ValueType]
    private var places: [EntityKey: Int] = [:]
    private var states: [State] = []
    private var values: ValueTable
    private var free: [Int] = []
    /// The values of an entity without rows, and of a NULL key.
    private let nothing: [Column]
    /// Rows applied recently, for entities that are being loaded meanwhile.
    private var lately: [Delta] = []
    private(set) var bytes = 0
    private(set) var recomputed = 0

    /// Entities that have more rows than memory holds for one.
    var oversized: Int { places.values.reduce(0) { $0 + (states[$1].isTooLarge ? 1 : 0) } }

    private struct State {
        var key: EntityKey
        var rows: EntityRows
        /// The values hold before this instant; `.min` if they aren't computed.
        var until: Int64
        var foundFrom: Int64
        var used: Int
        /// Whether it has more rows than memory holds for one entity.
        var isTooLarge: Bool
        /// If it has more rows than this, it is read again, without those that no window reaches any more.
        var mostRows: Int
    }

    /// A stretch of the log: its rows and, by this table's key, their retractions of facts under other keys.
    package struct Delta {
        package var after: Int64
        package var upTo: Int64
        package var rows: SourceRows
        /// Whether these rows aren't enough to say what rows their entities have: then the entities are read again.
        package var evicts: Bool

        package init(after: Int64, upTo: Int64, rows: SourceRows, evicts: Bool) {
            (self.after, self.upTo, self.rows, self.evicts) = (after, upTo, rows, evicts)
        }

        /// The part after an offset. A retraction comes after what it retracts, so none is lost.
        func rest(after offset: Int64) -> Delta {
            let wanted = rows.offsets.indices.filter { rows.offsets[$0] > offset }.map { Int32($0) }
            return Delta(after: offset, upTo: upTo, rows: evicts ? rows : rows.gathered(wanted), evicts: evicts)
        }
    }

    /// The most bytes that one entity's rows may have.
    package static let maximumEntityBytes = 16 << 20
    /// How many rows `lately` holds at most.
    static let mostLately = 200_000
    private static let fewRows = 256
    /// Roughly how many bytes a state takes up besides its rows.
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

    /// Where an entity is; nil if it isn't in memory.
    func place(of key: EntityKey) -> Int? { places[key] }

    func isTooLarge(_ place: Int) -> Bool { states[place].isTooLarge }

    /// Recomputes values of some entities that no longer hold at now.
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
            for (index, column) in computed.columns.enumerated() {
                values.set(place, index, column, row, states[place].rows)
            }
        }
    }

    /// An aggregate's values for some entities; nil stands for an entity without rows.
    func column(_ aggregate: Int, of wanted: [Int?]) -> Column {
        var builder = ColumnBuilder(group.aggregates[aggregate].type)
        builder.reserve(wanted.count)
        for place in wanted {
            if let place {
                values.append(place, aggregate, rows(place), to: &builder)
            } else {
                builder.append(nothing[aggregate][0])
            }
        }
        return builder.finish()
    }

    /// Copies the values of entities for an answer that is written at once; false if one of them isn't here or doesn't
    /// hold at now.
    ///
    /// - Parameters:
    ///   - keys: one for each row.
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
            values.copy(place, rows(place), isFound: isFound, isStale: isStale, part.fields, row, to: &cells)
        }
        return true
    }

    /// An entity's rows, if values may lie among them.
    private func rows(_ place: Int) -> EntityRows { values.hasPacked ? states[place].rows : EntityTable.noRows }

    private static let noRows = EntityRows()

    func isFound(_ place: Int?, at now: Int64) -> Bool { place.map { states[$0].foundFrom <= now } ?? false }

    // MARK: Loading

    /// Takes entities that were read up to a cut, along with what was applied since, or nothing if that was too much.
    /// Entities that are here already, because another lookup missed them too, stay as they are.
    ///
    /// - Parameters:
    ///   - foundFrom: for each, the first instant at which a row of it is known.
    ///   - rows: the rows of all of them.
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

    /// Whether what came since an offset is remembered, and is all that an entity kept as of that offset lacks.
    func remembers(since cut: Int64, upTo end: Int64) -> Bool {
        let since = lately.filter { $0.upTo > cut }
        return (cut == end || since.first.map { $0.after <= cut } ?? false) && !since.contains(where: \.evicts)
    }

    /// Adds what came just before what is remembered, for entities that were kept as they were then.
    func remember(_ delta: Delta, now upTo: Int64) {
        if delta.upTo == lately.first?.after ?? upTo { lately.insert(delta, at: 0) }
    }

    /// Small stretches are joined with the one before: each by itself would take up far more than its bytes.
    private func remember(_ delta: Delta) {
        guard let last = lately.last, last.upTo == delta.after, !last.evicts, !delta.evicts,
            last.rows.count + delta.rows.count <= EntityTable.fewRows
        else {
            return lately.append(delta)
        }
        lately[lately.count - 1] = Delta(
            after: last.after, upTo: delta.upTo, rows: last.rows.followed(by: delta.rows), evicts: false)
    }

    /// Takes news from the log.
    func apply(_ delta: Delta) {
        remember(delta)
        var held = lately.reduce(0) { $0 + $1.rows.count + 1 }
        while held > EntityTable.mostLately, lately.count > 1 { held -= lately.removeFirst().rows.count + 1 }
        if delta.evicts { evict(delta.rows) } else { append(delta.rows) }
    }

    /// Adds each row to its entity, if that is in memory.
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

    /// Forgets every entity, and everything that was applied.
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

    /// Forgets entities until memory is down to a bound: of a few taken at random, the one that was asked for longest
    /// ago, again and again.
    func shrink(to bound: Int) {
        while bytes > bound, places.count > 0 {
            let candidates = (0..<8).map { _ in Int.random(in: states.indices) }
            let oldest = candidates.min { states[$0].used < states[$1].used }!
            if states[oldest].used < .max { forget(oldest) }
        }
    }

    var count: Int { places.count }
}
