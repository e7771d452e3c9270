internal import FeatureLanguage
internal import Foundation
public import StoreRecord

extension StoreCatalog {
    /// Records a model, once: recording the same again returns the first record, and a different one under its name is
    /// refused.
    ///
    /// - Throws: unknown snapshots or sets; a set with features that none of the snapshots has, since the model can't
    ///   have learned from them.
    public func recordModel(_ request: ModelRequest) async throws -> Model {
        let name = try request.check()
        var manifests: [Manifest] = []
        for id in request.snapshots { manifests.append(try await StoreTraining(context: context).snapshot(id)) }
        return try await governing { [manifests] ledger, catalog, governance in
            let set = try catalog.set(named: request.set ?? manifests[0].set.description)
            let learned = Set(manifests.flatMap { $0.outputs.map(\.fingerprint) })
            if let stranger = set.features.first(where: { !learned.contains($0.function.fingerprint) }) {
                throw StoreError(
                    .invalidRequest,
                    "\(set.definition.name) has \(stranger.function.name), which \(manifests.map(\.id).joined(separator: ", ")) hasn't",
                    advice: "a model takes in what it was trained on")
            }
            var model = Model(
                name: name, set: set.definition.name, fingerprint: set.fingerprint,
                snapshots: manifests.map { Model.Training(id: $0.id, digest: $0.digest) },
                commit: request.commit, run: request.run, metrics: request.metrics, artifacts: request.artifacts,
                description: request.description)
            if let known = governance.models[name] {
                (model.recordedAt, model.actor) = (known.recordedAt, known.actor)
                guard known == model else {
                    throw StoreError(
                        .definitionRefused, "model \(name) is recorded with something else",
                        advice: "a record never changes: name it \(name.name).v\(name.version + 1)")
                }
                return known
            }
            try governance.refuseRetired(set, catalog)
            let entry = try ledger.append(kind: "model", subject: "model \(name)", body: canonicalJSON(model))
            (model.recordedAt, model.actor) = (entry.at, ledger.actor)
            return model
        }
    }

    /// Every recorded model, sorted by name.
    public func models() async throws -> [Model] { try await governance().models.values.sorted { $0.name < $1.name } }

    /// A recorded model by its name, such as `churn.v3`.
    ///
    /// - Throws: `notFound` for an unknown name.
    public func model(_ name: String) async throws -> Model { try await governance().model(named: name) }
}
