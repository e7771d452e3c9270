internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

/// What differs between two snapshots.
public struct SnapshotComparison: Sendable {
    /// An output that both have with different functions, or that only one has.
    public struct OutputChange: Sendable {
        /// The output's name.
        public var name: String
        /// The left function and its short fingerprint; nil where only the right has the output.
        public var left: String?
        /// The right function and its short fingerprint; nil where only the left has the output.
        public var right: String?
    }

    /// A source whose log the two snapshots read up to different offsets.
    public struct CutChange: Sendable {
        /// The source's name.
        public var source: String
        /// The last offset that the left snapshot read; 0 for none.
        public var left: Int64
        /// The last offset that the right snapshot read; 0 for none.
        public var right: Int64
    }

    /// An output that both have, and whose values differ in some of the rows that both have.
    public struct ValueChange: Sendable {
        /// The output's name.
        public var output: String
        /// In how many rows the values differ.
        public var rows: Int
        /// The first of those rows, counted from 1 in the left spine.
        public var firstRow: Int
        /// The left value in that row.
        public var left: Literal
        /// The right value in that row.
        public var right: Literal
    }

    /// The snapshot that was named first.
    public var left: Manifest
    /// The snapshot that was named second.
    public var right: Manifest
    /// Settings that differ, in words: the mode, known by, the split.
    public var settings: [String] = []
    /// Outputs that differ, sorted by name.
    public var outputs: [OutputChange] = []
    /// Cuts that differ, sorted by source.
    public var cuts: [CutChange] = []
    /// How many rows, by keys and instant, only the left spine has.
    public var onlyLeft = 0
    /// How many rows, by keys and instant, only the right spine has.
    public var onlyRight = 0
    /// How many rows, by keys and instant, both spines have.
    public var common = 0
    /// Outputs whose values differ, in the left snapshot's order.
    public var values: [ValueChange] = []

    /// Whether settings, outputs, cuts, rows and values are all the same.
    public var isSame: Bool {
        settings.isEmpty && outputs.isEmpty && cuts.isEmpty && onlyLeft == 0 && onlyRight == 0 && values.isEmpty
    }
}

extension StoreTraining {
    /// What differs between two snapshots, each by id or name: definitions, cuts, rows, and the values of rows and
    /// outputs that both have.
    public func compareSnapshots(_ left: String, _ right: String) async throws -> SnapshotComparison {
        let left = try await snapshot(left), right = try await snapshot(right)
        var comparison = SnapshotComparison(left: left, right: right)
        if left.mode != right.mode {
            comparison.settings.append("mode: \(left.mode.rawValue) and \(right.mode.rawValue)")
        }
        if left.knownBy != right.knownBy {
            comparison.settings.append("known by: \(left.knownBy ?? "any time") and \(right.knownBy ?? "any time")")
        }
        if left.split != right.split {
            comparison.settings.append(
                "split: \(left.split?.description ?? "none") and \(right.split?.description ?? "none")")
        }
        func described(_ output: Manifest.Output) -> String { "\(output.function) \(output.fingerprint.short)" }
        for name in Set((left.outputs + right.outputs).map(\.name)).sorted() {
            let a = left.outputs.first { $0.name == name }, b = right.outputs.first { $0.name == name }
            if a?.fingerprint != b?.fingerprint {
                comparison.outputs.append(.init(name: name, left: a.map(described), right: b.map(described)))
            }
        }
        for source in Set(left.cuts.keys).union(right.cuts.keys).sorted()
        where left.cuts[source] ?? 0 != right.cuts[source] ?? 0 {
            comparison.cuts.append(.init(source: source, left: left.cuts[source] ?? 0, right: right.cuts[source] ?? 0))
        }
        if left.digest == right.digest, left.spine.digest == right.spine.digest {
            comparison.common = left.rows
            return comparison
        }
        try await compareRows(&comparison)
        return comparison
    }

    private func compareRows(_ comparison: inout SnapshotComparison) async throws {
        let (left, right) = (try await rows(comparison.left), try await rows(comparison.right))
        // Rows are matched by their keys and instant; several that are alike are matched in their order.
        let named = left.keys.map { ($0.name, $0.column) }.elementsEqual(right.keys.map { ($0.name, $0.column) }) {
            $0.0 == $1.0 && $0.1.type == $1.1.type
        }
        guard named else {
            (comparison.onlyLeft, comparison.onlyRight) = (left.count, right.count)
            return
        }
        var waiting: [[Literal]: [Int]] = [:]
        for row in (0..<right.count).reversed() { waiting[right.keys.map { $0.column[row] }, default: []].append(row) }
        var pairs: [(left: Int, right: Int)] = []
        for row in 0..<left.count {
            if let match = waiting[left.keys.map({ $0.column[row] })]?.popLast() { pairs.append((row, match)) }
        }
        comparison.common = pairs.count
        comparison.onlyLeft = left.count - pairs.count
        comparison.onlyRight = right.count - pairs.count
        for (name, column) in zip(left.values.names, left.values.columns) {
            guard let other = right.values[name], other.type == column.type else { continue }
            let differing = pairs.filter { !column.isSame($0.left, as: other, $0.right) }
            guard let first = differing.first else { continue }
            comparison.values.append(
                .init(
                    output: name, rows: differing.count, firstRow: first.left + 1, left: column[first.left],
                    right: other[first.right]))
        }
    }

    private func rows(_ manifest: Manifest) async throws -> (
        count: Int, keys: [(name: String, column: Column)], values: Table
    ) {
        let set = try await fetch(manifest.id).rows
        let spine = set.file.spine
        let requests = Set(try await context.catalog().set(named: manifest.set.description).requests.map(\.name))
        let keys = spine.columns.filter { !requests.contains($0.key) }.sorted { $0.key < $1.key }.map {
            (name: $0.key, column: $0.value)
        }
        return (
            spine.instants.count, keys + [(FeatureSet.instantColumn, Column(.timestamp, spine.instants))], set.values
        )
    }
}

extension Column {
    /// Whether a value equals that of another column of its type; all NaNs are one value.
    fileprivate func isSame(_ row: Int, as other: Column, _ otherRow: Int) -> Bool {
        let a = self[row], b = other[otherRow]
        if case .float64(let x) = a, case .float64(let y) = b, Double(bitPattern: x).isNaN {
            return Double(bitPattern: y).isNaN
        }
        return a == b
    }
}
