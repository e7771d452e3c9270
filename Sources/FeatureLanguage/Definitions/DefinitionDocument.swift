internal import Yams

/// The definitions of one YAML file, each with the places of its parts.
public struct DefinitionDocument: Sendable {
    /// The definitions, in the order of the file.
    public var items: [Item]
    var source: SourceText

    /// One definition of the document, with its notes.
    public struct Item: Sendable {
        /// The definition; only its form has been checked.
        public var definition: Definition
        /// What the document notes about it, empty if nothing.
        public var notes: Notes
        var places: Places
    }

    /// Where the parts of one definition are, for errors found later.
    struct Places: Sendable {
        var name: Place
        /// By key of the definition or entry of a set (`entity`, `join`, `features.0`, …).
        var parts: [String: Place] = [:]
        /// What a set's `features` and `labels` say by pattern.
        var patterns: [String: [SetPattern]] = [:]
        /// Where each byte of the expression is; nil for definitions without one.
        var expression: ExpressionPlaces?

        func place(_ part: String) -> Place { parts[part] ?? name }
    }

    /// A document larger than this is refused.
    public static let maximumBytes = 4 * 1024 * 1024

    /// Reads a YAML document (JSON is YAML).
    ///
    /// - Parameters:
    ///   - text: the document.
    ///   - file: its name, for errors.
    /// - Throws: everything wrong with the document's form, each fault with line, column and advice. `Catalog` checks
    ///   expressions, and names that refer to other definitions.
    public init(yaml text: String, file: String) throws(DefinitionError) {
        source = SourceText(file: file, text: text)
        guard text.utf8.count <= DefinitionDocument.maximumBytes else {
            throw DefinitionError([
                source.diagnostic(
                    nil, "the file is larger than \(DefinitionDocument.maximumBytes) bytes",
                    advice: "split it: several files can be applied together")
            ])
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw DefinitionError([source.diagnostic(yaml: error)])
        }
        var reader = DefinitionReader(source: source)
        items = root.map { reader.document($0) } ?? []
        guard reader.diagnostics.isEmpty else { throw DefinitionError(reader.diagnostics) }
    }
}

/// The text of a definitions file, for places and carets.
struct SourceText: Sendable {
    var file: String
    var lines: [Substring]

    init(file: String, text: String) {
        self.file = file
        lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    }

    func diagnostic(_ place: Place?, _ message: String, advice: String? = nil) -> Diagnostic {
        let excerpt = place.flatMap {
            (1...max(1, lines.count)).contains($0.line) && !lines.isEmpty ? String(lines[$0.line - 1]) : nil
        }
        return Diagnostic(file: file, place: place, message: message, advice: advice, excerpt: excerpt)
    }

    /// The YAML parser's error, in our form.
    func diagnostic(yaml error: any Error) -> Diagnostic {
        guard let error = error as? YamlError else { return diagnostic(nil, "not YAML: \(error)") }
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return diagnostic(
                Place(line: mark.line, column: mark.column), "not YAML: \(problem)",
                advice: "an expression with ': ' or ' #' in it goes between quotes or after '|'")
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.joined(separator: ", ")
            return diagnostic(
                Place(line: context.mark.line, column: context.mark.column), "duplicate name: \(names)",
                advice: "each name stands once in a list; a changed function is a new version, .v2")
        case .reader(let problem, let offset, _, _):
            return diagnostic(nil, "not YAML: \(problem)\(offset.map { " at byte \($0)" } ?? "")")
        default:
            return diagnostic(nil, "not YAML: \(error)")
        }
    }
}

/// Maps bytes of an expression back to places in the file, through YAML's quoting, folding and indentation.
struct ExpressionPlaces: Sendable {
    private var places: [Place]

    /// Walks the file from where the scalar begins, matching character by character; white space matches loosely, since
    /// YAML folds it.
    init(scalar: String, start: Place, in source: SourceText) {
        let text = Array(scalar.unicodeScalars)
        places = []
        var line = start.line - 1
        // A text that isn't here (it comes from an alias, or has escapes) must not be searched for in the whole file.
        let end = min(source.lines.count, start.line + text.count + 64)
        var column = start.column - 1
        var here = line < end ? Array(source.lines[line].unicodeScalars) : []
        if column < here.count, here[column] == "|" || here[column] == ">" { column = here.count }
        if column < here.count, here[column] == "\"" || here[column] == "'" { column += 1 }
        for scalar in text {
            let isSpace = scalar == " " || scalar == "\n"
            if !isSpace {
                let before = (line, column, here)
                defer {
                    // Written differently, for example as an escape: the search for what follows goes on from here.
                    if line >= end { (line, column, here) = before }
                }
                while line < end, column >= here.count || here[column] != scalar {
                    // Skips doubled or escaped quotes inside a quoted scalar, line ends and indentation.
                    if column + 1 < here.count {
                        column += 1
                    } else {
                        line += 1
                        column = 0
                        here = line < end ? Array(source.lines[line].unicodeScalars) : []
                    }
                }
            }
            let place = Place(line: min(line + 1, end), column: column + 1)
            places += Array(repeating: place, count: String(scalar).utf8.count)
            if !isSpace || column < here.count && here[column] == scalar { column += 1 }
        }
        places.append(Place(line: min(line + 1, end), column: column + 1))
    }

    func place(offset: Int) -> Place { places[min(offset, places.count - 1)] }
}
