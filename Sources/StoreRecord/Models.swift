public import FeatureLanguage
internal import Foundation

/// The record of a trained model: its data, features, code, metrics and files. It never changes.
public struct Model: Sendable, Codable, Equatable {
    /// A training set that the model learned from, and the digest of its rows.
    public struct Training: Sendable, Codable, Equatable {
        /// The snapshot's id.
        public var id: String
        /// The digest of the snapshot's rows, in hexadecimal.
        public var digest: String

        package init(id: String, digest: String) {
            self.id = id
            self.digest = digest
        }
    }

    /// A file that belongs to the model, such as its weights. Only its description is kept, not its content.
    public struct Artifact: Sendable, Codable, Equatable {
        /// The file's name, without its directory.
        public var name: String
        /// SHA-256 of the file: 64 hexadecimal digits.
        public var digest: String
        /// The file's size in bytes.
        public var bytes: Int

        /// An artifact whose file is described elsewhere, as over HTTP.
        public init(name: String, digest: String, bytes: Int) {
            self.name = name
            self.digest = digest
            self.bytes = bytes
        }

        /// Describes a file, which is read whole.
        ///
        /// - Throws: `invalidRequest` for a pipe.
        public init(file path: String) throws {
            guard let digest = try fileDigest(path) else {
                throw StoreError(.invalidRequest, "\(path) is a pipe", advice: "an artifact is a file that stays")
            }
            let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber
            self.init(
                name: URL(fileURLWithPath: path).lastPathComponent, digest: digest.hexadecimal,
                bytes: size?.intValue ?? 0)
        }
    }

    /// The model's full name, such as `churn.v3`.
    public var name: VersionedName
    /// The set whose values the model takes in.
    public var set: VersionedName
    /// The set's fingerprint, which pins down what its features compute.
    public var fingerprint: Fingerprint
    /// The training sets that the model learned from; at least one.
    public var snapshots: [Training]
    /// The commit of the code that it was trained with.
    public var commit: String?
    /// Where its training run can be looked at.
    public var run: String?
    /// Finite numbers by name, such as `auc`.
    public var metrics: [String: Double]
    /// The files that belong to it, as they were recorded.
    public var artifacts: [Artifact]
    public var description: String?

    package init(
        name: VersionedName, set: VersionedName, fingerprint: Fingerprint, snapshots: [Training], commit: String? = nil,
        run: String? = nil, metrics: [String: Double],
        artifacts: [Artifact], description: String? = nil
    ) {
        self.name = name
        self.set = set
        self.fingerprint = fingerprint
        self.snapshots = snapshots
        self.commit = commit
        self.run = run
        self.metrics = metrics
        self.artifacts = artifacts
        self.description = description
    }
    /// When it was recorded, as the ledger says.
    public package(set) var recordedAt = Instant(microseconds: 0)
    /// Who recorded it, as the ledger says.
    public package(set) var actor = ""

    private enum CodingKeys: String, CodingKey {
        case name, set, fingerprint, snapshots, commit, run, metrics, artifacts, description
    }
}

/// What to record about a model.
public struct ModelRequest: Sendable {
    /// The full name that it will have, such as `churn.v3`.
    public var name: String
    /// The training sets that it learned from, by id or name: 1 to 1,000.
    public var snapshots: [String]
    /// The set that it takes in; nil means the first snapshot's set.
    public var set: String?
    /// The commit of the code that it was trained with.
    public var commit: String?
    /// Where the training run can be looked at.
    public var run: String?
    /// At most 1,000 finite numbers, by name.
    public var metrics: [String: Double]
    /// At most 1,000 files that belong to it.
    public var artifacts: [Model.Artifact]
    public var description: String?

    /// A request for `StoreCatalog.recordModel`, which checks it.
    public init(
        _ name: String, snapshots: [String], set: String? = nil, commit: String? = nil, run: String? = nil,
        metrics: [String: Double] = [:],
        artifacts: [Model.Artifact] = [], description: String? = nil
    ) {
        self.name = name
        self.snapshots = snapshots
        self.set = set
        self.commit = commit
        self.run = run
        self.metrics = metrics
        self.artifacts = artifacts
        self.description = description
    }

    private static let mostEntries = 1000
    private static let mostBytes = 4096

    package func check() throws -> VersionedName {
        guard let versioned = VersionedName(name) else {
            throw StoreError(.invalidRequest, "'\(name.prefix(80))' isn't a model's name", advice: "such as churn.v3")
        }
        guard (1...ModelRequest.mostEntries).contains(snapshots.count) else {
            throw StoreError(
                .invalidRequest, "a model has 1 to \(ModelRequest.mostEntries) snapshots",
                advice: "those that it learned from")
        }
        guard metrics.count <= ModelRequest.mostEntries, artifacts.count <= ModelRequest.mostEntries else {
            throw StoreError(
                .invalidRequest, "a model has at most \(ModelRequest.mostEntries) metrics and as many artifacts")
        }
        if let (name, _) = metrics.first(where: { !$0.value.isFinite }) {
            throw StoreError(.invalidRequest, "metric '\(name.prefix(80))' isn't a finite number")
        }
        for text in [commit, run, description].compactMap(\.self) + Array(metrics.keys) + artifacts.map(\.name) {
            guard !text.isEmpty, text.utf8.count <= ModelRequest.mostBytes, !text.utf8.contains(0) else {
                throw StoreError(
                    .invalidRequest,
                    "commit, run, description and the names of metrics and artifacts have 1 to \(ModelRequest.mostBytes) bytes each"
                )
            }
        }
        for artifact in artifacts where [UInt8](hexadecimal: artifact.digest)?.count != 32 || artifact.bytes < 0 {
            throw StoreError(.invalidRequest, "an artifact's digest is the SHA-256 of its file, 64 hexadecimal digits")
        }
        return versioned
    }
}
