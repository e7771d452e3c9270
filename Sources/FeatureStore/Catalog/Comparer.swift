internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import StoreRecord
internal import StoreRows
public import Tables

/// Which rows two functions are compared on.
public enum ComparisonSample: Sendable {
    /// A number of values of entities that have rows: as of each entity's newest rows, or all at one instant.
    case values(Int, asOf: Instant?)
    /// The rows of a spine file, which also brings request inputs.
    case file(String, timestamp: String, options: ReadOptions)

    /// The most values that may be asked for: up to this many keys, rows are looked up by key.
    public static let maximum = RowLoader.fewKeys
}

extension StoreCatalog {
    /// Compares two registered features or labels.
    ///
    /// - Throws: unknown names; faults of a sample file.
    public func compare(_ left: String, _ right: String, on sample: ComparisonSample) async throws -> Comparison {
        try await withCatalog { connection, catalog in
            let functions = try [left, right].map { name in try catalog.resolve(features: [name]) }.map {
                ($0.features + $0.labels)[0].function
            }
            return try Comparer(catalog: catalog, connection: connection).compare(
                functions[0], functions[1], on: sample)
        }
    }

    /// Compares each function that a plan would add with the newest registered version of its name. Only the first few
    /// have their values compared, and a refused plan has no comparisons.
    public func comparisons(_ plan: RegistrationPlan) async throws -> [Comparison] {
        if plan.isRefused { return [] }
        return try await withCatalog { connection, registered in
            let comparer = Comparer(catalog: plan.catalog, connection: connection)
            let newest = Dictionary(registered.functions.values.map { ($0.name.name, $0) }) {
                $0.name.version > $1.name.version ? $0 : $1
            }
            let pairs = plan.steps.compactMap { step -> (Function, Function)? in
                guard case .function(let definition) = step.definition, step.change == .new,
                    let old = newest[definition.name.name]
                else { return nil }
                return plan.catalog.functions[definition.name].map { (old, $0) }
            }
            return try pairs.enumerated().map { index, pair in
                if index < Comparer.mostOfPlan {
                    return try comparer.compare(
                        pair.0, pair.1, on: .values(Comparer.sampleOfPlan, asOf: nil), registered: registered)
                }
                var comparison = Comparison(left: pair.0, right: pair.1)
                comparison.obstacle = "a plan compares \(Comparer.mostOfPlan) new versions; firn diff compares any two"
                return comparison
            }
        }
    }
}

/// Evaluates two functions in one plan over a sample, and counts what differs.
private struct Comparer {
    let catalog: Catalog
    let connection: Connection

    static let sampleOfPlan = 500
    static let mostOfPlan = 10
    private static let exampleCount = 5
    /// The most instants taken of one entity.
    private static let mostPerEntity = 100

    /// - Parameter registered: the definitions that have tables, where `catalog` holds more than those.
    func compare(_ left: Function, _ right: Function, on sample: ComparisonSample, registered: Catalog? = nil) throws
        -> Comparison
    {
        var comparison = Comparison(left: left, right: right)
        let names = left.name == right.name ? [left.name] : [left.name, right.name]
        let plan: Plan
        do {
            plan = Plan(try catalog.resolve(features: names.map(\.description)), in: catalog)
        } catch let error as DefinitionError {
            comparison.obstacle = error.diagnostics.first?.message
            return comparison
        }
        if let missing = registered.flatMap({ plan.missing(in: $0) }) {
            comparison.obstacle = missing
            return comparison
        }
        do {
            return try connection.transaction(.repeatableReadOnly) {
                // A comparison is a glance: it mustn't occupy the database for long.
                try connection.execute("set local statement_timeout = '10s'")
                let heads = try Heads(plan.sources, connection)
                guard let spine = try spine(sample, plan, heads, &comparison) else { return comparison }
                let loader = RowLoader(spine: spine, cuts: heads.cuts, connection: connection)
                let columns = try plan.evaluate(
                    spine, Reading(cuts: heads.cuts, newestCommits: heads.newestCommits), rows: loader.load
                ).columns
                // In a plan, features come before labels, whichever was named first.
                func column(_ function: Function) -> Column {
                    columns[plan.outputs.firstIndex { $0.name == function.name.description }!]
                }
                comparison.count(plan, spine, column(left), column(right), examples: Comparer.exampleCount)
                return comparison
            }
        } catch let error as PostgresError where error.code == "57014" {
            comparison.obstacle = "it takes longer than 10 seconds; a smaller sample may do"
            comparison.sample = nil
            return comparison
        }
    }

    /// Draws the sample; nil, with the obstacle named, where there is nothing to compare on.
    private func spine(_ sample: ComparisonSample, _ plan: Plan, _ heads: Heads, _ comparison: inout Comparison) throws
        -> Spine?
    {
        switch sample {
        case .file(let path, let timestamp, let options):
            comparison.sample = path
            return try SpineFile(path: path, plan: plan, timestamp: timestamp, options: options).spine
        case .values(let count, let asOf):
            guard let group = plan.groups.max(by: { $0.keys.count < $1.keys.count }),
                group.keys.count == plan.keys.count
            else {
                comparison.obstacle =
                    "no aggregate of theirs reads all the keys, and there is no spine to bring entities"
                return nil
            }
            let instant = try Heads.instant(asOf: asOf, now: heads.now).microseconds
            let spine = try self.spine(
                of: plan, group, count, ofNewestRows: asOf == nil && !group.source.isStatic, instant, heads)
            guard !spine.instants.isEmpty else {
                comparison.obstacle = "\(group.source.name) has no rows"
                return nil
            }
            let instants =
                asOf.map { "as of \($0)" } ?? (group.source.isStatic ? "as of now" : "as of their newest rows")
            comparison.sample =
                "entities of \(group.source.name), \(instants)\(plan.requests.isEmpty ? "" : ", request inputs NULL")"
            return spine
        }
    }

    /// Picks entities by a hash of their keys: each as of its newest rows, every entity's newest first until there are
    /// enough, or all at one instant.
    ///
    /// In a large source, only some of the pages are searched for entities.
    private func spine(
        of plan: Plan, _ group: Plan.Group, _ count: Int, ofNewestRows: Bool, _ instant: Int64, _ heads: Heads
    ) throws -> Spine {
        let source = group.source, table = SourceTable(source).name
        let total = try connection.execute(
            "select coalesce(sum(count - duplicates), 0)::bigint from firn.batches where source = \(source.name)"
        ).single().int64(0)
        // Aims at some fifty rows for each entity wanted.
        let percent = min(100, 5000 * Double(count) / Double(max(total, 1)))
        let keys = group.keys.map { key -> SQL in "r.\(identifier: key.column)" }
        let names = group.keys.indices.map { SQL(raw: "k\($0)") }
        let keyNames = SQL.joined(names, by: ", "), list = SQL.joined(names + ["t"], by: ", ")
        let isKept: SQL = "b.source = \(source.name) and b.base_offset + b.count <= \(heads.cuts[source.name] ?? 0)"
        let times: SQL
        if ofNewestRows, let eventTime = source.eventTime {
            let time: SQL = "greatest(r.\(identifier: eventTime), coalesce(b.known_at, r.firn_known_at))"
            let ofEntity = SQL.joined(
                [isKept, "\(time) <= \(.timestamp(heads.now))"]
                    + (keys.isEmpty
                        ? [] : [SourceTable(source).equal(group.keys.map(\.column), to: names.map { "e.\($0)" })]),
                by: " and ")
            times = """
                (select distinct \(time) as t from \(table) r join firn.batches b on b.batch = r.firn_batch where \(ofEntity) order by t desc limit \(Comparer.mostPerEntity))
                """
        } else {
            times = "(select \(.timestamp(instant)) as t)"
        }
        let entities: SQL =
            names.isEmpty
            ? "(select where exists (select from \(table)))"
            : """
            (select \(keyNames) from (select distinct \(SQL.joined(keys, by: ", ")) from \(table) r tablesample system (\(.float64(percent))) repeatable (1)
                join firn.batches b on b.batch = r.firn_batch
                where \(SQL.joined([isKept] + keys.map { "\($0) is not null" }, by: " and "))) s (\(keyNames))
            order by hashtextextended(row(\(keyNames))::text, 0) limit \(count))
            """
        let entity: SQL = names.isEmpty ? "" : "partition by \(keyNames)"
        let rows = try connection.execute(
            """
            select \(list) from (select \(list), row_number() over (\(entity) order by t desc) as n from \(entities) e cross join lateral \(times) i) s
            order by n, hashtextextended(row(\(list))::text, 0) limit \(count)
            """)
        var columns: [String: Column] = [:]
        for (index, key) in group.keys.enumerated() {
            var builder = ColumnBuilder(source.column(key.column)!.type)
            for row in 0..<rows.count { try builder.append(rows[row].literal(index, builder.type)) }
            columns[key.spine] = builder.finish()
        }
        for request in plan.requests {
            columns[request.name] = Column(repeating: .null, type: request.type, count: rows.count)
        }
        // Moves instants back so far that a label's future has come.
        let forward =
            ofNewestRows ? max(0, plan.groups.flatMap(\.aggregates).map { -$0.frame.newer.microseconds }.max() ?? 0) : 0
        let instants = try rows.map { row in try RowLoader.clamped(row.timestamp(group.keys.count), minus: forward) }
        return Spine(columns: columns, instants: instants)
    }
}

extension Plan {
    /// The first thing that the plan reads and no table holds yet, in words; nil where everything is there.
    fileprivate func missing(in registered: Catalog) -> String? {
        for group in groups {
            guard let source = registered.sources[group.source.name] else {
                return "source \(group.source.name) isn't registered yet"
            }
            if let column = group.columns.sorted().first(where: { source.column($0) == nil }) {
                return "source \(source.name) has no column \(column) yet"
            }
        }
        return nil
    }
}

extension Comparison {
    fileprivate mutating func count(_ plan: Plan, _ spine: Spine, _ left: Column, _ right: Column, examples wanted: Int)
    {
        rows = spine.instants.count
        var distances: [Double] = []
        for row in 0..<rows {
            let a = left[row], b = right[row]
            if a == .null, b == .null { bothNull += 1 }
            if a.isSame(as: b) { continue }
            different += 1
            if a == .null { onlyLeftNull += 1 }
            if b == .null { onlyRightNull += 1 }
            if let distance = a.distance(to: b) { distances.append(distance) }
            if examples.count < wanted {
                let keys = plan.keys.map { ($0.name, spine.columns[$0.name]![row]) }
                examples.append(
                    Difference(keys: keys, instant: Instant(microseconds: spine.instants[row]), left: a, right: b))
            }
        }
        distances.sort()
        greatest = distances.last
        if !distances.isEmpty { median = (distances[(distances.count - 1) / 2] + distances[distances.count / 2]) / 2 }
    }
}

extension Literal {
    /// Equality in the sense of SQL's `is not distinct from`; numbers are compared by value.
    fileprivate func isSame(as other: Literal) -> Bool {
        if case .int64 = self, case .int64 = other { return self == other }
        if case .list(let list) = self, case .list(let others) = other {
            return list.items.elementsEqual(others.items) { $0.isSame(as: $1) }
        }
        if let a = exact, let b = other.exact {
            return DecimalValue.order(a.unscaled, scale: a.scale, b.unscaled, scale: b.scale) == 0
        }
        guard let x = amount, let y = other.amount else { return self == other }
        return x == y || x.isNaN && y.isNaN
    }

    /// The distance of two numbers, infinite beside a NaN; nil where either isn't a number.
    fileprivate func distance(to other: Literal) -> Double? {
        if case .int64(let x) = self, case .int64(let y) = other { return Double((Int128(x) - Int128(y)).magnitude) }
        guard let x = amount, let y = other.amount else { return nil }
        return x.isNaN || y.isNaN ? .infinity : (x - y).magnitude
    }

    /// Its digits; nil where it isn't a decimal or an int64.
    private var exact: DecimalValue? {
        switch self {
        case .decimal(let value): value
        case .int64(let value): DecimalValue(Int128(value), precision: 19, scale: 0)
        case .null, .bool, .float64, .string, .timestamp, .date, .list, .vector: nil
        }
    }

    /// Its number; nil where it isn't one.
    private var amount: Double? { type?.isNumber ?? false ? number : nil }
}
