public import ArgumentParser
import FeatureEngine
import FeatureLanguage
import Foundation
import Tables

/// How to read files of rows.
struct FileOptions: ParsableArguments {
    @Option(help: "An additional word that means NULL when unquoted, such as NA.")
    var null: String?

    @Option(help: "Read times as integers since 1970, in s, ms or us.")
    var epoch: Epoch?

    @Option(
        help: ArgumentHelp("Field delimiter of CSV, such as ';' or '\\t'; a comma by default.", valueName: "character"),
        transform: parseDelimiter)
    var delimiter: UInt8 = UInt8(ascii: ",")

    @Flag(help: "Ignore columns that the source doesn't declare.")
    var ignoreExtra = false

    var reading: ReadOptions {
        ReadOptions(null: null, epoch: epoch, ignoresExtra: ignoreExtra, delimiter: delimiter, names: .flags)
    }
}

/// The name under which an action is recorded.
struct ActorOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who to name in the ledger; FIRN_ACTOR by default, or else the user's name.", valueName: "name"))
    var actor: String?

    func validate() throws {
        guard (1...200).contains((actor ?? Environment.actor).utf8.count) else {
            throw ValidationError("An actor has 1 to 200 bytes.")
        }
    }
}

/// What counts as known at the instants of a spine.
struct ReadingOptions: ParsableArguments {
    @Flag(help: "At every instant, read what is known today instead of what was known then.")
    var hindsight = false

    @Option(help: ArgumentHelp("Read only rows known by this time.", valueName: "time"), transform: parseInstant)
    var knownBy: Instant?

    var mode: Reading.Mode { hindsight ? .hindsight : .asServed }
}

/// Names for the shell to complete, taken from the project in the current directory.
extension CompletionKind {
    static let names = CompletionKind.shellCommand("firn list --names 2>/dev/null")
    static let sets = CompletionKind.shellCommand("firn list sets --names 2>/dev/null")
    static let features = CompletionKind.shellCommand("firn list features --names 2>/dev/null")
    static let sources = CompletionKind.shellCommand("firn list sources --names 2>/dev/null")
}

extension Reading.Mode {
    var words: String { self == .asServed ? "as served" : "in hindsight" }
}

extension Epoch: ExpressibleByArgument {}

func parseInstant(_ text: String) throws -> Instant {
    guard let instant = Instant(text: text) else {
        throw ValidationError("'\(text)' is not a time; write 2024-05-01T09:30:00Z")
    }
    return instant
}

/// The file itself or, for a directory, all definitions files below it, in byte order of their paths.
private func definitionsFiles(_ path: String) throws -> [String] {
    guard path != "-", (try? URL(fileURLWithPath: path).resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true
    else { return [path] }
    let below = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
    let found = below.filter { file in
        (file.hasSuffix(".yaml") || file.hasSuffix(".yml"))
            && !file.split(separator: "/").contains { $0.hasPrefix(".") }
    }
    guard !found.isEmpty else { throw Failure("\(path): no .yaml or .yml file is in this directory") }
    return found.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map {
        path.hasSuffix("/") ? path + $0 : "\(path)/\($0)"
    }
}

func parseDelimiter(_ text: String) throws -> UInt8 {
    guard let delimiter = ReadOptions.delimiter(text) else {
        throw ValidationError("'\(text)' is no delimiter; it is one character of ASCII, such as ';' or '\\t'")
    }
    return delimiter
}

/// Reads definitions files, `-` for standard input.
func readDocuments(_ paths: [String]) throws -> [DefinitionDocument] {
    var documents: [DefinitionDocument] = []
    var diagnostics: [Diagnostic] = []
    for path in try paths.flatMap(definitionsFiles) {
        let handle = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        guard let data = try handle?.read(upToCount: DefinitionDocument.maximumBytes + 1) else {
            guard handle != nil else { throw Failure("\(path): can't be read") }
            documents.append(try DefinitionDocument(yaml: "", file: path))
            continue
        }
        guard let text = String(validating: data, as: UTF8.self) else { throw Failure("\(path): not UTF-8 text") }
        do {
            documents.append(try DefinitionDocument(yaml: text, file: path))
        } catch {
            diagnostics += error.diagnostics
        }
    }
    guard diagnostics.isEmpty else { throw DefinitionError(diagnostics) }
    return documents
}
