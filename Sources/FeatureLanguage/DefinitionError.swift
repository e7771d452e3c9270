/// One thing wrong with a definition: where it is, what it is, and what to write instead.
public struct Diagnostic: Sendable, Hashable, CustomStringConvertible {
    /// The file's name as the caller gave it; nil for definitions that don't come from a file.
    public var file: String?
    /// Where the fault is; nil if it concerns the whole file or doesn't come from a file.
    public var place: Place?
    /// What is wrong, without a final period.
    public var message: String
    /// What to do about it, without a final period; nil if there is no obvious remedy.
    public var advice: String?
    /// The line of the file at `place`, printed with a caret below it.
    public var excerpt: String?

    /// Everything but the message is optional: a definition made in code has no file, place or excerpt.
    public init(
        file: String? = nil, place: Place? = nil, message: String, advice: String? = nil, excerpt: String? = nil
    ) {
        self.file = file
        self.place = place
        self.message = message
        self.advice = advice
        self.excerpt = excerpt
    }

    /// `file:line:column: error: message`, then the line with a caret, then the advice, the way compilers print it.
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

/// Definitions that can't be accepted, with everything wrong with them.
public struct DefinitionError: Error, Sendable, CustomStringConvertible {
    /// All faults, in the order they were found.
    public var diagnostics: [Diagnostic]

    /// Takes the faults in the order in which `description` prints them.
    public init(_ diagnostics: [Diagnostic]) {
        self.diagnostics = diagnostics
    }

    /// One after the other; beyond 100, only the first ones and the number of the rest.
    public var description: String {
        let shown = diagnostics.prefix(DefinitionError.shown).map(\.description).joined(separator: "\n")
        return diagnostics.count > DefinitionError.shown
            ? "\(shown)\nand \(diagnostics.count - DefinitionError.shown) more" : shown
    }

    private static let shown = 100
}
