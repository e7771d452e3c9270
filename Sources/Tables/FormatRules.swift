internal import ArrowIPC
internal import FeatureEngine
internal import FeatureLanguage

/// Everything particular to a file format. Each format has one value of this type, in its own folder, and nothing
/// outside that folder asks which format it is.
struct FormatRules: Sendable {
    /// What the names of files end with after a dot, in lower case; the first is the one that messages name.
    let suffixes: [String]
    /// Its media types over HTTP; the first is the one that messages name.
    let mediaTypes: [String]
    /// Whether columns have types of their own, so that a spine is kept with them.
    let isTyped: Bool
    /// Whether pushes may use it.
    let isPushed: Bool
    let reader: @Sendable (ByteReader, ReadRequest) throws(TableError) -> any FormatReader
    /// Begins a file with these columns.
    let writer: @Sendable ([ArrowField], ByteWriter) throws(TableError) -> any FormatWriter
}

/// Reads rows of a file as tables of typed columns, and keeps every column as it stood in the file if the request says
/// so.
protocol FormatReader {
    /// What was asked for, with the optional columns that the file has.
    var request: ReadRequest { get }
    /// Columns that the file lacks, so that every row has NULL; empty for a format where nobody knows before the end.
    var absent: [String] { get }
    /// The next rows, at least one and about `limit` at most; nil at the end. Absent columns are NULL.
    mutating func next(_ limit: Int) throws(TableError) -> Table?
    /// The file's columns in order, as they stood in the rows handed out; empty unless the request keeps them.
    func kept() -> [PassedColumn]
}

/// Writes columns to a file, some rows at a time.
protocol FormatWriter {
    /// - Parameter columns: those that the file began with, in their order; in an untyped format, only of types that
    ///   have a text (`PassedColumn.plain`).
    mutating func write(_ columns: [PassedColumn], rowCount: Int) throws(TableError)
    mutating func finish() throws(TableError)
}

/// What a file's reader is asked for, and the words in which it says what is wrong.
struct ReadRequest {
    /// The file's name, for errors.
    let name: String
    var schema: TableReader.Schema
    let options: ReadOptions

    /// Takes in the optional columns that the file has.
    mutating func add(_ has: (String) -> Bool) { schema.columns += schema.optional.filter { has($0.name) } }

    func isRead(_ name: String) -> Bool { schema.columns.contains { $0.name == name } }

    /// Refuses a file that has the wrong columns.
    ///
    /// - Parameter place: where a file of this format names its columns.
    func require(_ titles: [String], in place: String, line: Int?) throws(TableError) {
        // Columns that are skipped may share a name.
        for (index, title) in titles.enumerated() where schema.keepsAll || isRead(title) {
            guard titles[..<index].contains(title) else { continue }
            throw TableError(
                file: name, line: line, column: String(title.prefix(63)), message: "stands twice in the \(place)")
        }
        if !schema.keepsAll, !options.ignoresExtra, let extra = titles.first(where: { !isRead($0) }) {
            throw undeclared(extra, line: line)
        }
        for column in schema.columns where schema.present.contains(column.name) && !titles.contains(column.name) {
            throw missing(column.name, from: place, line: line)
        }
    }

    /// The error for a column that isn't among those to be read.
    func undeclared(_ title: String, line: Int?) -> TableError {
        let passing = options.names.advice("ignore-extra") { "; \($0) passes over others" } ?? ""
        return TableError(
            file: name, line: line, column: String(title.prefix(63)), message: "is not declared",
            advice: "known columns: \(schema.columns.map(\.name).joined(separator: ", "))\(passing)")
    }

    /// The error for a column that is missing.
    ///
    /// - Parameter place: what it is missing from; nil for a row.
    func missing(_ column: String, from place: String?, line: Int?) -> TableError {
        if let instants = schema.instants {
            let other = options.names.advice("timestamp") { "; \($0) names another column" } ?? ""
            return TableError(
                file: name, line: line, column: column, message: "the spine lacks it",
                advice: column == instants
                    ? "it holds the instants\(other)" : "the set needs it as a key or request input")
        }
        return TableError(
            file: name, line: line, column: column, message: "is missing" + (place.map { " from the \($0)" } ?? ""),
            advice: place == nil ? nil : "keys, id, event time, known-at and tombstone columns can't be left out")
    }

    /// - Parameters:
    ///   - line: counted from 1, of a text file.
    ///   - row: counted from 1, for formats without lines.
    func null(_ column: Int, line: Int? = nil, row: Int? = nil) -> TableError {
        let column = schema.columns[column].name
        return TableError(
            file: name, line: line, column: column,
            message: (column == schema.instants ? "an instant may not be NULL" : "may not be NULL")
                + (row.map { ", as in row \($0)" } ?? ""))
    }

    /// The error for a text that is no value of its column's type.
    func fault(_ column: Int, _ line: Int, _ text: some Collection<UInt8>, isQuoted: Bool) -> TableError {
        let column = schema.columns[column]
        return TableError(
            file: name, line: line, column: column.name, message: "is not \(column.type.phrase)",
            advice: FieldParser.advice(text, isQuoted: isQuoted, column.type, options))
    }
}
