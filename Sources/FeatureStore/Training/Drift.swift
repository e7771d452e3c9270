internal import FeatureEngine
public import FeatureLanguage
internal import Foundation
internal import Postgres
internal import StoreRecord
internal import StoreRows
internal import Tables

/// How far two sets of rows are apart, feature by feature.
public struct Drift: Sendable {
    /// How far the values of one output are apart.
    public struct Feature: Sendable {
        /// The output's name, which both sides have.
        public var name: String
        /// Population stability index: 0 if alike; above 0.2, much has moved. NULL is a part of its own.
        public var stability: Double
        /// Kolmogorov-Smirnov: the greatest distance between the two distributions, from 0 to 1; nil unless both have
        /// numbers.
        public var distance: Double?
        /// What the left side's values look like.
        public var left: ColumnStatistics
        /// What the right side's values look like.
        public var right: ColumnStatistics
        /// Whether the two sides compute the output by different functions.
        public var isRedefined: Bool
        /// What two samples of these sizes, drawn from one distribution, would show: the mean of the index, and the
        /// distance that one in twenty exceeds.
        public private(set) var chance: (stability: Double, distance: Double) = (0, 0)
    }

    /// The id of the snapshot that is compared.
    public var left: String
    /// The id of the snapshot that it is compared with; for lookups, which ones, in words.
    public var right: String
    /// One for each output that both sides have.
    public var features: [Feature]
    /// Outputs that only one side has, sorted by name.
    public var alone: [String] = []

    /// Features beyond either bound, of those with enough rows to tell.
    public func beyond(stability: Double, distance: Double) -> [Feature] {
        features.filter {
            ($0.stability > stability || $0.distance ?? 0 > distance) && !$0.isOfTooFew(stability, distance)
        }
    }

    /// Features with so few rows that chance alone may exceed a bound.
    public func tooFew(stability: Double, distance: Double) -> [Feature] {
        features.filter { $0.isOfTooFew(stability, distance) }
    }
}

extension Drift.Feature {
    init(_ name: String, _ left: ColumnStatistics, _ right: ColumnStatistics, isRedefined: Bool) {
        self.name = name
        self.left = left
        self.right = right
        self.isRedefined = isRedefined
        stability = 0
        var shares: [(left: Double, right: Double)] = [(left.nullShare, right.nullShare)]
        let whole = (left: 1 - left.nullShare, right: 1 - right.nullShare)
        if !left.quantiles.isEmpty, !right.quantiles.isEmpty {
            // Ten parts of the left side, fewer where many values are the same.
            var before = (left: 0.0, right: 0.0), edges = Set<Double>()
            for decile in stride(from: 10, to: 100, by: 10) where edges.insert(left.quantiles[decile]).inserted {
                let edge = left.quantiles[decile], upTo = (left: left.share(upTo: edge), right: right.share(upTo: edge))
                shares.append(((upTo.left - before.left) * whole.left, (upTo.right - before.right) * whole.right))
                before = upTo
            }
            shares.append(((1 - before.left) * whole.left, (1 - before.right) * whole.right))
            distance = (left.quantiles + right.quantiles).map { abs(left.share(upTo: $0) - right.share(upTo: $0)) }
                .max()
        } else if left.quantiles.isEmpty, right.quantiles.isEmpty {
            var rest = whole
            for value in Set(left.top.map(\.value)).union(right.top.map(\.value)).sorted() {
                func share(_ statistics: ColumnStatistics, _ whole: Double) -> Double {
                    Double(statistics.top.first { $0.value == value }?.count ?? 0) / Double(max(1, statistics.sampled))
                        * whole
                }
                let here = (left: share(left, whole.left), right: share(right, whole.right))
                shares.append(here)
                rest = (rest.left - here.left, rest.right - here.right)
            }
            shares.append((max(0, rest.left), max(0, rest.right)))
        } else {
            shares.append(whole)
        }
        func sum(_ rows: (ColumnStatistics) -> Int) -> Double {
            1 / Double(max(rows(left), 1)) + 1 / Double(max(rows(right), 1))
        }
        chance = (
            Double(shares.count - 1) * sum { $0.rows }, distance == nil ? 0 : 1.36 * sum { $0.sampled }.squareRoot()
        )
        // What never occurs is taken to be very rare, so that the logarithm is finite.
        stability = shares.reduce(0) { sum, share in
            let left = max(share.left, 1e-4), right = max(share.right, 1e-4)
            return sum + (right - left) * ln(right / left)
        }
    }

    fileprivate func isOfTooFew(_ stability: Double, _ distance: Double) -> Bool {
        chance.stability > stability || chance.distance > distance
    }

    private func ln(_ value: Double) -> Double { Foundation.log(value) }
}

extension StoreTraining {
    /// What each output of a snapshot looks like, in the manifest's order: as kept when it was made, else from its
    /// rows, which are fetched for it.
    public func statistics(ofSnapshot id: String) async throws -> [(name: String, statistics: ColumnStatistics)] {
        let manifest = try await snapshot(id)
        let all: [String: ColumnStatistics]
        if let kept = try await keptStatistics(manifest) {
            all = kept
        } else {
            let erased = try await withCatalog { connection, _ in try Heads([], connection).erased }
            let rows = try await fetch(manifest.id).rows.values
            all = Dictionary(
                manifest.outputs.compactMap { output in rows[output.name].map { (output.name, ColumnStatistics($0)) } }
            ) { first, _ in first }
            let actor = actor, keeping = try KeptStatistics.keeping(all, of: manifest.id)
            try await withCatalog { connection, _ in
                try connection.transaction {
                    let ledger = Ledger(connection: connection, actor: actor)
                    try ledger.lock()
                    try ledger.refuseErased(since: erased)
                    _ = try connection.execute(keeping)
                }
            }
        }
        return manifest.outputs.compactMap { output in all[output.name].map { (output.name, $0) } }
    }

    private func keptStatistics(_ manifest: Manifest) async throws -> [String: ColumnStatistics]? {
        let kept = try await withCatalog { connection, _ in try KeptStatistics(of: manifest.id, connection) }
        if kept?.isDamaged ?? false {
            reportDamage(
                "the statistics of \(manifest.id) aren't what they were when they were kept: they are computed again")
        }
        return kept?.statistics
    }

    /// A snapshot's whole manifest as members of a JSON object, with what its outputs look like as `statistics`: null
    /// where that isn't kept.
    public func manifest(_ id: String) async throws -> [JSON.Member] {
        let manifest = try await snapshot(id), kept = try await keptStatistics(manifest)
        guard case .object(let members) = manifest.json(whole: true) else { return [] }
        let statistics = kept.map { kept in
            JSON.object(
                manifest.outputs.compactMap { output in kept[output.name].map { JSON.Member(output.name, $0.json) } })
        }
        return members + [JSON.Member("statistics", statistics ?? .null)]
    }

    /// How far two snapshots, each by id or name, are apart.
    public func drift(_ left: String, _ right: String) async throws -> Drift {
        let left = try await snapshot(left), right = try await snapshot(right)
        let theirs = Dictionary(try await statistics(ofSnapshot: right.id).map { ($0.name, $0.statistics) }) {
            first, _ in first
        }
        var drift = Drift(left: left.id, right: right.id, features: [])
        for (name, statistics) in try await statistics(ofSnapshot: left.id) {
            guard let other = theirs[name] else { continue }
            let functions = [left, right].map { manifest in manifest.outputs.first { $0.name == name }?.fingerprint }
            drift.features.append(Drift.Feature(name, statistics, other, isRedefined: functions[0] != functions[1]))
        }
        drift.alone = Set(left.outputs.map(\.name)).symmetricDifference(right.outputs.map(\.name)).sorted()
        return drift
    }

    /// The newest snapshot that has a feature or label, and what it looks like there; nil where there is no such
    /// snapshot, or its statistics aren't kept.
    public func statistics(of function: VersionedName) async throws -> (
        snapshot: Manifest, statistics: ColumnStatistics
    )? {
        let found = try await withCatalog { connection, catalog -> (manifest: Manifest, output: String)? in
            let sets = catalog.sets.values.filter {
                ($0.features + $0.labels).contains { $0.function.name == function }
            }.map { Parameter.text($0.definition.name.description) }
            let row = try connection.execute(
                "select manifest from firn.snapshots where set_name = any(\(.array(.text, sets))) order by entry desc limit 1"
            ).first
            let manifest = try row.map { try JSONDecoder().decode(Manifest.self, from: Data($0.bytes(0))) }
            return manifest.flatMap { manifest in
                manifest.outputs.first { $0.function == function }.map { (manifest, $0.name) }
            }
        }
        guard let found else { return nil }
        return try await keptStatistics(found.manifest)?[found.output].map { (found.manifest, $0) }
    }
}

extension Drift {
    /// Reading kept lookups ends once it has this many rows.
    static let mostLive = 200_000
}

/// A snapshot's statistics, as the store keeps them.
struct KeptStatistics {
    /// By output; nil where they aren't what was kept.
    let statistics: [String: ColumnStatistics]?

    var isDamaged: Bool { statistics == nil }

    /// - Returns: nil where none are kept.
    init?(of snapshot: String, _ connection: Connection) throws {
        guard
            let row = try connection.execute(
                "select body, checksum from firn_cache.statistics where snapshot = \(snapshot)"
            ).first
        else { return nil }
        let body = try row.bytes(0), read = try? JSONDecoder().decode([String: ColumnStatistics].self, from: Data(body))
        statistics =
            try KeptStatistics.checksum(body, snapshot) == row.int64(1) && read?.values.allSatisfy(\.isWhole) ?? false
            ? read : nil
    }

    /// The statement that keeps them, replacing any that are there.
    static func keeping(_ statistics: [String: ColumnStatistics], of snapshot: String) throws -> SQL {
        let body = try canonicalJSON(statistics)
        return """
            insert into firn_cache.statistics (snapshot, body, checksum) values (\(snapshot), \(body), \(checksum(Array(body.utf8), snapshot)))
            on conflict (snapshot) do update set body = excluded.body, checksum = excluded.checksum
            """
    }

    private static func checksum(_ body: [UInt8], _ snapshot: String) -> Int64 {
        var fields = Checksum.Fields()
        fields.add(snapshot)
        fields.add(body)
        return fields.checksum
    }
}
