internal import Foundation

/// How a file of rows is laid out, by its name in any case: `.csv`, `.ndjson` or `.jsonl`, `.arrow` or `.feather` (IPC
/// file), `.arrows` (IPC stream), each also `.gz` or `.zst`. A pipe that has no such name is CSV.
public struct FileFormat: Sendable, Hashable {
    public enum Layout: String, Sendable, CaseIterable {
        case csv, ndjson, arrow, arrows

        /// Whether it holds Arrow, typed by itself.
        public var isArrow: Bool { self == .arrow || self == .arrows }
    }
    public enum Compression: String, Sendable { case none, gzip = "gz", zstd = "zst" }

    public var layout: Layout
    public var compression: Compression

    public init(layout: Layout, compression: Compression = .none) {
        self.layout = layout
        self.compression = compression
    }

    /// - Throws: a file whose suffix says nothing of what is in it.
    public init(path: String) throws(TableError) {
        var name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
        compression = .none
        for compression in [Compression.gzip, .zstd] where name.hasSuffix("." + compression.rawValue) {
            self.compression = compression
            name.removeLast(compression.rawValue.utf8.count + 1)
        }
        // What others call the same.
        for (other, ours) in [(".jsonl", ".ndjson"), (".feather", ".arrow")] where name.hasSuffix(other) {
            name = name.dropLast(other.count) + ours
        }
        if let layout = Layout.allCases.first(where: { name.hasSuffix("." + $0.rawValue) }) {
            self.layout = layout
        } else if FileFormat.isPipe(path) {
            (layout, compression) = (.csv, .none)
        } else {
            let advice =
                name.hasSuffix(".parquet")
                ? "Parquet goes in and out through Python: firn.connect(…).import_file, and to_arrow with pyarrow.parquet"
                : "name it .csv, .ndjson, .arrow or .arrows, each also with .gz or .zst"
            throw TableError(file: path, message: "unknown kind of file", advice: advice)
        }
    }

    /// Whether it is standard input or output, a pipe or a device: what can't be replaced by another file.
    public static func isPipe(_ path: String) -> Bool {
        if ["/dev/stdin", "/dev/stdout"].contains(path) || path.hasPrefix("/dev/fd/") { return true }
        let type =
            try? FileManager.default.attributesOfItem(
                atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)[.type] as? FileAttributeType
        return ![nil, .typeRegular, .typeDirectory].contains(type)
    }
}

/// A file of rows that can't be read or written: which, where and what to do. Never the data itself.
public struct TableError: Error, Sendable, Hashable, CustomStringConvertible {
    public var file: String
    /// Counted from 1; of a record over several lines, where it begins.
    public var line: Int?
    public var column: String?
    public var message: String
    public var advice: String?
    /// Whether nothing is wrong with the rows but that there are too many.
    public var isTooMuch = false

    public init(
        file: String, line: Int? = nil, column: String? = nil, message: String, advice: String? = nil,
        isTooMuch: Bool = false
    ) {
        self.isTooMuch = isTooMuch
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.advice = advice
    }

    public var description: String {
        var text = file
        if let line { text += ":\(line)" }
        if let column { text += ": column '\(column)'" }
        text += ": \(message)"
        if let advice { text += " (\(advice))" }
        return text
    }
}
