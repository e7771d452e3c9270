import FeatureEngine
import FeatureLanguage
import TestSupport
import Testing

/// The engine against `NaiveStore`, bit for bit, on random sources full of ties, late rows, corrections that move keys,
/// versions out of order, tombstones, NULLs and hits on window edges: 40 · 52 trials of some 8 features at 25 instants
/// are more than 400,000 comparisons.
///
/// `scripts/mutants` breaks the engine in one place after another and sees to it that this target's tests notice.
@Suite struct CursorTests {
    @Test(arguments: 0..<40)
    func `every aggregate equals its naive twin`(round: Int) throws {
        for seed in UInt64(round * 52)..<UInt64(round * 52 + 52) {
            var random = Randomness(seed: seed)
            let trial = Trial(&random)
            guard let first = try trial.mismatch() else { continue }
            let small = try trial.shrunk()
            Issue.record("seed \(seed): \(first.text)\n\(small)\n\(try small.mismatch()!.text)")
            return
        }
    }
}

/// Rows of a source, and features that read them at some instants.
struct Trial: CustomStringConvertible {
    struct Feature {
        var expression: String
        var call: Call
        var column: String?
        /// The x of pairs.
        var second: String?
        var hasFilter: Bool
        var frame: Frame
    }

    /// What an expression calls, as the naive twin knows it.
    struct Call {
        var `operator`: AggregateOperator
        var parameters: [Literal]
        /// The expression's text with `$` for the column.
        var text: String
    }

    struct Mismatch {
        var feature: Int
        var row: Int
        var text: String
    }

    var keys: [String]
    var source: Source
    var rows: [[Literal]]
    /// When each row was known if it was pushed; nil for an imported one, whose source says when.
    var pushedAt: [Int64?]
    var spine: [(keys: [Literal], instant: Int64)]
    var reading: Reading
    var features: [Feature]
    var isLabel: Bool
    /// Where runs of segments end, and how many buckets they have.
    var runEnds: (Int64, Int64)
    var bucketCount: Int
    /// How many rows of a bucket come at a time.
    var partRows: Int
    var wantsChanges: Bool

    static let columns: [ColumnDefinition] = [
        .init("k", .int64), .init("l", .string), .init("fact", .int64), .init("time", .timestamp),
        .init("known", .timestamp), .init("gone", .bool),
        .init("i", .int64), .init("f", .float64), .init("s", .string), .init("b", .bool),
        .init("d", .date), .init("n", .decimal(precision: 12, scale: 2)), .init("m", .decimal(precision: 38, scale: 4)),
        .init("li", .list(.float64)), .init("v", .vector(2)),
    ]

    static func table(_ columns: [ColumnDefinition], _ rows: [[Literal]]) -> Table {
        var builders = columns.map { ColumnBuilder($0.type) }
        for row in rows { for (index, value) in row.enumerated() { builders[index].append(value) } }
        return Table(zip(columns, builders.indices).map { ($0.name, builders[$1].finish()) })
    }

    // MARK: Comparing

    /// What the engine needs: a plan of all features, the source's rows, the spine.
    func compiled() throws -> (plan: Plan, rows: SourceRows, spine: Spine) {
        let kind: FunctionKind = isLabel ? .label : .feature
        let entity = Entity(name: "e", keys: keys.map { name in Trial.columns.first { $0.name == name }! })
        let functions = features.indices.map {
            Definition.function(
                FunctionDefinition(
                    name: VersionedName(name: "f\($0)", version: 1), kind: kind, entity: "e", source: "s",
                    expression: features[$0].expression))
        }
        let catalog = try Catalog([.entity(entity), .source(source)] + functions)
        let plan = Plan(try catalog.resolve(features: features.indices.map { "f\($0).v1" }), in: catalog)
        var sourceRows = SourceRows(importing: Trial.table(Trial.columns, rows), into: source)
        for (row, pushed) in pushedAt.enumerated() { if let pushed { sourceRows.knownAt[row] = pushed } }
        sourceRows = try sourceRows.withoutDuplicates(of: source)
        let spineTable = Trial.table(entity.keys, spine.map(\.keys))
        return (
            plan, sourceRows,
            Spine(
                columns: Dictionary(uniqueKeysWithValues: zip(spineTable.names, spineTable.columns)),
                instants: spine.map(\.instant))
        )
    }

    /// The first value that differs.
    func mismatch() throws -> Mismatch? {
        let (plan, sourceRows, engineSpine) = try compiled()
        let outputs = plan.evaluate(engineSpine, reading) { _ in sourceRows }
        let inBuckets = try plan.evaluate(
            engineSpine, reading, from: TrialRows(trial: self, rows: sourceRows), threads: 2, wantsChanges: wantsChanges
        )
        let naive = NaiveStore(self)
        var reading = reading
        if isLabel { reading.mode = .hindsight }
        for (index, feature) in features.enumerated() {
            for (row, (key, instant)) in spine.enumerated() {
                var expected = naive.value(
                    feature.call, frame: feature.frame, key: Dictionary(uniqueKeysWithValues: zip(keys, key)),
                    at: instant, reading, hasFilter: feature.hasFilter,
                    test: { !feature.hasFilter || Trial.isPositive($0.values["i"]!) },
                    value: { row in feature.column.map { row.values[$0]! } ?? .bool(true) },
                    second: { row in feature.second.map { row.values[$0]! } ?? .null })
                if key.contains(.null) { expected = .null }
                if feature.frame.looksForward, let knownBy = reading.knownBy,
                    instant - feature.frame.newer.microseconds > knownBy
                {
                    expected = .null
                }
                let got = outputs.columns[index][row]
                let other = inBuckets.columns[index][row]
                if !Trial.isSame(other, got) {
                    return Mismatch(
                        feature: index, row: row,
                        text: "\(feature.expression) for \(key) at \(instant): \(got), in buckets \(other)")
                }
                if !Trial.isSame(got, expected) {
                    return Mismatch(
                        feature: index, row: row,
                        text: "\(feature.expression) for \(key) at \(instant): \(got), naive \(expected)")
                }
            }
        }
        return nil
    }

    static func isPositive(_ literal: Literal) -> Bool {
        if case .int64(let value) = literal { value > 0 } else { false }
    }

    static func isSame(_ a: Literal, _ b: Literal) -> Bool {
        if case .list(let list) = a, case .list(let others) = b {
            return list.items.elementsEqual(others.items, by: isSame)
        }
        if case .float64(let x) = a, case .float64(let y) = b, Double(bitPattern: x).isNaN {
            return Double(bitPattern: y).isNaN
        }
        return a == b
    }

    // MARK: Shrinking

    /// The same failure with as few features, instants and rows as can be. A feature may go wrong only beside another.
    func shrunk() throws -> Trial {
        var small = self
        func shrink(_ count: (Trial) -> Int, _ remove: (inout Trial, Int) -> Void) throws {
            var place = 0
            while place < count(small) {
                var smaller = small
                remove(&smaller, place)
                if try smaller.mismatch() != nil { small = smaller } else { place += 1 }
            }
        }
        try shrink({ $0.features.count }) { $0.features.remove(at: $1) }
        try shrink({ $0.spine.count }) { $0.spine.remove(at: $1) }
        var row = 0
        while row < small.rows.count {
            var smaller = small
            smaller.rows.remove(at: row)
            smaller.pushedAt.remove(at: row)
            if try smaller.mismatch() != nil { small = smaller } else { row += 1 }
        }
        return small
    }

    var description: String {
        let settings =
            "id \(source.id), tombstone \(source.tombstone ?? "none"), known_at \(source.knownAt), keys \(keys), runs to \(runEnds), \(bucketCount) buckets, \(partRows) rows a part, \(reading)\(isLabel ? ", labels" : "")"
        return
            ([settings, Trial.columns.map(\.name).joined(separator: " ")]
            + zip(rows, pushedAt).map {
                $0.map { "\($0)" }.joined(separator: " ") + ($1.map { " pushed at \($0)" } ?? "")
            })
            .joined(separator: "\n")
    }

    // MARK: Drawing

    init(_ random: inout Randomness) {
        keys = random.pick([["k", "l"], ["k", "l"], ["k"], []])
        source = Source(
            name: "s", columns: Trial.columns, eventTime: "time", id: random.chance(60) ? ["fact"] : [],
            tombstone: random.chance(50) ? "gone" : nil,
            knownAt: random.pick([.eventTime, .after(microseconds: 3), .column("known"), .column("known")]))
        rows = []
        let isCalm = random.chance(60), isUncorrected = random.chance(40)
        for _ in 0..<Int.random(in: 0...30, using: &random) {
            var fresh = Trial.row(&random)
            // Floats near each other, whose sums need few bits.
            if isUncorrected { fresh[2] = .int64(Int64(rows.count)) }
            if isCalm, case .float64 = fresh[7] {
                fresh[7] = .float64(random.pick([0.0, -0.0, 0.1, -0.7, 3, 1e5, 1.0 / 3]))
            }
            // The same again, or the same but for its knowledge time: duplicates and what is none.
            guard var repeated = rows.last, !isUncorrected, random.chance(15) else {
                rows.append(fresh)
                continue
            }
            if random.chance(50) { repeated[4] = fresh[4] }
            rows.append(repeated)
        }
        var clock: Int64 = -10
        let pushes = random.chance(40) ? 50 : 0
        pushedAt = []
        for _ in rows {
            clock += Int64.random(in: 0...2, using: &random)
            pushedAt.append(random.chance(pushes) ? clock : nil)
        }
        spine = []
        for _ in 0..<25 {
            let k: Literal = random.chance(8) ? .null : .int64(Int64.random(in: 0...2, using: &random)),
                l: Literal = random.chance(8) ? .null : .string(random.pick(["a", "b"]))
            spine.append((keys.map { $0 == "k" ? k : l }, Int64.random(in: -12...30, using: &random)))
        }
        reading = Reading(
            mode: random.chance(50) ? .asServed : .hindsight,
            knownBy: random.chance(40) ? Int64.random(in: -5...25, using: &random) : nil)
        if random.chance(30) { reading.cuts = ["s": Int64.random(in: 0...30, using: &random)] }
        isLabel = random.chance(20)
        let end = Int64.random(in: 0...20, using: &random)
        runEnds = (end, end + Int64.random(in: 0...10, using: &random))
        bucketCount = random.pick([1, 2, 8])
        partRows = random.pick([1, 2, 3, 5, 100])
        wantsChanges = random.chance(20)
        features = []
        // One alone, too: what another needs is then left out or let go.
        for _ in 0..<random.pick([1, 2, 10, 20]) { features.append(Trial.feature(&random, isLabel: isLabel)) }
    }

    private static func row(_ random: inout Randomness) -> [Literal] {
        [
            random.chance(8) ? .null : .int64(Int64.random(in: 0...1, using: &random)),
            random.chance(8) ? .null : .string(random.pick(["a", "b"])),
            .int64(Int64.random(in: 0...4, using: &random)),
            .timestamp(Instant(microseconds: Int64.random(in: -10...20, using: &random))),
            random.chance(15) ? .null : .timestamp(Instant(microseconds: Int64.random(in: -10...25, using: &random))),
            random.chance(15) ? .null : .bool(random.chance(25)),
            random.chance(15) ? .null : .int64(random.pick([-1, 0, 1, 2, 3, 7, .max, .min])),
            random.chance(15)
                ? .null
                : .float64(
                    random.pick([
                        0.0, -0.0, 0.1, 0.7, 3, 1e16, -1e16, 1, -1, .leastNonzeroMagnitude, .nan, .infinity, -.infinity,
                        1e300, 0x1.fffffffffffffp1023,
                    ])),
            random.chance(15) ? .null : .string(random.pick(["", "x", "é", "xy", "Z"])),
            random.chance(15) ? .null : .bool(random.chance(50)),
            random.chance(15) ? .null : .date(days: random.pick([-1, 0, 19_782, 106_751_981])),
            decimal(&random, [0, 1, -1, 990, 1990, 999_999_999_999], precision: 12, scale: 2),
            // The last two are too many for 38 digits together, or for 128 bits.
            decimal(
                &random, [0, 3, -7, 5000, DecimalValue.powers[37] * 9, -DecimalValue.powers[37] * 9], precision: 38,
                scale: 4),
            random.chance(15) ? .null : list(&random), random.chance(15) ? .null : vector(&random),
        ]
    }

    private static func list(_ random: inout Randomness) -> Literal {
        .list(
            ListValue(
                .float64,
                (0..<Int.random(in: 0...2, using: &random)).map { _ in
                    random.pick([.null, .float64(0), .float64(-0.0), .float64(1.5), .float64(.nan)])
                }))
    }

    private static func vector(_ random: inout Randomness) -> Literal {
        .vector(
            (0..<2).map { _ in
                random.pick([
                    0, -0.0, 1, -1, 0.1, 3, 16_777_215, -2.5e-3, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
                    .leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
                ])
            })
    }

    private static func decimal(_ random: inout Randomness, _ values: [Int128], precision: Int, scale: Int) -> Literal {
        random.chance(15) ? .null : .decimal(DecimalValue(random.pick(values), precision: precision, scale: scale))
    }

    /// What may be called over which columns; sum and latest twice, being what most people write.
    private static let calls: [(Call, [String?])] = (AggregateOperator.allCases + [.sum, .latest]).flatMap { each in
        AggregateProof.of(each).calls.map { call in
            let columns: [String?] =
                switch call.takes {
                case .rows: [nil]
                case .ordered: ["i", "f", "s", "b", "time", "fact", "d", "n", "m", "li"]
                case .anything: ["i", "f", "s", "b", "time", "fact", "d", "n", "m", "li", "v"]
                case .singles: ["i", "f", "s", "b", "time", "fact", "d", "n", "m"]
                case .pairs: ["i", "i", "n", "n", "f"]
                case .vectors: ["v"]
                case .numbers: ["i", "f", "n", "m"]
                case .truths: ["b"]
                }
            return (Call(operator: each, parameters: call.parameters, text: call.text), columns)
        }
    }

    private static func feature(_ random: inout Randomness, isLabel: Bool) -> Feature {
        let (call, columns) = random.pick(isLabel ? Trial.calls.filter { !$0.0.operator.entry.isDecayed } : Trial.calls)
        let column = random.pick(columns), second = call.text.contains("%") ? random.pick(["i", "n"]) : nil
        let hasFilter = random.chance(30)
        let span = TimeSpan(microseconds: Int64.random(in: 1...12, using: &random))
        let frame: Frame
        let window: String
        switch Int.random(in: 0..<3, using: &random) {
        case 0: (frame, window) = (.allHistory, "")
        case 1 where isLabel: (frame, window) = (.next(span), " over next_\(span.microseconds)us")
        case 1: (frame, window) = (.last(span), " over last_\(span.microseconds)us")
        default:
            let newer = TimeSpan(microseconds: Int64.random(in: 0..<span.microseconds, using: &random))
            let isBounded = random.chance(75)
            frame = Frame(older: isBounded ? span : nil, newer: newer)
            let older = isBounded ? "interval '\(span.microseconds) us' preceding" : "unbounded preceding"
            window = " over (range between \(older) and interval '\(newer.microseconds) us' preceding)"
        }
        let expression =
            call.text.replacing("$", with: column ?? "").replacing("%", with: second ?? "")
            + (hasFilter ? " filter (where i > 0)" : "") + window
        return Feature(
            expression: expression, call: call, column: column, second: second, hasFilter: hasFilter, frame: frame)
    }
}

/// The rows as segments hold them: in runs of offsets, by key with retractions, in buckets, whose runs are put together
/// again.
private struct TrialRows: RowSupply {
    let trial: Trial
    let rows: SourceRows

    func buckets(for group: Plan.Group) -> any RowBuckets {
        let keys = group.keys.map(\.column)
        var runs: [SourceRows] = []
        let ends = [trial.runEnds.0, trial.runEnds.1, .max]
        for (start, end) in zip([0] + ends, ends) where start < end {
            let upTo = rows.gathered(rows.offsets.indices.filter { rows.offsets[$0] <= end }.map { Int32($0) })
            let fresh = upTo.gathered(upTo.offsets.indices.filter { upTo.offsets[$0] > start }.map { Int32($0) })
            runs.append(
                trial.source.id.isEmpty
                    ? fresh : fresh.followed(by: upTo.retractions(of: trial.source, keys: keys, after: start)))
        }
        return TrialBuckets(
            count: trial.bucketCount, keys: keys, runs: runs, group: group, source: trial.source,
            partRows: trial.partRows, hasCut: !trial.reading.cuts.isEmpty)
    }
}

private struct TrialBuckets: RowBuckets {
    let count: Int
    let keys: [String]
    let runs: [SourceRows]
    let group: Plan.Group
    let source: Source
    let partRows: Int
    let hasCut: Bool

    func rows(ofBucket bucket: Int) -> any BucketRows {
        let parts = runs.map { run -> SourceRows in
            let assigned = Buckets.assign(keys.map { run.columns[$0]! }, count: run.count, buckets: count)
            return run.gathered(Buckets.members(assigned, buckets: count)[bucket]).sorted(by: keys)
        }
        var rows = (parts.count == 1 ? parts[0] : SourceRows(concatenating: parts)).sorted(by: keys)
        rows.isOneVersionEach = !rows.hasVersions(of: source, keys: keys)
        // What is only picked from stays where it lies.
        for name in group.pickedColumns { rows.deferred[name] = rows.columns.removeValue(forKey: name) }
        let isWhole = !rows.isOneVersionEach || rows.isRetraction != nil || rows.count <= partRows
        if isWhole { return OnePart(rows) }
        return TrialParts(rows: rows, columns: group.valueColumns, partRows: partRows, hasCut: hasCut)
    }
}

/// Rows in parts, as a key with many of them comes; what versions are told by isn't needed then.
private struct TrialParts: BucketRows {
    let rows: SourceRows
    let columns: Set<String>
    let partRows: Int
    let hasCut: Bool
    var start = 0

    mutating func next() -> SourceRows? {
        let places = (0..<Int32(rows.count)).dropFirst(start).prefix(partRows)
        start += partRows
        if places.isEmpty { return nil }
        var piece = rows.gathered(Array(places), columns: columns)
        if !hasCut { piece.offsets = [] }
        piece.isSorted = true
        return piece
    }
}
