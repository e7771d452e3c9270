import ArgumentParser
import FeatureLanguage
import Foundation
import Tables

/// What the commands print, and where: results on standard output, everything else on standard error.
enum Terminal {
    static let isInteractive = isatty(STDERR_FILENO) == 1
    static let outputIsInteractive = isatty(STDOUT_FILENO) == 1

    static func out(_ text: String) {
        FileHandle.standardOutput.write(Data((text + "\n").utf8))
    }

    /// Prints a message that accompanies rows: on standard error if they go to standard output or a pipe.
    static func beside(_ output: String?, _ text: String) {
        if let output, FileFormat.isPipe(output) { note(text) } else { out(text) }
    }

    static func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// Prints what went wrong and returns the exit code.
    static func report(_ error: any Error) -> Int32 {
        let code = Firn.exitCode(for: error)
        switch error {
        // A fault in a file begins with its location.
        case let error as DefinitionError:
            note((error.diagnostics.first?.file == nil ? "error: " : "") + error.description)
        case let error as UnknownName: note("error: \(error)")
        case let error as TableError: note("error: \(error)")
        case let error as Failure: note("error: \(error)")
        default:
            let text = Firn.fullMessage(for: error)
            if code == .success {
                out(text)
            } else if !text.isEmpty {
                note(code == .validationFailure ? text : "error: \(error)")
            }
        }
        return code == .success ? 0 : code == .validationFailure ? 2 : 1
    }
}

/// A command can't do what it was asked to; the description says what to do instead.
struct Failure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
