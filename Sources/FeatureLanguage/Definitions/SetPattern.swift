/// An entry of a set that stands for several: a name with `*` in it, or `tag:` and a tag.
///
/// Sets are pinned, so none is registered. It is only said what it stands for now, for people to write out.
struct SetPattern: Sendable {
    let text: String
    let place: Place
    /// How many entries stand before it.
    let position: Int

    static func isOne(_ text: String) -> Bool { text.contains("*") || text.hasPrefix("tag:") }

    /// What it stands for, sorted: of each name the newest version, unless the pattern says which.
    ///
    /// - Parameter tags: those of each function.
    func matches(_ functions: [VersionedName: [String]]) -> [VersionedName] {
        let tag = text.hasPrefix("tag:") ? String(text.dropFirst(4)) : nil
        let found = functions.filter { name, tags in
            tag.map { tags.contains($0) } ?? (text.matches(glob: name.name) || text.matches(glob: name.description))
        }.keys
        let saysVersion = tag == nil && text.contains(".v")
        let newest = Dictionary(found.map { ($0.name, $0.version) }, uniquingKeysWith: max)
        return found.filter { saysVersion || newest[$0.name] == $0.version }.sorted()
    }
}

extension String {
    /// Whether this pattern, in which `*` stands for anything, matches all of a name.
    fileprivate func matches(glob name: String) -> Bool {
        let parts = split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1 else { return self == name }
        guard name.hasPrefix(parts[0]), name.count >= parts[0].count + parts[parts.count - 1].count,
            name.hasSuffix(parts[parts.count - 1])
        else { return false }
        var rest = name.dropFirst(parts[0].count).dropLast(parts[parts.count - 1].count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.firstRange(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}

/// A list of a set with its patterns written out.
public struct SetExpansion: Sendable {
    /// The set whose list it is.
    public let set: VersionedName
    /// `features` or `labels`.
    public let list: String
    /// The entries as a definitions file has them, in their order, each once.
    public let entries: [String]

    /// The list as YAML, to be pasted in the place of the patterns.
    public var yaml: String { "\(list): [\(entries.joined(separator: ", "))]" }
}

extension Catalog {
    /// What the patterns in the documents' sets stand for, by what is registered and what the documents define.
    ///
    /// - Parameter notes: the newest notes by kind and name (`feature spend_7d.v1`), for tags.
    public func expansions(of documents: [DefinitionDocument], notes: [String: Notes] = [:]) -> [SetExpansion] {
        let items = documents.flatMap(\.items)
        return items.flatMap { item -> [SetExpansion] in
            guard case .set(let set) = item.definition else { return [] }
            return [("features", set.features), ("labels", set.labels)].compactMap { list, entries in
                guard let patterns = item.places.patterns[list], !patterns.isEmpty else { return nil }
                let known = tagged(items.map { ($0.definition, $0.notes) }, notes, ofLabels: list == "labels")
                var texts: [String] = []
                for position in 0...entries.count {
                    for pattern in patterns where pattern.position == position {
                        texts += pattern.matches(known).map(\.description)
                    }
                    if position < entries.count { texts.append(entries[position].text(list)) }
                }
                let kept = texts.enumerated().filter { !texts[..<$0.offset].contains($0.element) }.map(\.element)
                return SetExpansion(set: set.name, list: list, entries: kept)
            }
        }
    }

    /// The tags of each feature or label, registered or to be.
    func tagged(_ items: [(Definition, Notes)], _ notes: [String: Notes], ofLabels: Bool) -> [VersionedName: [String]] {
        var tags: [VersionedName: [String]] = [:]
        for (name, function) in functions where (function.kind == .label) == ofLabels {
            tags[name] = notes["\(function.kind.rawValue) \(name)"]?.tags ?? []
        }
        for case (.function(let function), let own) in items where (function.kind == .label) == ofLabels {
            if !own.isEmpty || tags[function.name] == nil { tags[function.name] = own.tags }
        }
        return tags
    }
}

extension SetEntry {
    /// The entry as a definitions file has it.
    fileprivate func text(_ list: String) -> String {
        if self == SetEntry(function: function) { return function.description }
        var parts = ["\(list == "labels" ? "label" : "feature"): \(function)"]
        if output != function.name { parts.append("as: \(output)") }
        if !keys.isEmpty {
            parts.append(
                "keys: {\(keys.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))}")
        }
        return "{\(parts.joined(separator: ", "))}"
    }
}
