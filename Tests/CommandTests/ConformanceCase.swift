import FeatureLanguage
import Foundation
import Tables

/// One file of `Tests/Conformance`, with the names that its parts have in a store shared by all cases.
struct ConformanceCase {
    let id: String
    private let json: JSON
    private let prefix: String

    struct Query {
        var spine: [JSON]
        var expected: [JSON]
        var isAsServed: Bool
        var knownBy: String?
    }

    init(_ url: URL, number: Int) throws {
        json = try JSON(parsing: Array(Data(contentsOf: url)))
        id = url.deletingPathExtension().lastPathComponent
        prefix = "c\(number)_"
    }

    static func all() throws -> [ConformanceCase] {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Conformance")
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil).filter {
            $0.pathExtension == "json"
        }
        return try files.sorted { $0.path < $1.path }.enumerated().map { try ConformanceCase($1, number: $0) }
    }

    var set: String { "\(prefix)all.v1" }

    var queries: [Query] {
        json["queries"].items.map { query in
            let knowledge = query["knowledge"]
            return Query(
                spine: query["spine"].items, expected: query["expected"].items,
                isAsServed: knowledge?["at_spine"] == .bool(true), knownBy: knowledge?["as_of"]?.text)
        }
    }

    /// Whether knowledge plays no part: as served and in hindsight are one.
    var isAlwaysKnown: Bool {
        json["sources"].items.allSatisfy {
            $0["known_at"] == nil && $0["known_after"] == nil && ($0["identity"] == nil || $0["static"] != nil)
        }
    }

    var labels: Set<String> { Set(json["features"].items.filter { $0["label"] != nil }.map { $0["name"].string }) }

    // MARK: Definitions

    private func source(_ name: String) -> String { "\(prefix)\(name)" }

    /// Each source's name in the store, and its rows as NDJSON.
    var rows: [(source: String, text: String)] {
        json["sources"].items.map {
            (source($0["name"].string), $0["rows"].items.map { $0.description + "\n" }.joined())
        }
    }

    /// Definitions for a store that may hold other cases too.
    var definitions: String {
        var sources: [JSON.Member] = [], entities: [JSON.Member] = [], features: [JSON.Member] = [],
            labels: [JSON.Member] = []
        var chosen: [JSON] = [], chosenLabels: [JSON] = []
        for source in json["sources"].items {
            sources.append(JSON.Member(self.source(source["name"].string), definition(source)))
        }
        for (index, feature) in json["features"].items.enumerated() {
            let keys = keys(feature), entity = "\(prefix)e_" + keys.map(\.key).joined(separator: "_")
            if !entities.contains(where: { $0.key == entity }) {
                entities.append(JSON.Member(entity, .object(["keys": .object(keys)])))
            }
            var members = [
                JSON.Member("entity", .string(entity)), JSON.Member("expression", .string(expression(feature))),
            ]
            if let name = feature["source"]?.text { members.append(JSON.Member("source", .string(source(name)))) }
            let name = "\(prefix)f\(index).v1",
                entry: JSON = .object(["feature": .string(name), "as": feature["name"]!])
            if feature["label"] == nil {
                features.append(JSON.Member(name, .object(members)))
                chosen.append(entry)
            } else {
                labels.append(JSON.Member(name, .object(members)))
                chosenLabels.append(.object(["label": .string(name), "as": feature["name"]!]))
            }
        }
        var set = [JSON.Member("features", .array(chosen))]
        if !chosenLabels.isEmpty { set.append(JSON.Member("labels", .array(chosenLabels))) }
        let document: JSON = .object([
            "entities": .object(entities), "sources": .object(sources), "features": .object(features),
            "labels": .object(labels),
            "sets": .object([JSON.Member(self.set, .object(set))]),
        ])
        // JSON is YAML.
        return document.description
    }

    private func definition(_ source: JSON) -> JSON {
        guard case .object(var columns)? = source["columns"] else { return .null }
        var members: [JSON.Member] = []
        func add(_ setting: String, _ column: JSON?, _ type: JSON?) {
            guard let column else { return }
            members.append(JSON.Member(setting, column))
            if let type { columns.append(JSON.Member(column.string, type)) }
        }
        add(
            "event_time", source["static"] == nil ? source["event_time"] : "none",
            source["static"] == nil ? "timestamp" : nil)
        add("known_at", source["known_at"], "timestamp")
        add("tombstone", source["tombstone"], nil)
        if let delay = source["known_after"] { members.append(JSON.Member("known_at", .object(["after": delay]))) }
        if let identity = source["identity"] { members.append(JSON.Member("id", identity)) }
        return .object([JSON.Member("columns", .object(columns))] + members)
    }

    /// A feature's keys are its source's; one over features names its own.
    private func keys(_ feature: JSON) -> [JSON.Member] {
        let source = json["sources"].items.first { $0["name"] == feature["source"] }
        let names = (feature["key"] ?? source?["key"]).items.map(\.string)
        return names.map { name in
            JSON.Member(name, json["sources"].items.lazy.compactMap { $0["columns"]?[name] }.first ?? "string")
        }
    }

    private func expression(_ feature: JSON) -> String {
        func quoted(_ name: JSON?) -> String { "\"\(name.string)\"" }
        var filters: [String] = feature["filter"].items.map { filter in
            let parts = filter.items
            let test = ["eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="]
            return "\(quoted(parts[0])) "
                + (test[parts[1].string].map { "\($0) \(literal(parts[2]))" }
                    ?? (parts[1] == "is_null" ? "is null" : "is not null"))
        }
        let call: String
        switch (feature["kind"].string, feature["op"]?.text) {
        case ("sql", _): return feature["expression"].string.replacing(#/\bf(\d+)\.v1/#) { "\(prefix)f\($0.1).v1" }
        case ("latest", _): call = "latest(\(quoted(feature["column"])))"
        case (_, "first"), (_, "last"):
            filters.append("\(quoted(feature["column"])) is not null")
            call = "\(feature["op"] == "first" ? "earliest" : "latest")(\(quoted(feature["column"])))"
        case (_, "count_distinct"): call = "count(distinct \(quoted(feature["column"])))"
        case (_, let op):
            call = "\(op == "mean" ? "avg" : op!)(\(feature["column"] == nil ? "*" : quoted(feature["column"])))"
        }
        let window = (feature["window"] ?? feature["ttl"])?.text.map { " over last_\($0)" } ?? ""
        return call + (filters.isEmpty ? "" : " filter (where \(filters.joined(separator: " and ")))") + window
    }

    private func literal(_ value: JSON) -> String {
        if case .string(let text) = value { "'\(text)'" } else { value.description }
    }

    /// The spine of a query as NDJSON.
    func spine(_ query: Query) -> String {
        query.spine.map { row in
            guard case .object(let keys)? = row["keys"] else { return "" }
            return JSON.object(keys + [JSON.Member(FeatureSet.instantColumn, row["timestamp"]!)]).description + "\n"
        }.joined()
    }

    // MARK: Answers

    /// The first value of a row that isn't as expected; nil where all are. What isn't expected isn't looked at.
    func fault(_ expected: JSON, _ got: JSON, without skipped: Set<String> = []) -> String? {
        guard case .object(let members) = expected else { return "no values are expected" }
        for member in members where !skipped.contains(member.key) {
            guard let value = got[member.key], ConformanceCase.isSame(member.value, value) else {
                return "\(member.key): expected \(member.value), got \(got[member.key]?.description ?? "nothing")"
            }
        }
        return nil
    }

    /// Integers exactly, floats to 1e-9 of their size, times however they are written.
    private static func isSame(_ expected: JSON, _ got: JSON) -> Bool {
        switch (expected, got) {
        case (.number(let a), .number(let b)):
            if let x = Int64(a), let y = Int64(b) { return x == y }
            let x = Double(a)!, y = Double(b)!
            return x == y || (x - y).magnitude <= max(1e-12, 1e-9 * x.magnitude)
        case (.string(let a), .string(let b)):
            if a == b { return a.utf8.elementsEqual(b.utf8) }
            return Instant(text: a) != nil && Instant(text: a) == Instant(text: b)
        case (.array(let a), .array(let b)):
            return a.count == b.count && zip(a, b).allSatisfy { isSame($0, $1) }
        default: return expected == got
        }
    }
}

extension JSON? {
    var items: [JSON] {
        if case .array(let items)? = self { items } else { [] }
    }

    var string: String { self?.text ?? "" }
}

extension JSON {
    var items: [JSON] { Optional(self).items }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var string: String { text ?? "" }
}
