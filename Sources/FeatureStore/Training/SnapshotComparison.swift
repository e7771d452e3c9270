internal import FeatureEngine
public import FeatureLanguage
internal import Postgres
internal import StoreRecord
internal import Tables

/// What differs between two snapshots.
public struct SnapshotComparison: Sendable {
    /// An output of both whose function isn't the same, or one that only one has.
    public struct OutputChange: Sendable {
        public var name: String
        public var left: String?
        public var right: String?
    }

    public struct CutChange: Sendable {
        public var source: String
        public var left: Int64
        public var right: Int64
    }

    /// How many rows of an output that both have differ, and the first of them, counted from 1 in the left spine.
    public struct ValueChange: Sendable {
        public var output: String
        public var rows: Int
        public var firstRow: Int
        public var left: Literal
        public var right: Literal
    }

    public var left: Manifest
    public var right: Manifest
    /// What is asked differently: the mode, known by, the split.
    public var settings: [String] = []
    public var outputs: [OutputChange] = []
    public var cuts: [CutChange] = []
    /// Rows, by keys and instant, that only one spine has; and those that both have.
    public var onlyLeft = 0
    public var onlyRight = 0
    public var common = 0
    public var values: [ValueChange] = []

    public var isSame: Bool {
        settings.isEmpty && outputs.isEmpty && cuts.isEmpty && onlyLeft == 0 && onlyRight == 0 && values.isEmpty
    }
}

extension StoreTraining {
    /// What differs between two snapshots: definitions, cuts, rows, and the values of rows and outputs that both have.
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
        // Rows are matched by their keys and instant; of several alike, in their order.
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
    /// Whether a value is that of another column of its type; NaN is one value.
    fileprivate func isSame(_ row: Int, as other: Column, _ otherRow: Int) -> Bool {
        let a = self[row], b = other[otherRow]
        if case .float64(let x) = a, case .float64(let y) = b, Double(bitPattern: x).isNaN {
            return Double(bitPattern: y).isNaN
        }
        return a == b
    }
}
