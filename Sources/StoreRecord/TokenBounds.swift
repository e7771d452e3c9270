public import FeatureLanguage
internal import Tables

/// What a token is bounded to, as patterns of names in which `*` stands for anything: `fraud.*`, `risk_*`. No patterns
/// at all means no bounds.
public struct TokenBounds: Sendable, Hashable, CustomStringConvertible {
    /// Sets that may be looked up, used for training and compared for drift, with their definitions.
    public var sets: [String]
    /// Sources that may be pushed and imported into (write), and whose rows may be read and explained (read).
    public var sources: [String]
    /// What a team owns: it may register under these names only, and nobody else may. Its sets and sources are its own
    /// too.
    public var names: [String]

    /// Bounds from patterns, which aren't checked until a token is created; without any there is no bound.
    public init(sets: [String] = [], sources: [String] = [], names: [String] = []) {
        (self.sets, self.sources, self.names) = (sets, sources, names)
    }

    /// No bounds: a token may do whatever its role may.
    public static let none = TokenBounds()

    /// Whether anything is bounded.
    public var isBounded: Bool { self != .none }

    /// Whether a set may be used: if nothing is bounded, or a pattern of `sets` or `names` matches.
    public func includes(set name: String) -> Bool { !isBounded || matches(name, sets) || matches(name, names) }
    /// Whether a source may be used: if nothing is bounded, or a pattern of `sources` or `names` matches.
    public func includes(source name: String) -> Bool { !isBounded || matches(name, sources) || matches(name, names) }
    /// For people: `set fraud.*, source transactions`.
    public var description: String {
        (names.map { "names \($0)" } + sets.map { "set \($0)" } + sources.map { "source \($0)" }).joined(
            separator: ", ")
    }

    /// Whether something may be registered, moved or ended under a name.
    public func owns(_ name: String) -> Bool { matches(name, names) }

    private func matches(_ name: String, _ patterns: [String]) -> Bool {
        patterns.contains { TokenBounds.matches(Array(name.utf8), Array($0.utf8)) }
    }

    private static func matches(_ name: [UInt8], _ pattern: [UInt8]) -> Bool {
        // The last star, and where in the name its match ended: the match grows by one byte whenever the rest doesn't
        // fit.
        var at = 0, next = 0, star: (next: Int, at: Int)?
        while at < name.count {
            if next < pattern.count, pattern[next] == UInt8(ascii: "*") {
                next += 1
                star = (next, at)
            } else if next < pattern.count, pattern[next] == name[at] {
                (at, next) = (at + 1, next + 1)
            } else if let last = star {
                star = (last.next, last.at + 1)
                (at, next) = (last.at + 1, last.next)
            } else {
                return false
            }
        }
        return pattern[next...].allSatisfy { $0 == UInt8(ascii: "*") }
    }

    /// - Throws: `invalidRequest` for patterns that no name can match, too many of them, or bounds that don't suit the
    ///   role.
    func check(_ role: TokenRole) throws {
        for pattern in sets + sources + names {
            guard (1...200).contains(pattern.utf8.count),
                pattern.utf8.allSatisfy({
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || "_.*".utf8.contains($0)
                })
            else {
                throw StoreError(
                    .invalidRequest, "'\(pattern.prefix(80))' is no pattern of names",
                    advice: "such as fraud.* or risk_*")
            }
        }
        guard sets.count + sources.count + names.count <= 100 else {
            throw StoreError(.invalidRequest, "a token is bounded by at most 100 patterns")
        }
        guard names.isEmpty || role == .admin else {
            throw StoreError(
                .invalidRequest, "names are what an admin registers", advice: "--role admin, or --set and --source")
        }
        guard role != .audit || !isBounded else {
            throw StoreError(
                .invalidRequest, "an auditor sees no values, and everything else: there is nothing to bound")
        }
    }

    /// The recorded form, with the patterns sorted.
    public var json: JSON {
        func list(_ name: String, _ patterns: [String]) -> [JSON.Member] {
            patterns.isEmpty ? [] : [JSON.Member(name, .array(patterns.sorted().map { .string($0) }))]
        }
        return .object(list("names", names) + list("sets", sets) + list("sources", sources))
    }

    /// - Parameter json: the recorded form; the result is nil if it can't be read, which must not be taken for no
    ///   bounds.
    init?(_ json: JSON?) {
        guard case .object(let members)? = json else { return nil }
        self.init()
        for member in members {
            guard case .array(let values) = member.value else { return nil }
            let patterns = values.compactMap { if case .string(let text) = $0 { text } else { nil } }
            guard patterns.count == values.count else { return nil }
            switch member.key {
            case "sets": sets = patterns
            case "sources": sources = patterns
            case "names": names = patterns
            default: return nil
            }
        }
    }
}

extension Catalog {
    /// The names of the sources that a set's features and labels read, directly or through other functions.
    public func sources(readBy set: FeatureSet) -> Set<String> { Set(functions(of: set).compactMap(\.source?.name)) }

    /// What a token with bounds is shown, each as `set fraud.v1`: its sets with everything they are made of, its
    /// sources, and what is registered under its names.
    public func visible(_ bounds: TokenBounds) -> Set<String> {
        var visible: Set<String> = []
        func show(_ function: Function) {
            visible.insert("\(function.kind.rawValue) \(function.name)")
            visible.insert("entity \(function.entity.name)")
            if let source = function.source { visible.insert("source \(source.name)") }
        }
        for set in sets.values where bounds.includes(set: set.definition.name.description) {
            visible.insert("set \(set.definition.name)")
            functions(of: set).forEach(show)
        }
        for source in sources.keys where bounds.includes(source: source) { visible.insert("source \(source)") }
        for entity in entities.keys where bounds.owns(entity) { visible.insert("entity \(entity)") }
        for function in functions.values where bounds.owns(function.name.description) {
            visible.insert("\(function.kind.rawValue) \(function.name)")
            visible.insert("entity \(function.entity.name)")
        }
        return visible
    }
}
