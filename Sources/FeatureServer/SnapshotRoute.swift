import FeatureEngine
import FeatureLanguage
import FeatureStore
import HummingbirdCore
import Tables

/// A request's parameters: each known, each once.
struct Parameters {
    private var given: [String: String] = [:]

    init(_ query: FlatDictionary<Substring, Substring>, known: [String]) throws {
        for (key, value) in query {
            guard known.contains(String(key)), given.updateValue(String(value), forKey: String(key)) == nil else {
                throw Problem.shape("parameter '\(key.prefix(63))' is unknown or given twice; it takes \(known.joined(separator: ", "))")
            }
        }
    }

    subscript(name: String) -> String? { given[name] }

    func flag(_ name: String, default value: Bool = false) throws -> Bool {
        switch given[name] {
        case nil: value
        case "true"?, ""?: true
        case "false"?: false
        default: throw Problem.shape("\(name) is true or false")
        }
    }

    func number(_ name: String) throws -> Int64? {
        try given[name].map { text in
            guard let number = Int64(text) else { throw Problem.shape("\(name) is a whole number") }
            return number
        }
    }

    func reading() throws -> ReadOptions {
        let epoch = try given["epoch"].map { text in
            guard let epoch = Epoch(rawValue: text) else { throw Problem.shape("epoch is s, ms or us") }
            return epoch
        }
        let delimiter = try given["delimiter"].map { text in
            guard let delimiter = ReadOptions.delimiter(text) else { throw Problem.shape("delimiter is one character of ASCII, such as ; or \\t") }
            return delimiter
        }
        return ReadOptions(null: given["null"], epoch: epoch, ignoresExtra: try flag("ignore_extra"), delimiter: delimiter ?? UInt8(ascii: ","), names: .parameters)
    }
}

/// The parameters of `POST /v1/sources/{name}/import`.
extension Store.ImportOptions {
    init(_ query: FlatDictionary<Substring, Substring>) throws {
        let given = try Parameters(query, known: ["file", "known_now", "again", "null", "epoch", "delimiter", "ignore_extra"])
        self.init(reading: try given.reading(), knownNow: try given.flag("known_now"), again: try given.flag("again"))
    }
}

/// The parameters of `POST /v1/snapshots`.
struct SnapshotParameters {
    let request: SnapshotRequest
    /// Without a record the rows are the answer.
    let isRecorded: Bool

    init(_ query: FlatDictionary<Substring, Substring>) throws {
        let given = try Parameters(query, known: ["set", "timestamp", "name", "hindsight", "known_by", "at", "split", "by", "keep", "record", "null", "epoch", "delimiter"])
        guard let set = given["set"] else { throw Problem.shape("set names what to compute, such as fraud.v1") }
        guard (given["split"] == nil) == (given["by"] == nil) else { throw Problem.shape("split and by go together: split=train=0.8,test=0.2&by=customer_id") }
        isRecorded = try given.flag("record", default: true)
        guard isRecorded || given["name"] == nil && given["keep"] == nil else { throw Problem.shape("name and keep are for snapshots that are recorded") }
        request = SnapshotRequest(
            set: set, name: given["name"], timestamp: given["timestamp"] ?? FeatureSet.instantColumn, mode: try given.flag("hindsight") ? .hindsight : .asServed,
            knownBy: try LookupRequest.instant(given["known_by"].map { .string($0) }, "known_by"), options: try given.reading(), at: given["at"],
            split: try given["split"].map { try Split($0, by: given["by"] ?? "") }, keeps: try given.flag("keep", default: true))
    }
}
