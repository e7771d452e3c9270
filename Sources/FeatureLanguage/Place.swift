/// A place in a text: line and column count from 1, columns in Unicode scalars.
public struct Place: Sendable, Hashable, Comparable {
    public var line: Int
    public var column: Int

    public init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    public static func < (left: Place, right: Place) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One thing that is wrong with a definition: where, what, and what to write instead.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    /// The file's name as the caller gave it; nil for definitions that don't come from a file.
    public var file: String?
    public var place: Place?
    public var message: String
    public var advice: String?
    /// The line of the file that `place` names, for the caret.
    public var excerpt: String?

    public init(
        file: String? = nil, place: Place? = nil, message: String, advice: String? = nil, excerpt: String? = nil
    ) {
        self.file = file
        self.place = place
        self.message = message
        self.advice = advice
        self.excerpt = excerpt
    }

    /// `file:line:column: error: message`, then the line with a caret, then the advice: as compilers print it.
    public var description: String {
        var text = file.map { file in file + (place.map { ":\($0.line):\($0.column)" } ?? "") + ": error: " } ?? ""
        text += message
        if let excerpt, let place, excerpt.utf8.count <= 400 {
            let before = excerpt.unicodeScalars.prefix(place.column - 1).map { $0 == "\t" ? "\t" : " " }
            text += "\n    \(excerpt)\n    \(before.joined())^"
        }
        if let advice { text += "\n    advice: \(advice)" }
        return text
    }
}

/// Definitions that can't be accepted, with everything that is wrong with them.
public struct DefinitionError: Error, Sendable, CustomStringConvertible {
    public var diagnostics: [Diagnostic]

    public init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }

    /// One after the other; of very many the first ones.
    public var description: String {
        let shown = diagnostics.prefix(DefinitionError.shown).map(\.description).joined(separator: "\n")
        return diagnostics.count > DefinitionError.shown
            ? "\(shown)\nand \(diagnostics.count - DefinitionError.shown) more" : shown
    }

    private static let shown = 100
}

/// The known name nearest to an unknown one, for "did you mean": the newest version of its name, whichever version or
/// none it has; else at most two edits away (of a short name one), or a third of its length.
public func nearestName(to name: String, among known: some Sequence<String>) -> String? {
    let base = VersionedName(name)?.name ?? name
    if let newest = known.compactMap({ VersionedName($0) }).filter({ $0.name == base }).max() {
        return newest.description
    }
    let length = name.unicodeScalars.count
    let limit = length < 5 ? 1 : max(2, length / 3)
    return known.map { ($0, editDistance(name, $0)) }.filter { $0.1 <= limit }.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

/// Levenshtein's distance, case folded; Wagner and Fischer's one-row algorithm.
private func editDistance(_ left: String, _ right: String) -> Int {
    let left = Array(left.lowercased().unicodeScalars), right = Array(right.lowercased().unicodeScalars)
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, b) in right.enumerated() {
            let substitution = diagonal + (a == b ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(substitution, row[j] + 1, diagonal + 1)
        }
    }
    return row[right.count]
}

/// "did you mean spend_7d.v1?" or a list of what there is, for the advice of an unknown name.
func suggestion(for name: String, among known: [String], what: String) -> String {
    if let near = nearestName(to: name, among: known) { return "did you mean \(near)?" }
    if known.isEmpty { return "there are no \(what) yet" }
    let shown = known.sorted().prefix(8).joined(separator: ", ")
    return "known \(what): \(shown)\(known.count > 8 ? ", …" : "")"
}
