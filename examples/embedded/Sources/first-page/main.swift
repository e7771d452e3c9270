import FeatureEngine
import FeatureLanguage
import FeatureStore
import Tables

// A store on the database that the first argument names.
let store = Store(uri: CommandLine.arguments[1], actor: "first-page", memory: OnlineMemory(maximumBytes: 64 << 20))
_ = try await store.migrate()

// Register: what is registered never changes.
let definitions = try DefinitionDocument(
    yaml: """
        entities:
          visitor: {keys: {visitor_id: int64}}
        sources:
          visits:
            columns: {visitor_id: int64, seconds: float64, visited_at: timestamp}
            event_time: visited_at
        features:
          seconds_7d.v1: {entity: visitor, source: visits, expression: sum(seconds) over last_7d}
        sets:
          visits.v1: {features: [seconds_7d.v1]}
        """, file: "visits.yaml")
_ = try await store.catalog.apply([definitions])

// Push: rows are appended, and known from their commit on.
let rows = #"[{"visitor_id": 7, "seconds": 12.5, "visited_at": "\#(Instant.now)"}]"#
_ = try await store.log.push(Array(rows.utf8), layout: .array, into: "visits")

// Serve: an entity's features, now.
let answer = try await store.serving.lookup(LookupRequest(.set("visits.v1"), entities: ["visitor_id": [.init(7)]]))
print(answer.features[0], answer.vector(0)[0])

// Train: the same features, as they were known at each row's instant.
let request = SnapshotRequest(set: "visits.v1")
let snapshot = try await store.training.createSnapshot(request, name: "spine") { plan in
    let spine = Array("visitor_id,event_timestamp\n7,\(answer.asOf)\n".utf8)
    return try SpineFile(
        ByteReader(bytes: spine, name: "spine"), layout: .csv, name: "spine", plan: plan, timestamp: request.timestamp,
        options: request.options)
}
print("rebuilt to the same bits:", try await store.training.verify(snapshot.id).isIdentical)
await store.close()
