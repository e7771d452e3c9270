internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
public import Tables

/// Two features or labels side by side: what is written differently, and how many values of a sample differ.
public struct Comparison: Sendable {
    public struct Difference: Sendable {
        public var keys: [(name: String, value: Literal)]
        public var instant: Instant
        public var left: Literal
        public var right: Literal
    }

    public var left: Function
    public var right: Function
    /// Where the sample comes from, in words; nil where none could be drawn, for the reason in `obstacle`.
    public var sample: String?
    public var obstacle: String?
    public var rows = 0
    /// Rows whose values differ, as SQL's `is distinct from` has it.
    public var different = 0
    public var onlyLeftNull = 0
    public var onlyRightNull = 0
    /// Of the rows where both are numbers and differ: how far they are apart in the middle, and at most.
    public var median: Double?
    public var greatest: Double?
    /// The first of the rows that differ.
    public var examples: [Difference] = []

    /// The parts of both definitions, of which some differ.
    public var parts: [(name: String, left: String, right: String)] {
        func parts(_ function: Function) -> [(String, String)] {
            let definition = function.definition
            return [
                ("kind", function.kind.rawValue), ("entity", "\(function.entity.name) \(function.entity.keys.text)"), ("source", definition.source ?? ""),
                ("join", definition.join.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")),
                ("request", definition.request.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: ", ")), ("type", function.type.rawValue),
                ("expression", definition.expression.trimmed), ("fingerprint", function.fingerprint.short),
            ]
        }
        return zip(parts(left), parts(right)).map { ($0.0, $0.1, $1.1) }.filter { !$1.isEmpty || !$2.isEmpty }
    }
}

/// Which rows two functions are compared on.
public enum ComparisonSample: Sendable {
    /// So many values: of entities that have rows, each as of its newest row, and where they are few, of the rows before it too; or all at one instant.
    case entities(Int, asOf: Instant?)
    case file(String, timestamp: String, options: ReadOptions)

    public static let maximum = 10_000
}

extension Store {
    /// Compares two registered features or labels.
    ///
    /// - Throws: unknown names; faults of a sample file.
    public func compare(_ left: String, _ right: String, on sample: ComparisonSample) async throws -> Comparison {
        try await withCatalog { connection, catalog in
            let functions = try [left, right].map { name in try catalog.resolve(features: [name]) }.map { ($0.features + $0.labels)[0].function }
            return try Comparer(catalog: catalog, connection: connection).compare(functions[0], functions[1], on: sample)
        }
    }

    /// Compares each function that a plan would add with the newest registered version of its name.
    public func comparisons(_ plan: RegistrationPlan) async throws -> [Comparison] {
        try await withCatalog { connection, registered in
            let comparer = Comparer(catalog: plan.catalog, connection: connection)
            return try plan.steps.compactMap { step in
                guard case .function(let definition) = step.definition, step.change == .new else { return nil }
                let versions = registered.functions.values.filter { $0.name.name == definition.name.name }
                guard let old = versions.max(by: { $0.name < $1.name }), let new = plan.catalog.functions[definition.name] else { return nil }
                return try comparer.compare(old, new, on: .entities(Comparer.sampleOfPlans, asOf: nil), registered: registered)
            }
        }
    }
}

private struct Comparer {
    let catalog: Catalog
    let connection: Connection

    static let sampleOfPlans = 500
    private static let exampleCount = 5

    /// - Parameter registered: what has tables, where `catalog` holds more.
    func compare(_ left: Function, _ right: Function, on sample: ComparisonSample, registered: Catalog? = nil) throws -> Comparison {
        var comparison = Comparison(left: left, right: right)
        let plan: Plan
        do {
            plan = Plan(try catalog.resolve(features: [left.name, right.name].uniqued.map(\.description)), in: catalog)
        } catch let error as DefinitionError {
            comparison.obstacle = error.diagnostics.first?.message
            return comparison
        }
        if let missing = registered.flatMap({ plan.missing(in: $0) }) {
            comparison.obstacle = missing
            return comparison
        }
        return try connection.transaction(.repeatableReadOnly) {
            let heads = try Heads(plan.sources, connection)
            let spine: Spine
            switch sample {
            case .file(let path, let timestamp, let options):
                spine = try SpineFile(path: path, plan: plan, timestamp: timestamp, options: options).spine
                comparison.sample = path
            case .entities(let count, let asOf):
                guard let group = plan.groups.max(by: { $0.keys.count < $1.keys.count }), group.keys.count == plan.keys.count else {
                    comparison.obstacle = "no source has all the keys"
                    return comparison
                }
                let instants = asOf.map { "as of \($0)" } ?? (group.source.isStatic ? "as of now" : "as of their newest rows")
                spine = try entities(of: plan, group, count, asOf, heads)
                comparison.sample = "entities of \(group.source.name), \(instants)\(plan.requests.isEmpty ? "" : ", request inputs NULL")"
            }
            let reading = Reading(cuts: heads.cuts, newestCommits: heads.newestCommits)
            let loader = RowLoader(spine: spine, cuts: heads.cuts, connection: connection)
            let columns = try plan.evaluate(spine, reading, rows: loader.load).columns
            comparison.count(plan, spine, columns[0], columns[columns.count - 1], examples: Comparer.exampleCount)
            return comparison
        }
    }

    /// Entities by a hash of their keys, so that the same ones are drawn again; of a large source, from a part of its rows.
    private func entities(of plan: Plan, _ group: Plan.Group, _ count: Int, _ asOf: Instant?, _ heads: Heads) throws -> Spine {
        let source = group.source, cut = heads.cuts[source.name] ?? 0
        let keys = group.keys.map { SQL(stringLiteral: "r.\(SQL.quoted($0.column))") }
        let total = try connection.execute("select coalesce(sum(count), 0)::bigint from firn.batches where source = \(source.name)").first!.int64(0)
        // Some fifty rows for each entity wanted.
        let percent = min(100, 5000 * Double(count) / Double(max(total, 1)))
        let known: SQL = "coalesce(b.known_at, r.firn_known_at)"
        let time: SQL = source.eventTime.map { "greatest(r.\(identifier: $0), \(known))" } ?? "null::timestamptz"
        var conditions: [SQL] = ["b.source = \(source.name) and b.base_offset + b.count <= \(cut)"] + keys.map { "\($0) is not null" }
        if !source.isStatic { conditions.append("greatest(r.\(identifier: source.eventTime!), \(known)) <= \(.timestamp(heads.now))") }
        let names = keys.indices.map { SQL(stringLiteral: "k\($0)") }, list = SQL.joined(names + ["t"], by: ", ")
        let entity: SQL = names.isEmpty ? "" : "partition by \(SQL.joined(names, by: ", "))"
        let mostPerEntity = asOf != nil || source.isStatic ? 1 : 100
        let rows = try connection.execute(
            """
            select \(list) from (
                select \(list), row_number() over (\(entity) order by t desc) as n from (
                    select distinct \(SQL.joined(keys + [time], by: ", "))
                    from \(SourceTable(source).name) r tablesample bernoulli (\(.float64(percent))) repeatable (1) join firn.batches b on b.batch = r.firn_batch
                    where \(SQL.joined(conditions, by: " and "))) d (\(list))) s
            where n <= \(mostPerEntity) order by n, hashtextextended(row(\(list))::text, 0) limit \(count)
            """)
        var columns: [String: Column] = [:]
        for (index, key) in group.keys.enumerated() {
            var builder = ColumnBuilder(source.column(key.column)!.type)
            for row in 0..<rows.count { builder.append(rows[row].literal(index, builder.type)) }
            columns[key.spine] = builder.finish()
        }
        for request in plan.requests { columns[request.name] = Column(repeating: .null, type: request.type, count: rows.count) }
        // A label is looked at from so early that its future has come.
        let forward = plan.groups.flatMap(\.aggregates).map { -$0.frame.newer.microseconds }.max() ?? 0
        let instants = (0..<rows.count).map { row in asOf?.microseconds ?? (rows[row].optionalTimestamp(group.keys.count) ?? heads.now) - max(forward, 0) }
        return Spine(columns: columns, instants: instants)
    }
}

extension Plan {
    /// What the plan reads and no table holds yet; nil where all is there.
    fileprivate func missing(in registered: Catalog) -> String? {
        for group in groups {
            guard let source = registered.sources[group.source.name] else { return "source \(group.source.name) isn't registered yet" }
            if let column = group.columns.sorted().first(where: { source.column($0) == nil }) { return "source \(source.name) has no column \(column) yet" }
        }
        return nil
    }
}

extension Comparison {
    fileprivate mutating func count(_ plan: Plan, _ spine: Spine, _ left: Column, _ right: Column, examples wanted: Int) {
        rows = spine.instants.count
        var distances: [Double] = []
        for row in 0..<rows {
            let a = left[row], b = right[row]
            let x = a.number, y = b.number
            let isSame = if let x, let y { x == y || x.isNaN && y.isNaN } else { a == b }
            if isSame { continue }
            different += 1
            if a == .null { onlyLeftNull += 1 }
            if b == .null { onlyRightNull += 1 }
            if let x, let y { distances.append((x - y).magnitude) }
            if examples.count < wanted {
                let keys = plan.keys.map { ($0.name, spine.columns[$0.name]![row]) }
                examples.append(Difference(keys: keys, instant: Instant(microseconds: spine.instants[row]), left: a, right: b))
            }
        }
        distances.sort { $1.isNaN && !$0.isNaN || $0 < $1 }
        median = distances.isEmpty ? nil : distances[distances.count / 2]
        greatest = distances.last
    }
}

extension Literal {
    fileprivate var number: Double? {
        switch self {
        case .int64(let value): Double(value)
        case .float64(let bits): Double(bitPattern: bits)
        default: nil
        }
    }
}

extension Rows.Row {
    func literal(_ column: Int, _ type: ValueType) -> Literal {
        if isNull(column) { return .null }
        return switch type {
        case .bool: .bool(bool(column))
        case .int64: .int64(int64(column))
        case .float64: .float64(bits: bytes(column).reduce(0) { $0 << 8 | UInt64($1) })
        case .string: .string(text(column))
        case .timestamp: .timestamp(Instant(microseconds: timestamp(column)))
        }
    }
}

extension Array where Element: Hashable {
    fileprivate var uniqued: [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
