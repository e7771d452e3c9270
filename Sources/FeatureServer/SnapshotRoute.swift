import FeatureEngine
import FeatureLanguage
import FeatureStore
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import NIOCore
import Tables

/// The parameters of `POST /v1/sources/{name}/import`.
extension StoreLog.ImportOptions {
    init(_ given: Parameters) throws {
        self.init(reading: try given.reading(), knownNow: try given.flag("known_now"), again: try given.flag("again"))
    }

    static let parameters = ["file", "known_now", "again", "null", "epoch", "delimiter", "ignore_extra"]
}

/// The parameters of `POST /v1/snapshots`.
struct SnapshotParameters {
    let request: SnapshotRequest
    /// If nothing is recorded, the rows are the answer.
    let isRecorded: Bool

    init(_ asked: Request) throws {
        let given = try Parameters(
            asked,
            known: [
                "set", "timestamp", "name", "hindsight", "known_by", "at", "split", "by", "keep", "record", "null",
                "epoch", "delimiter",
            ])
        guard let set = given["set"] else { throw Problem.shape("set names what to compute, such as fraud.v1") }
        guard (given["split"] == nil) == (given["by"] == nil) else {
            throw Problem.shape("split and by go together: split=train=0.8,test=0.2&by=customer_id")
        }
        isRecorded = try given.flag("record", default: true)
        guard isRecorded || given["name"] == nil && given["keep"] == nil else {
            throw Problem.shape("name and keep are for snapshots that are recorded")
        }
        request = SnapshotRequest(
            set: set, name: given["name"], timestamp: given["timestamp"] ?? FeatureSet.instantColumn,
            mode: try given.flag("hindsight") ? .hindsight : .asServed,
            knownBy: try given.instant("known_by"), options: try given.reading(), at: given["at"],
            split: try given["split"].map { try Split($0, by: given["by"] ?? "") },
            keeps: try given.flag("keep", default: true))
    }

    /// The role needed to make a training set: a reader will do if nothing is recorded.
    @Sendable static func role(_ asked: Request) -> TokenRole {
        (try? Parameters.decoded(asked))?.first { $0.key == "record" }?.value == "false" ? .read : .write
    }
}

/// The routes for training sets. The spine's body is put aside on disk, and the rows' body is written as it goes:
/// neither is in memory next to the columns.
extension Routes {
    func snapshots(_ routes: RouteGroups) {
        routes(.audit, .work, bounded: true).get("/v1/snapshots") { _, _ in
            Response.json(
                .array(
                    try await store.training.snapshots().filter { Bearer.includes(set: $0.set.description) }.map {
                        $0.json(whole: false)
                    }))
        }
        routes(.audit, bounded: true).get("/v1/snapshots/:id") { _, context in
            let members = try await store.training.manifest(permitted(context.parameter("id")))
            return Response.json(
                .object(
                    Bearer.seesValues
                        ? members : members.map { $0.key == "statistics" ? JSON.Member("statistics", .null) : $0 }))
        }
        routes(SnapshotParameters.role, .upload, bounded: true).post("/v1/snapshots") { request, _ in
            let asked = try SnapshotParameters(request)
            AccessLog.Note.current?.tell(set: asked.request.set)
            if Bearer.isBounded {
                try await store.serving.withKnownCatalog { try Bearer.permit(.set(asked.request.set), $1) }
            }
            let layout = try fileLayout(request)
            return try await spooled(request, Routes.spineLimit) { body in
                let most = admission.jobQuarter
                let spine = { @Sendable (plan: Plan) in
                    let file = try SpineFile(
                        body.reader(columns: most, batch: most, rows: Routes.spineRows), layout: layout, name: "body",
                        plan: plan, timestamp: asked.request.timestamp,
                        options: asked.request.options)
                    // A value and its mark, and what is written for them.
                    guard file.rowCount * plan.outputs.count * 16 <= most else {
                        throw Problem(
                            .contentTooLarge, "too_much",
                            "\(file.rowCount) rows of \(plan.outputs.count) outputs come to more than the \(most >> 20) MiB that a job here has for them"
                        )
                    }
                    return file
                }
                guard asked.isRecorded else {
                    return try await rows(
                        try await store.training.trainingSet(asked.request, name: "body", spine: spine))
                }
                let manifest = try await store.training.createSnapshot(asked.request, name: "body", spine: spine),
                    warnings = manifest.warnings
                return try await Response.json(
                    .object(
                        store.training.manifest(manifest.id)
                            + (warnings.isEmpty ? [] : [JSON.Member("warnings", .array(warnings.map { .string($0) }))])),
                    status: .created)
            }
        }
        routes(.read, .job, bounded: true).get("/v1/snapshots/:id/data") { _, context in
            try await rows(store.training.fetch(permitted(context.parameter("id"))).rows)
        }
        routes(.audit, .job, bounded: true).post("/v1/snapshots/:id/verify") { _, context in
            Response.json(try await store.training.verify(permitted(context.parameter("id"))).json)
        }
        routes(.read, .job, bounded: true).get("/v1/snapshots/:id/diff/:other") { _, context in
            Response.json(
                try await store.training.compareSnapshots(
                    permitted(context.parameter("id")), permitted(context.parameter("other"))
                ).json)
        }
        routes(.read, .job, bounded: true).get("/v1/snapshots/:id/drift") { request, context in
            Response.json(try await drift(permitted(context.parameter("id")), request))
        }
    }

    /// A snapshot's id or name, if its set is within the bearer's bounds.
    private func permitted(_ id: String) async throws -> String {
        if Bearer.isBounded { try Bearer.permit(set: await store.training.snapshot(id).set.description) }
        return id
    }

    /// Compares a snapshot with another, or with what is served.
    private func drift(_ id: String, _ request: Request) async throws -> JSON {
        let given = try Parameters(request, known: ["other", "live", "set", "since", "max_psi", "max_ks"])
        let since = try given.instant("since")
        guard try (given["other"] != nil) != given.flag("live") else {
            throw Problem.shape("either other (a snapshot) or live=true is asked for")
        }
        guard given["other"] == nil || given["set"] == nil && since == nil else {
            throw Problem.shape("set and since go with live=true")
        }
        let stability = try given.bound("max_psi"), distance = try given.bound("max_ks")
        let drift: Drift
        if let other = given["other"] {
            drift = try await store.training.drift(id, permitted(other))
        } else {
            if let set = given["set"], Bearer.isBounded {
                try await store.serving.withKnownCatalog { try Bearer.permit(.set(set), $1) }
            }
            let yesterday = Instant(microseconds: Instant.now.microseconds - 86_400_000_000)
            drift = try await store.training.drift(id, live: given["set"], since: since ?? yesterday)
        }
        return drift.json(
            beyond: drift.beyond(stability: stability, distance: distance).map(\.name),
            tooFew: drift.tooFew(stability: stability, distance: distance).map(\.name))
    }

    private func rows(_ set: TrainingSet) async throws -> Response {
        let memory = try await admission.answer()
        return Response(
            status: .ok,
            headers: set.warnings.isEmpty
                ? [.contentType: Routes.arrow]
                : [.contentType: Routes.arrow, .warnings: JSON.array(set.warnings.map { .string($0) }).ascii],
            body: ResponseBody { writer in
                defer { withExtendedLifetime(memory) {} }
                try await withTaskExecutorPreference(WorkThreads.shared) {
                    for piece in set.arrowStream() { try await writer.write(ByteBuffer(bytes: piece)) }
                }
                try await writer.finish(nil)
            })
    }
}

extension HTTPField.Name {
    /// What there is to say about rows that are themselves the answer: a JSON array of texts.
    fileprivate static let warnings = HTTPField.Name("Firn-Warnings")!
}

extension JSON {
    /// As pure ASCII, for a header.
    fileprivate var ascii: String {
        description.utf16.reduce(into: "") { text, unit in
            if unit < 0x7F, let scalar = UnicodeScalar(unit) {
                text.unicodeScalars.append(scalar)
            } else {
                text += "\\u\(String(0x10000 + Int(unit), radix: 16).dropFirst())"
            }
        }
    }
}

extension Parameters {
    /// The most that drift may come to.
    fileprivate func bound(_ name: String) throws -> Double {
        guard let bound = Double(self[name] ?? "0.2"), bound >= 0 else {
            throw Problem.shape("\(name) is a number from 0 on")
        }
        return bound
    }
}
